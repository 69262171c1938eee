package slipway

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestStrategyValidate(t *testing.T) {
	balanced := func(size, strategy string) string {
		return `{"size": ` + size + `, "load_balancer": {"port": 80}, "strategy": ` + strategy + `}`
	}
	const few, many = `{"min": 2, "desired": 4, "max": 8}`, `{"min": 5, "desired": 10, "max": 20}`
	testEnvironments(t, map[string]environmentCase{
		"two":                    {`{"strategy": {"canary": {}, "rolling": {}}}`, "strategy: cannot follow rolling and canary at once"},
		"highlander":             {`{"strategy": {"highlander": {"watch": "1m"}}}`, ""},
		"none":                   {`{"strategy": "none"}`, ""},
		"keeping too many":       {`{"strategy": {"redblack": {"keep": 101}}}`, "strategy.redblack.keep: want 0 to 100"},
		"rolling-redblack":       {`{"strategy": {"rolling-redblack": {"steps": [1, 50, 99], "wait": "1m", "keep": 0}}}`, ""},
		"steps that fall":        {`{"strategy": {"rolling-redblack": {"steps": [50, 25, 75]}}}`, "strategy.rolling-redblack.steps[1]: cannot go from 50 % to 25 %"},
		"steps that stand":       {`{"strategy": {"rolling-redblack": {"steps": [50, 50]}}}`, "strategy.rolling-redblack.steps[1]: want steps that rise"},
		"steps that end":         {`{"strategy": {"rolling-redblack": {"steps": [50, 100]}}}`, "strategy.rolling-redblack.steps[1]: it is the last in any case; leave it out"},
		"steps past the end":     {`{"strategy": {"rolling-redblack": {"steps": [50, 150]}}}`, "strategy.rolling-redblack.steps[1]: want 1 to 99"},
		"steps before the start": {`{"strategy": {"rolling-redblack": {"steps": [0, 50]}}}`, "strategy.rolling-redblack.steps[0]: want 1 to 99"},
		"no steps":               {`{"strategy": {"rolling-redblack": {"steps": []}}}`, "strategy.rolling-redblack.steps: at least one percentage, or leave steps out"},

		"rolling":                               {balanced(few, `{"rolling": {"batch": 2, "min_healthy": 75, "max_healthy": 125, "checkpoints": [50], "delay": "1h", "skip_matched": true}}`), ""},
		"rolling without spare capacity":        {balanced(few, `{"rolling": {"min_healthy": 75, "max_healthy": 100}}`), ""},
		"rolling in shares":                     {balanced(few, `{"rolling": {"batch": "50%"}}`), ""},
		"rolling in batches of none":            {balanced(few, `{"rolling": {"batch": "0%"}}`), "strategy.rolling.batch: want 1% to 100%"},
		"rolling in batches of less":            {balanced(few, `{"rolling": {"batch": -1}}`), "strategy.rolling.batch: want 1 machine or more"},
		"rolling in batches of more than all":   {balanced(few, `{"rolling": {"batch": "101%"}}`), "strategy.rolling.batch: want 1% to 100%"},
		"rolling with too many healthy":         {balanced(few, `{"rolling": {"min_healthy": 101}}`), "strategy.rolling.min_healthy: want 0 to 100"},
		"rolling with too few at most":          {balanced(few, `{"rolling": {"max_healthy": 99}}`), "strategy.rolling.max_healthy: want 100 to 200"},
		"rolling with more than both groups":    {balanced(few, `{"rolling": {"max_healthy": 201}}`), "strategy.rolling.max_healthy: want 100 to 200"},
		"rolling that cannot move":              {balanced(few, `{"rolling": {"min_healthy": 100, "max_healthy": 100}}`), "strategy.rolling.max_healthy: of 4, 4 must serve at any time, and there may be no more than 4; raise max_healthy to 125, or lower min_healthy to 75"},
		"rolling that cannot move, as default":  {balanced(few, `{"rolling": {"max_healthy": 124}}`), "strategy.rolling.max_healthy: raise max_healthy to 125"},
		"rolling that the guard keeps":          {balanced("4", `{"rolling": {"min_healthy": 50, "max_healthy": 100}}`), "strategy.rolling.max_healthy: raise max_healthy to 125, or lower policy.min_healthy to 3"},
		"rolling that all keeps":                {balanced("4", `{"rolling": {"max_healthy": 100}}`), "strategy.rolling.max_healthy: or lower min_healthy to 75 and policy.min_healthy to 3"},
		"rolling one that cannot move":          {balanced("1", `{"rolling": {"max_healthy": 100}}`), `strategy.rolling.max_healthy: raise max_healthy to 200, or lower min_healthy to 0 and policy.min_healthy to "0%"`},
		"rolling workers, of which none serve":  {`{"size": 4, "strategy": {"rolling": {"min_healthy": 50, "max_healthy": 100}}}`, ""},
		"rolling past a checkpoint at the end":  {balanced(few, `{"rolling": {"checkpoints": [100]}}`), "strategy.rolling.checkpoints[0]: write watch"},
		"rolling with a delay and no check":     {balanced(few, `{"rolling": {"delay": "1m"}}`), "strategy.rolling.delay: write checkpoints too"},
		"rolling past checkpoints that go back": {balanced(few, `{"rolling": {"checkpoints": [50, 20]}}`), "strategy.rolling.checkpoints[1]: want steps that rise"},

		"canary":                               {balanced(few, `{"canary": {"steps": [5, 50], "size": "25%", "interval": "5m", "baseline": false, "analysis": {"pass": 90}, "keep": 2}}`), ""},
		"canary by name":                       {balanced("1", `"canary"`), ""},
		"canary without traffic":               {`{"strategy": "canary"}`, "strategy.canary: write load_balancer, or another strategy"},
		"canary of more than all":              {balanced(few, `{"canary": {"size": 5}}`), "strategy.canary.size: cannot use 5 machines: there are 4"},
		"canary with all":                      {balanced(few, `{"canary": {"steps": [100]}}`), "strategy.canary.steps[0]: leave it out"},
		"canary that replaces":                 {balanced(many, `{"canary": {"replace": true}}`), ""},
		"canary that replaces one":             {balanced(many, `{"canary": {"replace": true, "size": 1, "steps": [10]}}`), ""},
		"canary that replaces the only one":    {balanced("1", `{"canary": {"replace": true}}`), "strategy.canary.replace: cannot replace 1 machine of 1: one must be left"},
		"canary that replaces all":             {balanced(few, `{"canary": {"replace": true, "steps": [90]}}`), "strategy.canary.replace: cannot replace 4 machines of 4"},
		"canary that replaces what must serve": {balanced("4", `{"canary": {"replace": true}}`), "strategy.canary.replace: cannot replace 1 machine at a time: 4 of 4 must serve at any time; write policy.min_healthy: 3"},
		"canary that replaces too many":        {balanced(many, `{"canary": {"replace": true, "steps": [10, 80]}}`), "strategy.canary.replace: cannot replace 7 machines at a time: 5 of 10 must serve at any time; write policy.min_healthy: 3"},
		"canary that replaces for a baseline":  {balanced(many, `{"canary": {"replace": true, "baseline": true}}`), "strategy.canary.baseline: leave baseline or replace out"},
	})
}

func TestCustomValidate(t *testing.T) {
	custom := func(steps string) string {
		return `{"size": {"min": 2, "desired": 4, "max": 8}, "load_balancer": {"port": 80}, "strategy": {"custom": {"steps": [` + steps + `]}}}`
	}
	worker := func(steps string) string { return `{"size": 2, "strategy": {"custom": {"steps": [` + steps + `]}}}` }
	testEnvironments(t, map[string]environmentCase{
		"of all": {custom(`{"approve": {"message": "Go?", "expires": "1h"}}, {"webhook": {"url": "http://127.0.0.1/begin"}}, {"create": 1}, {"run": {"run": ["/warm"]}},
			{"check": {"http": {"path": "/"}}}, {"weight": 10}, {"analyse": {"for": "5m", "pass": 90}}, {"wait": "1m"}, {"create": "100%"}, {"weight": 100}, {"retire": {"keep": 2}}`), ""},
		"of workers":                 {worker(`{"create": 2}, {"check": {"tcp": {}}}`), ""},
		"nothing":                    {worker(``), "strategy.custom.steps: cannot follow a custom strategy without steps"},
		"too much":                   {worker(strings.Repeat(`{"wait": "1s"}, `, 100) + `{"create": 2}`), "strategy.custom.steps: cannot go 101 steps: want at most 100"},
		"an empty step":              {custom(`{"create": 1}, {}`), "strategy.custom.steps[1]: write one of create, weight, wait"},
		"two steps in one":           {custom(`{"create": 1, "weight": 100}`), "strategy.custom.steps[0]: cannot have create and weight in one entry"},
		"no group":                   {worker(`{"wait": "1m"}`), "strategy.custom.steps: write create, such as create: 100%"},
		"weight of no group":         {custom(`{"weight": 100}, {"create": 4}`), "strategy.custom.steps[0]: write create before it"},
		"check of no group":          {worker(`{"check": {"tcp": {}}}, {"create": 2}`), "strategy.custom.steps[0]: cannot check a group that is not there yet"},
		"command in no group":        {worker(`{"run": {"run": ["/a"]}}, {"create": 2}`), "strategy.custom.steps[0]: cannot run a command in a group"},
		"analysis of no group":       {custom(`{"analyse": {}}, {"create": 2}, {"weight": 100}`), "strategy.custom.steps[0]: cannot compare a group"},
		"weights that fall":          {custom(`{"create": 4}, {"weight": 50}, {"weight": 20}`), "strategy.custom.steps[2].weight: cannot go from 50 % of the traffic to 20 %"},
		"weights past the end":       {custom(`{"create": 4}, {"weight": 101}`), "strategy.custom.steps[1].weight: want 1 to 100"},
		"weight of nothing":          {custom(`{"create": 4}, {"weight": 0}, {"weight": 100}`), "strategy.custom.steps[1].weight: want 1 to 100"},
		"weights that do not arrive": {custom(`{"create": 4}, {"weight": 50}`), "strategy.custom.steps: cannot end with 50 % of the traffic on the new group: write weight: 100"},
		"no weights":                 {custom(`{"create": 4}`), "strategy.custom.steps: cannot end with 0 % of the traffic"},
		"weight of workers":          {worker(`{"create": 2}, {"weight": 100}`), "strategy.custom.steps[1].weight: cannot split traffic without a load balancer"},
		"create nothing":             {worker(`{"create": "0%"}`), "strategy.custom.steps[0].create: want 1% to 100%"},
		"create too much":            {custom(`{"create": 9}`), "strategy.custom.steps[0].create: cannot create 9 machines: the environment has at most 8 (size.max)"},
		"create more than 100 %":     {custom(`{"create": "200%"}`), "strategy.custom.steps[0].create: want 1% to 100%"},
		"create less":                {worker(`{"create": 2}, {"create": "50%"}`), "strategy.custom.steps[1].create: cannot go from 2 machines to 1: want the new group to grow"},
		"wait for nothing":           {worker(`{"create": 2}, {"wait": "0s"}`), "strategy.custom.steps[1].wait: cannot wait for nothing"},
		"retire too early":           {worker(`{"create": 2}, {"retire": {"keep": 0}}, {"wait": "1s"}`), "strategy.custom.steps[1]: write it as the last step"},
		"keep less than nothing":     {worker(`{"create": 2}, {"retire": {"keep": -1}}`), "strategy.custom.steps[1].retire.keep: want 0 to 100"},
		"run nothing":                {worker(`{"create": 2}, {"run": {"run": []}}`), "strategy.custom.steps[1].run.run: cannot test without a command"},
		"call nobody":                {worker(`{"create": 2}, {"webhook": {"url": ""}}`), "strategy.custom.steps[1].webhook.url: cannot do without a URL"},
		"say when":                   {worker(`{"create": 2}, {"check": {"tcp": {}, "when": ["before"]}}`), "strategy.custom.steps[1].check.when: a step is made when its turn comes"},
		"compare without traffic":    {custom(`{"create": 4}, {"analyse": {}}, {"weight": 100}`), "strategy.custom.steps[1].analyse: write weight, below 100, before it"},
		"compare with no traffic":    {custom(`{"create": 4}, {"weight": 100}, {"analyse": {}}`), "strategy.custom.steps[2].analyse: write weight, below 100, before it"},
		"compare badly":              {custom(`{"create": 4}, {"weight": 50}, {"analyse": {"pass": 101}}, {"weight": 100}`), "strategy.custom.steps[2].analyse.pass: want 0 to 100"},
		"compare workers by traffic": {worker(`{"create": 2}, {"analyse": {}}`), "strategy.custom.steps[1].analyse: write metrics with a query"},
		"compare workers by a query": {worker(`{"create": 2}, {"analyse": {"metrics": [{"name": "jobs", "query": "jobs{group=\"$group\"}", "server": "http://a"}]}}`), ""},
	})
}

// A strategy of a request is judged by the environment it goes to, as far as that is known.
func TestDeployRequestValidateStrategy(t *testing.T) {
	for name, test := range map[string]struct{ request, want string }{
		"of an unknown environment":   {`{"strategy": "canary"}`, ""},
		"wrong anywhere":              {`{"strategy": {"canary": {"steps": [2, 1]}}}`, "strategy.canary.steps[1]: want steps that rise"},
		"cannot move anywhere":        {`{"strategy": {"rolling": {"max_healthy": 100}}}`, "strategy.rolling.max_healthy: lower min_healthy, or raise max_healthy"},
		"many machines of a size":     {`{"strategy": {"canary": {"size": 500}}}`, ""},
		"a query for some Prometheus": {`{"strategy": {"canary": {"analysis": {"metrics": [{"name": "a", "query": "a{b=\"$group\"}"}]}}}}`, ""},
		"of workers":                  {`{"environment": {}, "strategy": "canary"}`, "strategy.canary: without a load balancer"},
		"of a small environment":      {`{"environment": {"size": 2, "load_balancer": {"port": 1}}, "strategy": {"canary": {"size": 3}}}`, "strategy.canary.size: there are 2"},
		"of an environment's own":     {`{"environment": {"strategy": {"canary": {}}}, "strategy": "redblack"}`, "environment.strategy.canary: without a load balancer"},
	} {
		t.Run(name, func(t *testing.T) {
			r := DeployRequest{Cluster: Cluster{"hello", "prod"}, Image: "v1"}
			if err := json.Unmarshal([]byte(test.request), &r); err != nil {
				t.Fatal(err)
			}
			found(t, r.Validate(), test.want)
		})
	}
}
