// Package simulate carries deployments out in a simulated world: the real workflows, in Temporal's test environment, whose time skips
// what is only waited for; the real activities and the real traffic controller; and for everything beyond them provider/sim, in the
// same virtual time. A rollout that takes an hour takes milliseconds.
package simulate

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/worker"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/check"
	"github.com/slipway-sh/slipway/deploy"
	"github.com/slipway-sh/slipway/deploy/durable"
	"github.com/slipway-sh/slipway/memstore"
	"github.com/slipway-sh/slipway/provider/sim"
	"github.com/slipway-sh/slipway/traffic"
)

// Bed is a world with one cluster in it, and deployments of that, one after the other.
type Bed struct {
	World   *sim.World
	Store   *memstore.Store
	Traffic *traffic.Controller
	Cluster slipway.Cluster
	// Measure answers every check; nil: it passes.
	Measure func(c slipway.Check, s check.Subject) slipway.Measurement
	// Compare judges canaries; nil: what was sampled is analysed.
	Compare deploy.Analyst
	// Hands is what people do to machines, beside the deployments.
	Hands *deploy.Guard
	// Following says that the load balancer is being brought up to date with the machines there are, and no step does it.
	Following bool
	// Step, if set, is called before every activity of a deployment.
	Step func(activity string)

	mu  sync.Mutex
	now func() time.Time
	n   int // deployments so far
}

// began is when every world begins.
var began = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// NewBed returns a world with nothing in it.
func NewBed(seed uint64) *Bed {
	b := &Bed{Store: memstore.New(), Cluster: slipway.Cluster{Application: "shop", Environment: "prod"}, now: func() time.Time { return began }}
	b.World = sim.New(sim.Config{Now: b.Now, Seed: seed})
	b.Traffic = traffic.New(traffic.Config{
		Routes: b.Store, Groups: b.World, Router: b.World, DefaultAddress: "127.0.0.1", Ask: b.World.Ask, Log: slog.New(slog.DiscardHandler),
	})
	b.Hands = &deploy.Guard{
		Store: b.Store, Bus: &memstore.Bus{}, Provider: b.World, Router: b.World, Traffic: b.Traffic, Log: slog.New(slog.DiscardHandler),
		Marker: b.World, Sync: b.Traffic.Sync, Sizes: b.Store, Turns: &deploy.Turns{},
	}
	b.World.Follow = func(string) error {
		b.Following = true
		defer func() { b.Following = false }()
		return b.Traffic.Sync(context.Background(), b.Cluster)
	}
	return b
}

// Now is the clock of everything in the bed.
func (b *Bed) Now() time.Time {
	b.mu.Lock()
	now := b.now
	b.mu.Unlock()
	return now()
}

// Pass lets time pass in which nothing is deployed.
func (b *Bed) Pass(d time.Duration) {
	then := b.Now().Add(d)
	b.setClock(func() time.Time { return then })
	b.World.Advance()
}

func (b *Bed) setClock(now func() time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.now = now
}

// Image makes an image known whose machines behave so, and returns its digest.
func (b *Bed) Image(name string, behaviour sim.Behaviour) slipway.Digest {
	digest := slipway.DigestOf([]byte(name))
	b.World.Image(digest, behaviour)
	image := slipway.Image{
		Digest: digest, Application: b.Cluster.Application, State: slipway.ImageReady,
		Service: slipway.Service{Command: []string{"/shop"}, Port: 8080, Health: slipway.Health{HTTP: "/healthz"}, Drain: slipway.Duration(5 * time.Second)},
	}
	if err := b.Store.PutImage(context.Background(), image); err != nil {
		panic(err) // memory takes everything
	}
	return digest
}

// Telling is what happens to a deployment from outside, after so much of its time.
type Telling struct {
	After   time.Duration
	Verb    slipway.Verb // "" aborts it
	Refused bool         // is set if it was not followed
}

func (t Telling) String() string {
	verb := string(t.Verb)
	if verb == "" {
		verb = "abort"
	}
	return fmt.Sprintf("%s after %s", verb, t.After)
}

// Deploy plans a deployment of the image and carries it out. The error is that of planning.
func (b *Bed) Deploy(req slipway.DeployRequest, told ...*Telling) (slipway.Deployment, error) {
	req.Cluster = b.Cluster
	if req.Environment != nil { // as a bake does
		spec := slipway.Spec{Application: b.Cluster.Application, Environments: map[string]slipway.Environment{b.Cluster.Environment: *req.Environment}}
		if err := b.Store.PutApplication(context.Background(), spec); err != nil {
			return slipway.Deployment{}, err
		}
	}
	d, err := deploy.PlanDeploy(context.Background(), b.Store, req)
	if err == nil {
		err = deploy.Sized(context.Background(), b.Store, &d, d.Environment.Size)
	}
	if err != nil {
		return d, err
	}
	return b.Run(d, told...)
}

// Rollback plans a rollback and carries it out. The error is that of planning.
func (b *Bed) Rollback(req slipway.RollbackRequest, told ...*Telling) (slipway.Deployment, error) {
	req.Cluster = b.Cluster
	d, err := deploy.PlanRollback(context.Background(), b.Store, b.World, req)
	if err == nil {
		var declared slipway.Size
		if declared, err = deploy.Declared(context.Background(), b.Store, d); err == nil {
			err = deploy.Sized(context.Background(), b.Store, &d, declared)
		}
	}
	if err != nil {
		return d, err
	}
	return b.Run(d, told...)
}

// Run carries a planned deployment out and returns its record. The error says that the workflow itself failed, which it never may.
func (b *Bed) Run(d slipway.Deployment, told ...*Telling) (slipway.Deployment, error) {
	b.n++
	d.ID, d.Started, d.Undo, d.State, d.Step = fmt.Sprintf("d-%d", b.n), b.Now(), []slipway.Undo{}, slipway.DeploymentRunning, "accepted"
	log := slog.New(slog.NewTextHandler(io.Discard, nil))
	var suite testsuite.WorkflowTestSuite
	suite.SetLogger(log)
	env := suite.NewTestWorkflowEnvironment()
	env.SetWorkerOptions(worker.Options{
		Interceptors:             []interceptor.WorkerInterceptor{durable.Guard(log), &turns{bed: b}},
		DeadlockDetectionTimeout: time.Minute, // a busy host is no deadlock
	})
	env.SetDataConverter(newValues())
	env.SetTestTimeout(time.Minute)
	env.SetStartTime(b.Now())
	b.setClock(env.Now)
	defer func() {
		end := env.Now()
		b.setClock(func() time.Time { return end })
	}()
	deploy.Register(env, &deploy.Activities{
		Store: b.Store, Bus: &memstore.Bus{}, Provider: b.World, Router: b.World, Traffic: b.Traffic, Measurer: measurer{b}, Analyst: b.analyst(),
		Log: log, Address: "127.0.0.1", Now: b.Now, Turns: b.Hands.Turns, Sizes: b.Store,
	})
	for _, t := range told {
		env.RegisterDelayedCallback(func() { b.tell(env, t) }, t.After)
	}
	if err := env.SetMemoOnStart(deploy.MemoOf(d)); err != nil {
		return d, err
	}
	env.ExecuteWorkflow(deploy.WorkflowName, d, []deploy.Waiter{})
	if err := env.GetWorkflowError(); err != nil {
		return d, err
	}
	if !env.IsWorkflowCompleted() {
		return d, errors.New("the workflow has not come to an end")
	}
	return b.Store.Deployment(context.Background(), d.ID)
}

func (b *Bed) tell(env *testsuite.TestWorkflowEnvironment, t *Telling) {
	if t.Verb == "" {
		env.CancelWorkflow()
		return
	}
	env.UpdateWorkflow(deploy.UpdateCommand, "", &reply{telling: t}, slipway.Command{Verb: t.Verb, By: "somebody"})
}

func (b *Bed) analyst() deploy.Analyst {
	if b.Compare != nil {
		return b.Compare
	}
	a := deploy.Analysis{}
	a.Store, a.Now = b.Store, b.Now
	return a
}

// Serving returns the group that serves.
func (b *Bed) Serving() string {
	name, err := deploy.Serving(context.Background(), b.Store, b.Cluster)
	if err != nil {
		panic(err) // memory has everything
	}
	return name
}

// Route returns who has traffic as it was decided last: "v001:90 v002:10", standby in parentheses.
func (b *Bed) Route() string {
	route, err := b.Store.Route(context.Background(), b.Cluster)
	if err != nil {
		return ""
	}
	var list []string
	for _, g := range route.Groups {
		name := strings.TrimPrefix(g.Group, b.Cluster.String()+"-")
		switch g.Mode {
		case slipway.Active:
			list = append(list, fmt.Sprintf("%s:%d", name, g.Weight))
		case slipway.Standby:
			list = append(list, "("+name+")")
		}
	}
	slices.Sort(list)
	return strings.Join(list, " ")
}

// reply takes what became of a command.
type reply struct{ telling *Telling }

func (r *reply) Accept()      {}
func (r *reply) Reject(error) { r.telling.Refused = true }
func (r *reply) Complete(any, error) {
}

// measurer answers checks as the bed says.
type measurer struct{ bed *Bed }

func (m measurer) Measure(_ context.Context, c slipway.Check, s check.Subject) slipway.Measurement {
	if m.bed.Measure == nil {
		return slipway.Measurement{Check: check.CheckName(c), Phase: s.Phase, Outcome: slipway.OutcomePass}
	}
	return m.bed.Measure(c, s)
}

// turns has activities run one after the other, as a server does for one workflow: a cancelled one is waited for. Before each the world
// catches up with the time.
type turns struct {
	interceptor.WorkerInterceptorBase
	bed *Bed
	mu  sync.Mutex
}

// InterceptActivity implements interceptor.WorkerInterceptor.
func (t *turns) InterceptActivity(_ context.Context, next interceptor.ActivityInboundInterceptor) interceptor.ActivityInboundInterceptor {
	return &turn{ActivityInboundInterceptorBase: interceptor.ActivityInboundInterceptorBase{Next: next}, turns: t}
}

type turn struct {
	interceptor.ActivityInboundInterceptorBase
	*turns
}

// ExecuteActivity implements interceptor.ActivityInboundInterceptor.
func (t *turn) ExecuteActivity(ctx context.Context, in *interceptor.ExecuteActivityInput) (any, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.bed.World.Advance()
	if t.bed.Step != nil {
		t.bed.Step(activity.GetInfo(ctx).ActivityType.Name)
	}
	return t.Next.ExecuteActivity(ctx, in)
}
