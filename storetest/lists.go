package storetest

import (
	"fmt"
	"slices"
	"testing"

	"github.com/slipway-sh/slipway"
)

// Listed is what a store that is read page by page has.
type Listed interface {
	slipway.Store
	slipway.Lists
}

// ExerciseLists runs the suite of [slipway.Lists]. open returns an empty store each time it is called.
func ExerciseLists(t *testing.T, open func(t *testing.T) Listed) {
	t.Run("pages meet, whatever is added meanwhile", func(t *testing.T) { pagesMeet(t, open(t)) })
	t.Run("of equal times the greater ID comes first", func(t *testing.T) { equalTimes(t, open(t)) })
	t.Run("filters narrow", func(t *testing.T) { filters(t, open(t)) })
}

func pagesMeet(t *testing.T, s Listed) {
	ctx := t.Context()
	for n := range 25 {
		must(t, s.PutDeployment(ctx, deployment(n, prod)))
		must(t, s.PutBake(ctx, bake(n, "shop")))
		must(t, s.PutExecution(ctx, execution(n, "shop")))
		must(t, s.PutImage(ctx, image(n, "shop", "", slipway.ImageReady)))
		must(t, s.PutRelease(ctx, release(n, "prod")))
	}
	// What is newer than all comes before the first page, and is not seen; each page is read after one was added.
	added := 1000
	add := func() {
		added++
		must(t, s.PutDeployment(ctx, deployment(added, prod)))
		must(t, s.PutBake(ctx, bake(added, "shop")))
		must(t, s.PutExecution(ctx, execution(added, "shop")))
		must(t, s.PutImage(ctx, image(added, "shop", "", slipway.ImageReady)))
		must(t, s.PutRelease(ctx, release(added, "prod")))
	}
	want := func(prefix string) (ids []string) {
		for n := 24; n >= 0; n-- {
			ids = append(ids, fmt.Sprintf("%s-%d", prefix, n))
		}
		return ids
	}
	walk(t, want("d"), add, func(after slipway.Mark) ([]slipway.Deployment, error) {
		return s.ListDeployments(ctx, slipway.DeploymentFilter{Cluster: prod}, after, 10)
	}, func(d slipway.Deployment) slipway.Mark { return slipway.Mark{Time: d.Started, ID: d.ID} })
	walk(t, want("b"), add, func(after slipway.Mark) ([]slipway.Bake, error) {
		return s.ListBakes(ctx, slipway.BakeFilter{}, after, 10)
	}, func(b slipway.Bake) slipway.Mark { return slipway.Mark{Time: b.Started, ID: b.ID} })
	walk(t, want("x"), add, func(after slipway.Mark) ([]slipway.Execution, error) {
		return s.ListExecutions(ctx, slipway.ExecutionFilter{}, after, 10)
	}, func(e slipway.Execution) slipway.Mark { return slipway.Mark{Time: e.Started, ID: e.ID} })
	walk(t, want("r"), add, func(after slipway.Mark) ([]slipway.Release, error) {
		return s.ListReleases(ctx, slipway.ReleaseFilter{}, after, 10)
	}, func(r slipway.Release) slipway.Mark { return slipway.Mark{Time: r.Started, ID: r.ID} })
	var images []string
	for n := 24; n >= 0; n-- {
		images = append(images, string(digest(n)))
	}
	walk(t, images, add, func(after slipway.Mark) ([]slipway.Image, error) {
		return s.ListImages(ctx, slipway.ImageFilter{}, after, 10)
	}, func(i slipway.Image) slipway.Mark { return slipway.Mark{Time: i.Created, ID: string(i.Digest)} })
}

// walk reads page after page from what was added first, and wants these IDs.
func walk[T any](t *testing.T, want []string, add func(), read func(slipway.Mark) ([]T, error), mark func(T) slipway.Mark) {
	t.Helper()
	var got []string
	after := slipway.Mark{Time: at(500), ID: "~"} // where the list began: what is added is newer
	for {
		page, err := read(after)
		must(t, err)
		for _, record := range page {
			got = append(got, mark(record).ID)
		}
		if len(page) < 10 {
			break
		}
		after = mark(page[len(page)-1])
		add()
	}
	if !slices.Equal(got, want) {
		t.Errorf("pages: %v\nwant %v", got, want)
	}
}

func equalTimes(t *testing.T, s Listed) {
	ctx := t.Context()
	for _, id := range []string{"d-b", "d-a", "d-d", "d-c"} {
		d := deployment(7, prod)
		d.ID = id
		must(t, s.PutDeployment(ctx, d))
	}
	var got []string
	after := slipway.Mark{}
	for range 5 {
		page, err := s.ListDeployments(ctx, slipway.DeploymentFilter{}, after, 1)
		must(t, err)
		for _, d := range page {
			got = append(got, d.ID)
			after = slipway.Mark{Time: d.Started, ID: d.ID}
		}
	}
	if want := []string{"d-d", "d-c", "d-b", "d-a"}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

func filters(t *testing.T, s Listed) {
	ctx := t.Context()
	dev := slipway.Cluster{Application: "shop", Environment: "dev"}
	for n, change := range []func(*slipway.Deployment){
		func(d *slipway.Deployment) { d.State = slipway.DeploymentSucceeded },
		func(d *slipway.Deployment) { d.State, d.By = slipway.DeploymentQueued, "ann" },
		func(d *slipway.Deployment) { d.Kind, d.Cluster = slipway.KindRollback, dev },
		func(d *slipway.Deployment) { d.Execution, d.State = "x-1", slipway.DeploymentRolledBack },
	} {
		d := deployment(n, prod)
		change(&d)
		must(t, s.PutDeployment(ctx, d))
	}
	for _, c := range []struct {
		filter slipway.DeploymentFilter
		want   string
	}{
		{slipway.DeploymentFilter{}, "[d-3 d-2 d-1 d-0]"},
		{slipway.DeploymentFilter{States: []slipway.DeploymentState{slipway.DeploymentQueued, slipway.DeploymentSucceeded}}, "[d-1 d-0]"},
		{slipway.DeploymentFilter{Cluster: dev}, "[d-2]"},
		{slipway.DeploymentFilter{Kind: slipway.KindRollback}, "[d-2]"},
		{slipway.DeploymentFilter{Execution: "x-1"}, "[d-3]"},
		{slipway.DeploymentFilter{By: "ann"}, "[d-1]"},
		{slipway.DeploymentFilter{Image: digest(0)}, "[d-0]"},
		{slipway.DeploymentFilter{Cluster: dev, By: "ann"}, "[]"},
	} {
		found, err := s.ListDeployments(ctx, c.filter, slipway.Mark{}, 0)
		must(t, err)
		ids := []string{}
		for _, d := range found {
			ids = append(ids, d.ID)
		}
		if fmt.Sprint(ids) != c.want {
			t.Errorf("%+v: %v, want %s", c.filter, ids, c.want)
		}
	}
	// A state that has changed is the one that counts.
	d, err := s.Deployment(ctx, "d-1")
	must(t, err)
	d.State = slipway.DeploymentAborted
	must(t, s.PutDeployment(ctx, d))
	if found, err := s.ListDeployments(ctx, slipway.DeploymentFilter{States: []slipway.DeploymentState{slipway.DeploymentQueued}}, slipway.Mark{}, 0); err != nil || len(found) != 0 {
		t.Errorf("%d deployments are queued, %v, want none", len(found), err)
	}
	must(t, s.PutImage(ctx, image(1, "shop", "v1", slipway.ImageReady)))
	must(t, s.PutImage(ctx, image(2, "shop", "v2", slipway.ImageFailed)))
	if _, err := s.RevokeImage(ctx, digest(1), &slipway.Revocation{At: at(1), Reason: "r"}); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		filter slipway.ImageFilter
		want   []slipway.Digest
	}{
		{slipway.ImageFilter{Application: "shop"}, []slipway.Digest{digest(2), digest(1)}},
		{slipway.ImageFilter{Application: "till"}, nil},
		{slipway.ImageFilter{Revoked: true}, []slipway.Digest{digest(1)}},
		{slipway.ImageFilter{States: []slipway.ImageState{slipway.ImageFailed}}, []slipway.Digest{digest(2)}},
	} {
		found, err := s.ListImages(ctx, c.filter, slipway.Mark{}, 0)
		must(t, err)
		var got []slipway.Digest
		for _, i := range found {
			got = append(got, i.Digest)
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%+v: %v, want %v", c.filter, got, c.want)
		}
	}
}
