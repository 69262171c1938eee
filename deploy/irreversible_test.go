package deploy

import (
	"strings"
	"testing"

	"github.com/slipway-sh/slipway"
)

// An image that migrated a database: what fails is not undone, the cluster is frozen, and a person decides.
func TestIrreversible(t *testing.T) {
	start := func(t *testing.T) *bed {
		b := newBed(t)
		b.deploy("one")
		b.irreversible = true
		b.w.taken()
		return b
	}
	t.Run("its failure freezes", func(t *testing.T) {
		b := start(t)
		b.w.fault = once("prove v2", slipway.Errorf(slipway.Failed, "broken"))
		d := b.deploy("two")
		if calls := b.w.taken(); d.State != attention || calls != "create v2 · route v2 (v1) · prove v2" {
			t.Errorf("%s after %s", d.State, calls)
		}
		if len(d.Undo) != 2 || !strings.Contains(d.Error.Message, "irreversible") {
			t.Errorf("the ledger has %v, the error is %v", d.Undo, d.Error)
		}
		if len(b.w.restricted) != 1 || b.w.restricted[0].Kind != slipway.RestrictionFreeze || b.w.restricted[0].Cluster != cluster {
			t.Errorf("restrictions %+v", b.w.restricted)
		}
		b.w.fault, b.irreversible = nil, false
		env := b.env
		if _, err := PlanDeploy(t.Context(), b.w, slipway.DeployRequest{Cluster: cluster, Image: string(imageOf("one")), Environment: &env}); slipway.CodeOf(err) != slipway.Refused {
			t.Errorf("a deployment while it is frozen: %v", err)
		}

		// Who has decided that it may be undone all the same has it take its ledger back.
		b.w.taken()
		if d = b.run(d); d.State != rolledBack || len(d.Undo) > 0 {
			t.Errorf("taken back: %s, ledger %v, %v", d.State, d.Undo, d.Error)
		}
		if calls := b.w.taken(); calls != "route v1 [v2] · prove v1 · route v1 · destroy v2" {
			t.Errorf("calls %s", calls)
		}
	})
	t.Run("before a machine of it was made, it is undone as any other", func(t *testing.T) {
		b := start(t)
		b.w.fault = once("step: recording", slipway.Errorf(slipway.Failed, "broken"))
		if d := b.deploy("two"); d.State != rolledBack {
			t.Errorf("%s: %v", d.State, d.Error)
		}
	})
}

// Who removes by hand what serves is refused, unless it is forced, with a reason.
func TestGuard(t *testing.T) {
	b := newBed(t)
	b.deploy("one")
	b.deploy("two")
	guard := &Guard{Store: b.w, Bus: b.w, Provider: provider{world: b.w}, Router: router{world: b.w}, Traffic: b.w}
	ctx := t.Context()
	if err := guard.DestroyGroup(ctx, "hello-prod-v002", false, "", "ann"); slipway.CodeOf(err) != slipway.Refused {
		t.Errorf("the group that serves: %v", err)
	}
	if err := guard.DestroyGroup(ctx, "hello-prod-v002", true, "", "ann"); slipway.CodeOf(err) != slipway.Invalid {
		t.Errorf("forced without a reason: %v", err)
	}
	if err := guard.DestroyGroup(ctx, "hello-prod-v001", false, "", "ann"); err != nil {
		t.Errorf("a group that is kept: %v", err)
	}
	if err := guard.DestroyGroup(ctx, "hello-prod-v001", false, "", "ann"); err != nil {
		t.Errorf("one that is gone: %v", err)
	}
	if err := guard.DestroyGroup(ctx, "hello-prod-v002", true, "the end of it", "ann"); err != nil {
		t.Errorf("forced: %v", err)
	}
	last := b.w.events[len(b.w.events)-1]
	if last.Kind != slipway.GuardOverridden || !strings.Contains(last.Message, "the end of it (ann)") {
		t.Errorf("the record of it: %+v", last)
	}
	if len(b.w.groups) > 0 || active(*b.w.route) != "" {
		t.Errorf("groups %v, route %v", b.w.groups, b.w.route)
	}
}
