package cedar

import (
	"strings"
	"testing"
	"time"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/auth"
)

const (
	officeHours = `@reason("prod is deployed to from 9 to 17, Monday to Friday")
forbid (principal, action in [Action::"deployer"], resource in Environment::"prod")
when { context.hour < 9 || context.hour >= 17 || ["Saturday", "Sunday"].contains(context.weekday) };`
	notOwn = `@reason("not your own change")
forbid (principal, action == Action::"approve", resource)
when { context.requester == principal.name };`
	onlyOps = `forbid (principal, action, resource in Application::"bank") unless { principal in Group::"ops" };`
)

func at(t *testing.T, text string) time.Time {
	t.Helper()
	when, err := time.Parse(time.RFC3339, text)
	if err != nil {
		t.Fatal(err)
	}
	return when
}

func TestRules(t *testing.T) {
	ann := slipway.Principal{Kind: slipway.PrincipalUser, Name: "ann", Groups: []string{"ops"}}
	bob := slipway.Principal{Kind: slipway.PrincipalUser, Name: "bob"}
	ask := func(verb string, role slipway.Role, application, environment, requester string) auth.Ask {
		return auth.Ask{Verb: verb, Role: role, Scope: slipway.Scope{Application: application, Environment: environment}, Requester: requester}
	}
	deploy := ask("deploy", slipway.RoleDeployer, "hello", "prod", "")
	const monday, night, sunday = "2026-11-30T10:00:00+01:00", "2026-11-30T20:00:00+01:00", "2026-11-29T10:00:00+01:00"
	for _, c := range []struct {
		name, text, zone string
		who              slipway.Principal
		ask              auth.Ask
		at               string
		want             string // "" is not forbidden
	}{
		{"in office hours", officeHours, "Europe/Berlin", ann, deploy, monday, ""},
		{"at night", officeHours, "Europe/Berlin", ann, deploy, night, "from 9 to 17"},
		{"on Sunday", officeHours, "Europe/Berlin", ann, deploy, sunday, "from 9 to 17"},
		{"the same moment elsewhere", officeHours, "America/Los_Angeles", ann, deploy, monday, "from 9 to 17"},
		{"elsewhere it is day", officeHours, "America/Los_Angeles", ann, deploy, night, ""},
		{"another environment", officeHours, "UTC", ann, ask("deploy", slipway.RoleDeployer, "hello", "dev", ""), night, ""},
		{"another role's verb", officeHours, "UTC", ann, ask("restrict", slipway.RoleOperator, "hello", "prod", ""), night, ""},
		{"one's own change", notOwn, "UTC", ann, ask("approve", slipway.RoleApprover, "hello", "prod", "ann"), monday, "not your own change"},
		{"another's change", notOwn, "UTC", ann, ask("approve", slipway.RoleApprover, "hello", "prod", "bob"), monday, ""},
		{"of a group", onlyOps, "UTC", ann, ask("deploy", slipway.RoleDeployer, "bank", "prod", ""), monday, ""},
		{"not of the group", onlyOps, "UTC", bob, ask("deploy", slipway.RoleDeployer, "bank", "prod", ""), monday, "line 1"},
	} {
		r := &Rules{}
		rule := slipway.AccessRule{Name: "rule", Text: c.text, TimeZone: c.zone}
		if err := r.Check(rule); err != nil {
			t.Fatal(err)
		}
		why, err := r.Forbids(rule, c.who, c.ask, at(t, c.at))
		if err != nil || (why == "") != (c.want == "") || !strings.Contains(why, c.want) {
			t.Errorf("%s: %q, %v, want %q", c.name, why, err, c.want)
		}
	}
}

func TestRulesThatCannotBeEvaluated(t *testing.T) {
	for _, text := range []string{
		`forbid (principal, action, resource) when { context.nosuch == 1 };`,
		`forbid (principal, action, resource) when { context.hour < "nine" };`,
		`forbid (principal, action, resource) when { 9223372036854775807 + context.minute > 0 && principal.nosuch };`,
	} {
		r := &Rules{}
		rule := slipway.AccessRule{Name: "rule", Text: text, TimeZone: "UTC"}
		if why, err := r.Forbids(rule, slipway.Principal{Name: "ann"}, auth.Ask{Verb: "deploy"}, at(t, "2026-11-30T10:30:00Z")); err == nil {
			t.Errorf("%s: %q, want an error", text, why)
		}
	}
	rule := slipway.AccessRule{Name: "rule", Text: onlyOps, TimeZone: "Nowhere/City"}
	if _, err := (&Rules{}).Forbids(rule, slipway.Principal{}, auth.Ask{}, time.Time{}); err == nil {
		t.Error("a time zone that is none: want an error")
	}
}

func TestCheck(t *testing.T) {
	for text, place := range map[string]string{
		"":                                      "text",
		"// nothing":                            "text",
		"forbid everything":                     "text",
		"forbid (principal, action, resource)":  "text",
		"permit (principal, action, resource);": "text:1:1",
		onlyOps + "\npermit (principal, action, resource);": "text:2:1",
	} {
		err := (&Rules{}).Check(slipway.AccessRule{Name: "rule", Text: text})
		e, ok := err.(*slipway.Error)
		if !ok || e.Code != slipway.Invalid || e.Place != place {
			t.Errorf("%q: %v, want Invalid at %s", text, err, place)
		}
	}
}

func FuzzCheck(f *testing.F) {
	f.Add(officeHours)
	f.Add(notOwn)
	f.Add("permit (principal, action, resource);")
	f.Fuzz(func(t *testing.T, text string) {
		r := &Rules{}
		rule := slipway.AccessRule{Name: "rule", Text: text, TimeZone: "UTC"}
		if r.Check(rule) == nil {
			_, _ = r.Forbids(rule, slipway.Principal{Name: "ann"}, auth.Ask{Verb: "deploy"}, time.Unix(0, 0))
		}
	})
}
