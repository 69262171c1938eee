package deploy

import (
	"strings"
	"testing"
	"time"

	"go.temporal.io/sdk/testsuite"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/deploy/durable"
)

const held = slipway.DeploymentHeld

func rollingStrategy(f func(*slipway.Rolling)) slipway.Strategy {
	s := slipway.Rolling{Watch: 1}
	if f != nil {
		f(&s)
	}
	return slipway.Strategy{Rolling: &s}
}

func canaryStrategy(f func(*slipway.Canary)) slipway.Strategy {
	s := slipway.Canary{Steps: []int{10, 50}, Interval: slipway.Duration(time.Minute), Watch: 1, Analysis: &slipway.Analysis{MinSamples: 2}}
	if f != nil {
		f(&s)
	}
	return slipway.Strategy{Canary: &s}
}

func percent(p int) *int { return &p }

// What each strategy does to a cluster of three machines that serves v1, call by call: the order of the calls is what keeps traffic safe.
func TestStrategies(t *testing.T) {
	custom := func(steps ...slipway.CustomStep) slipway.Strategy {
		return slipway.Strategy{Custom: &slipway.Custom{Steps: steps, Watch: 1}}
	}
	one, half, all := slipway.Amount{N: 1}, 50, 100
	minute := slipway.Duration(time.Minute)
	for _, c := range []struct {
		name     string
		strategy slipway.Strategy
		setup    func(*bed)
		state    slipway.DeploymentState
		calls    string
	}{
		{"rolling red/black", slipway.Strategy{RollingRedBlack: &slipway.RollingRedBlack{Steps: []int{34, 67}, Watch: 1}}, nil, succeeded,
			"create v2 2 · route v2:34 v1:66 · prove split · resize v2 3 · route v2:67 v1:33 · prove split · route v2 (v1) · prove v2 · route v2 [v1] · route v2"},
		{"rolling, one by one", rollingStrategy(nil), nil, succeeded,
			"create v2 1 · route v2:1 v1:2 · prove split · resize v1 2 · resize v2 2 · route v2:2 v1:1 · prove split · resize v1 1 · " +
				"resize v2 3 · route v2 (v1) · prove split · resize v1 0 · route v2 (v1) · prove v2 · route v2 [v1] · route v2 · destroy v1"},
		{"rolling, by batches", rollingStrategy(func(r *slipway.Rolling) { r.Batch = slipway.Amount{N: 2} }), nil, succeeded,
			"create v2 2 · route v2:2 v1:1 · prove split · resize v1 1 · " +
				"resize v2 3 · route v2 (v1) · prove split · resize v1 0 · route v2 (v1) · prove v2 · route v2 [v1] · route v2 · destroy v1"},
		{"rolling, in place of others", rollingStrategy(func(r *slipway.Rolling) { r.MinHealthy, r.MaxHealthy = percent(60), percent(100) }), nil, succeeded,
			"resize v1 2 · create v2 1 · route v2:1 v1:2 · prove split · resize v1 1 · resize v2 2 · route v2:2 v1:1 · prove split · " +
				"resize v1 0 · resize v2 3 · route v2 (v1) · prove split · route v2 (v1) · prove v2 · route v2 [v1] · route v2 · destroy v1"},
		{"rolling what is the same", rollingStrategy(func(r *slipway.Rolling) { r.SkipMatched = true }), func(b *bed) { b.again = true }, succeeded, ""},
		{"canary", canaryStrategy(nil), nil, succeeded,
			"create v3 1 · resize v3 1 · create v2 1 · route v2:10 v3:10 v1:80 · prove split · create v3 2 · resize v3 2 · resize v2 2 · " +
				"route v2:50 v3:25 v1:25 · prove split · resize v2 3 · route v2 (v1) · prove v2 · destroy v3 · route v2 [v1] · route v2"},
		{"canary without a baseline", canaryStrategy(func(c *slipway.Canary) { c.Baseline = new(bool) }), nil, succeeded,
			"create v2 1 · route v2:10 v1:90 · prove split · resize v2 2 · route v2:50 v1:50 · prove split · " +
				"resize v2 3 · route v2 (v1) · prove v2 · route v2 [v1] · route v2"},
		{"canary without spare capacity", canaryStrategy(func(c *slipway.Canary) { c.Replace, c.Size = true, slipway.Amount{N: 1} }), nil, succeeded,
			"resize v1 2 · create v2 1 · route v2:10 v1:90 · prove split · route v2:50 v1:50 · prove split · " +
				"resize v1 1 · resize v2 2 · route v2:2 v1:1 · prove split · resize v1 0 · resize v2 3 · route v2 (v1) · prove split · " +
				"route v2 (v1) · prove v2 · route v2 [v1] · route v2 · destroy v1"},
		{"canary that is worse", canaryStrategy(nil), func(b *bed) { b.w.grades = []slipway.Grade{slipway.GradeFail} }, rolledBack,
			"create v3 1 · resize v3 1 · create v2 1 · route v2:10 v3:10 v1:80 · prove split · route v1 [v2] [v3] · prove v1 · " +
				"route v1 [v3] · destroy v2 · route v1 · destroy v3"},
		{"canary that is good enough to go on, not to end well", canaryStrategy(nil),
			func(b *bed) { b.w.grades = []slipway.Grade{slipway.GradeMarginal, slipway.GradeMarginal} }, rolledBack,
			"create v3 1 · resize v3 1 · create v2 1 · route v2:10 v3:10 v1:80 · prove split · create v3 2 · resize v3 2 · resize v2 2 · " +
				"route v2:50 v3:25 v1:25 · prove split · route v1 [v2] [v3] · prove v1 · route v1 [v3] · destroy v2 · route v1 · destroy v3"},
		{"canary of which too little is known", canaryStrategy(nil), func(b *bed) { b.w.grades = repeat(slipway.GradeNoData, 50) }, rolledBack,
			"create v3 1 · resize v3 1 · create v2 1 · route v2:10 v3:10 v1:80 · prove split · route v1 [v2] [v3] · prove v1 · " +
				"route v1 [v3] · destroy v2 · route v1 · destroy v3"},
		{"canary of which enough is known at last", canaryStrategy(nil), func(b *bed) { b.w.grades = repeat(slipway.GradeNoData, 9) }, succeeded,
			"create v3 1 · resize v3 1 · create v2 1 · route v2:10 v3:10 v1:80 · prove split · create v3 2 · resize v3 2 · resize v2 2 · " +
				"route v2:50 v3:25 v1:25 · prove split · resize v2 3 · route v2 (v1) · prove v2 · destroy v3 · route v2 [v1] · route v2"},
		{"no traffic", slipway.Strategy{None: &slipway.NoTraffic{}}, nil, succeeded, "create v2 3"},
		{"custom", custom(slipway.CustomStep{Create: &one}, slipway.CustomStep{Weight: &half}, slipway.CustomStep{Wait: &minute},
			slipway.CustomStep{Check: &slipway.Check{HTTP: &slipway.HTTPTest{Path: "/"}}}, slipway.CustomStep{Weight: &all}, slipway.CustomStep{Retire: &slipway.RetireStep{}}), nil, succeeded,
			"create v2 1 · route v2:50 v1:50 · prove split · resize v2 3 · route v2 (v1) · prove v2 · route v2 [v1] · route v2 · destroy v1"},
		{"custom, whose check fails", custom(slipway.CustomStep{Create: &one}, slipway.CustomStep{Weight: &half},
			slipway.CustomStep{Check: &slipway.Check{HTTP: &slipway.HTTPTest{Path: "/broken"}}}, slipway.CustomStep{Weight: &all}), nil, rolledBack,
			"create v2 1 · route v2:50 v1:50 · prove split · route v1 [v2] · prove v1 · route v1 · destroy v2"},
		{"custom, and nobody approves", custom(slipway.CustomStep{Create: &one}, slipway.CustomStep{Approve: &slipway.ApproveStep{}}, slipway.CustomStep{Weight: &all}), nil, rolledBack,
			"create v2 1 · destroy v2"},
		{"step by step from what is broken: at once", canaryStrategy(nil), func(b *bed) {
			for range 3 {
				b.w.spoilAll("hello-prod-v001")
			}
		}, succeeded, "create v2 3 · route v2 (v1) · prove v2 · route v2 [v1] · route v2"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b := newBed(t)
			b.w.sizes = true
			b.env.Size = slipway.Size{Min: 2, Desired: 3, Max: 5}
			if strings.Contains(c.name, "in place") {
				b.env.Size.Min = 1
			}
			b.deploy("one")
			b.w.taken()
			b.env.Strategy = c.strategy
			if c.setup != nil {
				c.setup(b)
			}
			version := "two"
			if b.again {
				version = "one"
			}
			d := b.deploy(version)
			if calls := b.w.taken(); calls != c.calls {
				t.Errorf("calls\n  %s\nwant\n  %s", calls, c.calls)
			}
			if d.State != c.state {
				t.Errorf("state %s, want %s (%v)", d.State, c.state, d.Error)
			}
			if len(d.Undo) > 0 {
				t.Errorf("the ledger has %v", d.Undo)
			}
		})
	}
}

func repeat(g slipway.Grade, n int) []slipway.Grade {
	list := make([]slipway.Grade, n)
	for i := range list {
		list[i] = g
	}
	return list
}

// What a person tells a deployment, when, and what comes of it.
func TestCommands(t *testing.T) {
	type told struct {
		after time.Duration
		verb  slipway.Verb
		want  slipway.Code // "" if it is followed
	}
	approval := slipway.Strategy{Custom: &slipway.Custom{Steps: []slipway.CustomStep{
		{Create: &slipway.Amount{N: 100, Percent: true}}, {Approve: &slipway.ApproveStep{Message: "really?"}}, {Weight: percent(100)},
	}, Watch: 1}}
	watching := slipway.Strategy{RedBlack: &slipway.RedBlack{Watch: slipway.Duration(time.Hour)}}
	for _, c := range []struct {
		name     string
		strategy slipway.Strategy
		policy   slipway.Policy
		setup    func(*bed)
		told     []told
		state    slipway.DeploymentState
		took     time.Duration // at least
		within   time.Duration // at most
		error    string
	}{
		{"nothing", watching, slipway.Policy{}, nil, nil, succeeded, time.Hour, 2 * time.Hour, ""},
		{"promote while it is watched", watching, slipway.Policy{}, nil, []told{{time.Minute, slipway.VerbPromote, ""}}, succeeded, time.Minute, 2 * time.Minute, ""},
		{"a pause stops the clock", watching, slipway.Policy{}, nil,
			[]told{{time.Minute, slipway.VerbPause, ""}, {10 * time.Hour, slipway.VerbResume, ""}}, succeeded, 10*time.Hour + 58*time.Minute, 11*time.Hour + 5*time.Minute, ""},
		{"a pause does not stop the alarms", watching, slipway.Policy{}, func(b *bed) { b.later(2*time.Minute, func() { b.w.spoil("hello-prod-v002", slipway.InstanceDead) }) },
			[]told{{time.Minute, slipway.VerbPause, ""}}, rolledBack, 2 * time.Minute, 10 * time.Minute, "under traffic"},
		{"pause twice", watching, slipway.Policy{}, nil,
			[]told{{time.Minute, slipway.VerbPause, ""}, {2 * time.Minute, slipway.VerbPause, slipway.Conflict}, {3 * time.Minute, slipway.VerbResume, ""}}, succeeded, time.Hour, 2 * time.Hour, ""},
		{"resume what is not paused", watching, slipway.Policy{}, nil, []told{{time.Minute, slipway.VerbResume, slipway.Conflict}}, succeeded, time.Hour, 2 * time.Hour, ""},
		{"retry what has not failed", watching, slipway.Policy{}, nil, []told{{time.Minute, slipway.VerbRetry, slipway.Conflict}}, succeeded, time.Hour, 2 * time.Hour, ""},
		{"approve what does not ask", watching, slipway.Policy{}, nil, []told{{time.Minute, slipway.VerbApprove, slipway.Conflict}}, succeeded, time.Hour, 2 * time.Hour, ""},
		{"a verb there is not", watching, slipway.Policy{}, nil, []told{{time.Minute, "dance", slipway.Invalid}}, succeeded, time.Hour, 2 * time.Hour, ""},
		{"approve", approval, slipway.Policy{}, nil, []told{{time.Hour, slipway.VerbApprove, ""}}, succeeded, time.Hour, 2 * time.Hour, ""},
		{"reject", approval, slipway.Policy{}, nil, []told{{time.Hour, slipway.VerbReject, ""}}, rolledBack, time.Hour, 2 * time.Hour, "rejected"},
		{"nobody answers", approval, slipway.Policy{}, nil, nil, rolledBack, 72 * time.Hour, 73 * time.Hour, "nobody approved"},
		{"an approval that was paused", approval, slipway.Policy{}, nil,
			[]told{{time.Hour, slipway.VerbPause, ""}, {100 * time.Hour, slipway.VerbResume, ""}, {101 * time.Hour, slipway.VerbApprove, ""}}, succeeded, 101 * time.Hour, 102 * time.Hour, ""},
		{"what failed is held, and nobody comes", watching, slipway.Policy{OnFailure: slipway.FailureHold}, func(b *bed) { b.w.health["hello-prod-v002"] = slipway.InstanceDead },
			nil, rolledBack, time.Hour, 2 * time.Hour, "is dead"},
		{"what failed is retried", watching, slipway.Policy{OnFailure: slipway.FailureHold}, func(b *bed) {
			b.w.health["hello-prod-v002"] = slipway.InstanceDead
			b.later(10*time.Minute, func() { delete(b.w.health, "hello-prod-v002") })
		}, []told{{20 * time.Minute, slipway.VerbPause, slipway.Conflict}, {30 * time.Minute, slipway.VerbRetry, ""}}, succeeded, 90 * time.Minute, 2 * time.Hour, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b := newBed(t)
			b.env.Healthy = slipway.Duration(time.Minute)
			b.deploy("one")
			b.env.Strategy, b.env.Policy = c.strategy, c.policy
			answers := make([]slipway.Code, len(c.told))
			b.during = func(env *testsuite.TestWorkflowEnvironment) {
				for i, told := range c.told {
					env.RegisterDelayedCallback(func() {
						env.UpdateWorkflow(UpdateCommand, "", &answer{code: &answers[i]}, slipway.Command{Verb: told.verb, By: "ann", Reason: "so"})
					}, told.after)
				}
			}
			if c.setup != nil {
				c.setup(b)
			}
			start := time.Now()
			d := b.deploy("two")
			if d.State != c.state || !strings.Contains(slipway.MessageOf(errorOf(d)), c.error) {
				t.Errorf("state %s, want %s; error %v, want %q in it", d.State, c.state, d.Error, c.error)
			}
			if took := d.Finished.Sub(start); took < c.took-time.Minute || took > c.within {
				t.Errorf("it took %s, want %s to %s", took, c.took, c.within)
			}
			for i, told := range c.told {
				if answers[i] != told.want {
					t.Errorf("%s after %s: %q, want %q", told.verb, told.after, answers[i], told.want)
				}
			}
			if d.Waiting != nil || d.Paused != nil {
				t.Errorf("it is over and waits for %v, paused %v", d.Waiting, d.Paused)
			}
		})
	}
}

// answer takes what became of an update.
type answer struct{ code *slipway.Code }

func (a *answer) Accept() {}

func (a *answer) Reject(err error) { *a.code = codeOf(err) }

func (a *answer) Complete(_ any, err error) {
	if err != nil {
		*a.code = codeOf(err)
	}
}

func codeOf(err error) slipway.Code { return durable.Error(err).Code }
