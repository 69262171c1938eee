package pipeline

import (
	"strings"
	"testing"

	"github.com/slipway-sh/slipway"
)

var values = Values{
	Application: "hello", Pipeline: "default", Execution: "x-1", Attempt: 1,
	Parameters: map[string]string{"suite": "smoke", "count": "3"},
	Cause:      slipway.Cause{Trigger: "webhook", Branch: "main", Author: "ann"},
	Image:      slipway.Image{Digest: "sha256:ab", Version: "v7", Application: "hello"},
	Stages: []slipway.StageRecord{
		{ID: "test", State: slipway.StageSucceeded, Attempt: 2, Output: map[string]string{"suite": "smoke"}},
		{ID: "deploy-dev", State: slipway.StageFailed, Error: slipway.Errorf(slipway.Failed, "cannot deploy")},
	},
}

func TestEval(t *testing.T) {
	for _, c := range []struct {
		text, want string // "true", "false", or a part of the error
	}{
		{`true`, "true"},
		{`params.suite == "smoke" && cause.branch == "main"`, "true"},
		{`params["suite"] != "smoke"`, "false"},
		{`int(params.count) > 2`, "true"},
		{`image.version.startsWith("v") && image.application == application`, "true"},
		{`cause.branch.matches("^(main|release/.*)$")`, "true"},
		{`stages.test.state == "succeeded" && stages.test.attempts == 2`, "true"},
		{`stages.test.output.suite == params.suite`, "true"},
		{`stages.deploy_dev.state == "failed" && stages["deploy-dev"].error.contains("deploy")`, "true"},
		{`cause.author in ["ann", "bob"]`, "true"},
		{`attempt == 1 && execution == "x-1" && pipeline == "default" && environment == "" && failed == ""`, "true"},
		{`["a", "b"].exists(x, x == "b")`, "true"},
		{`has(stages.test.output.suite)`, "true"},
		{`stages.test.output.nonesuch == "1"`, "no such key: nonesuch"},
		{`int(params.suite) > 2`, "cannot evaluate"},
		{`1 / 0 == 1`, "division by zero"},
		// However it is written, nobody is kept busy.
		{`[1,2,3,4,5,6,7,8,9,10].map(a, [1,2,3,4,5,6,7,8,9,10].map(b, [1,2,3,4,5,6,7,8,9,10].map(c, [1,2,3,4,5,6,7,8,9,10].map(d, [1,2,3,4,5,6,7,8,9,10].map(e, a*b*c*d*e))))).size() > 0`, "it takes too much work"},
	} {
		t.Run(c.text, func(t *testing.T) {
			e, err := Compile(c.text)
			if err != nil {
				t.Fatal(err)
			}
			got, err := e.Eval(t.Context(), values)
			switch {
			case c.want == "true" || c.want == "false":
				if err != nil || got != (c.want == "true") {
					t.Errorf("%v, %v", got, err)
				}
			case slipway.CodeOf(err) != slipway.Failed || !strings.Contains(err.Error(), c.want):
				t.Errorf("%v, want a failure with %q", err, c.want)
			}
		})
	}
}

func TestCompileMistakes(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{``, "cannot decide by nothing"},
		{`params.suite`, "it is text, want true or false"},
		{`1 + 1`, "it is a number"},
		{`stages.test.output.flag`, "known only then"},
		{`params.suite = "x"`, "equal is written =="},
		{`parms.suite == "x"`, `there is no "parms"`},
		{`now() > 1`, "now"},
		{`params.suite == 1`, "no matching overload"},
		{strings.Repeat("(", 200) + "true" + strings.Repeat(")", 200), "cannot read the expression"},
		{`"` + strings.Repeat("x", slipway.MaxExpression) + `" == ""`, "want at most"},
	} {
		_, err := Compile(c.text)
		if slipway.CodeOf(err) != slipway.Invalid || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%.60s: %v, want %q", c.text, err, c.want)
		}
	}
}

func TestForesee(t *testing.T) {
	before := values
	before.Stages, before.Image = nil, slipway.Image{}
	for _, c := range []struct {
		text string
		want slipway.Answer
	}{
		{`params.suite == "smoke"`, slipway.Yes},
		{`params.suite == "full"`, slipway.No},
		{`stages.test.state == "succeeded"`, slipway.Maybe},
		{`params.suite == "full" && stages.test.state == "succeeded"`, slipway.No},
		{`params.suite == "smoke" || stages.test.state == "succeeded"`, slipway.Yes},
		{`image.version == "v7"`, slipway.Maybe},
		{`failed == "test"`, slipway.Maybe},
	} {
		e, err := Compile(c.text)
		if err != nil {
			t.Fatal(err)
		}
		if got := e.Foresee(t.Context(), before); got != c.want {
			t.Errorf("%s: %s, want %s", c.text, got, c.want)
		}
	}
}

func TestText(t *testing.T) {
	for _, c := range []struct{ text, want, problem string }{
		{"plain ${HOME} text", "plain ${HOME} text", ""},
		{"suite ${{ params.suite }}, try ${{attempt}}", "suite smoke, try 1", ""},
		{`${{ "}}" + params.suite }}`, "}}smoke", ""},
		{`${{ stages.test.output.suite }}`, "smoke", ""},
		{"${{ params.suite", "", "is not closed"},
		{"${{ [1] }}", "", "it is of the kind list"},
		{"${{ }}", "", "cannot decide by nothing"},
	} {
		parsed, err := ParseText(c.text)
		if c.problem != "" {
			if slipway.CodeOf(err) != slipway.Invalid || !strings.Contains(err.Error(), c.problem) {
				t.Errorf("%s: %v, want %q", c.text, err, c.problem)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		if got, err := parsed.Eval(t.Context(), values); got != c.want || err != nil {
			t.Errorf("%s: %q, %v; want %q", c.text, got, err, c.want)
		}
	}
}

// Whatever is written where an expression is expected is refused or has a value, soon.
func FuzzExpression(f *testing.F) {
	for _, seed := range []string{`params.suite == "smoke"`, `stages.test.state`, `has(cause.x)`, `[1].map(x, x)`, `"a" + `, `${{ x }}`, "\x00", `b"\xff" == b""`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if e, err := Compile(text); err == nil {
			e.within(scope{})
			e.Eval(t.Context(), values)
			e.Foresee(t.Context(), values)
		}
		if parsed, err := ParseText(text); err == nil {
			parsed.Eval(t.Context(), values)
		}
	})
}
