package deploy

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/worker"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/deploy/durable"
)

var cluster = slipway.Cluster{Application: "hello", Environment: "prod"}

func imageOf(version string) slipway.Digest { return slipway.DigestOf([]byte(version)) }

// bed runs deployments one after the other in a world.
type bed struct {
	t            *testing.T
	w            *world
	env          slipway.Environment
	n            int
	abort        string // the call or step at which the deployment is aborted
	irreversible bool   // so is the image of the next deployment
	again        bool   // the next deployment is of the same image
	laters       []func(env *testsuite.TestWorkflowEnvironment)
	// during, if set, prepares what happens while the next deployment is carried out.
	during func(env *testsuite.TestWorkflowEnvironment)
}

func newBed(t *testing.T) *bed {
	keep := 1
	b := &bed{t: t, w: newWorld(), env: slipway.Environment{
		Size:         slipway.Size{Min: 2, Desired: 3, Max: 5},
		LoadBalancer: &slipway.LoadBalancerSpec{Port: 8443, Address: "127.0.0.1"},
		Strategy:     slipway.Strategy{RedBlack: &slipway.RedBlack{Watch: slipway.Duration(20 * time.Millisecond), Keep: &keep}},
		Healthy:      slipway.Duration(200 * time.Millisecond),
	}}
	return b
}

func (b *bed) deploy(version string) slipway.Deployment {
	b.t.Helper()
	b.w.images[imageOf(version)] = slipway.Image{
		Digest: imageOf(version), Application: "hello", State: slipway.ImageReady, Irreversible: b.irreversible, Service: slipway.Service{Command: []string{"/hello"}, Port: 8080},
	}
	env := b.env
	d, err := PlanDeploy(b.t.Context(), b.w, slipway.DeployRequest{Cluster: cluster, Image: string(imageOf(version)), Environment: &env})
	if err != nil {
		b.t.Fatal(err)
	}
	return b.run(d)
}

// later does something while the next deployment is carried out.
func (b *bed) later(after time.Duration, f func()) {
	b.laters = append(b.laters, func(env *testsuite.TestWorkflowEnvironment) { env.RegisterDelayedCallback(f, after) })
}

func (b *bed) rollback(image string) (slipway.Deployment, error) {
	b.t.Helper()
	d, err := PlanRollback(b.t.Context(), b.w, provider{world: b.w}, slipway.RollbackRequest{Cluster: cluster, Image: image})
	if err != nil {
		return d, err
	}
	return b.run(d), nil
}

func (b *bed) run(d slipway.Deployment) slipway.Deployment {
	b.t.Helper()
	if d.ID == "" {
		b.n++
		d.ID, d.Started = "d-"+string(rune('0'+b.n)), time.Now()
	}
	log := slog.New(slog.NewTextHandler(io.Discard, nil))
	var suite testsuite.WorkflowTestSuite
	suite.SetLogger(slog.New(slog.NewTextHandler(io.Discard, nil)))
	env := suite.NewTestWorkflowEnvironment()
	env.SetWorkerOptions(worker.Options{Interceptors: []interceptor.WorkerInterceptor{durable.Guard(log), &oneByOne{}}})
	env.SetTestTimeout(time.Minute)
	env.SetStartTime(time.Now())
	Register(env, &Activities{
		Store: b.w, Bus: b.w, Provider: provider{world: b.w}, Router: router{world: b.w}, Traffic: b.w, Measurer: b.w, Analyst: b.w, Log: log,
		Address: "127.0.0.1", Now: env.Now, // time is virtual, so there is no patience
	})
	if b.during != nil {
		b.during(env)
	}
	for _, later := range b.laters {
		later(env)
	}
	if abort := b.abort; abort != "" {
		inner := b.w.fault
		b.w.fault = func(call string) (error, error) {
			if strings.HasPrefix(call, abort) && b.abort != "" {
				b.abort = ""
				env.CancelWorkflow()
			}
			if inner != nil {
				return inner(call)
			}
			return nil, nil
		}
	}
	if err := env.SetMemoOnStart(MemoOf(d)); err != nil {
		b.t.Fatal(err)
	}
	env.ExecuteWorkflow(WorkflowName, d, []Waiter{})
	if err := env.GetWorkflowError(); err != nil {
		b.t.Fatal(err)
	}
	var result slipway.Deployment
	if err := env.GetWorkflowResult(&result); err != nil {
		b.t.Fatal(err)
	}
	stored, _ := b.w.Deployment(b.t.Context(), d.ID)
	if diff := cmp.Diff(result.State, stored.State); diff != "" {
		b.t.Errorf("the stored state differs: %s", diff)
	}
	if stored.Finished.IsZero() {
		b.t.Error("the record does not say when the deployment finished")
	}
	if (len(stored.Undo) > 0) != (stored.State == slipway.DeploymentNeedsAttention) {
		b.t.Errorf("state %s with ledger %v", stored.State, stored.Undo)
	}
	return stored
}

// oneByOne makes the test environment keep what a server keeps: a cancelled activity is waited for before the workflow goes on.
type oneByOne struct {
	interceptor.WorkerInterceptorBase
	mu sync.Mutex
}

func (o *oneByOne) InterceptActivity(_ context.Context, next interceptor.ActivityInboundInterceptor) interceptor.ActivityInboundInterceptor {
	return &serial{ActivityInboundInterceptorBase: interceptor.ActivityInboundInterceptorBase{Next: next}, mu: &o.mu}
}

type serial struct {
	interceptor.ActivityInboundInterceptorBase
	mu *sync.Mutex
}

func (s *serial) ExecuteActivity(ctx context.Context, in *interceptor.ExecuteActivityInput) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.Next.ExecuteActivity(ctx, in)
}

// once makes the first call with the prefix fail with err, before it does its work.
func once(prefix string, err error) func(string) (error, error) {
	return func(call string) (error, error) {
		if prefix != "" && strings.HasPrefix(call, prefix) {
			prefix = ""
			return err, nil
		}
		return nil, nil
	}
}

// lost makes the first call with the prefix do its work and then fail.
func lost(prefix string) func(string) (error, error) {
	f := once(prefix, errors.New("connection reset"))
	return func(call string) (error, error) {
		before, after := f(call)
		return after, before
	}
}

// always makes every call with the prefix fail.
func always(prefix string, err error) func(string) (error, error) {
	return func(call string) (error, error) {
		if strings.HasPrefix(call, prefix) {
			return err, nil
		}
		return nil, nil
	}
}

const (
	succeeded  = slipway.DeploymentSucceeded
	rolledBack = slipway.DeploymentRolledBack
	aborted    = slipway.DeploymentAborted
	attention  = slipway.DeploymentNeedsAttention
)

// The second deployment of a cluster that serves v1, what goes wrong in it, and exactly what it does to the world.
func TestDeployment(t *testing.T) {
	broken := slipway.Errorf(slipway.Failed, "broken")
	passing := errors.New("passing")
	dead := func(step string) func(*bed) {
		return func(b *bed) {
			b.w.fault = func(call string) (error, error) {
				if strings.HasPrefix(call, step) {
					b.w.spoil("hello-prod-v002", slipway.InstanceDead)
				}
				return nil, nil
			}
		}
	}
	fault := func(f func(string) (error, error)) func(*bed) { return func(b *bed) { b.w.fault = f } }
	abort := func(at string) func(*bed) { return func(b *bed) { b.abort = at } }
	highlander := func(b *bed) {
		b.env.Strategy = slipway.Strategy{Highlander: &slipway.Highlander{Watch: slipway.Duration(20 * time.Millisecond)}}
	}
	workers := func(b *bed) { b.env.LoadBalancer = nil }
	and := func(fs ...func(*bed)) func(*bed) {
		return func(b *bed) {
			for _, f := range fs {
				f(b)
			}
		}
	}
	smoke := func(b *bed) {
		b.env.Checks = []slipway.Check{{HTTP: &slipway.HTTPTest{Path: "/broken"}}}
	}
	for _, c := range []struct {
		name  string
		setup func(*bed)
		state slipway.DeploymentState
		calls string
		error string
	}{
		{"redblack", nil, succeeded, "create v2 · route v2 (v1) · prove v2 · route v2 [v1] · route v2", ""},
		{"highlander", highlander, succeeded, "create v2 · route v2 (v1) · prove v2 · route v2 [v1] · route v2 · destroy v1", ""},
		{"workers", workers, succeeded, "create v2 · resize v1 0", ""},
		{"highlander of workers", and(workers, highlander), succeeded, "create v2 · destroy v1", ""},

		{"create fails", fault(always("create v2", broken)), rolledBack, "create v2", "broken"},
		{"create fails for good", fault(always("create v2", passing)), rolledBack, strings.Repeat("create v2 · ", 29) + "create v2", "internal"},
		{"create fails once", fault(once("create v2", passing)), succeeded, "create v2 · create v2 · route v2 (v1) · prove v2 · route v2 [v1] · route v2", ""},
		{"create's reply is lost", fault(lost("create v2")), succeeded, "create v2 · create v2 · route v2 (v1) · prove v2 · route v2 [v1] · route v2", ""},
		{"a machine dies while starting", func(b *bed) { b.w.health["hello-prod-v002"] = slipway.InstanceDead }, rolledBack, "create v2 · destroy v2", "boom"},
		{"never healthy", func(b *bed) { b.w.health["hello-prod-v002"] = slipway.InstanceStarting }, rolledBack, "create v2 · destroy v2", "0 of 3 machines"},
		{"a smoke check fails", smoke, rolledBack, "create v2 · destroy v2", "check http /broken"},
		{"dead just before the shift", dead("step: waiting"), rolledBack, "create v2 · destroy v2", "dead"},
		{"shift fails", fault(once("route v2 (v1)", broken)), rolledBack, "create v2 · route v2 (v1) · route v1 · destroy v2", "broken"},
		{"shift's reply is lost", fault(lost("route v2 (v1)")), succeeded, "create v2 · route v2 (v1) · route v2 (v1) · prove v2 · route v2 [v1] · route v2", ""},
		{"prove fails", fault(always("prove v2", broken)), rolledBack, "create v2 · route v2 (v1) · prove v2 · route v1 [v2] · prove v1 · route v1 · destroy v2", "broken"},
		{"dies under traffic", dead("step: watching"), rolledBack, "create v2 · route v2 (v1) · prove v2 · route v1 [v2] · prove v1 · route v1 · destroy v2", "under traffic"},
		{"requests fail", func(b *bed) {
			b.w.fault = func(call string) (error, error) {
				if strings.HasPrefix(call, "step: watching") {
					b.w.failed["hello-prod-v002"] = 3
				}
				return nil, nil
			}
		}, rolledBack, "create v2 · route v2 (v1) · prove v2 · route v1 [v2] · prove v1 · route v1 · destroy v2", "failed 3 of "},
		{"requests fail now and then", func(b *bed) {
			b.w.fault = func(call string) (error, error) {
				if strings.HasPrefix(call, "step: watching") {
					b.w.failed["hello-prod-v002"] = 2
				}
				return nil, nil
			}
		}, succeeded, "create v2 · route v2 (v1) · prove v2 · route v2 [v1] · route v2", ""},
		{"dies before it settles", dead("step: settling"), rolledBack, "create v2 · route v2 (v1) · prove v2 · route v1 [v2] · prove v1 · route v1 · destroy v2", "healthy now"},
		{"settling fails", func(b *bed) {
			b.w.fault = func(call string) (error, error) {
				if call == "route v2 [v1]" {
					return broken, nil
				}
				return nil, nil
			}
		}, rolledBack, "create v2 · route v2 (v1) · prove v2 · route v2 [v1] · route v1 [v2] · prove v1 · route v1 · destroy v2", "broken"},
		{"retiring fails", and(highlander, fault(always("destroy v1", broken))), succeeded, "create v2 · route v2 (v1) · prove v2 · route v2 [v1] · route v2 · destroy v1", ""},
		{"dies before it retires the other", and(highlander, dead("step: destroying")), succeeded, "create v2 · route v2 (v1) · prove v2 · route v2 [v1] · route v2", ""},
		{"a worker dies when watched", and(workers, dead("step: watching")), rolledBack, "create v2 · destroy v2", "under traffic"},

		{"destroying fails", and(smoke, fault(always("destroy v2", broken))), attention, "create v2 · destroy v2", "undoing it failed: broken"},
		{"going back fails", func(b *bed) {
			b.w.fault = func(call string) (error, error) {
				if call == "prove v2" || call == "route v1 [v2]" {
					return broken, nil
				}
				return nil, nil
			}
		}, attention, "create v2 · route v2 (v1) · prove v2 · route v1 [v2]", "undoing it failed: broken"},

		{"going back's reply is lost", and(dead("step: watching"), func(b *bed) {
			inner, lose := b.w.fault, lost("route v1 [v2]")
			b.w.fault = func(call string) (error, error) { inner(call); return lose(call) }
		}), rolledBack, "create v2 · route v2 (v1) · prove v2 · route v1 [v2] · route v1 [v2] · prove v1 · route v1 · destroy v2", "under traffic"},
		{"no space to undo", and(smoke, fault(once("destroy v2", slipway.Errorf(slipway.Unprepared, "disk full")))), rolledBack, "create v2 · destroy v2 · destroy v2", "check http"},

		{"abort while recording", abort("step: recording"), aborted, "", "was aborted"},
		{"abort while creating", abort("create v2"), aborted, "create v2 · destroy v2", "was aborted"},
		{"abort while waiting", and(func(b *bed) { b.w.health["hello-prod-v002"] = slipway.InstanceStarting }, abort("step: waiting")), aborted, "create v2 · destroy v2", "was aborted"},
		{"abort while shifting", abort("route v2 (v1)"), aborted, "create v2 · route v2 (v1) · route v1 [v2] · prove v1 · route v1 · destroy v2", "was aborted"},
		{"abort while proving", abort("prove v2"), aborted, "create v2 · route v2 (v1) · prove v2 · route v1 [v2] · prove v1 · route v1 · destroy v2", "was aborted"},
		{"abort while watching", abort("step: watching"), aborted, "create v2 · route v2 (v1) · prove v2 · route v1 [v2] · prove v1 · route v1 · destroy v2", "was aborted"},
		{"abort while retiring", and(highlander, abort("destroy v1")), succeeded, "create v2 · route v2 (v1) · prove v2 · route v2 [v1] · route v2 · destroy v1", ""},
		{"abort while undoing", and(smoke, abort("destroy v2")), rolledBack, "create v2 · destroy v2", "check http"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b := newBed(t)
			if c.name == "workers" || strings.Contains(c.name, "worker") {
				workers(b)
			}
			b.deploy("one")
			b.w.taken()
			if c.setup != nil {
				c.setup(b)
			}
			d := b.deploy("two")
			if calls := b.w.taken(); calls != c.calls {
				t.Errorf("calls\n  %s\nwant\n  %s", calls, c.calls)
			}
			if d.State != c.state {
				t.Errorf("state %s, want %s (%v)", d.State, c.state, d.Error)
			}
			if message := slipway.MessageOf(errorOf(d)); !strings.Contains(message, c.error) {
				t.Errorf("error %q, want %q in it", message, c.error)
			}
			serves := "hello-prod-v001"
			if d.State == succeeded {
				serves = "hello-prod-v002"
			}
			if d.State != attention {
				if now, _, _ := serving(t.Context(), b.w, cluster); now != serves {
					t.Errorf("%s serves, want %s", now, serves)
				}
			}
		})
	}
}

func errorOf(d slipway.Deployment) error {
	if d.Error == nil {
		return nil
	}
	return d.Error
}

func TestFirstDeploymentLeavesNothingWhenItFails(t *testing.T) {
	b := newBed(t)
	b.w.fault = always("prove v1", slipway.Errorf(slipway.Failed, "broken"))
	d := b.deploy("one")
	if d.State != rolledBack || len(b.w.groups) != 0 || len(b.w.route.Groups) != 0 || b.w.route.Port != 0 {
		t.Errorf("state %s, groups %v, route %v", d.State, b.w.groups, b.w.route)
	}
}

func TestAnotherClustersGroupOfTheSameNameIsLeftAlone(t *testing.T) {
	b := newBed(t)
	b.deploy("one")
	other := slipway.Cluster{Application: "hello-prod", Environment: "x"}
	b.w.groups["hello-prod-v002"] = &slipway.ServerGroup{ServerGroupSpec: slipway.ServerGroupSpec{Name: "hello-prod-v002", Cluster: other, Image: imageOf("other")}}
	b.w.taken()
	d := b.deploy("two")
	if calls := b.w.taken(); d.State != rolledBack || calls != "create v2" || b.w.groups["hello-prod-v002"] == nil {
		t.Errorf("state %s after %s", d.State, calls)
	}
}

func TestRollback(t *testing.T) {
	for _, c := range []struct {
		name  string
		setup func(t *testing.T, b *bed)
		image string
		calls string
		code  slipway.Code
	}{
		{"to the source", func(t *testing.T, b *bed) { b.deploy("one"); b.deploy("two") }, "", "route v1 (v2) · prove v1 · route v1 [v2] · route v1", ""},
		{"nothing there", func(t *testing.T, b *bed) {}, "", "", slipway.NotFound},
		{"nothing before", func(t *testing.T, b *bed) { b.deploy("one") }, "", "", slipway.Refused},
		{"not to what was rolled back", func(t *testing.T, b *bed) { b.deploy("one"); b.deploy("two"); b.rollback("") }, "", "", slipway.Refused},
		{"further back, made again", func(t *testing.T, b *bed) { b.deploy("one"); b.deploy("two"); b.deploy("three"); b.rollback("") }, "",
			"create v4 · route v4 (v2) · prove v4 · route v4 [v2] · route v4 · destroy v3", ""},
		{"a clone has its original's past", func(t *testing.T, b *bed) {
			b.deploy("one")
			b.deploy("two")
			b.deploy("three")
			b.rollback("") // two
			b.rollback("") // one, made again
		}, "", "", slipway.Refused},
		{"by highlander, made again", func(t *testing.T, b *bed) {
			b.env.Strategy = slipway.Strategy{Highlander: &slipway.Highlander{Watch: 1}}
			b.deploy("one")
			b.deploy("two")
		}, "", "create v3 · route v3 (v2) · prove v3 · route v3 [v2] · route v3 · destroy v2", ""},
		{"the kept group is broken", func(t *testing.T, b *bed) {
			b.deploy("one")
			b.deploy("two")
			b.w.spoil("hello-prod-v001", slipway.InstanceDead)
		}, "", "create v3 · route v3 (v2) · prove v3 · route v3 [v2] · route v3 · destroy v1", ""},
		{"after a failure", func(t *testing.T, b *bed) {
			b.deploy("one")
			b.deploy("two")
			b.w.health["hello-prod-v003"] = slipway.InstanceDead
			b.deploy("three")
		}, "", "route v1 (v2) · prove v1 · route v1 [v2] · route v1", ""},
		{"to an image", func(t *testing.T, b *bed) { b.deploy("one"); b.deploy("two"); b.deploy("three") }, "one", "create v4 · route v4 (v3) · prove v4 · route v4 [v3] · route v4 · destroy v2", ""},
		{"to the image that serves", func(t *testing.T, b *bed) { b.deploy("one"); b.deploy("two") }, "two", "", slipway.Refused},
		{"to an image that never served", func(t *testing.T, b *bed) {
			b.deploy("one")
			b.w.images[imageOf("x")] = slipway.Image{Digest: imageOf("x"), State: slipway.ImageReady}
		}, "x", "", slipway.Refused},
		{"to an image that was revoked since", func(t *testing.T, b *bed) {
			b.deploy("one")
			b.deploy("two")
			b.w.revoke(string(imageOf("one")))
		}, "", "", slipway.Refused},
		{"from an image that was revoked since", func(t *testing.T, b *bed) {
			b.deploy("one")
			b.deploy("two")
			b.w.revoke(string(imageOf("two")))
		}, "", "route v1 (v2) · prove v1 · route v1 [v2] · route v1", ""},
		{"to an unknown image", func(t *testing.T, b *bed) { b.deploy("one") }, "x", "", slipway.NotFound},
		{"to the same", func(t *testing.T, b *bed) { b.deploy("one"); b.deploy("one") }, "", "", slipway.Refused},
		{"past the same", func(t *testing.T, b *bed) { b.deploy("one"); b.deploy("two"); b.deploy("two") }, "",
			"create v4 · route v4 (v3) · prove v4 · route v4 [v3] · route v4 · destroy v2", ""},
		{"to workers", func(t *testing.T, b *bed) {
			balancer := b.env.LoadBalancer
			b.env.LoadBalancer = nil
			b.deploy("one")
			b.env.LoadBalancer = balancer
			b.deploy("two")
			if g := b.w.groups["hello-prod-v001"]; g.Size.Desired != 0 {
				t.Errorf("workers that are not in any route are kept at work: %+v", g.Size)
			}
		}, "", "resize v1 3 · route", ""},
		{"of workers", func(t *testing.T, b *bed) { b.env.LoadBalancer = nil; b.deploy("one"); b.deploy("two") }, "", "resize v1 3 · resize v2 0", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b := newBed(t)
			c.setup(t, b)
			b.w.taken()
			image := ""
			if c.image != "" {
				image = string(imageOf(c.image))
			}
			d, err := b.rollback(image)
			if code := slipway.CodeOf(err); code != c.code {
				t.Fatalf("code %q, want %q: %v", code, c.code, err)
			}
			if err == nil && d.State != succeeded {
				t.Errorf("state %s: %v", d.State, d.Error)
			}
			if calls := b.w.taken(); calls != c.calls {
				t.Errorf("calls\n  %s\nwant\n  %s", calls, c.calls)
			}
		})
	}
}

func TestRollbackThatFails(t *testing.T) {
	for _, c := range []struct {
		name, at string
		fault    func(string) (error, error)
		workers  bool
		state    slipway.DeploymentState
		calls    string
	}{
		{"prove fails", "", always("prove v1", slipway.Errorf(slipway.Failed, "broken")), false, rolledBack, "route v1 (v2) · prove v1 · route v2 · prove v2"},
		{"abort while shifting", "route v1 (v2)", nil, false, succeeded, "route v1 (v2) · prove v1 · route v1 [v2] · route v1"},
		{"abort before", "step: recording", nil, false, aborted, ""},
		{"abort a worker's start", "resize v1 3", nil, true, aborted, "resize v1 3 · resize v1 0"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b := newBed(t)
			if c.workers {
				b.env.LoadBalancer = nil
			}
			b.deploy("one")
			b.deploy("two")
			b.w.taken()
			b.w.fault, b.abort = c.fault, c.at
			d, err := b.rollback("")
			if err != nil {
				t.Fatal(err)
			}
			if calls := b.w.taken(); calls != c.calls || d.State != c.state {
				t.Errorf("%s after\n  %s\nwant %s after\n  %s (%v)", d.State, calls, c.state, c.calls, d.Error)
			}
			if b.w.groups["hello-prod-v001"] == nil || b.w.groups["hello-prod-v002"] == nil {
				t.Error("a group is gone")
			}
		})
	}
}

func TestRollbackOfWhatNoLongerServesIsRefused(t *testing.T) {
	b := newBed(t)
	b.deploy("one")
	b.deploy("two")
	stale, err := PlanRollback(t.Context(), b.w, provider{world: b.w}, slipway.RollbackRequest{Cluster: cluster})
	if err != nil {
		t.Fatal(err)
	}
	b.deploy("three")
	b.w.taken()
	if d := b.run(stale); d.State != rolledBack || d.Error.Code != slipway.Conflict {
		t.Errorf("state %s, error %v", d.State, d.Error)
	}
	if calls := b.w.taken(); calls != "" {
		t.Errorf("it did %s", calls)
	}
}

func TestPlanDeploy(t *testing.T) {
	w := newWorld()
	image := func(name string, state slipway.ImageState, port int) string {
		w.images[imageOf(name)] = slipway.Image{
			Digest: imageOf(name), Application: "hello", State: state, Service: slipway.Service{Command: []string{"/hello"}, Port: port},
		}
		return string(imageOf(name))
	}
	base := func(name string) string {
		w.images[imageOf(name)] = slipway.Image{Digest: imageOf(name), Application: "hello", State: slipway.ImageReady}
		return string(imageOf(name))
	}
	revoked := func(name string) string {
		w.revoke(image(name, slipway.ImageReady, 80))
		return string(imageOf(name))
	}
	w.apps["hello"] = slipway.Spec{Environments: map[string]slipway.Environment{
		"prod": {LoadBalancer: &slipway.LoadBalancerSpec{Port: 8443}},
	}}
	w.deployments = []slipway.Deployment{
		{ID: "d-1", Cluster: slipway.Cluster{Application: "hello", Environment: "a-b"}, Target: "hello-a-b-v001"},
		{ID: "d-2", Cluster: slipway.Cluster{Application: "hello", Environment: "a-c"}},
	}
	moon := slipway.Cluster{Application: "hello", Environment: "moon"}
	for _, c := range []struct {
		name string
		req  slipway.DeployRequest
		code slipway.Code
	}{
		{"ready", slipway.DeployRequest{Cluster: cluster, Image: image("a", slipway.ImageReady, 80)}, ""},
		{"failed its tests", slipway.DeployRequest{Cluster: cluster, Image: image("b", slipway.ImageFailed, 80)}, slipway.Refused},
		{"untested", slipway.DeployRequest{Cluster: cluster, Image: image("c", slipway.ImageUntested, 80)}, slipway.Refused},
		{"revoked", slipway.DeployRequest{Cluster: cluster, Image: revoked("r")}, slipway.Refused},
		{"a base", slipway.DeployRequest{Cluster: cluster, Image: base("i")}, slipway.Refused},
		{"unknown", slipway.DeployRequest{Cluster: cluster, Image: string(imageOf("d"))}, slipway.NotFound},
		{"no port", slipway.DeployRequest{Cluster: cluster, Image: image("e", slipway.ImageReady, 0)}, slipway.Invalid},
		{"names that another cluster has", slipway.DeployRequest{Cluster: slipway.Cluster{Application: "hello-a", Environment: "b"}, Image: image("h", slipway.ImageReady, 80), Environment: &slipway.Environment{}}, slipway.Conflict},
		{"names that another cluster never got", slipway.DeployRequest{Cluster: slipway.Cluster{Application: "hello-a", Environment: "c"}, Image: image("h", slipway.ImageReady, 80), Environment: &slipway.Environment{}}, ""},
		{"no such environment", slipway.DeployRequest{Cluster: moon, Image: image("f", slipway.ImageReady, 80)}, slipway.NotFound},
		{"an environment of its own", slipway.DeployRequest{Cluster: moon, Image: image("g", slipway.ImageReady, 80), Environment: &slipway.Environment{}}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			d, err := PlanDeploy(t.Context(), w, c.req)
			if code := slipway.CodeOf(err); code != c.code {
				t.Errorf("code %q, want %q: %v", code, c.code, err)
			}
			if err == nil && (d.Environment.Size.Desired != 1 || d.Environment.Healthy == 0) {
				t.Errorf("no defaults in %+v", d.Environment)
			}
		})
	}
}
