package check_test

import (
	"strings"
	"testing"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/check"
)

var hello = slipway.Deployment{
	ID: "d-1", Kind: slipway.KindDeploy, Cluster: slipway.Cluster{Application: "hello", Environment: "prod-eu"}, Image: "sha256:abc",
	Source: "hello-prod-eu-v001", Target: "hello-prod-eu-v002", Weight: 25,
}

func TestExpand(t *testing.T) {
	for _, c := range []struct{ query, want, problem string }{
		{`up`, `up`, ""},
		{`up{group="$group"}`, `up{group="hello-prod-eu-v002"}`, ""},
		{`up{group='${group}',was='$source'}`, `up{group='hello-prod-eu-v002',was='hello-prod-eu-v001'}`, ""},
		{"up{group=`$group`}", "up{group=`hello-prod-eu-v002`}", ""},
		{`up{group=~"${application}-.*"}`, `up{group=~"hello-.*"}`, ""},
		{`${application}_requests_total`, `hello_requests_total`, ""},
		{`up{a=~"x$",b=~"(x|y$)"}`, `up{a=~"x$",b=~"(x|y$)"}`, ""},
		{`label_replace(up, "a", "$1${2}", "b", "(.)(.)")`, `label_replace(up, "a", "$1${2}", "b", "(.)(.)")`, ""},
		{`label_replace(up, "a", "$$name", "b", "(?P<name>.)")`, `label_replace(up, "a", "$name", "b", "(?P<name>.)")`, ""},
		{"up # of $nobody's \"\n + up{a=\"$group\"}", "up # of $nobody's \"\n + up{a=\"hello-prod-eu-v002\"}", ""},
		{`up{a="\"$group\\"} - up{b="'$application"}`, `up{a="\"hello-prod-eu-v002\\"} - up{b="'hello"}`, ""},
		{`up{group="$gruop"}`, "", "cannot use $gruop in a query: want one of $application, $baseline, $environment, $group, $source"},
		{`$application_total`, "", "cannot use $application_total"},
		{`up{group="${group"}`, "", `want a variable such as ${group}`},
		{`up{group="${}"}`, "", `want a variable such as ${group}`},
		{`up{group="$baseline"}`, "", "cannot use $baseline in a query: this deployment has none"},
		{`up - $group`, "", `the dash in hello-prod-eu-v002 would subtract`},
		{`rate(up[$__rate_interval])`, "", "cannot use $__rate_interval"},
	} {
		t.Run(c.query, func(t *testing.T) {
			got, err := check.Expand(c.query, check.Variables(hello))
			if c.problem == "" && (err != nil || got != c.want) {
				t.Errorf("%q, %v; want %q", got, err, c.want)
			}
			if c.problem != "" && (slipway.CodeOf(err) != slipway.Invalid || !strings.Contains(err.Error(), c.problem)) {
				t.Errorf("%q, %v; want %q", got, err, c.problem)
			}
		})
	}
}

func TestExpandTakesNoPromQLFromValues(t *testing.T) {
	for _, value := range []string{`a"} or vector(0) #`, "a`", `a\`, "a b", "a.b", "ä", "a\n"} {
		if got, err := check.Expand(`up{a="$group"}`, map[string]string{"group": value}); slipway.CodeOf(err) != slipway.Invalid {
			t.Errorf("%q gave %q, %v", value, got, err)
		}
	}
}

func FuzzExpand(f *testing.F) {
	f.Add(`up{group="$group"}`, "hello-prod-v001")
	f.Add("sum by (a) (${group}) # $group\n`$$`", "x")
	f.Add(`"\$group" '${1}'`, "a-b")
	f.Fuzz(func(t *testing.T, query, value string) {
		got, err := check.Expand(query, map[string]string{"group": value})
		if err != nil {
			if slipway.CodeOf(err) != slipway.Invalid {
				t.Fatal(err)
			}
			return
		}
		if !strings.Contains(query, "$") && got != query {
			t.Fatalf("%q became %q", query, got)
		}
		// Values are put in as they are, and change nothing else.
		const mark = "zqz"
		if strings.Contains(query, mark) {
			return
		}
		marked, err := check.Expand(query, map[string]string{"group": mark})
		if err != nil {
			t.Fatalf("%q fits and %s does not: %v", value, mark, err)
		}
		if want := strings.ReplaceAll(marked, mark, value); got != want {
			t.Fatalf("%q became %q, want %q", query, got, want)
		}
	})
}
