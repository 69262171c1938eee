package ship_test

import (
	"context"
	"io"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	enums "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/history/v1"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/check"
	"github.com/slipway-sh/slipway/deploy"
	"github.com/slipway-sh/slipway/deploy/durable"
	"github.com/slipway-sh/slipway/engine"
	"github.com/slipway-sh/slipway/ship"
	"github.com/slipway-sh/slipway/sqlstore"
)

// passing are checks that pass.
type passing struct{}

func (passing) Measure(_ context.Context, c slipway.Check, _ check.Subject) slipway.Measurement {
	return slipway.Measurement{Check: check.CheckName(c), Outcome: slipway.OutcomePass}
}

// silent is a bus without listeners.
type silent struct{}

func (silent) Publish(context.Context, slipway.Event) error { return nil }
func (silent) Subscribe(context.Context) (<-chan slipway.Event, error) {
	return make(chan slipway.Event), nil
}

// yard is an operator on a real engine and a real store, with machines, traffic and bakery in memory.
type yard struct {
	*ship.Operator
	t        *testing.T
	dir      string
	engine   *engine.Engine
	store    *sqlstore.Store
	machines *machines
	baker    *baker
	blobs    *blobs
	attester attester
	secrets  secrets
}

func newYard(t *testing.T) *yard {
	y := &yard{
		t: t, dir: t.TempDir(),
		machines: &machines{groups: map[string]slipway.ServerGroup{}, throw: map[string]slipway.Instance{}, broken: map[slipway.Digest]bool{}},
		baker:    &baker{}, blobs: &blobs{data: map[slipway.Digest]string{}},
	}
	store, err := sqlstore.Open(t.Context(), filepath.Join(y.dir, "slipway.db"))
	if err != nil {
		t.Fatal(err)
	}
	y.store = store
	t.Cleanup(func() { store.Close() })
	y.open()
	t.Cleanup(y.close)
	return y
}

func (y *yard) open() {
	y.t.Helper()
	log := slog.New(slog.NewTextHandler(io.Discard, nil))
	e, err := engine.Start(y.t.Context(), engine.Config{Dir: y.dir, Log: log})
	if err != nil {
		y.t.Fatal(err)
	}
	w := &ways{store: y.store, machines: y.machines}
	parts := ship.Parts{
		Temporal: e.Client(), Store: y.store, Bus: silent{}, Blobs: y.blobs, Provider: y.machines, Baker: y.baker, Bases: bases{},
		Secrets: &y.secrets, Attester: &y.attester, Verifier: &y.attester, Log: log,
		Diff: func(context.Context, slipway.Digest, slipway.Digest) ([]string, error) {
			return []string{"/etc/drifted: content"}, nil
		},
	}
	err = e.StartWorker(durable.TaskQueue, durable.WorkerOptions(log), func(r worker.Registry) {
		deploy.Register(r, &deploy.Activities{
			Store: y.store, Bus: silent{}, Provider: y.machines, Router: w, Traffic: w, Measurer: passing{}, Signal: e.Client(),
			Log: log, Address: "127.0.0.1", Patience: deploy.DefaultPatience,
		})
		ship.Register(r, &ship.Activities{Parts: parts})
	})
	if err != nil {
		y.t.Fatal(err)
	}
	y.engine = e
	y.Operator = ship.NewOperator(ship.Config{Parts: parts})
}

func (y *yard) close() {
	if err := y.engine.Stop(); err != nil {
		y.t.Error(err)
	}
}

// until polls the state of the world, as slipwayd's clients do.
func until[T any](t *testing.T, read func() (T, error), done func(T) bool) T {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		v, err := read()
		if err == nil && done(v) {
			return v
		}
		if time.Now().After(deadline) {
			t.Fatalf("still %+v, %v", v, err)
		}
	}
}

func (y *yard) bakeDone(id string) slipway.Bake {
	y.t.Helper()
	return until(y.t, func() (slipway.Bake, error) { return y.store.Bake(y.t.Context(), id) }, func(b slipway.Bake) bool { return b.State.Done() })
}

func (y *yard) deployed(id string) slipway.Deployment {
	y.t.Helper()
	return y.deployment(id, func(d slipway.Deployment) bool { return d.State.Done() })
}

func (y *yard) deployment(id string, done func(slipway.Deployment) bool) slipway.Deployment {
	y.t.Helper()
	return until(y.t, func() (slipway.Deployment, error) { return y.store.Deployment(y.t.Context(), id) }, done)
}

func (y *yard) shipped(id string) slipway.Execution {
	y.t.Helper()
	return until(y.t, func() (slipway.Execution, error) { return y.store.Execution(y.t.Context(), id) }, func(x slipway.Execution) bool { return x.State.Done() })
}

func watching(d slipway.Deployment) bool { return strings.HasPrefix(d.Step, "watching") }

const (
	short = slipway.Duration(20 * time.Millisecond)
	long  = slipway.Duration(10 * time.Minute)
)

func request(version string, watch slipway.Duration) slipway.BakeRequest {
	return slipway.BakeRequest{
		Version: version,
		Spec: slipway.Spec{
			Application: "hello",
			Image: slipway.ImageSpec{
				From:    "debian:bookworm",
				Layers:  []slipway.Layer{{Packages: []string{"nginx-light"}}},
				Service: slipway.Service{Command: []string{"/hello", version}, Port: 8080},
			},
			Environments: map[string]slipway.Environment{
				"dev": {Size: slipway.Size{Min: 1, Desired: 1, Max: 1}, Strategy: slipway.Strategy{Highlander: &slipway.Highlander{Watch: watch}}},
				"prod": {
					Size: slipway.Size{Min: 3, Desired: 3, Max: 3}, LoadBalancer: &slipway.LoadBalancerSpec{Port: 8443},
					Strategy: slipway.Strategy{RedBlack: &slipway.RedBlack{Watch: watch}},
				},
			},
		},
	}
}

var prod = slipway.Cluster{Application: "hello", Environment: "prod"}

func TestOperator(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a Temporal server")
	}
	y, ctx := newYard(t), t.Context()
	bake := func(version string, watch slipway.Duration) slipway.Bake {
		t.Helper()
		b, err := y.Bake(ctx, request(version, watch))
		if err != nil {
			t.Fatal(err)
		}
		if b = y.bakeDone(b.ID); b.State != slipway.BakeSucceeded {
			t.Fatalf("bake: %+v", b)
		}
		return b
	}
	deploy := func(image string) slipway.Deployment {
		t.Helper()
		d, err := y.Deploy(ctx, slipway.DeployRequest{Cluster: prod, Image: image})
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	serves := func(want string) {
		t.Helper()
		route, err := y.store.Route(ctx, prod)
		if err != nil || len(route.Groups) != 1 || route.Groups[0].Group != want {
			t.Fatalf("route %+v, %v; want %s alone", route, err, want)
		}
	}

	one := bake("1", short)
	if len(one.Layers) != 2 || one.Image == "" {
		t.Errorf("bake: %+v", one)
	}
	d := y.deployed(deploy("1").ID)
	if d.State != slipway.DeploymentSucceeded || d.Target != "hello-prod-v001" || d.Shifted.IsZero() {
		t.Fatalf("deployment: %+v", d)
	}
	serves("hello-prod-v001")

	// A second deployment while one is under way is refused and leaves nothing; the one under way can be aborted.
	bake("2", long)
	running := deploy("2")
	y.deployment(running.ID, watching)
	_, err := y.Deploy(ctx, slipway.DeployRequest{Cluster: prod, Image: "1"})
	if slipway.CodeOf(err) != slipway.Conflict || !strings.Contains(err.Error(), running.ID) {
		t.Errorf("second deployment: %v", err)
	}
	if _, err := y.Rollback(ctx, slipway.RollbackRequest{Cluster: prod}); slipway.CodeOf(err) != slipway.Conflict || !strings.HasPrefix(slipway.MessageOf(err), "cannot roll hello back in prod: d-") {
		t.Errorf("a rollback while a deployment is under way: %v", err)
	}
	if all, err := y.store.Deployments(ctx, prod, 0); err != nil || len(all) != 2 {
		t.Errorf("%d deployments, %v", len(all), err)
	}
	if err := y.Abort(ctx, running.ID); err != nil {
		t.Fatal(err)
	}
	if d := y.deployed(running.ID); d.State != slipway.DeploymentAborted || len(d.Undo) > 0 || d.Error.Code != slipway.ClosedByAbort {
		t.Errorf("aborted deployment: %+v", d)
	}
	serves("hello-prod-v001")
	if err := y.Abort(ctx, running.ID); err != nil {
		t.Errorf("abort of what is over: %v", err)
	}
	if err := y.Abort(ctx, "d-unknown"); slipway.CodeOf(err) != slipway.NotFound {
		t.Errorf("abort of what never was: %v", err)
	}

	// Roll out and back.
	bake("3", short)
	y.deployed(deploy("3").ID)
	serves("hello-prod-v003")
	start := time.Now()
	back, err := y.Rollback(ctx, slipway.RollbackRequest{Cluster: prod})
	if err != nil {
		t.Fatal(err)
	}
	back = y.deployed(back.ID)
	t.Logf("rollback: traffic was back %s after the request", back.Shifted.Sub(start))
	if back.State != slipway.DeploymentSucceeded || back.Target != "hello-prod-v001" {
		t.Errorf("rollback: %+v", back)
	}
	serves("hello-prod-v001")
	if _, err := y.Rollback(ctx, slipway.RollbackRequest{Cluster: prod}); slipway.CodeOf(err) != slipway.Refused {
		t.Errorf("rollback to what was rolled back: %v", err)
	}

	// What does not exist is not found.
	if _, err := y.Deploy(ctx, slipway.DeployRequest{Cluster: prod, Image: "nonesuch"}); slipway.CodeOf(err) != slipway.NotFound {
		t.Errorf("unknown image: %v", err)
	}
	if _, err := y.Deploy(ctx, slipway.DeployRequest{Cluster: slipway.Cluster{Application: "hello", Environment: "moon"}, Image: "1"}); slipway.CodeOf(err) != slipway.NotFound {
		t.Errorf("unknown environment: %v", err)
	}

	// Every deployment tells how it began, what it did and how it ended.
	events, err := y.store.Events(ctx, slipway.EventFilter{Deployment: d.ID}, 100)
	if err != nil {
		t.Fatal(err)
	}
	var kinds []slipway.EventKind
	for _, e := range events {
		kinds = append(kinds, e.Kind)
	}
	for _, kind := range []slipway.EventKind{slipway.DeploymentStarted, slipway.DeploymentStep, slipway.DeploymentShifted, slipway.DeploymentFinished} {
		if !slices.Contains(kinds, kind) {
			t.Errorf("no %s in %v", kind, kinds)
		}
	}
	t.Logf("deployment: traffic was there %s after its start", d.Shifted.Sub(d.Started))
}

func TestShip(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a Temporal server")
	}
	y, ctx := newYard(t), t.Context()
	shipTo := func(req slipway.BakeRequest, environments ...string) slipway.Execution {
		t.Helper()
		x, err := y.Ship(ctx, slipway.ShipRequest{BakeRequest: req, Environments: environments})
		if err != nil {
			t.Fatal(err)
		}
		return x
	}
	x := y.shipped(shipTo(request("1", short), "dev", "prod").ID)
	if x.State != slipway.ExecutionSucceeded || len(x.Deployments) != 2 || x.Image == "" {
		t.Fatalf("%+v: %v", x, x.Error)
	}
	for i, id := range x.Deployments {
		if d := y.deployed(id); d.State != slipway.DeploymentSucceeded || d.Cluster.Environment != x.Environments[i] || d.Execution != x.ID {
			t.Errorf("deployment %+v", d)
		}
	}

	// A broken version stops at the first environment, where the version before goes on.
	broken := request("2", short)
	y.machines.broken[y.baker.digest(&broken)] = true
	x = y.shipped(shipTo(broken, "dev", "prod").ID)
	if x.State != slipway.ExecutionFailed || len(x.Deployments) != 1 || x.Error.Code != slipway.Failed || !strings.Contains(x.Error.Message, "the last line") {
		t.Errorf("%+v: %v", x, x.Error)
	}

	// An occupied cluster.
	x = shipTo(request("3", long), "prod")
	occupying := until(t, func() (slipway.Execution, error) { return y.store.Execution(ctx, x.ID) }, func(x slipway.Execution) bool { return len(x.Deployments) == 1 })
	y.deployment(occupying.Deployments[0], watching)
	second := y.shipped(shipTo(request("4", short), "prod").ID)
	if second.State != slipway.ExecutionFailed || second.Error.Code != slipway.Conflict || !strings.Contains(second.Error.Message, occupying.Deployments[0]) {
		t.Errorf("%+v: %v", second, second.Error)
	}

	// Aborting an execution aborts what it is at, and waits for the undoing.
	if err := y.Abort(ctx, x.ID); err != nil {
		t.Fatal(err)
	}
	if x = y.shipped(x.ID); x.State != slipway.ExecutionAborted {
		t.Errorf("%+v: %v", x, x.Error)
	}
	if d, err := y.store.Deployment(ctx, x.Deployments[0]); err != nil || d.State != slipway.DeploymentAborted {
		t.Errorf("%+v, %v", d, err)
	}
	y.replay(x.ID, deploy.WorkflowID(prod), "bake/"+must(y.store.Bake(ctx, x.Bake)).Key.Hex())
}

// replay runs the code of the workflows over the history of one: it must decide as it did.
func (y *yard) replay(workflows ...string) {
	y.t.Helper()
	for _, id := range workflows {
		replayer := worker.NewWorkflowReplayer()
		replayer.RegisterWorkflowWithOptions(deploy.Workflow, workflow.RegisterOptions{Name: "deploy"})
		replayer.RegisterWorkflowWithOptions(ship.Bake, workflow.RegisterOptions{Name: "bake"})
		replayer.RegisterWorkflowWithOptions(ship.Ship, workflow.RegisterOptions{Name: "ship"})
		var past history.History
		for events := y.engine.Client().GetWorkflowHistory(y.t.Context(), id, "", true, enums.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT); events.HasNext(); {
			event, err := events.Next()
			if err != nil {
				y.t.Fatal(err)
			}
			past.Events = append(past.Events, event)
		}
		if err := replayer.ReplayWorkflowHistory(nil, &past); err != nil {
			y.t.Errorf("replay of %s: %v", id, err)
		}
	}
}

func TestBake(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a Temporal server")
	}
	y, ctx := newYard(t), t.Context()

	// The same inputs under way are joined; an execution waits for them; an abort ends the bake.
	y.baker.gate = make(chan struct{})
	a, err := y.Bake(ctx, request("1", short))
	if err != nil {
		t.Fatal(err)
	}
	if b, err := y.Bake(ctx, request("1", short)); err != nil || b.ID != a.ID {
		t.Errorf("joined %s, %v; want %s", b.ID, err, a.ID)
	}
	x, err := y.Ship(ctx, slipway.ShipRequest{BakeRequest: request("1", short), Environments: []string{"dev"}})
	if err != nil {
		t.Fatal(err)
	}
	other, err := y.Bake(ctx, request("other", short))
	if err != nil || other.ID == a.ID {
		t.Fatalf("%s, %v", other.ID, err)
	}
	if err := y.Abort(ctx, other.ID); err != nil {
		t.Fatal(err)
	}
	if b := y.bakeDone(other.ID); b.State != slipway.BakeAborted || b.Error.Code != slipway.ClosedByAbort {
		t.Errorf("%+v", b)
	}
	close(y.baker.gate)
	if b := y.bakeDone(a.ID); b.State != slipway.BakeSucceeded {
		t.Errorf("%+v", b)
	}
	if x = y.shipped(x.ID); x.State != slipway.ExecutionSucceeded {
		t.Errorf("%+v: %v", x, x.Error)
	}

	// Tests run on a machine, which is gone then. An image that fails them is kept and cannot be deployed.
	tested := request("2", short)
	tested.Spec.Image.Tests = []slipway.Test{{Command: &slipway.CommandTest{Run: []string{"true"}}}, {Command: &slipway.CommandTest{Run: []string{"false"}}}}
	y.machines.exec = func(command []string) (slipway.ExecResult, error) {
		if command[0] == "false" {
			return slipway.ExecResult{ExitCode: 1}, nil
		}
		return slipway.ExecResult{}, nil
	}
	b, err := y.Bake(ctx, tested)
	if err != nil {
		t.Fatal(err)
	}
	b = y.bakeDone(b.ID)
	if b.State != slipway.BakeFailed || b.Error.Code != slipway.Failed || len(b.Tests.Results) != 2 || !b.Tests.Results[0].Passed || b.Tests.Results[1].Passed || b.Tests.Log != "the last line" {
		t.Errorf("%+v: %v", b, b.Error)
	}
	if image, err := y.store.Image(ctx, b.Image); err != nil || image.State != slipway.ImageFailed {
		t.Errorf("%+v, %v", image, err)
	}
	if _, err := y.Deploy(ctx, slipway.DeployRequest{Cluster: prod, Image: string(b.Image)}); slipway.CodeOf(err) != slipway.Refused {
		t.Errorf("deployment of a failed image: %v", err)
	}
	y.machines.mu.Lock()
	if len(y.machines.throw) != 0 || y.machines.launched != 1 {
		t.Errorf("machines %v left of %d", y.machines.throw, y.machines.launched)
	}
	y.machines.mu.Unlock()

	// A machine that dies is a test that failed; a disk that is full fails the bake.
	dead := request("3", short)
	dead.Spec.Image.Tests = tested.Spec.Image.Tests
	y.machines.broken[y.baker.digest(&dead)] = true
	b, _ = y.Bake(ctx, dead)
	if b = y.bakeDone(b.ID); b.State != slipway.BakeFailed || !strings.Contains(b.Error.Message, "exit status 1") {
		t.Errorf("%+v: %v", b, b.Error)
	}
	y.baker.fail = slipway.Errorf(slipway.Unprepared, "cannot bake: no space left").At("image.layers[0]")
	b, _ = y.Bake(ctx, request("4", short))
	if b = y.bakeDone(b.ID); b.State != slipway.BakeFailed || b.Error.Code != slipway.Unprepared || b.Error.Place != "image.layers[0]" {
		t.Errorf("%+v: %v", b, b.Error)
	}

	// Files that were not uploaded.
	lacking := request("5", short)
	lacking.Context = []slipway.ContextEntry{{Path: "hello", Mode: 0o755, Digest: slipway.DigestOf([]byte("x")), Size: 1}}
	if _, err := y.Bake(ctx, lacking); slipway.CodeOf(err) != slipway.Invalid || !strings.Contains(err.Error(), "hello") {
		t.Errorf("missing file: %v", err)
	}
}

// An engine that ends in the middle of a deployment, and another one on the same directory.
func TestDeploymentGoesOnAfterRestart(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a Temporal server")
	}
	y, ctx := newYard(t), t.Context()
	y.shipped(must(y.Ship(ctx, slipway.ShipRequest{BakeRequest: request("1", short), Environments: []string{"prod"}})).ID)
	x := must(y.Ship(ctx, slipway.ShipRequest{BakeRequest: request("2", slipway.Duration(3*time.Second)), Environments: []string{"prod"}}))
	x = until(t, func() (slipway.Execution, error) { return y.store.Execution(ctx, x.ID) }, func(x slipway.Execution) bool { return len(x.Deployments) == 1 })
	y.deployment(x.Deployments[0], watching)
	y.close()
	y.open()
	if x = y.shipped(x.ID); x.State != slipway.ExecutionSucceeded {
		t.Errorf("%+v: %v", x, x.Error)
	}
	d, _ := y.store.Deployment(ctx, x.Deployments[0])
	if watched := d.Finished.Sub(d.Shifted); watched < 3*time.Second || len(d.Undo) > 0 {
		t.Errorf("watched for %s, ledger %v", watched, d.Undo)
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
