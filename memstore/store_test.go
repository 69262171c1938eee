package memstore_test

import (
	"context"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/memstore"
	"github.com/slipway-sh/slipway/storetest"
)

func TestStore(t *testing.T) {
	storetest.Exercise(t, func(*testing.T) slipway.Store { return memstore.New() })
}

func TestLists(t *testing.T) {
	storetest.ExerciseLists(t, func(*testing.T) storetest.Listed { return memstore.New() })
}

func TestPipelineStore(t *testing.T) {
	storetest.ExercisePipelines(t, func(*testing.T) storetest.PipelineStore { return memstore.New() })
}

func TestSizes(t *testing.T) { storetest.ExerciseSizes(t, memstore.New()) }

// full is a deployment with something to change in every corner.
func full() slipway.Deployment {
	keep, worst := 2, 0.1
	return slipway.Deployment{
		ID: "d-1", Cluster: slipway.Cluster{Application: "shop", Environment: "prod"}, Started: time.Unix(1, 0),
		Environment: slipway.Environment{
			LoadBalancer: &slipway.LoadBalancerSpec{Port: 80},
			Strategy:     slipway.Strategy{Custom: &slipway.Custom{Steps: []slipway.CustomStep{{Weight: &keep}}}},
			Config:       map[string]string{"A": "b"},
			Checks:       []slipway.Check{{LoadBalancer: &slipway.LoadBalancerCheck{MaxErrors: &worst}, When: []slipway.Phase{slipway.PhaseDuring}}},
		},
		Undo:  []slipway.Undo{{Kind: slipway.UndoRestoreRoute, Route: &slipway.Route{Groups: []slipway.GroupRoute{{Group: "g"}}}}},
		Error: &slipway.Error{Code: slipway.Failed, Message: "m"},
		Flags: []string{"f"},
	}
}

// spoil changes a deployment wherever a copy that is not deep enough would share it.
func spoil(d slipway.Deployment) {
	d.Environment.LoadBalancer.Port = 1
	*d.Environment.Strategy.Custom.Steps[0].Weight = 1
	d.Environment.Config["A"] = "x"
	*d.Environment.Checks[0].LoadBalancer.MaxErrors = 1
	d.Environment.Checks[0].When[0] = slipway.PhaseAfter
	d.Undo[0].Route.Groups[0].Group = "x"
	d.Error.Message = "x"
	d.Flags[0] = "x"
}

func TestRecordsAreCopies(t *testing.T) {
	s, ctx := memstore.New(), t.Context()
	in := full()
	if err := s.PutDeployment(ctx, in); err != nil {
		t.Fatal(err)
	}
	spoil(in)
	for range 2 {
		out, err := s.Deployment(ctx, "d-1")
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(full(), out); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
		spoil(out)
		all, err := s.Deployments(ctx, slipway.Cluster{}, 0)
		if err != nil {
			t.Fatal(err)
		}
		spoil(all[0])
	}
}

// What a database forgets this store forgets, too.
func TestRecordsAreWhatJSONCarries(t *testing.T) {
	s, ctx := memstore.New(), t.Context()
	d := full()
	d.Error = slipway.Errorf(slipway.Failed, "cannot: %w", errors.New("cause"))
	if err := s.PutDeployment(ctx, d); err != nil {
		t.Fatal(err)
	}
	var want slipway.Deployment
	text, err := json.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &want); err != nil {
		t.Fatal(err)
	}
	got, err := s.Deployment(ctx, "d-1")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" || got.Error.Err != nil || d.Error.Err == nil {
		t.Errorf("cause %v, and -want +got:\n%s", got.Error.Err, diff)
	}
}

func TestBus(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	var b memstore.Bus
	publish := func(n int64) {
		t.Helper()
		if err := b.Publish(ctx, slipway.Event{Seq: n}); err != nil {
			t.Fatal(err)
		}
	}
	publish(1) // nobody listens
	quick, err := b.Subscribe(ctx)
	if err != nil {
		t.Fatal(err)
	}
	slow, err := b.Subscribe(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for n := int64(2); n < 1000; n++ {
		publish(n)
		if e := <-quick; e.Seq != n {
			t.Fatalf("event %d, want %d", e.Seq, n)
		}
	}
	if e := <-slow; e.Seq != 2 {
		t.Errorf("who is slow begins with event %d, want 2", e.Seq)
	}
	cancel()
	for range slow { // until it is closed
	}
	for range quick {
	}
	publish(1000)
}

// A simulated rollout does some hundred calls of this kind.
func BenchmarkDeployment(b *testing.B) {
	s, ctx := memstore.New(), b.Context()
	d := full()
	for b.Loop() {
		if err := s.PutDeployment(ctx, d); err != nil {
			b.Fatal(err)
		}
		if _, err := s.Deployment(ctx, d.ID); err != nil {
			b.Fatal(err)
		}
	}
}
