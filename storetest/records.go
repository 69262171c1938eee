package storetest

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-sh/slipway"
)

// Recorded is what a store that tells of whole environments has.
type Recorded interface {
	slipway.Store
	slipway.Records
}

// ExerciseRecords runs the suite of [slipway.Records]. open returns an empty store each time it is called.
func ExerciseRecords(t *testing.T, open func(t *testing.T) Recorded) {
	t.Run("an environment's records come in one answer", func(t *testing.T) { environmentRecords(t, open(t)) })
	t.Run("environments are those of slipway.yaml and those that were used", func(t *testing.T) { environmentNames(t, open(t)) })
}

func environmentRecords(t *testing.T, s Recorded) {
	ctx := t.Context()
	blog, dev := slipway.Cluster{Application: "blog", Environment: "prod"}, slipway.Cluster{Application: "shop", Environment: "dev"}
	must(t, s.PutApplication(ctx, spec("shop")))
	must(t, s.PutApplication(ctx, slipway.Spec{Application: "blog", Environments: map[string]slipway.Environment{"dev": {}}}))
	img := image(1, "shop", "v1", slipway.ImageReady)
	img.Source = &slipway.Source{Commit: "c0ffee", Branch: "main"}
	must(t, s.PutImage(ctx, img))
	must(t, s.PutRoute(ctx, route(prod)))
	must(t, s.PutRoute(ctx, route(dev)))

	end := func(d slipway.Deployment, state slipway.DeploymentState) slipway.Deployment {
		d, err := s.CreateDeployment(ctx, d)
		must(t, err)
		d.State, d.By, d.Error = state, "ann", nil
		if state.Done() {
			d.Finished = d.Started.Add(time.Second)
		}
		must(t, s.PutDeployment(ctx, d))
		return d
	}
	first := end(created(1, prod), slipway.DeploymentSucceeded)
	again := created(2, prod)
	again.Target = first.Target // a rollback to it
	second := end(again, slipway.DeploymentSucceeded)
	third := end(created(3, prod), slipway.DeploymentRolledBack)
	open := end(created(5, prod), slipway.DeploymentHeld)
	waits := created(4, prod)
	waits.State = slipway.DeploymentQueued
	queued := end(waits, slipway.DeploymentQueued)
	others := end(created(6, blog), slipway.DeploymentSucceeded)
	end(created(7, dev), slipway.DeploymentRunning)

	r, err := s.EnvironmentRecords(ctx, slipway.Cluster{Environment: "prod"}, []string{first.Target, third.Target, "unknown"}, []slipway.Digest{digest(1), digest(9)})
	must(t, err)
	want := slipway.EnvironmentRecords{
		Policies: map[string]slipway.Environment{"shop": spec("shop").Environments["prod"]},
		Known:    map[string]bool{"shop": true, "blog": true},
		Routes:   map[string]slipway.Route{"shop": route(prod)},
		Last:     map[string]slipway.Placement{"shop": slipway.PlacementOf(third), "blog": slipway.PlacementOf(others)},
		Open:     []slipway.Deployment{queued, open},
		Placed:   map[string]slipway.Placement{first.Target: slipway.PlacementOf(second)},
		Images:   map[slipway.Digest]slipway.RunningImage{digest(1): {Digest: digest(1), Version: "v1", Commit: "c0ffee", Branch: "main", State: slipway.ImageReady}},
	}
	if diff := cmp.Diff(want, r); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}

	r, err = s.EnvironmentRecords(ctx, prod, nil, nil)
	must(t, err)
	want.Last = map[string]slipway.Placement{"shop": slipway.PlacementOf(third)}
	want.Known = map[string]bool{"shop": true}
	want.Placed, want.Images = map[string]slipway.Placement{}, map[slipway.Digest]slipway.RunningImage{}
	if diff := cmp.Diff(want, r); diff != "" {
		t.Errorf("of one application: -want +got:\n%s", diff)
	}

	if _, err := s.RevokeImage(ctx, digest(1), &slipway.Revocation{At: at(1), Reason: "CVE"}); err != nil {
		t.Fatal(err)
	}
	must(t, s.PutApplication(ctx, slipway.Spec{Application: "shop"}))
	r, err = s.EnvironmentRecords(ctx, prod, nil, []slipway.Digest{digest(1)})
	must(t, err)
	if i := r.Images[digest(1)]; i.Revoked == nil || i.Revoked.Reason != "CVE" {
		t.Errorf("a revoked image: %+v", i)
	}
	if len(r.Policies) != 0 || !r.Known["shop"] {
		t.Errorf("a slipway.yaml without environments: %+v, known %v", r.Policies, r.Known)
	}
}

func environmentNames(t *testing.T, s Recorded) {
	ctx := t.Context()
	if all, err := s.EnvironmentNames(ctx); err != nil || len(all) != 0 {
		t.Errorf("%+v, %v, want none", all, err)
	}
	must(t, s.PutApplication(ctx, spec("shop")))
	must(t, s.PutApplication(ctx, slipway.Spec{Application: "blog", Environments: map[string]slipway.Environment{"prod": {Account: "cloud"}}}))
	must(t, s.PutImage(ctx, image(1, "shop", "v1", slipway.ImageReady)))
	for n, cluster := range []slipway.Cluster{{Application: "old", Environment: "lab"}, prod} {
		_, err := s.CreateDeployment(ctx, created(n, cluster))
		must(t, err)
	}
	all, err := s.EnvironmentNames(ctx)
	must(t, err)
	text := ""
	for _, e := range all {
		text += fmt.Sprint(e.Name, e.Accounts)
		for _, m := range e.Applications {
			text += fmt.Sprintf(" %s:%v", m.Application, m.Policy != nil)
		}
		text += "; "
	}
	if want := "bare[local] shop:true; dev[local] shop:true; lab[] old:false; prod[cloud local] blog:true shop:true; "; text != want {
		t.Errorf("%s\nwant %s", text, want)
	}
}
