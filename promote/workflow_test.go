package promote

import (
	"context"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/approve"
	"github.com/slipway-sh/slipway/deploy"
	"github.com/slipway-sh/slipway/deploy/durable"
	"github.com/slipway-sh/slipway/sqlstore"
)

// bus has no listeners.
type bus struct{}

func (bus) Publish(context.Context, slipway.Event) error            { return nil }
func (bus) Subscribe(context.Context) (<-chan slipway.Event, error) { return nil, nil }

// machines is a provider whose groups are as a test sets them.
type machines struct {
	slipway.Provider
	groups map[string]slipway.ServerGroup
}

func (m machines) ServerGroup(_ context.Context, name string) (slipway.ServerGroup, error) {
	if g, ok := m.groups[name]; ok {
		return g, nil
	}
	return slipway.ServerGroup{}, slipway.Errorf(slipway.NotFound, "cannot find group %q", name)
}

// seal says that every image is signed, but for those that it names.
type seal map[slipway.Digest]bool

func (s seal) VerifyImage(_ context.Context, image slipway.Digest) (slipway.Verification, error) {
	if s[image] {
		return slipway.Verification{}, slipway.Errorf(slipway.Refused, "cannot trust image %s: nobody has signed it", image.Short())
	}
	return slipway.Verification{Image: image, Keys: []string{"0123abcd0123abcd"}}, nil
}

// world is shop, whose image two serves in staging since an hour before noon, and whose image one serves in prod; and a promotion's workflow in virtual
// time that begins at noon.
type world struct {
	*testing.T
	*Promoter
	env       *testsuite.TestWorkflowEnvironment
	store     *sqlstore.Store
	approvals *approve.Keeper
	machines  machines
	seal      seal
	began     time.Time            // of the deployment
	deployed  []slipway.Deployment // that were started
	ends      slipway.Deployment   // how they end
	planned   []slipway.DeployRequest
}

func newWorld(t *testing.T, policy slipway.PromotionPolicy) *world {
	t.Helper()
	store, err := sqlstore.Open(t.Context(), filepath.Join(t.TempDir(), "slipway.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	var suite testsuite.WorkflowTestSuite
	suite.SetLogger(slog.New(slog.DiscardHandler))
	w := &world{T: t, env: suite.NewTestWorkflowEnvironment(), store: store, machines: machines{groups: map[string]slipway.ServerGroup{}}, seal: seal{}}
	w.ends.State = slipway.DeploymentSucceeded
	w.env.SetStartTime(noon)
	now := func() time.Time { return w.env.Now() }
	w.approvals = approve.New(approve.Config{Store: store, Events: store, Bus: bus{}, Now: now, Log: slog.New(slog.DiscardHandler)})
	w.Promoter = New(Config{
		Gatherer: Gatherer{Store: store, Provider: w.machines, Verifier: w.seal}, Bus: bus{}, Now: now, Log: slog.New(slog.DiscardHandler),
		Plan: func(_ context.Context, req slipway.DeployRequest) (slipway.Deployment, error) {
			w.planned = append(w.planned, req)
			return slipway.Deployment{Kind: slipway.KindDeploy, Cluster: req.Cluster, Image: slipway.Digest(req.Image), Reason: req.Reason, By: req.By}, nil
		},
		Occupied: func(context.Context, slipway.Deployment) error {
			return slipway.Errorf(slipway.Conflict, "cannot deploy: d-other is under way")
		},
	})
	spec := slipway.Spec{Application: "shop", Environments: map[string]slipway.Environment{"staging": {}, "prod": {Policy: slipway.Policy{Promotion: &policy}}}}
	w.must(store.PutApplication(t.Context(), spec))
	for i, digest := range []slipway.Digest{one, two} {
		w.must(store.PutImage(t.Context(), slipway.Image{
			Digest: digest, Application: "shop", Version: []string{"v1", "v2"}[i], State: slipway.ImageReady, Service: slipway.Service{Command: []string{"/shop"}},
			Tests: &slipway.TestReport{Passed: true, Results: []slipway.TestResult{{Passed: true}}},
		}))
	}
	w.serve("prod", one, noon.Add(-48*time.Hour))
	w.serve("staging", two, noon.Add(-time.Hour))

	w.env.SetWorkerOptions(worker.Options{Interceptors: []interceptor.WorkerInterceptor{durable.Guard(slog.New(slog.DiscardHandler))}})
	w.env.RegisterWorkflowWithOptions(Workflow, workflow.RegisterOptions{Name: WorkflowName})
	w.env.RegisterWorkflowWithOptions(func(ctx workflow.Context, d slipway.Deployment) (slipway.Deployment, error) {
		w.began = workflow.Now(ctx)
		w.deployed = append(w.deployed, d)
		err := workflow.Sleep(ctx, time.Minute)
		d.State, d.Error = w.ends.State, w.ends.Error
		if err != nil {
			d.State, d.Error = slipway.DeploymentAborted, slipway.Errorf(slipway.ClosedByAbort, "aborted")
		}
		return d, nil
	}, workflow.RegisterOptions{Name: deploy.WorkflowName})
	w.env.RegisterActivity(&Activities{Promoter: w.Promoter})
	w.env.RegisterActivity(&approve.Activities{Approvals: w.approvals})
	return w
}

func (w *world) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

// serve has an environment serve an image since a time.
func (w *world) serve(environment string, image slipway.Digest, since time.Time) {
	w.Helper()
	cluster := slipway.Cluster{Application: "shop", Environment: environment}
	name := cluster.GroupName(len(w.machines.groups) + 1)
	w.machines.groups[name] = slipway.ServerGroup{
		ServerGroupSpec: slipway.ServerGroupSpec{Name: name, Cluster: cluster, Image: image, Size: slipway.Size{Desired: 1}},
		Instances:       []slipway.Instance{{ID: "i-" + name, State: slipway.InstanceHealthy}},
	}
	w.must(w.store.PutDeployment(context.Background(), slipway.Deployment{
		ID: "d-" + name, Kind: slipway.KindDeploy, Cluster: cluster, Image: image, Target: name, State: slipway.DeploymentSucceeded, Started: since, Shifted: since, Finished: since.Add(time.Second),
	}))
	w.must(w.store.PutRoute(context.Background(), slipway.Route{Cluster: cluster, Groups: []slipway.GroupRoute{{Group: name, Mode: slipway.Active, Weight: 100}}}))
}

// lose has what serves in staging lose a machine, noted at a time or, at the zero time, not yet.
func (w *world) lose(at time.Time) {
	for name, g := range w.machines.groups {
		if g.Cluster.Environment != "staging" {
			continue
		}
		g.Replaced++
		w.machines.groups[name] = g
		if !at.IsZero() {
			w.must(w.store.PutLoss(context.Background(), slipway.Loss{Group: name, Cluster: g.Cluster, Replaced: g.Replaced, At: at}))
		}
	}
}

// after does something at a time after noon.
func (w *world) after(d time.Duration, do func()) { w.env.RegisterDelayedCallback(do, d) }

// answer has a person answer what is asked then.
func (w *world) answer(name string, approves bool) {
	pending, err := w.approvals.ListApprovals(context.Background(), slipway.ApprovalFilter{Pending: true}, 0)
	if err != nil || len(pending) != 1 {
		w.Errorf("%s finds %d questions: %v", name, len(pending), err)
		return
	}
	ctx := slipway.WithPrincipal(context.Background(), slipway.Principal{Kind: slipway.PrincipalUser, Name: name})
	a, err := w.approvals.Vote(ctx, pending[0].ID, approves, "because")
	if err != nil {
		w.Errorf("%s: %v", name, err)
	}
	if a.State.Done() {
		w.env.SignalWorkflow(approve.SignalName(a.ID), a.State)
	}
}

// run runs the promotion that the request asks for, as the promoter would start it, and returns how it ended.
func (w *world) run(req slipway.PromoteRequest) slipway.Promotion {
	w.Helper()
	req.ID, req.Application, req.To, req.By = "m-1", "shop", "prod", "bob"
	f, all, err := w.evaluate(context.Background(), req, noon)
	w.must(err)
	if hopeless(all, req) {
		w.Fatalf("refused at once: %v", Refusal("promote", all))
	}
	req.From, req.Image = f.From, string(f.Image.Digest)
	w.env.ExecuteWorkflow(WorkflowName, Input{Request: req, Promotion: slipway.Promotion{
		ID: req.ID, Application: "shop", From: f.From, To: "prod", Image: f.Image.Digest, Replaces: f.Replaces, State: slipway.PromotionWaiting, Constraints: all, By: "bob", Principal: slipway.Principal{Kind: slipway.PrincipalUser, Name: "bob"}, Started: noon,
	}})
	w.must(w.env.GetWorkflowError())
	var m slipway.Promotion
	w.must(w.env.GetWorkflowResult(&m))
	stored, err := w.store.Promotion(context.Background(), "m-1")
	if err != nil || stored.State != m.State || m.Finished.IsZero() || m.Waiting != nil {
		w.Errorf("stored as %+v, returned as %+v: %v", stored, m, err)
	}
	return m
}

// wants looks at how a promotion ended, and how long after noon its deployment began; less than 0 if none did.
func (w *world) wants(m slipway.Promotion, state slipway.PromotionState, began time.Duration, says string) {
	w.Helper()
	text := ""
	if m.Error != nil {
		text = m.Error.Error()
	}
	if m.State != state || !strings.Contains(text, says) || (says == "") != (text == "") {
		w.Errorf("it is %s: %q, want %s: %q", m.State, text, state, says)
	}
	switch {
	case began < 0 && len(w.deployed) > 0:
		w.Errorf("it was deployed")
	case began >= 0 && (len(w.deployed) != 1 || w.began.Sub(noon).Truncate(time.Second) != began):
		w.Errorf("deployed %d times, the last %s after noon, want once, %s after", len(w.deployed), w.began.Sub(noon), began)
	}
}

// standing says who may still do what.
type standing func(who slipway.Principal, verb string, to slipway.Cluster, image slipway.Digest) error

func (s standing) Stands(_ context.Context, who slipway.Principal, verb string, to slipway.Cluster, image slipway.Digest) error {
	return s(who, verb, to, image)
}

func twoOf(names ...string) *slipway.ApprovalPolicy {
	return &slipway.ApprovalPolicy{Needed: 2, Of: names, Expires: slipway.Duration(4 * time.Hour)}
}

func TestAtOnce(t *testing.T) {
	w := newWorld(t, slipway.PromotionPolicy{From: "staging", Tested: true, Ran: slipway.Duration(time.Hour)})
	m := w.run(slipway.PromoteRequest{Reason: "the sale"})
	w.wants(m, slipway.PromotionSucceeded, 0, "")
	d := w.deployed[0]
	if d.Image != two || d.Promotion != "m-1" || m.Deployment != d.ID || d.By != "bob" || d.Reason != "the sale" || len(d.Override) != 0 {
		t.Errorf("deployed %+v", d)
	}
}

func TestApprovals(t *testing.T) {
	for _, c := range []struct {
		name  string
		happy func(w *world)
		state slipway.PromotionState
		began time.Duration
		says  string
	}{
		{"two agree", func(w *world) {
			w.after(time.Hour, func() { w.answer("ann", true) })
			w.after(2*time.Hour, func() { w.answer("carl", true) })
		}, slipway.PromotionSucceeded, 2 * time.Hour, ""},
		{"one rejects", func(w *world) {
			w.after(time.Hour, func() { w.answer("ann", true) })
			w.after(2*time.Hour, func() { w.answer("carl", false) })
		}, slipway.PromotionRefused, -1, "was rejected by carl: because"},
		{"nobody comes", func(w *world) {
			w.after(time.Hour, func() { w.answer("ann", true) })
		}, slipway.PromotionRefused, -1, "was expired with 1 of 2 approvals"},
		{"revoked meanwhile", func(w *world) {
			w.after(time.Hour, func() { w.answer("ann", true) })
			w.after(90*time.Minute, func() {
				_, err := w.store.RevokeImage(context.Background(), two, &slipway.Revocation{At: noon, Reason: "it leaks"})
				w.must(err)
			})
			w.after(2*time.Hour, func() { w.answer("carl", true) })
		}, slipway.PromotionRefused, -1, "is revoked: it leaks"},
		{"frozen meanwhile", func(w *world) {
			w.after(time.Hour, func() {
				_, err := w.store.PutRestriction(context.Background(), slipway.Restriction{ID: "f-1", Kind: slipway.RestrictionFreeze, Reason: "the sale", Since: noon})
				w.must(err)
				w.answer("ann", true)
			})
			w.after(2*time.Hour, func() { w.answer("carl", true) })
		}, slipway.PromotionRefused, -1, "everything is frozen"},
		{"signature lost meanwhile", func(w *world) {
			w.after(time.Hour, func() { w.seal[two] = true; w.answer("ann", true) })
			w.after(2*time.Hour, func() { w.answer("carl", true) })
		}, slipway.PromotionRefused, -1, "nobody has signed it"},
		{"staging has moved on meanwhile", func(w *world) {
			w.after(time.Hour, func() { w.serve("staging", one, noon.Add(time.Hour)); w.answer("ann", true) })
			w.after(2*time.Hour, func() { w.answer("carl", true) })
		}, slipway.PromotionRefused, -1, "serves in staging, not"},
		{"prod has moved on meanwhile: they are asked once more, as it is another change", func(w *world) {
			w.after(time.Hour, func() { w.answer("ann", true) })
			w.after(2*time.Hour, func() { w.serve("prod", two, noon.Add(2*time.Hour)); w.answer("carl", true) })
			w.after(3*time.Hour, func() { w.answer("ann", true); w.answer("carl", true) })
		}, slipway.PromotionSucceeded, 3 * time.Hour, ""},
		{"who has asked has lost the role meanwhile", func(w *world) {
			lost := ""
			w.Promoter.Standing = standing(func(who slipway.Principal, verb string, to slipway.Cluster, image slipway.Digest) error {
				if lost == "" {
					return nil
				}
				return slipway.Errorf(slipway.Forbidden, "cannot %s %s: %s %s", verb, image.Short(), who.Name, lost)
			})
			w.after(time.Hour, func() { w.answer("ann", true) })
			w.after(2*time.Hour, func() { lost = "is no deployer of prod any more"; w.answer("carl", true) })
		}, slipway.PromotionRefused, -1, "cannot promote " + two.Short() + ": bob is no deployer of prod any more"},
		{"aborted", func(w *world) { w.after(time.Hour, w.env.CancelWorkflow) }, slipway.PromotionAborted, -1, "was aborted"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, slipway.PromotionPolicy{From: "staging", Approvals: twoOf("ann", "carl", "bob")})
			c.happy(w)
			w.wants(w.run(slipway.PromoteRequest{}), c.state, c.began, c.says)
			if pending, err := w.approvals.ListApprovals(context.Background(), slipway.ApprovalFilter{Pending: true}, 0); err != nil || len(pending) != 0 {
				t.Errorf("somebody is asked still: %+v, %v", pending, err)
			}
		})
	}
}

// What two people have agreed to counts until it expires, so that trying again does not ask them again.
func TestAgreedBefore(t *testing.T) {
	for requester, state := range map[string]slipway.ApprovalState{"bob": slipway.ApprovalGranted, "ann": slipway.ApprovalPending} {
		w := newWorld(t, slipway.PromotionPolicy{From: "staging", Approvals: twoOf("ann", "carl", "bob")})
		a := *question(Facts{Now: noon, Cluster: prod, Image: slipway.Image{Digest: two}, Change: Change{Replaces: one}, Policy: slipway.PromotionPolicy{Approvals: twoOf("ann", "carl", "bob")}},
			slipway.PromoteRequest{ID: "m-0", Application: "shop", To: "prod", By: "bob"})
		a.ID = "a-1"
		_, err := w.approvals.AskApproval(t.Context(), a)
		w.must(err)
		w.answer("ann", true)
		w.answer("carl", true)
		f, err := w.Facts(t.Context(), Subject{Cluster: prod, Requester: requester}, noon)
		w.must(err)
		holding := Holding(Evaluate(f))
		if (len(holding) == 0) != (state == slipway.ApprovalGranted) {
			t.Errorf("asked by %s: %+v", requester, holding)
		}
	}
}

func TestWaiting(t *testing.T) {
	ran := slipway.PromotionPolicy{From: "staging", Ran: slipway.Duration(3 * time.Hour)}
	night := slipway.PromotionPolicy{From: "staging", Windows: []slipway.TimeWindow{{From: "20:00", To: "22:00"}}}
	monday := slipway.PromotionPolicy{From: "staging", Windows: []slipway.TimeWindow{{Days: "mon", From: "09:00"}}, Approvals: twoOf()}
	for _, c := range []struct {
		name   string
		policy slipway.PromotionPolicy
		req    slipway.PromoteRequest
		happy  func(w *world)
		state  slipway.PromotionState
		began  time.Duration
		says   string
	}{
		{"until it has served long enough", ran, slipway.PromoteRequest{WaitForRan: true}, func(*world) {}, slipway.PromotionSucceeded, 2 * time.Hour, ""},
		{"again when it has lost a machine", ran, slipway.PromoteRequest{WaitForRan: true}, func(w *world) {
			w.after(time.Hour, func() { w.lose(noon.Add(time.Hour)) })
		}, slipway.PromotionSucceeded, 4 * time.Hour, ""},
		{"again when another group there has lost a machine, however much has happened since", ran, slipway.PromoteRequest{WaitForRan: true}, func(w *world) {
			staging := slipway.Cluster{Application: "shop", Environment: "staging"}
			w.must(w.store.PutLoss(context.Background(), slipway.Loss{Group: "shop-staging-v000", Cluster: staging, Replaced: 1, At: noon.Add(-time.Minute)}))
			events := make([]slipway.Event, 6000)
			for i := range events {
				events[i] = slipway.Event{Time: noon, Kind: slipway.StageOutput, Application: "shop", Environment: "staging"}
			}
			_, err := w.store.AppendEvents(context.Background(), events)
			w.must(err)
		}, slipway.PromotionSucceeded, 3*time.Hour - time.Minute, ""},
		{"a machine that it lost a moment ago", ran, slipway.PromoteRequest{WaitForRan: true}, func(w *world) {
			w.after(2*time.Hour-time.Minute, func() { w.lose(time.Time{}) })
			w.after(3*time.Hour, func() { w.lose(noon.Add(2 * time.Hour)) })
		}, slipway.PromotionSucceeded, 5 * time.Hour, ""},
		{"not when it is ill", ran, slipway.PromoteRequest{WaitForRan: true}, func(w *world) {
			w.after(time.Hour, func() {
				for name, g := range w.machines.groups {
					g.Instances = nil
					w.machines.groups[name] = g
				}
			})
		}, slipway.PromotionRefused, -1, "only 0 of 1 machines are healthy"},
		{"until a window opens", night, slipway.PromoteRequest{WaitForWindow: true}, func(*world) {}, slipway.PromotionSucceeded, 8 * time.Hour, ""},
		{"revoked while it waits for a window", night, slipway.PromoteRequest{WaitForWindow: true}, func(w *world) {
			w.after(time.Hour, func() {
				_, err := w.store.RevokeImage(context.Background(), two, &slipway.Revocation{At: noon, Reason: "it leaks"})
				w.must(err)
			})
		}, slipway.PromotionRefused, -1, "it leaks"},
		{"aborted while it waits for a window", night, slipway.PromoteRequest{WaitForWindow: true}, func(w *world) { w.after(time.Hour, w.env.CancelWorkflow) },
			slipway.PromotionAborted, -1, "was aborted"},
		{"for people and then for a window, which opens after they would have been asked for too long", monday, slipway.PromoteRequest{WaitForWindow: true}, func(w *world) {
			w.after(time.Hour, func() { w.answer("ann", true); w.answer("carl", true) })
		}, slipway.PromotionSucceeded, 117 * time.Hour, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, c.policy)
			c.happy(w)
			w.wants(w.run(c.req), c.state, c.began, c.says)
		})
	}
}

// What has waited for a window begins within the jitter of its opening, always at the same moment.
func TestJitter(t *testing.T) {
	policy := slipway.PromotionPolicy{From: "staging", Windows: []slipway.TimeWindow{{From: "20:00", To: "22:00"}}, Jitter: slipway.Duration(time.Hour)}
	var began []time.Duration
	for range 2 {
		w := newWorld(t, policy)
		if m := w.run(slipway.PromoteRequest{WaitForWindow: true}); m.State != slipway.PromotionSucceeded {
			t.Fatalf("%+v", m.Error)
		}
		began = append(began, w.began.Sub(noon).Round(time.Second))
	}
	if began[0] != began[1] || began[0] <= 8*time.Hour || began[0] > 9*time.Hour {
		t.Errorf("began %v after noon", began)
	}
}

func TestOverride(t *testing.T) {
	w := newWorld(t, slipway.PromotionPolicy{From: "staging", Approvals: twoOf(), Ran: slipway.Duration(3 * time.Hour)})
	w.wants(w.run(slipway.PromoteRequest{Override: true, Reason: "on fire"}), slipway.PromotionSucceeded, 0, "")
	text := strings.Join(w.deployed[0].Override, "\n")
	if !w.planned[0].Override || !strings.Contains(text, "promotion ran (it has served in staging for 1h0m0s of 3h0m0s): on fire") ||
		!strings.Contains(text, "promotion approvals (0 of 2 approvals by approvers of shop in prod): on fire") {
		t.Errorf("planned %+v, overridden %q", w.planned[0], text)
	}
}

func TestDeploymentFails(t *testing.T) {
	for _, c := range []struct {
		ends  slipway.Deployment
		state slipway.PromotionState
		says  string
	}{
		{slipway.Deployment{State: slipway.DeploymentRolledBack, Error: slipway.Errorf(slipway.Failed, "it does not start")}, slipway.PromotionFailed, "it does not start"},
		{slipway.Deployment{State: slipway.DeploymentNeedsAttention, Error: slipway.Errorf(slipway.ClosedByAbort, "aborted; and undoing failed")}, slipway.PromotionFailed, "undoing failed"},
		{slipway.Deployment{State: slipway.DeploymentAborted, Error: slipway.Errorf(slipway.ClosedByAbort, "aborted")}, slipway.PromotionAborted, "was aborted"},
		{slipway.Deployment{State: slipway.DeploymentRolledBack}, slipway.PromotionFailed, "ended as rolled_back"},
	} {
		w := newWorld(t, slipway.PromotionPolicy{})
		w.ends = c.ends
		w.wants(w.run(slipway.PromoteRequest{From: "staging"}), c.state, 0, c.says)
	}
}

func TestAbortedWhileItDeploys(t *testing.T) {
	w := newWorld(t, slipway.PromotionPolicy{})
	w.after(30*time.Second, w.env.CancelWorkflow)
	w.wants(w.run(slipway.PromoteRequest{From: "staging"}), slipway.PromotionAborted, 0, "was aborted")
}
