// Package layering keeps the layers apart: which package may know which other, and why.
package layering

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/slipway-sh/slipway"

// pkg is what `go list` says of a package; tests are not looked at.
type pkg struct {
	ImportPath string
	Standard   bool
	Imports    []string // direct
	Deps       []string // with the imports' imports
}

// adapters speak to one technology each and are wired together in cmd/slipwayd alone.
var adapters = []string{"provider/local", "provider/sim", "memstore", "router/haproxy", "sqlstore", "natsbus", "engine", "httpapi", "registry", "promql", "smtp", "oidc", "cedar"}

// libraries do one thing to files, processes or answers, and know nothing of deployments.
var libraries = []string{"webhook", "seal", "ci", "analysis", "image", "rootfs", "container", "bake", "manifest", "check", "traffic", "agent", "bases", "packer", "attest", "sbom", "dpkg", "pipeline", "outbound", "audit", "redact", "certificate", "overview", "auth", "login"}

// rule forbids the packages below any of from to import the packages below any of to. Names of our own packages are relative;
// "." is the root package alone.
type rule struct {
	from, to []string
	deep     bool // what the imports import counts too
	why      string
}

var rules = []rule{
	{
		from: []string{"."}, to: []string{"golang.org", "github.com", "go.temporal.io", "go.yaml.in", "modernc.org"}, deep: true,
		why: "the root package holds the domain's words and interfaces: it depends on the standard library alone, so that everything can depend on it",
	},
	{
		from: libraries, to: append([]string{"deploy", "ship", "cli", "client", "cmd"}, adapters...), deep: true,
		why: "libraries know files, processes and answers, not what is done with them",
	},
	{
		from: []string{"feed", "trigger", "notify", "deploy", "ship", "execute", "catalog", "config", "fleet", "restrict", "approve", "promote"}, to: append([]string{"cli", "client", "cmd", "image", "rootfs", "container"}, adapters...),
		why: "workflows speak to the root package's interfaces: what they do must hold on any provider, router and store",
	},
	{
		from: []string{"cli", "client", "cmd/slipway"}, to: append([]string{"deploy", "ship", "bake", "image", "rootfs", "container",
			"go.temporal.io", "github.com/nats-io", "modernc.org/sqlite", "github.com/uptrace/bun", "github.com/danielgtaylor/huma", "github.com/prometheus"}, adapters...), deep: true,
		why: "the command line is a client of the API like any other, is small and starts within milliseconds",
	},
	{
		from: []string{"cmd/slipway-agent", "agent"}, to: []string{"go.temporal.io", "github.com/nats-io", "github.com/spf13", "go.yaml.in",
			"github.com/containerd", "github.com/vishvananda", "deploy", "ship", "bake", "image", "rootfs", "container", "cli", "client"}, deep: true,
		why: "the agent is PID 1 of every machine: what it links, every machine carries and trusts",
	},
	{
		from: []string{"cmd/slipwayd", "cmd/slipway", "cmd/slipway-agent", "check", "cli", "manifest"}, to: []string{"github.com/goss-org", "probe"}, deep: true,
		why: "goss and all that it links go into machines under test alone, with slipway-probe",
	},
	{
		from: append([]string{"deploy", "ship", "client", "cli", "manifest"}, libraries...), to: []string{"go.temporal.io/server"}, deep: true,
		why: "only package engine embeds the Temporal server: all others work as well with an external one, and compile in seconds",
	},
	{
		from: append([]string{".", "deploy", "ship", "client", "cli", "manifest"}, append(libraries, adapters...)...), to: []string{"cmd", "test", "bench", "examples"},
		why: "programs, tests and examples stand on top",
	},
}

// confined are modules that exactly the named packages may import directly.
var confined = map[string]struct {
	to  []string
	why string
}{
	"github.com/aclements/go-moremath":       {[]string{"analysis"}, "statistics are done in one place, and compared with R's there"},
	"github.com/uptrace/bun":                 {[]string{"sqlstore"}, "the store's technology is its own affair"},
	"github.com/jackc/pgx":                   {[]string{"sqlstore"}, "the store's technology is its own affair"},
	"modernc.org/sqlite":                     {[]string{"sqlstore", "engine"}, "the databases have two owners"},
	"github.com/nats-io":                     {[]string{"natsbus"}, "the bus's technology is its own affair"},
	"github.com/danielgtaylor/huma":          {[]string{"httpapi"}, "only the API is HTTP"},
	"github.com/containerd/go-runc":          {[]string{"container"}, "runc is called in one place"},
	"github.com/erofs/go-erofs":              {[]string{"image", "sbom"}, "layers are written in one place, and read where their files are looked into"},
	"github.com/google/go-containerregistry": {[]string{"registry"}, "registries are spoken to in one place, which guards TLS and credentials"},
	"go.temporal.io":                         {[]string{"engine", "deploy", "ship", "approve", "promote", "execute", "cmd/slipwayd"}, "what is durable is decided in workflows"},
	"filippo.io/age":                         {[]string{"config"}, "secrets at rest are sealed and opened in one place"},
	"github.com/hashicorp/hcl":               {[]string{"packer"}, "templates of Packer's are read in one place"},
	"github.com/google/cel-go":               {[]string{"pipeline"}, "expressions are compiled and bounded in one place"},
	"github.com/goss-org/goss":               {[]string{"probe"}, "goss runs inside machines, not beside them"},
	"github.com/prometheus":                  {[]string{"promql"}, "Prometheus's own code has no stable API, and is needed to read PromQL alone"},
	"github.com/robfig/cron":                 {[]string{"trigger"}, "schedules are read in one place"},
	"github.com/wneessen/go-mail":            {[]string{"smtp"}, "mail servers are spoken to in one place, which keeps their password out of errors"},
	"github.com/coreos/go-oidc":              {[]string{"oidc", "login"}, "signed tokens are verified in one place, and for the command line in another"},
	"golang.org/x/oauth2":                    {[]string{"oidc", "login"}, "users log in in two places: slipwayd's browsers, and the command line"},
	"github.com/zitadel/oidc":                {[]string{"test"}, "an identity provider is for tests"},
	"github.com/cedar-policy/cedar-go":       {[]string{"cedar"}, "rules are evaluated in one place"},
	"github.com/spf13/cobra":                 {[]string{"cli", "cmd"}, "only the command line parses words"},
}

func TestLayers(t *testing.T) {
	packages := list(t)
	for _, r := range rules {
		for _, p := range packages {
			if !below(p.ImportPath, r.from) {
				continue
			}
			imports := p.Imports
			if r.deep {
				imports = p.Deps
			}
			for _, imported := range imports {
				if below(imported, r.to) {
					t.Errorf("%s imports %s\n\twhy not: %s", p.ImportPath, imported, r.why)
				}
			}
		}
	}
}

func TestAdaptersDoNotKnowEachOther(t *testing.T) {
	for _, p := range list(t) {
		for _, own := range adapters {
			if !below(p.ImportPath, []string{own}) {
				continue
			}
			for _, imported := range p.Deps {
				others := slices.DeleteFunc(slices.Clone(adapters), func(a string) bool { return a == own })
				if below(imported, others) {
					t.Errorf("%s imports %s\n\twhy not: adapters are exchanged one by one, and meet only in cmd/slipwayd", p.ImportPath, imported)
				}
			}
		}
	}
}

func TestConfinedModules(t *testing.T) {
	for _, p := range list(t) {
		for _, imported := range p.Imports {
			for name, c := range confined {
				if below(imported, []string{name}) && !below(p.ImportPath, c.to) {
					t.Errorf("%s imports %s, which is for %s only\n\twhy: %s", p.ImportPath, imported, strings.Join(c.to, ", "), c.why)
				}
			}
		}
	}
}

// TestRulesBite makes sure that a rule that matches nothing is seen, and that the matching is right.
func TestRulesBite(t *testing.T) {
	for _, c := range []struct {
		path string
		set  []string
		want bool
	}{
		{module, []string{"."}, true},
		{module + "/image", []string{"."}, false},
		{module + "/image", []string{"image"}, true},
		{module + "/imagery", []string{"image"}, false},
		{module + "/deploy/durable", []string{"deploy"}, true},
		{module + "/cmd/slipway-agent", []string{"cmd/slipway"}, false},
		{"go.temporal.io/sdk/client", []string{"go.temporal.io"}, true},
		{"net/http", []string{"golang.org", "github.com"}, false},
	} {
		if got := below(c.path, c.set); got != c.want {
			t.Errorf("below(%q, %v) = %v", c.path, c.set, got)
		}
	}
	packages := list(t)
	for _, name := range slices.Concat(adapters, libraries, []string{"deploy", "ship", "cli", "client", "cmd/slipway", "cmd/slipway-agent", "cmd/slipwayd"}) {
		if !slices.ContainsFunc(packages, func(p pkg) bool { return below(p.ImportPath, []string{name}) }) {
			t.Errorf("there is no package %s: a rule speaks of nothing", name)
		}
	}
}

// below reports whether the package is one of names or inside one of them.
func below(importPath string, names []string) bool {
	for _, name := range names {
		if name == "." {
			if importPath == module {
				return true
			}
			continue
		}
		if !strings.Contains(strings.Split(name, "/")[0], ".") {
			name = path.Join(module, name)
		}
		if importPath == name || strings.HasPrefix(importPath, name+"/") {
			return true
		}
	}
	return false
}

// list returns our own packages. In the lists of imports, what the standard library vendors has the prefix "vendor/" and so
// is not taken for a module.
func list(t *testing.T) []pkg {
	t.Helper()
	out := goList(t, "-json=ImportPath,Standard,Imports,Deps", module+"/...")
	var all []pkg
	for dec := json.NewDecoder(strings.NewReader(out)); ; {
		var p pkg
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		if !below(p.ImportPath, []string{"test", "bench"}) {
			all = append(all, p)
		}
	}
}

// TestDependenciesAreExplained compares docs/dependencies.md with what is imported, and its versions with go.mod's.
func TestDependenciesAreExplained(t *testing.T) {
	text, err := os.ReadFile("../../docs/dependencies.md")
	if err != nil {
		t.Fatal(err)
	}
	explained := map[string]string{} // version by module
	for line := range strings.Lines(string(text)) {
		if cells := strings.Split(line, " | "); len(cells) == 4 && strings.Contains(cells[0], ".") {
			explained[strings.TrimPrefix(cells[0], "| ")] = cells[1]
		}
	}
	for name, version := range imported(t) {
		switch explained[name] {
		case version:
		case "":
			t.Errorf("%s %s is imported, and docs/dependencies.md does not say why", name, version)
		default:
			t.Errorf("docs/dependencies.md has %s of %s, go.mod has %s", explained[name], name, version)
		}
		delete(explained, name)
	}
	for name := range explained {
		t.Errorf("docs/dependencies.md explains %s, which nothing imports", name)
	}
}

// imported returns the modules, with their versions, that our own code and its tests import.
func imported(t *testing.T) map[string]string {
	t.Helper()
	const form = `{{.ImportPath}} {{with .Module}}{{.Path}} {{.Version}}{{end}}`
	const imports = `{{if not .Standard}}{{join .Imports "\n"}}{{"\n"}}{{join .TestImports "\n"}}{{"\n"}}{{join .XTestImports "\n"}}{{end}}`
	direct := map[string]bool{}
	for _, name := range strings.Fields(goList(t, "-f", imports, module+"/...")) {
		direct[name] = true
	}
	modules := map[string]string{}
	for line := range strings.Lines(goList(t, "-deps", "-test", "-f", form, module+"/...")) {
		if f := strings.Fields(line); len(f) == 3 && direct[f[0]] && !strings.HasPrefix(f[1], "[") {
			modules[f[1]] = f[2]
		}
	}
	return modules
}

func goList(t *testing.T, args ...string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", append([]string{"list"}, args...)...).Output()
	if err != nil {
		t.Fatalf("cannot list packages: %v", err)
	}
	return string(out)
}

// TestTheCommandLineSpeaksThroughTheClient: all that the command line knows of the API is what any program that uses package client knows.
func TestTheCommandLineSpeaksThroughTheClient(t *testing.T) {
	for _, p := range list(t) {
		for _, imported := range p.Imports {
			if below(p.ImportPath, []string{"cli", "cmd/slipway"}) && (imported == "net" || imported == "net/http") {
				t.Errorf("%s imports %s\n\twhy not: the command line is a client of the API like any other, and package client is its only way to it", p.ImportPath, imported)
			}
		}
	}
}
