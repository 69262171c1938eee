package ship_test

import (
	"context"
	"testing"

	"github.com/slipway-sh/slipway"
)

// TestAgain: a request that is carried out again, because slipwayd died before it answered, finds what its first try has begun, be that under
// way or over. The same words in another request are another wish.
func TestAgain(t *testing.T) {
	y, _ := fleet(t)
	as := func(request string) context.Context { return slipway.WithRequestID(t.Context(), request) }
	count := func(want int) {
		t.Helper()
		if all, err := y.store.Deployments(t.Context(), slipway.Cluster{}, 0); err != nil || len(all) != want {
			t.Errorf("%d deployments, %v, want %d", len(all), err, want)
		}
	}
	same := func(what, first, again string, err error) {
		t.Helper()
		if err != nil || again != first || first == "" {
			t.Errorf("%s was %q, and is %q, %v", what, first, again, err)
		}
	}

	deploy := func(request string) (string, error) {
		req := slipway.DeployRequest{Cluster: prod, Image: "2"}
		slowly(&req)
		d, err := y.Deploy(as(request), req)
		return d.ID, err
	}
	first, err := deploy("one")
	if err != nil {
		t.Fatal(err)
	}
	again, err := deploy("one")
	same("the deployment under way", first, again, err)
	if _, err := deploy("another"); slipway.CodeOf(err) != slipway.Conflict {
		t.Errorf("another deployment: %v", err)
	}
	y.close() // slipwayd dies
	y.open()
	again, err = deploy("one")
	same("the deployment of the slipwayd that died", first, again, err)
	y.deployment(first, watching)

	command := func(request string, verb slipway.Verb) (string, error) {
		d, err := y.Command(as(request), first, slipway.Command{Verb: verb, By: "ann", Reason: "so"})
		if err == nil && (d.Paused == nil) != (verb != slipway.VerbPause) {
			t.Errorf("%s: %+v", verb, d)
		}
		return d.ID, err
	}
	for range 2 {
		again, err = command("pause", slipway.VerbPause)
		same("what was paused", first, again, err)
	}
	if _, err := command("pause again", slipway.VerbPause); slipway.CodeOf(err) != slipway.Conflict {
		t.Errorf("another pause: %v", err)
	}
	if _, err := command("resume", slipway.VerbResume); err != nil {
		t.Fatal(err)
	}
	if _, err := y.Command(t.Context(), first, slipway.Command{Verb: slipway.VerbPromote}); err != nil {
		t.Fatal(err)
	}
	y.deployed(first)
	again, err = deploy("one")
	same("the deployment that is over", first, again, err)
	count(2)

	back := func() (string, error) {
		d, err := y.Rollback(as("back"), slipway.RollbackRequest{Cluster: prod})
		return d.ID, err
	}
	first, err = back()
	if err != nil {
		t.Fatal(err)
	}
	y.deployed(first)
	again, err = back()
	same("the rollback", first, again, err)
	count(3)

	release := func() (string, error) {
		r, err := y.Release(as("release"), slipway.ReleaseRequest{Environment: "prod", Members: []slipway.ReleaseTarget{{Application: "hello", Image: "3"}}})
		return r.ID, err
	}
	first, err = release()
	if err != nil {
		t.Fatal(err)
	}
	again, err = release()
	same("the release", first, again, err)
	until(t, func() (slipway.Release, error) { return y.store.Release(t.Context(), first) }, func(r slipway.Release) bool { return r.State.Done() })
	again, err = release()
	same("the release that is over", first, again, err)
	count(4)

	bake := func() (string, error) {
		b, err := y.Bake(as("bake"), request("7", short))
		return b.ID, err
	}
	first, err = bake()
	if err != nil {
		t.Fatal(err)
	}
	y.bakeDone(first)
	again, err = bake()
	same("the bake", first, again, err)

	ship := func() (string, error) {
		x, err := y.Ship(as("ship"), slipway.ShipRequest{BakeRequest: request("8", short), Environments: []string{"dev"}})
		return x.ID, err
	}
	first, err = ship()
	if err != nil {
		t.Fatal(err)
	}
	again, err = ship()
	same("the execution", first, again, err)
	y.shipped(first)
	again, err = ship()
	same("the execution that is over", first, again, err)
	count(5)
}
