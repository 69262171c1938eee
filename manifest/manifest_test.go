package manifest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v4"

	"github.com/slipway-sh/slipway"
)

// TestDocumented checks that the example in the documentation is valid and has every key there is.
func TestDocumented(t *testing.T) {
	text, err := os.ReadFile("../docs/slipway-yaml.md")
	if err != nil {
		t.Fatal(err)
	}
	_, text, _ = bytes.Cut(text, []byte("## Every key once\n\n```yaml\n"))
	text, _, _ = bytes.Cut(text, []byte("```"))
	spec, err := Parse("docs/slipway-yaml.md", text)
	if err != nil {
		t.Fatal(err)
	}
	if err := spec.Validate(); err != nil {
		t.Error(err)
	}
	var schema any
	if err := json.Unmarshal(Schema(), &schema); err != nil {
		t.Fatal(err)
	}
	var look func(v any)
	look = func(v any) {
		of, _ := v.(map[string]any)
		for name, v := range of {
			keys, _ := v.(map[string]any)
			for key := range keys {
				if name == "properties" && !bytes.Contains(text, []byte(key+":")) {
					t.Errorf("docs/slipway-yaml.md does not show the key %s", key)
				}
			}
			look(v)
			alternatives, _ := v.([]any)
			for _, v := range alternatives {
				look(v)
			}
		}
	}
	look(schema)
}

// small is the smallest slipway.yaml there is; tests append to it.
const small = `application: hello
image:
  from: scratch
  service:
    command: [/hello]
    port: 8080
`

func TestParse(t *testing.T) {
	spec, err := Parse("slipway.yaml", readTestdata(t, "full.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	ptr := func(n int) *int { return &n }
	number := func(n float64) *float64 { return &n }
	no, wait, one, all := false, slipway.Duration(30*time.Second), slipway.Amount{N: 1}, slipway.Amount{N: 100, Percent: true}
	analysis := slipway.Analysis{
		Metrics: []slipway.Metric{
			{Name: "errors", Source: slipway.SourceErrors, Critical: true, Tolerance: 0.5, MinEffect: 0.01},
			{Name: "queue", Query: `queue{group="$group"}`, Server: "http://127.0.0.1:9091", Direction: slipway.DirectionEither},
		},
		Pass: 90, Marginal: 60, MinSamples: 20, LowTraffic: slipway.LowTrafficHold, Extend: slipway.Duration(time.Hour),
	}
	want := slipway.Spec{
		Application: "hello",
		Image: slipway.ImageSpec{
			From: "debian:bookworm", Irreversible: true,
			Layers: []slipway.Layer{
				{Packages: []string{"nginx-light"}},
				{Copy: &slipway.CopyLayer{From: "dist/hello.tar.gz", To: "/opt/hello", Unpack: true, Owner: "1000:1000", Mode: "0755"}},
				{Template: &slipway.TemplateLayer{From: "etc/app.conf.tmpl", To: "/etc/app.conf", Values: map[string]string{"greeting": "hi"}}},
				{Run: &slipway.RunLayer{Script: "provision/setup.sh", Inputs: []string{"provision/**"}, Env: map[string]string{"A": "b"}, Network: true, Timeout: slipway.Duration(time.Minute)}},
			},
			Service: slipway.Service{
				Command: []string{"/opt/hello/hello"}, User: "1000", Env: map[string]string{"LOG": "info"}, Port: 8080,
				Health: slipway.Health{HTTP: "/healthz", Interval: slipway.Duration(time.Second), Timeout: slipway.Duration(2 * time.Second)}, Drain: slipway.Duration(10 * time.Second),
			},
			Tests: []slipway.Test{
				{HTTP: &slipway.HTTPTest{Path: "/", Status: 200, Contains: "hello"}},
				{TCP: &slipway.TCPTest{}},
				{Command: &slipway.CommandTest{Run: []string{"test", "-f", "/etc/app.conf"}}},
			},
		},
		Environments: map[string]slipway.Environment{
			"bare":    {},
			"dev":     {Account: "local", Size: slipway.Size{Min: 1, Desired: 1, Max: 1}, Strategy: slipway.Strategy{Highlander: &slipway.Highlander{}}},
			"staging": {Account: "local", Size: slipway.Size{Min: 2, Desired: 3, Max: 10}, Config: map[string]string{"GREETING": "hi"}, Limits: slipway.Limits{CPU: 0.5, Memory: 256}},
			"prod": {
				Account: "local", Size: slipway.Size{Min: 2, Desired: 3, Max: 10}, Config: map[string]string{"GREETING": "hello"}, Limits: slipway.Limits{CPU: 0.5, Memory: 256},
				LoadBalancer: &slipway.LoadBalancerSpec{Port: 8443, Sticky: slipway.Sticky{Cookie: slipway.DefaultCookie}},
				Strategy:     slipway.Strategy{RedBlack: &slipway.RedBlack{Watch: slipway.Duration(time.Minute), Keep: ptr(2)}},
				Policy: slipway.Policy{
					MinHealthy: slipway.Amount{N: 60, Percent: true}, OnFailure: slipway.FailureHold, Hold: slipway.Duration(2 * time.Hour), OnConflict: slipway.ConflictSupersede,
				},
				Prometheus: "http://127.0.0.1:9090",
				Checks: []slipway.Check{
					{HTTP: &slipway.HTTPTest{Path: "/healthz"}, When: []slipway.Phase{slipway.PhaseBefore, slipway.PhaseAfter}, Interval: slipway.Duration(time.Second), Count: 3, Failures: 1},
					{File: &slipway.FileTest{Path: "/etc/app.conf"}, Timeout: slipway.Duration(time.Second)},
					{Log: &slipway.LogCheck{Pattern: "(?i)panic|fatal", Max: 2}},
					{
						LoadBalancer: &slipway.LoadBalancerCheck{MaxErrors: number(0.01), MaxLatency: slipway.Duration(200 * time.Millisecond), MinRequests: 50},
						When:         []slipway.Phase{slipway.PhaseDuring}, NoData: slipway.NoDataPass,
					},
					{PromQL: &slipway.PromQLCheck{Query: `sum(errors{group="$group"})`, Server: "https://prometheus.example.com", Min: number(0), Max: number(0.5)}},
					{Webhook: &slipway.WebhookCheck{URL: "https://example.com/ok?a=b", Headers: map[string]string{"Authorization": "Bearer x"}}, NoData: slipway.NoDataFail},
				},
			},
			"steps": {
				LoadBalancer: &slipway.LoadBalancerSpec{Port: 8444, Sticky: slipway.Sticky{Cookie: "shop"}},
				Strategy: slipway.Strategy{RollingRedBlack: &slipway.RollingRedBlack{
					Steps: []int{10, 50}, Wait: slipway.Duration(time.Minute), Watch: slipway.Duration(2 * time.Minute), Keep: ptr(0),
				}},
			},
			"batches": {
				Size:         slipway.Size{Min: 4, Desired: 4, Max: 4},
				LoadBalancer: &slipway.LoadBalancerSpec{Port: 8445, Sticky: slipway.Sticky{Header: "X-User"}},
				Strategy: slipway.Strategy{Rolling: &slipway.Rolling{
					Batch: slipway.Amount{N: 25, Percent: true}, MinHealthy: ptr(75), MaxHealthy: ptr(125), Checkpoints: []int{50},
					Delay: slipway.Duration(10 * time.Minute), SkipMatched: true, Watch: slipway.Duration(time.Minute),
				}},
			},
			"few": {LoadBalancer: &slipway.LoadBalancerSpec{Port: 8446}, Strategy: slipway.Strategy{Canary: &slipway.Canary{}}},
			"share": {
				Size: slipway.Size{Min: 2, Desired: 10, Max: 10}, LoadBalancer: &slipway.LoadBalancerSpec{Port: 8447}, Prometheus: "http://127.0.0.1:9090",
				Strategy: slipway.Strategy{Canary: &slipway.Canary{
					Steps: []int{1, 10}, Size: one, Interval: slipway.Duration(5 * time.Minute), Baseline: &no, Replace: true, Analysis: &analysis,
					Watch: slipway.Duration(time.Hour), Keep: ptr(1),
				}},
			},
			"written": {
				Size: slipway.Size{Min: 2, Desired: 2, Max: 2}, LoadBalancer: &slipway.LoadBalancerSpec{Port: 8448},
				Strategy: slipway.Strategy{Custom: &slipway.Custom{Watch: slipway.Duration(time.Minute), Steps: []slipway.CustomStep{
					{Webhook: &slipway.WebhookCheck{URL: "http://127.0.0.1:1/begin"}},
					{Create: &one},
					{Check: &slipway.Check{TCP: &slipway.TCPTest{}}},
					{Run: &slipway.CommandTest{Run: []string{"/warm"}}},
					{Weight: ptr(10)},
					{Wait: &wait},
					{Analyse: &slipway.AnalyseStep{For: slipway.Duration(5 * time.Minute), Analysis: analysis}},
					{Approve: &slipway.ApproveStep{}},
					{Approve: &slipway.ApproveStep{Message: "Go on?", Expires: slipway.Duration(time.Hour)}},
					{Create: &all},
					{Weight: ptr(100)},
					{Retire: &slipway.RetireStep{Keep: 3}},
				}}},
			},
			"dark":   {Strategy: slipway.Strategy{None: &slipway.NoTraffic{}}},
			"darker": {Strategy: slipway.Strategy{None: &slipway.NoTraffic{}}},
		},
		Retention: &slipway.Retention{Keep: 5, Days: 7},
	}
	if diff := cmp.Diff(want, spec); diff != "" {
		t.Error(diff)
	}

	// What is stored and sent as JSON comes back the same, and so does what is read of that as YAML, of which JSON is a part.
	b, err := json.Marshal(spec)
	if err != nil {
		t.Fatal(err)
	}
	var again slipway.Spec
	if err := json.Unmarshal(b, &again); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(spec, again); diff != "" {
		t.Errorf("as JSON: %s", diff)
	}
	if again, err = Parse("again", b); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(spec, again); diff != "" {
		t.Errorf("as YAML again: %s", diff)
	}
}

// mistakes are files with what Parse says of them, one line for each mistake. Marked ones have the right form: a schema passes them.
var mistakes = map[string]struct {
	file, want string
	formed     bool
}{
	"empty":           {file: "", want: "1:1: cannot use an empty file"},
	"only a comment":  {file: "# hello\n", want: "1:1: cannot use an empty file"},
	"only a marker":   {file: "---\n", want: "1:1: cannot do without the application's name;1:1: cannot bake from nothing"},
	"a list":          {file: "- a\n", want: "1:1: cannot use a list here: want an object with the keys application, environments, image"},
	"text":            {file: "hello\n", want: `1:1: cannot use the text "hello" here: want an object`},
	"syntax":          {file: "application: [a\nimage: b\n", want: "2:6: cannot read it as YAML"},
	"tab":             {file: "application: a\n\timage: b\n", want: "2:1: cannot read it as YAML"},
	"no text":         {file: "application: a\nimage: \"\xff\"\n", want: "2:9: cannot read it as YAML"},
	"unknown alias":   {file: "application: *a\n", want: "1:14: cannot read it as YAML: unknown anchor"},
	"two documents":   {file: small + "---\n" + small, want: "7:1: cannot use a second document"},
	"unknown key":     {file: small + "enviroments: {}\n", want: `7:1: cannot use the key "enviroments": did you mean "environments"?`},
	"swapped letters": {file: small + "  lyaers: []\n", want: `7:3: cannot use the key "lyaers": did you mean "layers"?`},
	"capital letter":  {file: small + "  Tests: []\n", want: `7:3: cannot use the key "Tests": did you mean "tests"?`},
	"no such key":     {file: small + "  bananas: []\n", want: `7:3: cannot use the key "bananas": want one of from, irreversible, layers, service, tests`},
	"all is state":    {file: small + "    state: [/]\n", want: "7:13: cannot take all of the machine for state", formed: true},

	"stage of no kind":       {file: small + "pipeline: [bak]\n", want: `7:12: cannot use "bak" here: did you mean "bake"?`},
	"stage without more":     {file: small + "pipeline: [deploy]\n", want: `7:12: cannot use "deploy" here: it wants more than its name`},
	"stage of two kinds":     {file: small + "pipeline: [{bake: , wait: 1m}]\n", want: `7:12: cannot have bake and wait in one entry`},
	"no stages":              {file: small + "pipelines: {a: {stages: []}}\n", want: `7:17: cannot run a pipeline without stages`},
	"default twice":          {file: small + "pipeline: [bake]\npipelines: {default: {stages: [bake]}}\n", want: `7:1: cannot have the default pipeline twice`, formed: true},
	"unknown environment":    {file: small + "pipeline: [bake, deploy: prod]\n", want: `7:26: cannot use the environment "prod": slipway.yaml defines no environment`, formed: true},
	"same id":                {file: small + "pipeline: [{id: a, bake: }, {id: a, test: }]\n", want: `7:34: cannot have two stages "a": the other is pipeline[0]`, formed: true},
	"unknown need":           {file: small + "pipeline: [bake, {test: , needs: [bake, deploy]}]\n", want: `7:41: cannot need "deploy": the stages are bake, test`, formed: true},
	"needs itself":           {file: small + "pipeline: [{test: , needs: [test]}]\n", want: `7:29: cannot need itself`, formed: true},
	"cycle":                  {file: small + "pipeline: [bake, {id: a, wait: 1m, needs: [bake, c]}, {id: b, wait: 1m}, {id: c, wait: 1m}]\n", want: `7:36: cannot begin any of a -> c -> b -> a: each waits for the next`, formed: true},
	"expression":             {file: small + "pipeline: [bake, {test: , when: params.x ==}]\n", want: "7:33: cannot read the expression `params.x ==`: mismatched input", formed: true},
	"no condition":           {file: small + "pipeline: [bake, {test: , when: image.version}]\n", want: "7:33: cannot decide by `image.version`: it is text, want true or false", formed: true},
	"unknown parameter":      {file: small + "pipeline: [bake, {test: , when: params.x == '1'}]\n", want: "7:33: cannot ask for params.x in `params.x == '1'`: the pipeline has no parameters", formed: true},
	"stage that comes later": {file: small + "pipeline: [{test: , when: 'stages.wait.state == \"failed\"'}, wait: 1m]\n", want: "7:27: cannot ask for the stage wait in", formed: true},
	"text in a list":         {file: small + "pipelines: {a: {stages: [{run: {command: [a, '${{ parms.x }}']}}]}}\n", want: "7:46: cannot read the expression `parms.x`: there is no \"parms\"", formed: true},
	"on failure":             {file: small + "pipeline: [{bake: , on_failure: panic}]\n", want: `7:33: cannot use "panic" as what to do on failure: want one of stop, continue, rollback`},
	"stages for a failure":   {file: small + "pipeline: [{bake: , on_failure: [{wait: 1m}, {run: {}}]}]\n", want: `7:47: cannot run nothing`},
	"itself as a child":      {file: small + "pipeline: [pipeline: default]\n", want: `7:22: cannot run default in itself`, formed: true},
	"time that is none":      {file: small + "pipeline: [wait: {until: noon}]\n", want: `7:26: cannot read "noon" as a time`, formed: true},
	"wrong default":          {file: small + "pipelines: {a: {parameters: {x: {default: c, options: [a, b]}}, stages: [bake]}}\n", want: `7:43: cannot use "c": want one of the options a, b`, formed: true},
	"keys of elsewhere": {
		file: small + "  tests: [{promql: a}]\nenvironments:\n  prod: {on_failure: hold, checks: [{goss: a}], strategy: {blue-green: {}}}\n",
		want: `7:12: cannot use "promql" here: it is a check of deployments;9:10: cannot use "on_failure" here: write it in policy;9:38: cannot use "goss" here: it needs the build context;9:60: cannot use "blue-green" here: it is called "redblack"`,
	},
	"twice":               {file: small + "application: b\n", want: `7:1: cannot have the key "application" twice`},
	"number key":          {file: small + "environments: {1: {}}\n", want: "7:16: cannot use the number 1 as a key: want text"},
	"number for text":     {file: small + "    user: 1000\n", want: `7:11: cannot use the number 1000 here: want text; write it in quotes: "1000"`},
	"bool for text":       {file: small + "    env: {A: true}\n", want: `7:14: cannot use true here: want text; write it in quotes: "true"`},
	"date for text":       {file: small + "    env: {A: 2026-01-01}\n", want: `7:14: cannot use "2026-01-01" here: want text; write it in quotes: "2026-01-01"`},
	"nothing for text":    {file: small + "    user:\n", want: `7:10: cannot use nothing here: want text`},
	"object for text":     {file: small + "    user: {}\n", want: `7:11: cannot use an object here: want text`},
	"text for number":     {file: small + "    health: {failures: two}\n", want: `7:24: cannot use the text "two" here: want a whole number`},
	"half a port":         {file: small + "  tests: [{tcp: {port: 80.5}}]\n", want: `7:24: cannot use the number 80.5 here: want a whole number`},
	"endless cpu":         {file: small + "environments: {a: {limits: {cpu: .inf}}}\n", want: `7:34: cannot use the number .inf here: want a number`},
	"yes for true":        {file: small + "  layers: [{copy: {from: a, to: /, unpack: yes}}]\n", want: `7:44: cannot use the text "yes" here: want true or false`},
	"text for list":       {file: small + "  layers: copy\n", want: `7:11: cannot use the text "copy" here: want a list`},
	"object for list":     {file: small + "  layers: {copy: {}}\n", want: `7:11: cannot use an object here: want a list`},
	"number of seconds":   {file: small + "    drain: 10\n", want: `7:12: cannot use "10" here: want a duration such as "10s" or "1m30s"`},
	"negative duration":   {file: small + "    drain: -1s\n", want: `7:12: cannot use "-1s" here: want a duration`},
	"list for duration":   {file: small + "    drain: [1s]\n", want: `7:12: cannot use a list here: want a duration`},
	"text for size":       {file: small + "environments: {a: {size: big}}\n", want: `7:26: cannot use "big" here: want a number or {min, desired, max}`},
	"size 0":              {file: small + "environments: {a: {size: 0}}\n", want: `7:26: cannot have 0 instances: want 1 or more`},
	"unknown size":        {file: small + "environments: {a: {size: {minimum: 1}}}\n", want: `7:27: cannot use the key "minimum": did you mean "min"?`},
	"unknown strategy":    {file: small + "environments: {a: {strategy: bluegreen}}\n", want: `7:30: cannot use "bluegreen" here: it is called "redblack"`},
	"strategy of others":  {file: small + "environments: {a: {strategy: linear}}\n", want: `7:30: cannot use "linear" here: want one of highlander, redblack`},
	"misspelt strategy":   {file: small + "environments: {a: {strategy: canry}}\n", want: `7:30: cannot use "canry" here: did you mean "canary"?`},
	"number for strategy": {file: small + "environments: {a: {strategy: 1}}\n", want: `7:30: cannot use "1" here: want one of highlander`},
	"custom by name":      {file: small + "environments: {a: {strategy: custom}}\n", want: `7:30: cannot use "custom" here: write its steps`},
	"misspelt option":     {file: small + "environments: {a: {strategy: {rolling: {bach: 1}}}}\n", want: `7:41: cannot use the key "bach": did you mean "batch"?`},
	"misspelt step":       {file: small + "environments: {a: {strategy: {custom: {steps: [{creat: 1}]}}}}\n", want: `7:49: cannot use the key "creat": did you mean "create"?`},
	"misspelt in a step": {
		file: small + "environments: {a: {load_balancer: {port: 1}, strategy: {custom: {steps: [{create: 1}, {analyse: {metric: []}}]}}}}\n",
		want: `7:98: cannot use the key "metric": did you mean "metrics"?`,
	},
	"misspelt for a step": {file: small + "environments: {a: {strategy: {custom: {steps: [{analyse: {four: 1m}}]}}}}\n", want: `7:59: cannot use the key "four": did you mean "for"?`},
	"two strategies":      {file: small + "environments:\n  a:\n    strategy: {redblack: , none: }\n", want: "9:5: cannot follow redblack and none at once"},
	"amount of nothing":   {file: small + "environments: {a: {policy: {min_healthy: 0}}}\n", want: `7:42: cannot use 0 as an amount: it would stand for the default`},
	"amount of a part":    {file: small + "environments: {a: {policy: {min_healthy: 1.5}}}\n", want: `7:42: cannot use "1.5" here: want a number of machines such as 2, or a share such as "50%"`},
	"amount of text":      {file: small + "environments: {a: {policy: {min_healthy: half}}}\n", want: `7:42: cannot use "half" here: want a number of machines`},
	"amount of an object": {file: small + "environments: {a: {policy: {min_healthy: {n: 1}}}}\n", want: `7:42: cannot use an object here: want a number of machines`},
	"no amount":           {file: small + "environments: {a: {policy: {min_healthy: }}}\n", want: `7:42: cannot use nothing here: want a number of machines`},
	"sticky by what":      {file: small + "environments: {a: {load_balancer: {port: 1, sticky: header}}}\n", want: `7:53: cannot use "header" here: want cookie, {cookie: NAME} or {header: NAME}`},
	"sticky by no name":   {file: small + "environments: {a: {load_balancer: {port: 1, sticky: {cookie: ''}}}}\n", want: `7:53: cannot be sticky by nothing`},
	"sticky by nothing":   {file: small + "environments: {a: {load_balancer: {port: 1, sticky: {}}}}\n", want: `7:53: cannot be sticky by nothing`},
	"sticky by both":      {file: small + "environments: {a: {load_balancer: {port: 1, sticky: {cookie: a, header: b}}}}\n", want: `7:45: cannot be sticky by cookie and by header`},
	"misspelt policy":     {file: small + "environments: {a: {policy: {on_failure: rolback}}}\n", want: `7:41: cannot use "rolback" here: did you mean "rollback"?`},
	"misspelt phase":      {file: small + "environments: {a: {checks: [{tcp: {}, when: [befor]}]}}\n", want: `7:46: cannot use "befor" here: did you mean "before"?`},
	"two checks in one":   {file: small + "environments:\n  a:\n    checks:\n      - tcp:\n        log: {pattern: a}\n", want: "10:9: cannot have tcp and log in one entry"},
	"check of nothing":    {file: small + "environments:\n  a:\n    checks:\n      - count: 1\n", want: "10:9: cannot use an empty entry: write one of http, tcp, command"},
	"half a request":      {file: small + "environments: {a: {load_balancer: {port: 1}, checks: [{load_balancer: {max_errors: 0, min_requests: 0.5}}]}}\n", want: "7:101: cannot use the number 0.5 here: want a whole number"},
	"steps that fall":     {file: small + "environments:\n  a:\n    load_balancer: {port: 1}\n    strategy:\n      canary:\n        steps:\n          - 5\n          - 2\n", want: "14:13: cannot go from 5 % to 2 %", formed: true},
	"canary of workers":   {file: small + "environments:\n  a:\n    strategy: canary\n", want: "9:15: cannot give a canary a share", formed: true},
	"no such log line":    {file: small + "environments:\n  a:\n    checks:\n      - log:\n          pattern: a(b\n", want: "11:20: cannot read it as a regular expression", formed: true},
	"kept for ever":       {file: small + "retention:\n  keep: -1\n", want: "8:9: cannot use -1: want 0 or more"},
	"alias in itself":     {file: "application: hello\nimage: &a\n  from: scratch\n  <<: *a\n", want: "4:7: cannot use the alias *a inside of what it stands for"},
	"all at once":         {file: small + "  x: 1\nenvironments: {a: {size: a}}\nb: 1\n", want: `7:3: cannot use the key "x";8:26: cannot use "a" here;9:1: cannot use the key "b"`},
	"content":             {file: small + "  layers:\n    - copy: {from: dist, to: opt}\n    - copy: {from: dist}\n", want: "8:30: cannot use \"opt\" as a path in the image;9:7: cannot do without a path in the image"},
	"content of nothing":  {file: small + "  tests:\n    - {}\n", want: "8:7: cannot use an empty entry: write one of http, tcp, command"},
	"two in one entry":    {file: small + "  tests:\n    - tcp: {}\n      http: {path: /}\n", want: "8:7: cannot have http and tcp in one entry"},
	"wrong sizes":         {file: small + "environments:\n  a:\n    size: {min: 3, desired: 2, max: 1}\n", want: "9:5: cannot have min 3, desired 2, max 1", formed: true},
	"balanced worker":     {file: strings.Replace(small, "    port: 8080\n", "", 1) + "environments:\n  a:\n    load_balancer: {port: 80}\n", want: "8:5: cannot balance load without a port", formed: true},
	"path out of tree":    {file: small + "  layers:\n    - copy:\n        from: ../secret\n        to: /\n", want: `9:15: cannot use "../secret": want a path below`, formed: true},
	"from no registry":    {file: strings.Replace(small, "scratch", "'oci:'", 1), want: `3:9: cannot use "" as a registry's image`},
	"from itself":         {file: strings.Replace(small, "scratch", "image:hello@stable", 1), want: `3:9: cannot build hello on itself`, formed: true},
}

func TestParseMistakes(t *testing.T) {
	for name, test := range mistakes {
		t.Run(name, func(t *testing.T) {
			_, err := Parse("slipway.yaml", []byte(test.file))
			if err == nil {
				t.Fatal("no error")
			}
			got := strings.Split(err.Error(), "\n")
			want := strings.Split(test.want, ";")
			if strings.Contains(test.want, "; write") {
				want = []string{test.want}
			}
			ok := len(got) == len(want)
			for i := range min(len(got), len(want)) {
				ok = ok && strings.HasPrefix(got[i], "slipway.yaml:"+want[i])
			}
			if !ok {
				t.Errorf("got\n%s\nwant\n%s", err, strings.Join(want, "\n"))
			}
			if slipway.CodeOf(err) != slipway.Invalid {
				t.Errorf("code %q", slipway.CodeOf(err))
			}
		})
	}
}

func TestParseBounds(t *testing.T) {
	bomb := "application: hello\nimage: &a0 {from: scratch, service: {command: [/a]}}\nenvironments:\n  a: &b0 {checks: [&t {tcp: {}}]}\n  b:\n    checks: &l0 [*t, *t, *t, *t, *t, *t, *t, *t, *t, *t]\n"
	list := strings.Repeat("*l, ", 1000)
	var patterns strings.Builder // as long as they may be, wrong, and read for each of the environments
	patterns.WriteString("application: hello\nimage: {from: scratch, service: {command: [/a]}}\nenvironments:\n  a: &a\n    checks: [&c {log: {pattern: 'a(")
	patterns.WriteString(strings.Repeat("b{1000}", 142) + "'}}" + strings.Repeat(", *c", 99) + "]\n")
	for i := range 20 {
		fmt.Fprintf(&patterns, "  a%d: *a\n", i)
	}
	for name, file := range map[string]string{
		"many aliases": bomb + "x: &l [" + strings.Repeat("a, ", 1000) + "a]\ny: [" + list + "*l]\n",
		"aliases":      "application: hello\nimage:\n  from: scratch\n  service: {command: &l [" + strings.Repeat("a, ", 1000) + "a]}\n  tests: [" + strings.Repeat("{command: {run: *l}}, ", 1000) + "]\n",
		"patterns":     patterns.String(),
		"deep":         strings.Repeat("[", 20000),
		"merges":       "a: &a {<<: *a}\n",
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := Parse("f", []byte(file)); slipway.CodeOf(err) != slipway.Invalid {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestLocate(t *testing.T) {
	file := filepath.Join(t.TempDir(), "slipway.yaml")
	writeFile(t, file, small+"  layers:\n    - copy: {from: dist, to: /opt}\n")
	m, err := Load(file)
	if err != nil {
		t.Fatal(err)
	}
	for place, want := range map[string]string{
		"image.layers[0].copy.from": file + ":8:20",
		"image.layers[0].copy.mode": file + ":8:7",
		"image.layers[7]":           file + ":7:3",
		"image":                     file + ":2:1",
		"environments.prod.size":    file + ":1:1",
		"imagery":                   "imagery",
		"archive entry ../x":        "archive entry ../x",
		"image.layers[0].copy.from: archive entry a: b": file + ":8:20: archive entry a: b",
		"": "",
	} {
		err := m.Locate(slipway.Errorf(slipway.Invalid, "cannot").At(place))
		var e *slipway.Error
		if !errors.As(err, &e) || e.Place != want {
			t.Errorf("%q became %q, want %q", place, e.Place, want)
		}
	}
}

func TestLoadErrors(t *testing.T) {
	dir := t.TempDir()
	large := filepath.Join(dir, "large.yaml")
	writeFile(t, large, strings.Repeat("#", maxBytes+1))
	for file, want := range map[string]slipway.Code{
		filepath.Join(dir, "none.yaml"): slipway.NotFound,
		dir:                             slipway.Invalid,
		large:                           slipway.Invalid,
	} {
		if _, err := Load(file); slipway.CodeOf(err) != want {
			t.Errorf("%s: %v", file, err)
		}
	}
}

func TestSchema(t *testing.T) {
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(Schema()))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource(schemaID, doc); err != nil {
		t.Fatal(err)
	}
	schema, err := c.Compile(schemaID)
	if err != nil {
		t.Fatal(err)
	}
	validate := func(t *testing.T, file []byte) error {
		var v any
		if err := yaml.Unmarshal(file, &v); err != nil {
			t.Skip("no YAML")
		}
		b, err := json.Marshal(v)
		if err != nil {
			t.Skip("no JSON")
		}
		v, err = jsonschema.UnmarshalJSON(bytes.NewReader(b))
		if err != nil {
			t.Fatal(err)
		}
		return schema.Validate(v)
	}
	for _, file := range [][]byte{[]byte(small), readTestdata(t, "full.yaml")} {
		if err := validate(t, file); err != nil {
			t.Error(err)
		}
	}
	for name, test := range mistakes {
		t.Run(name, func(t *testing.T) {
			if name == "two documents" || name == "date for text" || name == "yes for true" {
				t.Skip("a schema sees one document, and what another YAML reader made of it")
			}
			if err := validate(t, []byte(test.file)); (err == nil) != test.formed {
				t.Errorf("the schema says: %v", err)
			}
		})
	}
}

func FuzzParse(f *testing.F) {
	f.Add(readTestdata(f, "full.yaml"))
	for _, test := range mistakes {
		f.Add([]byte(test.file))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		_, err := Parse("f", data)
		if err == nil {
			return
		}
		var joined interface{ Unwrap() []error }
		if !errors.As(err, &joined) {
			t.Fatalf("%v is no list", err)
		}
		for _, err := range joined.Unwrap() {
			var e *slipway.Error
			if !errors.As(err, &e) || e.Code != slipway.Invalid || !strings.HasPrefix(e.Place, "f:") || !strings.HasPrefix(e.Message, "cannot ") {
				t.Errorf("%#v has no place, or says something else than what cannot be", err)
			}
		}
	})
}

func readTestdata(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func writeFile(t testing.TB, name, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}
