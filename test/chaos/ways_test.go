package chaos

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/client"
)

// way is a way that a deployment can go.
type way struct {
	name     string
	strategy func(r *rig) slipway.Strategy
	prepare  func(r *rig)                                       // what comes before it and is not killed; may be nil
	begin    func(r *rig) (slipway.Deployment, error)           // default: deploy the release that does not serve
	people   func(ctx context.Context, r *rig, id string) error // what they do meanwhile; may be nil
	undoing  bool                                               // only what comes after it was aborted is looked at
	stays    bool                                               // the release that served goes on serving
	state    slipway.DeploymentState                            // default succeeded
	kept     int                                                // groups that are kept beside the one that serves
	after    func(r *rig, d slipway.Deployment)                 // makes way for the next; may be nil
}

var ways = []way{
	{name: "canary", kept: 1, strategy: func(*rig) slipway.Strategy { return canary(time.Second) }},
	{name: "rolling", strategy: func(*rig) slipway.Strategy { return rolling(200 * time.Millisecond) }},
	{name: "custom", strategy: custom, people: approve},
	{name: "rolling-redblack", kept: 1, strategy: func(*rig) slipway.Strategy {
		return slipway.Strategy{RollingRedBlack: &slipway.RollingRedBlack{Steps: []int{50}, Wait: slipway.Duration(200 * time.Millisecond)}}
	}},
	redblack,
	{name: "highlander", strategy: func(*rig) slipway.Strategy { return slipway.Strategy{Highlander: &slipway.Highlander{}} }},
	{
		name: "abort of a canary", strategy: func(*rig) slipway.Strategy { return canary(time.Minute) },
		people: abortAt("observing"), undoing: true, stays: true, state: slipway.DeploymentAborted,
	},
	{
		name: "abort of rolling", strategy: func(*rig) slipway.Strategy { return rolling(time.Minute) },
		people: abortAt("watching"), undoing: true, stays: true, state: slipway.DeploymentAborted,
	},
	{name: "rollback", kept: 1, strategy: redblack.strategy, prepare: leave, begin: rollBack, after: func(r *rig, _ slipway.Deployment) { r.lift() }},
	{
		name: "none", stays: true, kept: 1, strategy: func(*rig) slipway.Strategy { return slipway.Strategy{None: &slipway.NoTraffic{}} },
		after: func(r *rig, d slipway.Deployment) {
			if err := r.API.DestroyGroup(r.t.Context(), d.Target, client.Removal{}); err != nil {
				r.t.Fatal(err)
			}
		},
	},
}

var redblack = way{name: "redblack", kept: 1, strategy: func(*rig) slipway.Strategy { return slipway.Strategy{RedBlack: &slipway.RedBlack{}} }}

func canary(interval time.Duration) slipway.Strategy {
	return slipway.Strategy{Canary: &slipway.Canary{Steps: []int{50}, Interval: slipway.Duration(interval), Analysis: &errorsAlone}}
}

// errorsAlone compares only what fails: nothing does, so that no chance decides.
var errorsAlone = slipway.Analysis{
	Metrics:    []slipway.Metric{{Name: "errors", Source: slipway.SourceErrors, Critical: true}},
	MinSamples: 1, Extend: slipway.Duration(30 * time.Second),
}

func rolling(delay time.Duration) slipway.Strategy {
	return slipway.Strategy{Rolling: &slipway.Rolling{Checkpoints: []int{50}, Delay: slipway.Duration(delay)}}
}

// custom has a step of every kind that an image of nothing but one program can have.
func custom(r *rig) slipway.Strategy {
	judge := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(map[string]string{"result": "pass"})
	}))
	r.t.Cleanup(judge.Close)
	half, full, wait := 50, 100, slipway.Duration(200*time.Millisecond)
	return slipway.Strategy{Custom: &slipway.Custom{Steps: []slipway.CustomStep{
		{Create: &slipway.Amount{N: 1}},
		{Check: &slipway.Check{TCP: &slipway.TCPTest{Port: 8080}}},
		{Weight: &half},
		{Wait: &wait},
		{Webhook: &slipway.WebhookCheck{URL: judge.URL}},
		{Approve: &slipway.ApproveStep{Message: "go on?"}},
		{Weight: &full},
		{Retire: &slipway.RetireStep{Keep: 0}},
	}}}
}

// approve approves what the deployment waits for, however often that takes.
func approve(ctx context.Context, r *rig, id string) error {
	asks := func(d slipway.Deployment) bool {
		return ended(d) || d.Waiting != nil && strings.HasPrefix(d.Waiting.For, "approval")
	}
	return insist(ctx, r, id, asks, func() error {
		_, err := r.API.Command(ctx, id, slipway.Command{Verb: slipway.VerbApprove, By: "chaos"})
		return err
	})
}

// abortAt returns what aborts the deployment once it is at the step, however often that takes.
func abortAt(step string) func(context.Context, *rig, string) error {
	return func(ctx context.Context, r *rig, id string) error {
		return insist(ctx, r, id, at(step), func() error { return r.API.Abort(ctx, id) })
	}
}

// insist does something once the deployment is ready for it, until that was heard: a killed slipwayd may or may not have heard it.
func insist(ctx context.Context, r *rig, id string, ready func(slipway.Deployment) bool, do func() error) error {
	for {
		d, err := r.poll(ctx, id, ready)
		if err != nil || ended(d) {
			return err
		}
		if err := do(); err == nil || slipway.CodeOf(err) == slipway.Conflict { // it was heard before
			return nil
		}
	}
}

// leave deploys the other release, so that there is something to roll back.
func leave(r *rig) {
	env := r.env
	env.Strategy = quick(redblack.strategy(r))
	d := r.await("deploy what is to be rolled back", r.deploy(func(e *slipway.Environment) { *e = env }).ID, ended)
	if d.State != slipway.DeploymentSucceeded {
		r.t.Fatalf("cannot deploy what is to be rolled back: %v", d.Error)
	}
	r.serving = r.other()
}

func rollBack(r *rig) (slipway.Deployment, error) {
	return r.API.Rollback(r.t.Context(), slipway.RollbackRequest{Cluster: prod, Reason: "chaos"})
}
