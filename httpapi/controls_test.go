package httpapi

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/slipway-sh/slipway"
)

// controls is an operator, and a guard, that notes what it is asked and answers what a test sets.
type controls struct {
	slipway.Operator
	asked []string
	err   error
}

func (c *controls) note(what string, args ...any) {
	c.asked = append(c.asked, what+fmt.Sprintf("%+v", args))
}

func (c *controls) Deploy(_ context.Context, r slipway.DeployRequest) (slipway.Deployment, error) {
	c.note("deploy ", r.Strategy.Name(), r.OnConflict, r.Hotfix, r.Override, r.Force, r.Reason, r.By)
	return slipway.Deployment{ID: "d-1", State: slipway.DeploymentQueued}, c.err
}

func (c *controls) Rollback(_ context.Context, r slipway.RollbackRequest) (slipway.Deployment, error) {
	c.note("rollback ", r.Override, r.Force, r.Reason, r.By)
	return slipway.Deployment{ID: "d-1"}, c.err
}

func (c *controls) Command(_ context.Context, id string, k slipway.Command) (slipway.Deployment, error) {
	c.note("command ", id, k.Verb, k.Reason, k.By)
	return slipway.Deployment{ID: id, Paused: &slipway.Pause{By: k.By}}, c.err
}

func (c *controls) Retry(_ context.Context, id string, k slipway.Command) (slipway.Deployment, error) {
	c.note("retry ", id, k.Verb, k.Reason, k.By)
	return slipway.Deployment{ID: "d-2"}, c.err
}

func (c *controls) Release(_ context.Context, r slipway.ReleaseRequest) (slipway.Release, error) {
	c.note("release ", r)
	return slipway.Release{ID: "r-1"}, c.err
}

func (c *controls) Restrict(_ context.Context, r slipway.RestrictionRequest) (slipway.Restriction, error) {
	c.note("restrict ", r.Kind, r.Cluster.Application, r.Cluster.Environment, r.Image, r.Reason, r.By, r.Until.IsZero())
	return slipway.Restriction{ID: "f-1", Kind: r.Kind}, c.err
}

func (c *controls) Lift(_ context.Context, r slipway.LiftRequest) (slipway.Restriction, error) {
	c.note("lift ", r.ID, r.Reason, r.By)
	return slipway.Restriction{ID: r.ID}, c.err
}

func (c *controls) Terminate(_ context.Context, id string, force bool, reason, by string) error {
	c.note("terminate ", id, force, reason, by)
	return c.err
}

func (c *controls) DestroyGroup(_ context.Context, name string, force bool, reason, by string) error {
	c.note("destroy ", name, force, reason, by)
	return c.err
}

func TestControls(t *testing.T) {
	const shop = `"cluster":{"application":"shop","environment":"prod"}`
	for _, c := range []struct {
		method, path, body string
		status             int
		answer             string // in the body
		asked              string // of the operator; "" if it must not be asked
	}{
		{"POST", "/v1/deployments", `{` + shop + `,"image":"v1","strategy":"canary","on_conflict":"queue","hotfix":true,"override":true,"force":true,"reason":"on fire","by":"ann"}`,
			202, `"state":"queued"`, "deploy [canary queue true true true on fire ann]"},
		{"POST", "/v1/deployments", `{` + shop + `,"image":"v1","hotfix":true}`, 422, "cannot jump the queue without a reason", ""},
		{"POST", "/v1/deployments", `{` + shop + `,"image":"v1","on_conflict":"fight"}`, 422, `"place":"on_conflict"`, ""},
		{"POST", "/v1/rollbacks", `{` + shop + `,"force":true,"reason":"on fire"}`, 202, `"id":"d-1"`, "rollback [false true on fire root]"},
		{"POST", "/v1/rollbacks", `{` + shop + `,"override":true}`, 422, "cannot override restrictions without a reason", ""},

		{"POST", "/v1/deployments/d-1/commands", `{"verb":"pause","reason":"lunch","by":"ann"}`, 200, `"paused":{`, "command [d-1 pause lunch ann]"},
		{"POST", "/v1/deployments/d-1/commands", `{"verb":"stop"}`, 422, `"place":"verb"`, ""},
		{"POST", "/v1/deployments/d-1/commands", `{"verb":"pause","reason":"` + strings.Repeat("x", 2000) + `"}`, 422, `"place":"reason"`, ""},
		{"POST", "/v1/deployments/d-1/retry", `{"reason":"the disk is larger","by":"ann"}`, 202, `"id":"d-2"`, "retry [d-1 retry the disk is larger ann]"},
		{"POST", "/v1/deployments/d-1/retry", `{}`, 202, `"id":"d-2"`, "retry [d-1 retry  root]"},

		{"POST", "/v1/releases", `{"environment":"prod","members":[{"application":"shop","image":"v1"},{"application":"blog","image":"v2"}],"parallel":true,"by":"ann"}`,
			202, `"id":"r-1"`, "release [{Environment:prod Members:[{Application:shop Image:v1} {Application:blog Image:v2}] Parallel:true Reason: By:ann}]"},
		{"POST", "/v1/releases", `{"environment":"prod","members":[]}`, 422, "cannot release nothing", ""},
		{"POST", "/v1/releases", `{"environment":"prod","members":[{"application":"shop","image":"v1"},{"application":"shop","image":"v2"}]}`, 422, "cannot release shop twice", ""},

		{"POST", "/v1/restrictions", `{"kind":"freeze","cluster":{"application":"","environment":"prod"},"reason":"sale","by":"ann","until":"2999-01-01T00:00:00Z"}`,
			200, `"id":"f-1"`, "restrict [freeze  prod  sale ann false]"},
		{"POST", "/v1/restrictions", `{"kind":"veto",` + shop + `,"image":"v1","reason":"leaks"}`, 200, `"kind":"veto"`, "restrict [veto shop prod v1 leaks root true]"},
		{"POST", "/v1/restrictions", `{"kind":"freeze",` + shop + `,"reason":" "}`, 422, `"place":"reason"`, ""},
		{"POST", "/v1/restrictions", `{"kind":"veto",` + shop + `,"reason":"leaks"}`, 422, `"place":"image"`, ""},
		{"POST", "/v1/restrictions", `{"kind":"ban",` + shop + `,"reason":"leaks"}`, 422, `"place":"kind"`, ""},
		{"DELETE", "/v1/restrictions/f-1?reason=over&by=ann", "", 200, `"id":"f-1"`, "lift [f-1 over ann]"},
		{"DELETE", "/v1/restrictions/f-1", "", 422, "cannot lift a restriction without a reason", ""},
		{"DELETE", "/v1/restrictions/d-1?reason=over", "", 422, `cannot lift \"d-1\"`, ""},

		{"DELETE", "/v1/instances/i-1", "", 204, "", "terminate [i-1 false  root]"},
		{"DELETE", "/v1/instances/i-1?force=true&reason=rooted&by=ann", "", 204, "", "terminate [i-1 true rooted ann]"},
		{"DELETE", "/v1/instances/i-1?force=true", "", 422, "cannot remove instance i-1 by force without a reason", ""},
		{"DELETE", "/v1/groups/shop-prod-v001", "", 204, "", "destroy [shop-prod-v001 false  root]"},
		{"DELETE", "/v1/groups/shop-prod-v001?force=true&reason=rooted", "", 204, "", "destroy [shop-prod-v001 true rooted root]"},
		{"DELETE", "/v1/groups/shop-prod-v001?force=true&reason=%20", "", 422, "by force without a reason", ""},
	} {
		told := &controls{}
		s := serve(t, func(cfg *Config) { cfg.Operator, cfg.Guard = told, told })
		status, body, _ := s.do(t, c.method, c.path, c.body)
		if status != c.status || !strings.Contains(body, c.answer) || strings.Join(told.asked, "") != c.asked {
			t.Errorf("%s %s %.200s:\n%d %s\nasked %q, want %q", c.method, c.path, c.body, status, body, told.asked, c.asked)
		}
	}

	// What is refused says so, whoever asks.
	told := &controls{err: slipway.Errorf(slipway.Refused, "cannot do that: it is the last that serves")}
	s := serve(t, func(cfg *Config) { cfg.Operator, cfg.Guard = told, told })
	for _, path := range []string{"/v1/instances/i-1", "/v1/groups/shop-prod-v001"} {
		if status, body, _ := s.do(t, "DELETE", path, ""); status != http.StatusForbidden || !strings.Contains(body, "the last that serves") {
			t.Errorf("%s: %d %s", path, status, body)
		}
	}
}

func TestListRestrictions(t *testing.T) {
	s := serve(t)
	for n, c := range []slipway.Cluster{{}, {Application: "shop"}, {Environment: "prod"}, {Application: "shop", Environment: "prod"}, {Application: "blog", Environment: "dev"}} {
		r := slipway.Restriction{ID: fmt.Sprintf("f-%d", n), Kind: slipway.RestrictionFreeze, Cluster: c, Since: time.Unix(int64(n), 0)}
		if _, err := s.Store.PutRestriction(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
	over := slipway.Restriction{ID: "f-9", Kind: slipway.RestrictionFreeze, Cluster: slipway.Cluster{Application: "wiki"}, Since: time.Unix(9, 0), Until: time.Unix(10, 0)}
	if _, err := s.Store.PutRestriction(t.Context(), over); err != nil {
		t.Fatal(err)
	}
	for query, want := range map[string]string{
		"":                                   "f-0 f-1 f-2 f-3 f-4",
		"?over=true":                         "f-0 f-1 f-2 f-3 f-4 f-9",
		"?application=shop":                  "f-0 f-1 f-2 f-3",
		"?environment=dev":                   "f-0 f-1 f-4",
		"?application=shop&environment=prod": "f-0 f-1 f-2 f-3",
		"?application=shop&environment=dev":  "f-0 f-1",
		"?application=wiki":                  "f-0 f-2",
		"?application=wiki&over=true":        "f-0 f-2 f-9",
	} {
		var all struct{ Items []slipway.Restriction }
		s.get(t, "/v1/restrictions"+query, &all)
		var ids []string
		for _, r := range all.Items {
			ids = append(ids, r.ID)
		}
		if got := strings.Join(ids, " "); got != want {
			t.Errorf("%q: %s, want %s", query, got, want)
		}
	}
}
