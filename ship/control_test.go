package ship_test

import (
	"strings"
	"testing"
	"time"

	"github.com/slipway-sh/slipway"
)

// fleet has a yard with versions 1 to 6 baked, of which 1 serves, and returns what deploys one of them.
func fleet(t *testing.T) (y *yard, deploy func(image string, change func(*slipway.DeployRequest)) (slipway.Deployment, error)) {
	t.Helper()
	if testing.Short() {
		t.Skip("starts a Temporal server")
	}
	y = newYard(t)
	for _, version := range []string{"1", "2", "3", "4", "5", "6"} {
		b, err := y.Bake(t.Context(), request(version, short))
		if err != nil {
			t.Fatal(err)
		}
		y.bakeDone(b.ID)
	}
	deploy = func(image string, change func(*slipway.DeployRequest)) (slipway.Deployment, error) {
		req := slipway.DeployRequest{Cluster: prod, Image: image}
		if change != nil {
			change(&req)
		}
		return y.Deploy(t.Context(), req)
	}
	first, err := deploy("1", nil)
	if err != nil {
		t.Fatal(err)
	}
	y.deployed(first.ID)
	return y, deploy
}

func slowly(req *slipway.DeployRequest) {
	req.Strategy = &slipway.Strategy{RedBlack: &slipway.RedBlack{Watch: long}}
}

// A deployment that comes while another is under way: the policy says what becomes of it, and there is one winner.
func TestOnConflict(t *testing.T) {
	y, deploy := fleet(t)
	start := func(image string, change func(*slipway.DeployRequest)) slipway.Deployment {
		t.Helper()
		d, err := deploy(image, change)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	queued := func(req *slipway.DeployRequest) { req.OnConflict = slipway.ConflictQueue }
	hotfix := func(req *slipway.DeployRequest) { req.Hotfix, req.Reason = true, "it burns" }
	promote := func(d slipway.Deployment) {
		t.Helper()
		y.deployment(d.ID, watching)
		if _, err := y.Command(t.Context(), d.ID, slipway.Command{Verb: slipway.VerbPromote}); err != nil {
			t.Fatal(err)
		}
	}

	running := start("2", slowly)
	y.deployment(running.ID, watching)
	if _, err := deploy("3", nil); slipway.CodeOf(err) != slipway.Conflict {
		t.Errorf("by default: %v, want a conflict", err)
	}
	waits := start("3", queued)
	jumps := start("4", hotfix)
	if waits.State != slipway.DeploymentQueued || waits.Target != "" || waits.Waiting == nil {
		t.Errorf("what waits: %+v", waits)
	}
	if _, err := y.Command(t.Context(), waits.ID, slipway.Command{Verb: slipway.VerbPause}); slipway.CodeOf(err) != slipway.Conflict {
		t.Errorf("a pause of what waits: %v, want a conflict", err)
	}
	gives := start("5", queued)
	if err := y.Abort(t.Context(), gives.ID); err != nil {
		t.Fatal(err)
	}
	if d := y.deployed(gives.ID); d.State != slipway.DeploymentAborted || d.Target != "" {
		t.Errorf("aborted while it waited: %+v", d)
	}
	promote(running)
	first, second := y.deployed(jumps.ID), y.deployed(waits.ID)
	if first.State != slipway.DeploymentSucceeded || second.State != slipway.DeploymentSucceeded || !first.Finished.Before(second.Finished) {
		t.Errorf("the hotfix is %s at %s, what came before it %s at %s", first.State, first.Finished, second.State, second.Finished)
	}
	if second.Source != first.Target || first.Source != y.deployed(running.ID).Target {
		t.Errorf("%s took over from %s, and %s from %s", first.Target, first.Source, second.Target, second.Source)
	}

	// What is superseded ends, and what supersedes it follows.
	running = start("5", slowly)
	y.deployment(running.ID, watching)
	waits = start("2", queued)
	newest := start("6", func(req *slipway.DeployRequest) { req.OnConflict = slipway.ConflictSupersede })
	if d := y.deployed(running.ID); d.State != slipway.DeploymentAborted || !strings.Contains(d.Error.Message, "superseded by "+newest.ID) {
		t.Errorf("superseded: %s, %v", d.State, d.Error)
	}
	if d := y.deployed(waits.ID); d.State != slipway.DeploymentAborted || !strings.Contains(d.Error.Message, "superseded by "+newest.ID+" while it waited") {
		t.Errorf("superseded while it waited: %s, %v", d.State, d.Error)
	}
	if d := y.deployed(newest.ID); d.State != slipway.DeploymentSucceeded || d.Source != second.Target {
		t.Errorf("what supersedes: %s from %s, %v", d.State, d.Source, d.Error)
	}
	for _, id := range []string{running.ID, waits.ID} {
		if _, err := y.machines.ServerGroup(t.Context(), y.deployed(id).Target); slipway.CodeOf(err) != slipway.NotFound {
			t.Errorf("the group of %s is left: %v", id, err)
		}
	}
}

func TestCommand(t *testing.T) {
	y, deploy := fleet(t)
	command := func(id string, verb slipway.Verb, want slipway.Code) slipway.Deployment {
		t.Helper()
		d, err := y.Command(t.Context(), id, slipway.Command{Verb: verb, By: "ann", Reason: "so"})
		if slipway.CodeOf(err) != want {
			t.Fatalf("%s: %v, want %q", verb, err, want)
		}
		return d
	}
	running, err := deploy("2", slowly)
	if err != nil {
		t.Fatal(err)
	}
	y.deployment(running.ID, watching)
	if d := command(running.ID, slipway.VerbPause, ""); d.Paused == nil || d.Paused.By != "ann" {
		t.Errorf("paused: %+v", d.Paused)
	}
	stored := y.deployment(running.ID, func(d slipway.Deployment) bool { return d.Paused != nil && d.Waiting != nil })
	if !strings.Contains(stored.Waiting.Unblocks, "slipway resume "+running.ID) || !stored.Waiting.Until.IsZero() {
		t.Errorf("it waits for %+v", stored.Waiting)
	}
	command(running.ID, slipway.VerbPause, slipway.Conflict)
	command(running.ID, slipway.VerbApprove, slipway.Conflict)

	// The pause outlives slipwayd.
	y.close()
	y.open()
	command(running.ID, slipway.VerbResume, "")
	resumed := y.deployment(running.ID, func(d slipway.Deployment) bool { return d.Paused == nil && d.Waiting != nil })
	if left := time.Until(resumed.Waiting.Until); left < 9*time.Minute || left > 11*time.Minute {
		t.Errorf("after the pause %s are left of the watch: %+v, %v", left, resumed, resumed.Error)
	}
	command(running.ID, slipway.VerbPromote, "")
	if d := y.deployed(running.ID); d.State != slipway.DeploymentSucceeded || len(d.Flags) == 0 {
		t.Errorf("promoted: %s, flags %v, %v", d.State, d.Flags, d.Error)
	}
	command(running.ID, slipway.VerbPause, slipway.Conflict)
	command("d-unknown", slipway.VerbPause, slipway.NotFound)
}

// What was rolled back does not come back by itself, nor by mistake.
func TestVeto(t *testing.T) {
	y, deploy := fleet(t)
	bad := request("2", short)
	y.machines.broken[y.baker.digest(&bad)] = true
	failed, err := deploy("2", nil)
	if err != nil {
		t.Fatal(err)
	}
	if d := y.deployed(failed.ID); d.State != slipway.DeploymentRolledBack {
		t.Fatalf("%s", d.State)
	}
	_, err = deploy("2", func(req *slipway.DeployRequest) { req.Override, req.Reason = true, "I know better" })
	if slipway.CodeOf(err) != slipway.Refused || !strings.Contains(err.Error(), "vetoed") {
		t.Errorf("deployed again: %v, want it refused by the veto", err)
	}
	if _, err := y.Retry(t.Context(), failed.ID, slipway.Command{}); slipway.CodeOf(err) != slipway.Refused {
		t.Errorf("retried: %v, want it refused", err)
	}
	all, err := y.store.Restrictions(t.Context())
	if err != nil || len(all) != 1 {
		t.Fatalf("restrictions %+v, %v", all, err)
	}
	if _, err := y.Lift(t.Context(), slipway.LiftRequest{ID: all[0].ID}); slipway.CodeOf(err) != slipway.Invalid {
		t.Errorf("lifted without a reason: %v", err)
	}
	if _, err := y.Lift(t.Context(), slipway.LiftRequest{ID: all[0].ID, Reason: "the database was at fault"}); err != nil {
		t.Fatal(err)
	}
	delete(y.machines.broken, y.baker.digest(&bad))
	again, err := y.Retry(t.Context(), failed.ID, slipway.Command{})
	if err != nil {
		t.Fatal(err)
	}
	if d := y.deployed(again.ID); d.State != slipway.DeploymentSucceeded {
		t.Errorf("retried: %s, %v", d.State, d.Error)
	}
}

// A rollback that went back leads to the same group when it is tried again, though the image that serves is the same there.
func TestRetryOfARollback(t *testing.T) {
	y, deploy := fleet(t)
	first, err := y.store.Deployments(t.Context(), prod, 1)
	if err != nil || len(first) != 1 {
		t.Fatalf("%+v, %v", first, err)
	}
	second, err := deploy("1", func(req *slipway.DeployRequest) {
		e := first[0].Environment
		e.Config = map[string]string{"GREETING": "hi"}
		req.Environment = &e
	})
	if err != nil {
		t.Fatal(err)
	}
	if second = y.deployed(second.ID); second.State != slipway.DeploymentSucceeded {
		t.Fatalf("with another configuration: %s, %v", second.State, second.Error)
	}
	failed := slipway.Deployment{
		ID: "d-failed", Kind: slipway.KindRollback, Cluster: prod, Image: first[0].Image, Environment: first[0].Environment, Source: second.Target,
		Target: first[0].Target, State: slipway.DeploymentAborted, Undo: []slipway.Undo{}, Started: time.Now(), Finished: time.Now(),
	}
	if err := y.store.PutDeployment(t.Context(), failed); err != nil {
		t.Fatal(err)
	}
	again, err := y.Retry(t.Context(), failed.ID, slipway.Command{By: "ann"})
	if err != nil {
		t.Fatal(err)
	}
	if d := y.deployed(again.ID); d.State != slipway.DeploymentSucceeded || d.Target != first[0].Target && d.Clone != first[0].Target {
		t.Errorf("tried again: %s to %s (like %s), %v; want to %s", d.State, d.Target, d.Clone, d.Error, first[0].Target)
	}
	if _, err := y.Retry(t.Context(), failed.ID, slipway.Command{By: "ann"}); slipway.CodeOf(err) != slipway.Refused {
		t.Errorf("tried once more: %v, want it refused, as it has served since", err)
	}
}
