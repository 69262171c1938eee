package slipway

import (
	"errors"
	"math"
	"strings"
	"testing"
)

// good returns a spec that uses every field once.
func good() Spec {
	keep := 2
	return Spec{
		Application: "hello",
		Image: ImageSpec{
			From: "debian:bookworm",
			Layers: []Layer{
				{Packages: []string{"nginx-light", "libc6:amd64", "curl=7.88.1-10+deb12u5"}},
				{Copy: &CopyLayer{From: "dist/hello.tar.gz", To: "/opt/hello/", Unpack: true, Owner: "1000:1000", Mode: "0755"}},
				{Template: &TemplateLayer{From: "etc/app.conf.tmpl", To: "/etc/app.conf", Mode: "644"}},
				{Run: &RunLayer{Script: "provision/setup.sh", Inputs: []string{"provision/**"}, Env: map[string]string{"A": "b"}}},
				{Copy: &CopyLayer{From: ".", To: "/"}},
			},
			Service: Service{Command: []string{"/opt/hello/hello"}, User: "1000", Directory: "/", Port: 8080, Health: Health{HTTP: "/healthz"}},
			Tests:   []Test{{HTTP: &HTTPTest{Path: "/"}}, {TCP: &TCPTest{}}, {Command: &CommandTest{Run: []string{"true"}}}},
		},
		Environments: map[string]Environment{
			"dev": {},
			"prod": {
				Account: "local", Size: Size{2, 3, 10}, LoadBalancer: &LoadBalancerSpec{Port: 8443, Address: "127.0.0.1"},
				Strategy: Strategy{RedBlack: &RedBlack{Keep: &keep}}, Checks: []Check{{HTTP: &HTTPTest{Path: "/healthz"}}},
			},
		},
	}
}

// places returns the places of the joined errors in err, and fails unless all are Invalid errors.
func places(t *testing.T, err error) []string {
	t.Helper()
	if err == nil {
		return nil
	}
	var joined interface{ Unwrap() []error }
	if !errors.As(err, &joined) {
		t.Fatalf("%v is not a list of errors", err)
	}
	var got []string
	for _, err := range joined.Unwrap() {
		var e *Error
		if !errors.As(err, &e) || e.Code != Invalid || !strings.HasPrefix(e.Message, "cannot ") {
			t.Errorf("%v is not an Invalid error that starts with cannot", err)
			continue
		}
		got = append(got, e.Place)
	}
	return got
}

func TestSpecValidate(t *testing.T) {
	if err := good().Validate(); err != nil {
		t.Fatalf("the good spec: %v", err)
	}
	prod := func(f func(*Environment)) func(*Spec) {
		return func(s *Spec) { e := s.Environments["prod"]; f(&e); s.Environments["prod"] = e }
	}
	negative := -1
	for place, spoil := range map[string]func(*Spec){
		"application":        func(s *Spec) { s.Application = "" },
		"application ":       func(s *Spec) { s.Application = "Hello" },
		"image.from":         func(s *Spec) { s.Image.From = "" },
		"image.from ":        func(s *Spec) { s.Image.From = "debian:-x" },
		"image.from  ":       func(s *Spec) { s.Image.From = "oci: nginx" },
		"image.from      ":   func(s *Spec) { s.Image.From = "image:Base@stable" },
		"image.from       ":  func(s *Spec) { s.Image.From = "image:base@" },
		"image.from        ": func(s *Spec) { s.Image.From = "image:" + s.Application },
		"image.irreversible": func(s *Spec) {
			s.Image.Irreversible, s.Image.Service, s.Image.Tests, s.Environments = true, Service{}, nil, nil
		},
		"image.service": func(s *Spec) { s.Image.Service, s.Image.Tests, s.Environments = Service{}, []Test{{Goss: "g"}}, nil },
		"image.service ": func(s *Spec) {
			s.Image.Service, s.Image.Tests = Service{}, nil
			for n, e := range s.Environments {
				e.LoadBalancer, e.Checks = nil, nil
				s.Environments[n] = e
			}
		},
		"image.from   ":                            func(s *Spec) { s.Image.From = "rootfs:../base.tar" },
		"image.from    ":                           func(s *Spec) { s.Image.From = "rootfs:base.zip" },
		"image.from     ":                          func(s *Spec) { s.Image.From = "ubuntu" },
		"image.layers[0].packages":                 func(s *Spec) { s.Image.From = "scratch" },
		"image.layers[0].packages ":                func(s *Spec) { s.Image.Layers[0].Packages = []string{} },
		"image.layers[0].packages[1]":              func(s *Spec) { s.Image.Layers[0].Packages[1] = "--purge" },
		"image.layers[1]":                          func(s *Spec) { s.Image.Layers[1] = Layer{} },
		"image.layers[1] ":                         func(s *Spec) { s.Image.Layers[1].Packages = []string{"x"} },
		"image.layers[1].copy.from":                func(s *Spec) { s.Image.Layers[1].Copy.From = "" },
		"image.layers[1].copy.from ":               func(s *Spec) { s.Image.Layers[1].Copy.From = "/etc/passwd" },
		"image.layers[1].copy.from  ":              func(s *Spec) { s.Image.Layers[1].Copy.From = "a/../../b" },
		"image.layers[1].copy.from   ":             func(s *Spec) { s.Image.Layers[1].Copy.From = "./dist/" },
		"image.layers[1].copy.to":                  func(s *Spec) { s.Image.Layers[1].Copy.To = "" },
		"image.layers[1].copy.to ":                 func(s *Spec) { s.Image.Layers[1].Copy.To = "opt" },
		"image.layers[1].copy.to  ":                func(s *Spec) { s.Image.Layers[1].Copy.To = "/opt/../etc" },
		"image.layers[1].copy.owner":               func(s *Spec) { s.Image.Layers[1].Copy.Owner = "root" },
		"image.layers[1].copy.mode":                func(s *Spec) { s.Image.Layers[1].Copy.Mode = "0x1" },
		"image.layers[2].template.to":              func(s *Spec) { s.Image.Layers[2].Template.To = "/" },
		"image.layers[2].template.to ":             func(s *Spec) { s.Image.Layers[2].Template.To = "/etc/" },
		"image.layers[3].run.script":               func(s *Spec) { s.Image.Layers[3].Run.Script = "" },
		"image.layers[3].run.inputs[0]":            func(s *Spec) { s.Image.Layers[3].Run.Inputs[0] = "../**" },
		"image.layers[3].run.env.1A":               func(s *Spec) { s.Image.Layers[3].Run.Env["1A"] = "" },
		"image.layers[3].run.timeout":              func(s *Spec) { s.Image.Layers[3].Run.Timeout = -1 },
		"image.service.command":                    func(s *Spec) { s.Image.Service.Command = nil },
		"image.service.command[1]":                 func(s *Spec) { s.Image.Service.Command = []string{"a", "b\x00"} },
		"image.service.user":                       func(s *Spec) { s.Image.Service.User = "a b" },
		"image.service.directory":                  func(s *Spec) { s.Image.Service.Directory = "srv" },
		"image.service.port":                       func(s *Spec) { s.Image.Service.Port = 65536 },
		"image.service.health.http":                func(s *Spec) { s.Image.Service.Health.HTTP = "healthz" },
		"image.service.health.failures":            func(s *Spec) { s.Image.Service.Health.Failures = -1 },
		"image.service.drain":                      func(s *Spec) { s.Image.Service.Drain = -1 },
		"image.service.drain ":                     func(s *Spec) { s.Image.Service.Drain = Duration(2 * MaxDrain) },
		"image.tests[0]":                           func(s *Spec) { s.Image.Tests[0] = Test{} },
		"image.tests[0].http.path":                 func(s *Spec) { s.Image.Tests[0].HTTP.Path = "" },
		"image.tests[0].http.status":               func(s *Spec) { s.Image.Tests[0].HTTP.Status = 99 },
		"image.tests[1].tcp.port":                  func(s *Spec) { s.Image.Tests[1].TCP.Port = -1 },
		"image.tests[2].command.run":               func(s *Spec) { s.Image.Tests[2].Command.Run = nil },
		"image.tests[2].command.exit":              func(s *Spec) { s.Image.Tests[2].Command.Exit = 256 },
		"environments.Prod":                        func(s *Spec) { s.Environments["Prod"] = Environment{} },
		"environments.prod.account":                prod(func(e *Environment) { e.Account = "aws" }),
		"environments.prod.size":                   prod(func(e *Environment) { e.Size = Size{3, 2, 5} }),
		"environments.prod.size.desired":           prod(func(e *Environment) { e.Size = Size{0, 0, 5} }),
		"environments.prod.size.min":               prod(func(e *Environment) { e.Size = Size{-1, 0, 1} }),
		"environments.prod.size.max":               prod(func(e *Environment) { e.Size = Size{1, 1, 100000} }),
		"environments.prod.load_balancer.port":     prod(func(e *Environment) { e.LoadBalancer = &LoadBalancerSpec{} }),
		"environments.prod.load_balancer.address":  prod(func(e *Environment) { e.LoadBalancer.Address = "localhost" }),
		"environments.prod.strategy":               prod(func(e *Environment) { e.Strategy.Highlander = &Highlander{} }),
		"environments.prod.strategy.redblack.keep": prod(func(e *Environment) { e.Strategy.RedBlack.Keep = &negative }),
		"environments.prod.config.a b":             prod(func(e *Environment) { e.Config = map[string]string{"a b": ""} }),
		"environments.prod.limits.cpu":             prod(func(e *Environment) { e.Limits.CPU = math.NaN() }),
		"environments.prod.limits.memory":          prod(func(e *Environment) { e.Limits.Memory = -1 }),
		"environments.prod.checks[0]":              prod(func(e *Environment) { e.Checks = []Check{{}} }),
		"environments.prod.healthy":                prod(func(e *Environment) { e.Healthy = -1 }),
	} {
		t.Run(place, func(t *testing.T) {
			s := good()
			spoil(&s)
			got := places(t, s.Validate())
			if len(got) != 1 || got[0] != strings.TrimRight(place, " ") {
				t.Errorf("mistakes at %q, want one at %q: %v", got, place, s.Validate())
			}
		})
	}
}

func TestSpecValidateWithoutPort(t *testing.T) {
	s := good()
	s.Image.Service.Port = 0
	want := "image.service.health.http image.tests[0].http image.tests[1].tcp environments.prod.load_balancer environments.prod.checks[0].http"
	if got := strings.Join(places(t, s.Validate()), " "); got != want {
		t.Errorf("mistakes at\n%s, want\n%s", got, want)
	}
}

func TestBakeRequestValidate(t *testing.T) {
	file := func(path string) ContextEntry { return ContextEntry{Path: path, Mode: 0o644, Digest: DigestOf(nil)} }
	dir := func(path string) ContextEntry { return ContextEntry{Path: path, Mode: 0o755, Dir: true} }
	link := func(path, to string) ContextEntry { return ContextEntry{Path: path, Mode: 0o777, Link: to} }
	for name, test := range map[string]struct {
		context []ContextEntry
		want    string
	}{
		"nothing":              {nil, ""},
		"a tree":               {[]ContextEntry{dir("a"), file("a/b"), link("a/c", "b"), link("d", "a/none")}, ""},
		"a link up and down":   {[]ContextEntry{dir("a"), link("a/b", "../c")}, ""},
		"twice":                {[]ContextEntry{file("a"), file("a")}, "context[1]"},
		"outside":              {[]ContextEntry{file("../a"), file("/a"), file("a//b"), file("a/.."), file(".")}, "context[0] context[1] context[2] context[3] context[4]"},
		"below a file":         {[]ContextEntry{file("a"), file("a/b")}, "context[1]"},
		"below a link":         {[]ContextEntry{dir("c"), link("a", "c"), file("a/b")}, "context[2]"},
		"two kinds":            {[]ContextEntry{{Path: "a", Dir: true, Link: "b"}}, "context[0]"},
		"no kind":              {[]ContextEntry{{Path: "a"}}, "context[0]"},
		"bad digest":           {[]ContextEntry{{Path: "a", Digest: "sha256:12"}}, "context[0]"},
		"mode of a device":     {[]ContextEntry{{Path: "a", Mode: 0o60644, Digest: DigestOf(nil)}}, "context[0]"},
		"negative size":        {[]ContextEntry{{Path: "a", Size: -1, Digest: DigestOf(nil)}}, "context[0]"},
		"link out":             {[]ContextEntry{link("a", "../b")}, "context[0]"},
		"absolute link":        {[]ContextEntry{link("a", "/etc/passwd")}, "context[0]"},
		"link out by a link":   {[]ContextEntry{dir("a"), dir("a/b"), link("a/b/up", "../.."), link("a/b/x", "up/../etc")}, "context[3]"},
		"link that looks out":  {[]ContextEntry{dir("a"), dir("a/b"), link("down", "a/b"), link("x", "down/../b")}, ""},
		"links in a circle":    {[]ContextEntry{link("a", "b"), link("b", "a")}, "context[0] context[1]"},
		"link with empty part": {[]ContextEntry{dir("a"), link("b", "a//./c")}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			err := BakeRequest{Spec: good(), Context: test.context}.Validate()
			if got := strings.Join(places(t, err), " "); got != test.want {
				t.Errorf("mistakes at %q, want %q: %v", got, test.want, err)
			}
		})
	}
}

func TestRequestsValidate(t *testing.T) {
	hello := Cluster{"hello", "prod"}
	for name, test := range map[string]struct {
		request interface{ Validate() error }
		want    string
	}{
		"ship":                {ShipRequest{BakeRequest: BakeRequest{Spec: good(), Version: "v1.2-3_g+x"}, Environments: []string{"dev", "prod"}}, ""},
		"ship nowhere":        {ShipRequest{BakeRequest: BakeRequest{Spec: good()}}, "environments"},
		"ship to unknown":     {ShipRequest{BakeRequest: BakeRequest{Spec: good()}, Environments: []string{"prd", "dev", "dev"}}, "environments[0] environments[2]"},
		"version latest":      {BakeRequest{Spec: good(), Version: "latest"}, "version"},
		"version with slash":  {BakeRequest{Spec: good(), Version: "a/b"}, "version"},
		"deploy":              {DeployRequest{Cluster: hello, Image: "v1", Environment: &Environment{}}, ""},
		"deploy nothing":      {DeployRequest{Cluster: hello}, "image"},
		"deploy badly":        {DeployRequest{Cluster: Cluster{"hello", "../x"}, Image: "v1", Environment: &Environment{Account: "aws"}}, "cluster.environment environment.account"},
		"rollback":            {RollbackRequest{Cluster: hello}, ""},
		"rollback of nothing": {RollbackRequest{}, "cluster.application cluster.environment"},
		"environment":         {Environment{Size: Size{Max: -1}}, "size.max"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := strings.Join(places(t, test.request.Validate()), " "); got != test.want {
				t.Errorf("mistakes at %q, want %q: %v", got, test.want, test.request.Validate())
			}
		})
	}
}
