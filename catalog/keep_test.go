package catalog_test

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/slipway-sh/slipway"
)

// reference has something refer to an image, of the n-th case, and reports whether the image must stay for it.
type reference struct {
	name string
	make func(w *world, n int, image slipway.Image, other slipway.Digest) bool
}

func restrict(w *world, r slipway.Restriction) error {
	return second(w.store.PutRestriction(w.t.Context(), r))
}

// references is everything that can refer to an image. What is over, lifted or lapsed refers to nothing any more.
var references = func() []reference {
	all := []reference{
		{"a machine", func(w *world, n int, i slipway.Image, _ slipway.Digest) bool {
			w.machines.instances = append(w.machines.instances, slipway.Instance{ID: fmt.Sprintf("i-%d", n), Image: i.Digest})
			return true
		}},
		{"a server group", func(w *world, n int, i slipway.Image, _ slipway.Digest) bool {
			cluster := slipway.Cluster{Application: i.Application, Environment: fmt.Sprintf("e%d", n)}
			w.machines.groups = append(w.machines.groups, slipway.ServerGroup{ServerGroupSpec: slipway.ServerGroupSpec{Name: cluster.GroupName(1), Cluster: cluster, Image: i.Digest}})
			return true
		}},
		{"a channel", func(w *world, n int, i slipway.Image, _ slipway.Digest) bool {
			if i.State != slipway.ImageReady {
				return false // none can be moved to it
			}
			_, err := w.MoveChannel(w.t.Context(), i.Application, fmt.Sprintf("c%d", n), slipway.ChannelRequest{Image: string(i.Digest), Create: true})
			w.must(err)
			return true
		}},
	}
	for _, state := range []slipway.BakeState{slipway.BakeRunning, slipway.BakeFailed} {
		all = append(all, reference{"a bake, " + string(state), func(w *world, n int, i slipway.Image, _ slipway.Digest) bool {
			w.must(w.store.PutBake(w.t.Context(), slipway.Bake{ID: fmt.Sprintf("b-%d", n), State: state, Rebuild: i.Digest}))
			return !state.Done()
		}})
	}
	for _, state := range []slipway.DeploymentState{
		slipway.DeploymentQueued, slipway.DeploymentRunning, slipway.DeploymentHeld, slipway.DeploymentUndoing,
		slipway.DeploymentRolledBack, slipway.DeploymentAborted, slipway.DeploymentNeedsAttention,
	} {
		all = append(all, reference{"a deployment, " + string(state), func(w *world, n int, i slipway.Image, _ slipway.Digest) bool {
			d := slipway.Deployment{
				ID: fmt.Sprintf("d-%d", n), Kind: slipway.KindDeploy, Cluster: slipway.Cluster{Application: i.Application, Environment: fmt.Sprintf("e%d", n)},
				Image: i.Digest, State: state, Started: w.clock, Finished: w.clock,
			}
			w.must(w.store.PutDeployment(w.t.Context(), d))
			return !state.Done()
		}})
	}
	for _, state := range []slipway.ReleaseState{slipway.ReleaseRunning, slipway.ReleaseSucceeded, slipway.ReleaseRolledBack, slipway.ReleaseAborted} {
		all = append(all, reference{"a release, " + string(state), func(w *world, n int, i slipway.Image, _ slipway.Digest) bool {
			w.must(w.store.PutRelease(w.t.Context(), slipway.Release{
				ID: fmt.Sprintf("r-%d", n), State: state, Started: w.clock, Members: []slipway.ReleaseMember{{Application: "else"}, {Application: i.Application, Image: i.Digest}},
			}))
			return !state.Done()
		}})
	}
	for _, state := range []slipway.PromotionState{slipway.PromotionWaiting, slipway.PromotionDeploying, slipway.PromotionSucceeded, slipway.PromotionRefused, slipway.PromotionAborted} {
		all = append(all, reference{"a promotion, " + string(state), func(w *world, n int, i slipway.Image, other slipway.Digest) bool {
			w.must(w.store.PutPromotion(w.t.Context(), slipway.Promotion{ID: fmt.Sprintf("m-%d", n), State: state, Started: w.clock, Image: i.Digest, Replaces: other}))
			return !state.Done()
		}})
	}
	for _, state := range []slipway.ExecutionState{slipway.ExecutionQueued, slipway.ExecutionRunning, slipway.ExecutionSucceeded, slipway.ExecutionFailed, slipway.ExecutionAborted} {
		all = append(all, reference{"an execution, " + string(state), func(w *world, n int, i slipway.Image, _ slipway.Digest) bool {
			w.must(w.store.PutExecution(w.t.Context(), slipway.Execution{ID: fmt.Sprintf("x-%d", n), State: state, Started: w.clock, Image: i.Digest}))
			return !state.Done()
		}})
	}
	for name, until := range map[string]time.Time{"a pin": {}, "a pin until tomorrow": time.Now().Add(24 * time.Hour), "a pin that is over": time.Now().Add(-time.Hour)} {
		all = append(all, reference{name, func(w *world, n int, i slipway.Image, _ slipway.Digest) bool {
			w.must(restrict(w, slipway.Restriction{
				ID: fmt.Sprintf("p-%d", n), Kind: slipway.RestrictionPin, Cluster: slipway.Cluster{Application: i.Application, Environment: fmt.Sprintf("e%d", n)},
				Image: i.Digest, Since: w.clock, Until: until,
			}))
			return name != "a pin that is over"
		}})
	}
	return append(all, reference{"a veto", func(w *world, n int, i slipway.Image, _ slipway.Digest) bool {
		w.must(restrict(w, slipway.Restriction{
			ID: fmt.Sprintf("v-%d", n), Kind: slipway.RestrictionVeto, Cluster: slipway.Cluster{Application: i.Application, Environment: "prod"}, Image: i.Digest, Since: w.clock,
		}))
		return false
	}})
}()

// Each kind of reference keeps its image, alone, for as long as it refers to it.
func TestKeptFor(t *testing.T) {
	w := newWorld(t)
	none := 0
	for n, r := range references {
		application := fmt.Sprintf("one%d", n)
		image := w.image(application+"@v1", nil)
		w.image(application+"@newest", nil)
		stays := r.make(w, n, image, "")
		p, err := w.Prune(t.Context(), slipway.PruneRequest{Application: application, Keep: &none, DryRun: true})
		w.must(err)
		if gone := p.Images[1].Removed; gone == stays {
			t.Errorf("%s: stays is %v, want %v: %v", r.name, !gone, stays, p.Images[1].Reasons)
		}
	}
}

// Whatever refers to whatever: an image goes if, and only if, nothing refers to it, it is not the newest that is ready, and no image that stays
// is built on it.
func TestWhatStays(t *testing.T) {
	w := newWorld(t)
	none, n, cases := 0, 1000, 0
	rapid.Check(t, func(rt *rapid.T) {
		cases++
		w.machines.groups, w.machines.instances = nil, nil
		application := fmt.Sprintf("app%d", cases)
		var images []slipway.Image
		stays := map[slipway.Digest]bool{}
		newest := slipway.Digest("")
		for i := range rapid.IntRange(1, 7).Draw(rt, "images") {
			image := w.image(fmt.Sprintf("%s@v%d", application, i), func(image *slipway.Image) {
				image.State = rapid.SampledFrom([]slipway.ImageState{slipway.ImageReady, slipway.ImageReady, slipway.ImageFailed}).Draw(rt, "state")
				if parent := rapid.IntRange(-3, i-1).Draw(rt, "parent"); parent >= 0 {
					on(images[parent], "")(image)
				}
			})
			if images = append(images, image); image.State == slipway.ImageReady {
				newest = image.Digest
			}
		}
		stays[newest] = true
		for range rapid.IntRange(0, 5).Draw(rt, "references") {
			n++
			image := rapid.SampledFrom(images).Draw(rt, "image")
			other := rapid.SampledFrom(images).Draw(rt, "other")
			r := rapid.SampledFrom(references).Draw(rt, "reference")
			if r.make(w, n, image, other.Digest) {
				stays[image.Digest] = true
				if r.name == "a promotion, waiting" || r.name == "a promotion, deploying" { // what it compares with
					stays[other.Digest] = true
				}
			}
		}
		for i := len(images) - 1; i >= 0; i-- { // parents are older
			if base := images[i].Base; stays[images[i].Digest] && base != nil {
				stays[base.Digest] = true
			}
		}
		_, err := w.Prune(t.Context(), slipway.PruneRequest{Application: application, Keep: &none})
		w.must(err)
		for _, i := range images {
			_, err := w.store.Image(t.Context(), i.Digest)
			if there := slipway.CodeOf(err) != slipway.NotFound; there != stays[i.Digest] {
				rt.Fatalf("%s is there: %v, want %v", i.Version, there, stays[i.Digest])
			}
		}
	})
}
