package ship_test

import (
	"testing"

	"github.com/slipway-sh/slipway"
)

// Several applications are released as one: all of them, or none.
func TestRelease(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a Temporal server")
	}
	y, ctx := newYard(t), t.Context()
	names := []string{"api", "web", "jobs"}
	of := func(application, version string) slipway.BakeRequest {
		req := request(version, short)
		req.Spec.Application = application
		req.Spec.Image.Service.Command = []string{"/" + application, version}
		e := req.Spec.Environments["prod"]
		e.LoadBalancer = nil
		req.Spec.Environments["prod"] = e
		return req
	}
	for _, name := range names {
		for _, version := range []string{"1", "2", "3"} {
			b, err := y.Bake(ctx, of(name, version))
			if err != nil {
				t.Fatal(err)
			}
			y.bakeDone(b.ID)
		}
	}
	release := func(version string, parallel bool) slipway.Release {
		t.Helper()
		req := slipway.ReleaseRequest{Environment: "prod", Parallel: parallel}
		for _, name := range names {
			req.Members = append(req.Members, slipway.ReleaseTarget{Application: name, Image: version})
		}
		r, err := y.Release(ctx, req)
		if err != nil {
			t.Fatal(err)
		}
		return until(t, func() (slipway.Release, error) { return y.store.Release(ctx, r.ID) }, func(r slipway.Release) bool { return r.State.Done() })
	}
	serves := func(version string) {
		t.Helper()
		for _, name := range names {
			want, err := y.store.FindImage(ctx, name, version)
			if err != nil {
				t.Fatal(err)
			}
			groups, _ := y.machines.ServerGroups(ctx)
			running := 0
			for _, g := range groups {
				if g.Cluster.Application == name && g.Size.Desired > 0 {
					running++
					if g.Image != want.Digest {
						t.Errorf("%s runs %s, want version %s", name, g.Name, version)
					}
				}
			}
			if running != 1 {
				t.Errorf("%d groups of %s run, want 1", running, name)
			}
		}
	}

	if r := release("1", false); r.State != slipway.ReleaseSucceeded {
		t.Fatalf("%s: %v", r.State, r.Error)
	}
	serves("1")
	if r := release("2", true); r.State != slipway.ReleaseSucceeded {
		t.Fatalf("%s: %v", r.State, r.Error)
	}
	serves("2")

	for _, parallel := range []bool{false, true} {
		bad := of("jobs", "3")
		y.machines.broken[y.baker.digest(&bad)] = true
		r := release("3", parallel)
		if r.State != slipway.ReleaseRolledBack || r.Error == nil {
			t.Fatalf("%s: %v", r.State, r.Error)
		}
		serves("2")
		for _, m := range r.Members {
			if m.State == slipway.DeploymentSucceeded {
				t.Errorf("%s is %s", m.Application, m.State)
			}
		}
		all, _ := y.store.Restrictions(ctx)
		for _, v := range all {
			if _, err := y.Lift(ctx, slipway.LiftRequest{ID: v.ID, Reason: "once more"}); err != nil {
				t.Fatal(err)
			}
		}
	}

	// What cannot begin in whole does not begin at all.
	_, err := y.Release(ctx, slipway.ReleaseRequest{Environment: "prod", Members: []slipway.ReleaseTarget{{Application: "api", Image: "1"}, {Application: "web", Image: "nonesuch"}}})
	if slipway.CodeOf(err) != slipway.NotFound {
		t.Errorf("a member there is not: %v", err)
	}
	serves("2")
}
