// Package storetest says what every [slipway.Store] must do, as one suite that each implementation passes.
package storetest

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-sh/slipway"
)

// Exercise runs the suite. open returns an empty store each time it is called, and sees to its end by t.Cleanup.
func Exercise(t *testing.T, open func(t *testing.T) slipway.Store) {
	for _, c := range []struct {
		name string
		run  func(*testing.T, slipway.Store)
	}{
		{"records come back as they were put", roundTrips},
		{"what is not there is not found, by name", notFound},
		{"putting again replaces", replaces},
		{"lists are ordered, narrowed and bounded", lists},
		{"FindImage", findImage},
		{"a channel moves at once, or not at all", moveChannel},
		{"fifty who move a channel at once move it one after the other", concurrentMoves},
		{"a revocation outlives what is known of the image", revoke},
		{"an image that is needed is not removed", deleteImage},
		{"an image is deployed or removed, never both", deployOrDelete},
		{"text from outside stays text", injection},
		{"server group numbers grow and are never used twice", groupNumbers},
		{"the same deployment is created once", sameDeployment},
		{"fifty deployments of one cluster at once get fifty groups", concurrentDeployments},
		{"a canary gets two names in a row", baselines},
		{"what is queued has no names before its turn", queue},
		{"fifty whose turn comes at once get a hundred names", concurrentTurns},
		{"a restriction is there once, and is lifted", restrictions},
		{"fifty vetoes of one image at once are one", concurrentRestrictions},
		{"samples are bounded by time, and replaced", samples},
		{"events are filtered and resumed", events},
		{"events are strictly ordered, and gap-free to a reader beside fifty writers", concurrentEvents},
	} {
		t.Run(c.name, func(t *testing.T) { c.run(t, open(t)) })
	}
}

var began = time.Date(2026, 3, 4, 5, 6, 7, 890, time.UTC)

func at(n int) time.Time { return began.Add(time.Duration(n) * time.Second) }

func digest(n int) slipway.Digest { return slipway.DigestOf([]byte(fmt.Sprint(n))) }

var prod = slipway.Cluster{Application: "shop", Environment: "prod"}

func spec(name string) slipway.Spec {
	keep := 2
	return slipway.Spec{
		Application: name,
		Image: slipway.ImageSpec{
			From:    "debian:bookworm",
			Layers:  []slipway.Layer{{Packages: []string{"nginx-light"}}, {Copy: &slipway.CopyLayer{From: "a", To: "/b"}}},
			Service: slipway.Service{Command: []string{"/b"}, Port: 80, Drain: slipway.Duration(3 * time.Second)},
			Tests:   []slipway.Test{{HTTP: &slipway.HTTPTest{Path: "/"}}},
		},
		Environments: map[string]slipway.Environment{
			"prod": {Size: slipway.Size{Min: 1, Desired: 2, Max: 3}, Strategy: slipway.Strategy{RedBlack: &slipway.RedBlack{Keep: &keep}}},
			"dev":  {Strategy: slipway.Strategy{Highlander: &slipway.Highlander{}}},
			"bare": {},
		},
	}
}

func image(n int, application, version string, state slipway.ImageState) slipway.Image {
	return slipway.Image{
		Digest: digest(n), Application: application, Version: version, State: state, From: "scratch", Created: at(n),
		Layers: []slipway.LayerInfo{{Digest: digest(n + 1000), Size: 7, Step: "copy a", Key: digest(n + 2000)}},
		Tests:  &slipway.TestReport{Passed: true, Results: []slipway.TestResult{{Name: "http /", Passed: true, Took: time.Millisecond}}},
	}
}

func bake(n int, application string) slipway.Bake {
	return slipway.Bake{ID: fmt.Sprintf("b-%d", n), Application: application, State: slipway.BakeRunning, Started: at(n)}
}

func deployment(n int, cluster slipway.Cluster) slipway.Deployment {
	return slipway.Deployment{
		ID: fmt.Sprintf("d-%d", n), Kind: slipway.KindDeploy, Cluster: cluster, Image: digest(n), State: slipway.DeploymentRunning,
		Step: "start", Undo: []slipway.Undo{{Kind: slipway.UndoDestroyGroup, Group: "g"}}, Started: at(n),
		Error: &slipway.Error{Code: slipway.Failed, Message: "cannot"},
	}
}

func execution(n int, application string) slipway.Execution {
	return slipway.Execution{
		ID: fmt.Sprintf("x-%d", n), Application: application, Environments: []string{"prod"}, State: slipway.ExecutionRunning,
		Image: digest(n), Deployments: []string{}, Started: at(n),
	}
}

// created is the n-th deployment, of an image that all of them share.
func created(n int, cluster slipway.Cluster) slipway.Deployment {
	d := deployment(n, cluster)
	d.Image = digest(1)
	return d
}

func route(cluster slipway.Cluster) slipway.Route {
	return slipway.Route{Cluster: cluster, Address: "127.0.0.1", Port: 80, Groups: []slipway.GroupRoute{{Group: cluster.GroupName(1), Mode: slipway.Active, Weight: 100}}}
}

func roundTrips(t *testing.T, s slipway.Store) {
	ctx := t.Context()
	must(t, s.PutApplication(ctx, spec("shop")))
	same(t, spec("shop"))(s.Application(ctx, "shop"))
	must(t, s.PutImage(ctx, image(1, "shop", "v1", slipway.ImageReady)))
	same(t, image(1, "shop", "v1", slipway.ImageReady))(s.Image(ctx, digest(1)))
	must(t, s.PutBake(ctx, bake(1, "shop")))
	same(t, bake(1, "shop"))(s.Bake(ctx, "b-1"))
	must(t, s.PutDeployment(ctx, deployment(1, prod)))
	same(t, deployment(1, prod))(s.Deployment(ctx, "d-1"))
	x := slipway.Execution{ID: "x-1", Application: "shop", Environments: []string{"prod"}, State: slipway.ExecutionRunning, Deployments: []string{"d-1"}, Started: at(1)}
	must(t, s.PutExecution(ctx, x))
	same(t, x)(s.Execution(ctx, "x-1"))
	same(t, []slipway.Execution{x})(s.Executions(ctx, "shop", 1))
	c := slipway.Channel{Application: "shop", Name: "stable", Image: digest(1), Moved: at(2), By: "ann"}
	same(t, c)(s.MoveChannel(ctx, move("stable", 1, at(2))))
	same(t, c)(s.Channel(ctx, "shop", "stable"))
	must(t, s.PutRelease(ctx, release(1, "prod")))
	same(t, release(1, "prod"))(s.Release(ctx, "r-1"))
	same(t, restriction(1, slipway.RestrictionVeto, prod))(s.PutRestriction(ctx, restriction(1, slipway.RestrictionVeto, prod)))
	same(t, []slipway.Restriction{restriction(1, slipway.RestrictionVeto, prod)})(s.Restrictions(ctx))
	must(t, s.PutSamples(ctx, "d-1", []slipway.Sample{sample("shop-prod-v001", 1)}))
	same(t, []slipway.Sample{sample("shop-prod-v001", 1)})(s.Samples(ctx, "d-1", time.Time{}, time.Time{}))
	must(t, s.PutRoute(ctx, route(prod)))
	same(t, route(prod))(s.Route(ctx, prod))
	e, err := s.AppendEvent(ctx, slipway.Event{Time: at(1), Kind: slipway.BakeStarted, Message: "m", Bake: "b-1", Data: json.RawMessage(`{"id":"b-1"}`)})
	must(t, err)
	same(t, []slipway.Event{e})(s.Events(ctx, slipway.EventFilter{}, 10))
}

func notFound(t *testing.T, s slipway.Store) {
	ctx := t.Context()
	for name, get := range map[string]func(name string) error{
		"application": func(n string) error { _, err := s.Application(ctx, n); return err },
		"image":       func(n string) error { _, err := s.Image(ctx, slipway.Digest(n)); return err },
		"image label": func(n string) error { _, err := s.FindImage(ctx, "shop", n); return err },
		"bake":        func(n string) error { _, err := s.Bake(ctx, n); return err },
		"deployment":  func(n string) error { _, err := s.Deployment(ctx, n); return err },
		"execution":   func(n string) error { _, err := s.Execution(ctx, n); return err },
		"channel":     func(n string) error { _, err := s.Channel(ctx, "shop", n); return err },
		"old channel": func(n string) error { return s.DeleteChannel(ctx, "shop", n) },
		"old image":   func(n string) error { return s.DeleteImage(ctx, slipway.Digest(n), at(0)) },
		"revoked":     func(n string) error { _, err := s.RevokeImage(ctx, slipway.Digest(n), nil); return err },
		"release":     func(n string) error { _, err := s.Release(ctx, n); return err },
		"restriction": func(n string) error { _, err := s.DeleteRestriction(ctx, n); return err },
		"route": func(n string) error {
			_, err := s.Route(ctx, slipway.Cluster{Application: n, Environment: "e"})
			return err
		},
	} {
		err := get("nobody")
		if slipway.CodeOf(err) != slipway.NotFound || !strings.Contains(slipway.MessageOf(err), "nobody") {
			t.Errorf("%s: err = %v", name, err)
		}
	}
	empty(t)(s.Applications(ctx))
	empty(t)(s.Images(ctx, "nobody"))
	empty(t)(s.Bakes(ctx, "nobody", 1))
	empty(t)(s.Executions(ctx, "nobody", 1))
	empty(t)(s.Channels(ctx, "nobody"))
	empty(t)(s.Deployments(ctx, prod, 1))
	empty(t)(s.Releases(ctx, "nobody", 1))
	empty(t)(s.Restrictions(ctx))
	empty(t)(s.Routes(ctx))
	empty(t)(s.Events(ctx, slipway.EventFilter{}, 1))
}

func replaces(t *testing.T, s slipway.Store) {
	ctx := t.Context()
	a := spec("shop")
	must(t, s.PutApplication(ctx, a))
	a.Image.From = "scratch"
	must(t, s.PutApplication(ctx, a))
	same(t, []slipway.Spec{a})(s.Applications(ctx))

	i := image(1, "shop", "v1", slipway.ImageUntested)
	must(t, s.PutImage(ctx, i))
	i.State, i.Version = slipway.ImageReady, "v1.1"
	must(t, s.PutImage(ctx, i))
	same(t, []slipway.Image{i})(s.Images(ctx, "shop"))
	same(t, i)(s.FindImage(ctx, "shop", "v1.1"))
	same(t, i)(s.FindImage(ctx, "shop", "v1")) // it has been given both labels
	unlabelled := i
	unlabelled.Version, unlabelled.Created = "", at(2)
	must(t, s.PutImage(ctx, unlabelled)) // baked again, and nobody gave it another label
	i.Created = at(2)
	same(t, []slipway.Image{i})(s.Images(ctx, "shop"))

	b := bake(1, "shop")
	must(t, s.PutBake(ctx, b))
	b.State, b.Finished = slipway.BakeFailed, at(2)
	must(t, s.PutBake(ctx, b))
	same(t, []slipway.Bake{b})(s.Bakes(ctx, "shop", 0))

	d := deployment(1, prod)
	must(t, s.PutDeployment(ctx, d))
	d.State, d.Undo = slipway.DeploymentSucceeded, nil
	must(t, s.PutDeployment(ctx, d))
	same(t, []slipway.Deployment{d})(s.Deployments(ctx, prod, 0))

	l := release(1, "prod")
	must(t, s.PutRelease(ctx, l))
	l.State, l.Finished = slipway.ReleaseSucceeded, at(2)
	must(t, s.PutRelease(ctx, l))
	same(t, []slipway.Release{l})(s.Releases(ctx, "prod", 0))

	r := route(prod)
	must(t, s.PutRoute(ctx, r))
	r.Groups = nil
	must(t, s.PutRoute(ctx, r))
	same(t, []slipway.Route{r})(s.Routes(ctx))
}

func lists(t *testing.T, s slipway.Store) {
	ctx := t.Context()
	dev := slipway.Cluster{Application: "shop", Environment: "dev"}
	other := slipway.Cluster{Application: "blog", Environment: "prod"}
	for n, c := range []slipway.Cluster{prod, dev, other, prod} {
		must(t, s.PutApplication(ctx, spec(c.Application)))
		must(t, s.PutImage(ctx, image(n, c.Application, "", slipway.ImageReady)))
		must(t, s.PutBake(ctx, bake(n, c.Application)))
		must(t, s.PutExecution(ctx, execution(n, c.Application)))
		must(t, s.PutDeployment(ctx, deployment(n, c)))
		must(t, s.PutRelease(ctx, release(n, c.Environment)))
		must(t, s.PutRoute(ctx, route(c)))
	}
	same(t, []slipway.Spec{spec("blog"), spec("shop")})(s.Applications(ctx))
	same(t, []slipway.Route{route(other), route(dev), route(prod)})(s.Routes(ctx))

	ready := func(n int, application string) slipway.Image { return image(n, application, "", slipway.ImageReady) }
	same(t, []slipway.Image{ready(3, "shop"), ready(1, "shop"), ready(0, "shop")})(s.Images(ctx, "shop"))
	same(t, []slipway.Image{ready(3, "shop"), ready(2, "blog"), ready(1, "shop"), ready(0, "shop")})(s.Images(ctx, ""))

	same(t, []slipway.Bake{bake(3, "shop"), bake(1, "shop")})(s.Bakes(ctx, "shop", 2))
	same(t, []slipway.Bake{bake(3, "shop"), bake(2, "blog"), bake(1, "shop"), bake(0, "shop")})(s.Bakes(ctx, "", 0))

	same(t, []slipway.Execution{execution(3, "shop"), execution(1, "shop")})(s.Executions(ctx, "shop", 2))
	same(t, []slipway.Execution{execution(3, "shop"), execution(2, "blog"), execution(1, "shop"), execution(0, "shop")})(s.Executions(ctx, "", 0))

	same(t, []slipway.Release{release(3, "prod"), release(2, "prod")})(s.Releases(ctx, "prod", 2))
	same(t, []slipway.Release{release(3, "prod"), release(2, "prod"), release(1, "dev"), release(0, "prod")})(s.Releases(ctx, "", 0))

	same(t, []slipway.Deployment{deployment(3, prod), deployment(0, prod)})(s.Deployments(ctx, prod, 0))
	same(t, []slipway.Deployment{deployment(3, prod)})(s.Deployments(ctx, prod, 1))
	same(t, []slipway.Deployment{deployment(3, prod), deployment(1, dev), deployment(0, prod)})(s.Deployments(ctx, slipway.Cluster{Application: "shop"}, 0))
	same(t, []slipway.Deployment{deployment(3, prod), deployment(2, other)})(s.Deployments(ctx, slipway.Cluster{}, 2))
}

func findImage(t *testing.T, s slipway.Store) {
	ctx := t.Context()
	const one, two, far = "sha256:abcdef1", "sha256:abcdef2", "sha256:abcdee0"
	fill := func(first string) slipway.Digest {
		return slipway.Digest(first + strings.Repeat("0", 64+len("sha256:")-len(first)))
	}
	put := func(n int, d slipway.Digest, application, version string, state slipway.ImageState) slipway.Image {
		i := image(n, application, version, state)
		i.Digest = d
		must(t, s.PutImage(ctx, i))
		return i
	}
	i1 := put(1, fill(one), "shop", "v1", slipway.ImageReady)
	i2 := put(2, fill(two), "shop", "v1", slipway.ImageReady)
	i3 := put(3, fill(far), "shop", "v2", slipway.ImageFailed)
	i4 := put(4, fill("sha256:123456"), "shop", "abcdef1", slipway.ImageUntested) // a label that looks like digits
	put(5, fill("sha256:777777"), "blog", "v1", slipway.ImageReady)

	for ref, want := range map[string]slipway.Image{
		"":                 i2, // the newest ready one
		"latest":           i2,
		"v1":               i2, // the newest with the label
		"v2":               i3, // whatever its state
		string(i1.Digest):  i1,
		i1.Digest.Hex():    i1,
		"abcdee":           i3,
		"sha256:abcdee":    i3,
		"abcdef1":          i4, // the label before the digits
		"sha256:abcdef1":   i1,
		"abcdef20":         i2,
		i4.Digest.Short():  i4,
		string(fill(two)):  i2,
		"sha256:1234560":   i4,
		"sha256:abcdef100": i1,
	} {
		same(t, want)(s.FindImage(ctx, "shop", ref))
	}
	for ref, code := range map[string]slipway.Code{
		"abcdef":                       slipway.Invalid, // fits two
		"sha256:abcdef":                slipway.Invalid,
		"abcde":                        slipway.NotFound, // too few digits, and no label
		"777777":                       slipway.NotFound, // another application's
		"ABCDEE":                       slipway.NotFound,
		"abcde_":                       slipway.NotFound,
		"%":                            slipway.NotFound,
		"v_":                           slipway.NotFound,
		"sha256:":                      slipway.NotFound,
		string(fill("sha256:9")):       slipway.NotFound,
		string(fill("sha256:9")) + "0": slipway.NotFound,
	} {
		t.Run("not "+ref, func(t *testing.T) { wants(t, code)(s.FindImage(ctx, "shop", ref)) })
	}
	wants(t, slipway.NotFound)(s.FindImage(ctx, "nobody", ""))

	// A label that was moved falls back when what has it goes; what was baked again under another keeps both.
	must(t, s.DeleteImage(ctx, i2.Digest, at(9)))
	same(t, i1)(s.FindImage(ctx, "shop", "v1"))
	i1.Version, i1.Created = "v1-again", at(6)
	must(t, s.PutImage(ctx, i1))
	same(t, i1)(s.FindImage(ctx, "shop", "v1"))
	same(t, i1)(s.FindImage(ctx, "shop", "v1-again"))

	// A channel comes before a label, which may well be given after the channel was made.
	_, err := s.MoveChannel(ctx, slipway.ChannelMove{Application: "shop", Name: "beta", Image: i1.Digest, Create: true, At: at(6)})
	must(t, err)
	same(t, i1)(s.FindImage(ctx, "shop", "beta"))
	put(7, fill("sha256:beefee"), "shop", "beta", slipway.ImageReady)
	same(t, i1)(s.FindImage(ctx, "shop", "beta"))
	wants(t, slipway.NotFound)(s.FindImage(ctx, "blog", "beta"))
}

// move is one of a channel of the shop to the n-th image, which makes the channel if there is none.
func move(channel string, n int, at time.Time) slipway.ChannelMove {
	return slipway.ChannelMove{Application: "shop", Name: channel, Image: digest(n), Create: true, By: "ann", At: at}
}

func moveChannel(t *testing.T, s slipway.Store) {
	ctx := t.Context()
	for n, state := range map[int]slipway.ImageState{1: slipway.ImageReady, 2: slipway.ImageReady, 3: slipway.ImageFailed, 4: slipway.ImageUntested, 5: slipway.ImageReady} {
		must(t, s.PutImage(ctx, image(n, "shop", fmt.Sprintf("v%d", n), state)))
	}
	must(t, s.PutImage(ctx, image(6, "blog", "v6", slipway.ImageReady)))
	_, err := s.RevokeImage(ctx, digest(5), &slipway.Revocation{At: at(9), Reason: "broken"})
	must(t, err)

	uncreated := move("stable", 1, at(10))
	uncreated.Create = false
	wants(t, slipway.NotFound)(s.MoveChannel(ctx, uncreated))
	first := slipway.Channel{Application: "shop", Name: "stable", Image: digest(1), Moved: at(10), By: "ann"}
	same(t, first)(s.MoveChannel(ctx, move("stable", 1, at(10))))
	same(t, first)(s.MoveChannel(ctx, move("stable", 1, at(11)))) // it is there already
	second := slipway.Channel{Application: "shop", Name: "stable", Image: digest(2), Previous: digest(1), Moved: at(12), By: "ann"}
	same(t, second)(s.MoveChannel(ctx, move("stable", 2, at(12))))

	guarded := func(channel string, n, at int) slipway.ChannelMove {
		m := move(channel, n, began)
		m.IfAt = digest(at)
		return m
	}
	for _, c := range []struct {
		why  string
		move slipway.ChannelMove
		want slipway.Code
	}{
		{"its tests failed", move("stable", 3, began), slipway.Refused},
		{"it is not tested", move("stable", 4, began), slipway.Refused},
		{"it is revoked", move("stable", 5, began), slipway.Refused},
		{"another application's", move("stable", 6, began), slipway.NotFound},
		{"no such image", move("stable", 7, began), slipway.NotFound},
		{"moved meanwhile", guarded("stable", 1, 1), slipway.Conflict},
		{"a guard on nothing", guarded("beta", 1, 1), slipway.NotFound},
		{"hides a label", move("v1", 2, began), slipway.Conflict},
		{"latest", move("latest", 2, began), slipway.Invalid},
		{"digits", move("facade", 2, began), slipway.Invalid},
		{"no name", move("", 2, began), slipway.Invalid},
		{"upper case", move("Stable", 2, began), slipway.Invalid},
	} {
		t.Run("not "+c.why, func(t *testing.T) { wants(t, c.want)(s.MoveChannel(ctx, c.move)) })
	}
	same(t, []slipway.Channel{second})(s.Channels(ctx, "shop")) // as if nobody had tried
	third := slipway.Channel{Application: "shop", Name: "stable", Image: digest(1), Previous: digest(2), Moved: began, By: "ann"}
	same(t, third)(s.MoveChannel(ctx, guarded("stable", 1, 2)))

	beta := slipway.Channel{Application: "shop", Name: "beta", Image: digest(2), Moved: at(13), By: "ann"}
	same(t, beta)(s.MoveChannel(ctx, move("beta", 2, at(13))))
	same(t, []slipway.Channel{beta, third})(s.Channels(ctx, ""))
	empty(t)(s.Channels(ctx, "blog"))
	must(t, s.DeleteChannel(ctx, "shop", "stable"))
	same(t, []slipway.Channel{beta})(s.Channels(ctx, "shop"))
	wants(t, slipway.NotFound)(s.FindImage(ctx, "shop", "stable"))
}

func concurrentMoves(t *testing.T, s slipway.Store) {
	const movers = 50
	ctx := t.Context()
	for n := range movers {
		must(t, s.PutImage(ctx, image(n, "shop", "", slipway.ImageReady)))
	}
	moved := make([]slipway.Channel, movers)
	var all sync.WaitGroup
	for n := range movers {
		all.Go(func() {
			var err error
			if moved[n], err = s.MoveChannel(ctx, move("stable", n, at(n))); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	// What each found is what exactly one other left: a chain from nothing to where the channel is now.
	left := map[slipway.Digest]slipway.Digest{}
	for _, c := range moved {
		left[c.Image] = c.Previous
	}
	now, err := s.Channel(ctx, "shop", "stable")
	must(t, err)
	at, steps := now.Image, 0
	for ; at != "" && steps <= movers; steps++ {
		at = left[at]
	}
	if steps != movers {
		t.Errorf("the channel's past is %d moves long, want %d", steps, movers)
	}
}

func revoke(t *testing.T, s slipway.Store) {
	ctx := t.Context()
	i := image(1, "shop", "v1", slipway.ImageReady)
	must(t, s.PutImage(ctx, i))
	r := &slipway.Revocation{At: at(5), Reason: "CVE-2026-1", By: "ann"}
	i.Revoked = r
	same(t, i)(s.RevokeImage(ctx, digest(1), r))
	same(t, i)(s.Image(ctx, digest(1)))

	must(t, s.PutImage(ctx, image(1, "shop", "v1", slipway.ImageReady))) // baked again
	same(t, i)(s.Image(ctx, digest(1)))
	must(t, s.DeleteImage(ctx, digest(1), at(6)))
	wants(t, slipway.NotFound)(s.Image(ctx, digest(1)))
	must(t, s.PutImage(ctx, image(1, "shop", "v1", slipway.ImageReady))) // removed, then baked again
	same(t, i)(s.FindImage(ctx, "shop", "v1"))
	wants(t, slipway.Refused)(s.CreateDeployment(ctx, deployment(1, prod)))
	wants(t, slipway.NotFound)(s.Deployment(ctx, "d-1"))

	i.Revoked = nil
	same(t, i)(s.RevokeImage(ctx, digest(1), nil))
	must(t, s.PutImage(ctx, i))
	same(t, i)(s.Image(ctx, digest(1)))
	lifted := image(2, "shop", "v2", slipway.ImageReady)
	lifted.Revoked = r // only RevokeImage revokes
	must(t, s.PutImage(ctx, lifted))
	lifted.Revoked = nil
	same(t, lifted)(s.Image(ctx, digest(2)))
}

func deleteImage(t *testing.T, s slipway.Store) {
	ctx := t.Context()
	for n := 1; n <= 7; n++ {
		must(t, s.PutImage(ctx, image(n, "shop", "", slipway.ImageReady)))
	}
	_, err := s.MoveChannel(ctx, move("stable", 1, at(1)))
	must(t, err)
	over := func(n, finished int) slipway.Deployment {
		d := deployment(n, prod)
		d.State, d.Finished = slipway.DeploymentSucceeded, at(finished)
		return d
	}
	must(t, s.PutDeployment(ctx, deployment(2, prod)))
	must(t, s.PutDeployment(ctx, over(3, 101)))
	must(t, s.PutDeployment(ctx, over(4, 99)))
	x := execution(5, "shop")
	must(t, s.PutExecution(ctx, x))
	x = execution(6, "shop")
	x.State, x.Finished = slipway.ExecutionSucceeded, at(99)
	must(t, s.PutExecution(ctx, x))

	for n, why := range map[int]string{1: "channel stable", 2: "deployment d-2", 3: "deployment d-3", 5: "execution x-5"} {
		err := s.DeleteImage(ctx, digest(n), at(100))
		if slipway.CodeOf(err) != slipway.Conflict || !strings.Contains(slipway.MessageOf(err), why) {
			t.Errorf("image %d: %v, want a Conflict that names %s", n, err, why)
		}
	}
	for _, n := range []int{4, 6, 7} {
		must(t, s.DeleteImage(ctx, digest(n), at(100)))
	}
	same(t, []slipway.Image{
		image(5, "shop", "", slipway.ImageReady), image(3, "shop", "", slipway.ImageReady), image(2, "shop", "", slipway.ImageReady), image(1, "shop", "", slipway.ImageReady),
	})(s.Images(ctx, "shop"))
	wants(t, slipway.NotFound)(s.CreateDeployment(ctx, deployment(7, prod)))
}

func deployOrDelete(t *testing.T, s slipway.Store) {
	const images = 50
	ctx := t.Context()
	for n := range images {
		must(t, s.PutImage(ctx, image(n, "shop", "", slipway.ImageReady)))
		var deployed, deleted error
		var both sync.WaitGroup
		both.Go(func() { _, deployed = s.CreateDeployment(ctx, deployment(n, prod)) })
		both.Go(func() { deleted = s.DeleteImage(ctx, digest(n), at(n)) })
		both.Wait()
		_, err := s.Image(ctx, digest(n))
		switch {
		case deployed == nil && slipway.CodeOf(deleted) == slipway.Conflict && err == nil:
		case slipway.CodeOf(deployed) == slipway.NotFound && deleted == nil && slipway.CodeOf(err) == slipway.NotFound:
		default:
			t.Fatalf("deployed: %v, removed: %v, the image now: %v", deployed, deleted, err)
		}
	}
}

func injection(t *testing.T, s slipway.Store) {
	ctx := t.Context()
	for _, text := range []string{`'; DROP TABLE images; --`, `"?"`, `a?b`, `%`, `\`, "new\nline", "zażółć 🚢"} {
		i := image(len(text), text, text, slipway.ImageReady)
		i.Digest = slipway.DigestOf([]byte(text))
		must(t, s.PutImage(ctx, i))
		same(t, i)(s.FindImage(ctx, text, text))
		same(t, []slipway.Image{i})(s.Images(ctx, text))
	}
}

func groupNumbers(t *testing.T, s slipway.Store) {
	ctx := t.Context()
	must(t, s.PutImage(ctx, image(1, "shop", "v1", slipway.ImageReady)))
	create := func(n int, cluster slipway.Cluster, target, want string) {
		t.Helper()
		d := created(n, cluster)
		d.Target = target
		got, err := s.CreateDeployment(ctx, d)
		must(t, err)
		if got.Target != want {
			t.Errorf("deployment %d: target %q, want %q", n, got.Target, want)
		}
		same(t, got)(s.Deployment(ctx, d.ID))
	}
	create(1, prod, "", "shop-prod-v001")
	create(2, prod, "", "shop-prod-v002")
	create(3, prod, "shop-prod-v001", "shop-prod-v001") // a rollback to a group that is there takes no number
	create(4, slipway.Cluster{Application: "shop", Environment: "dev"}, "", "shop-dev-v001")
	create(5, prod, "", "shop-prod-v003")
	create(-1, slipway.Cluster{Application: "shop", Environment: "eu-prod"}, "", "shop-eu-prod-v001")
	namesake := created(-2, slipway.Cluster{Application: "shop-eu", Environment: "prod"})
	if _, err := s.CreateDeployment(ctx, namesake); slipway.CodeOf(err) != slipway.Conflict {
		t.Errorf("a server group of another cluster's name: %v, want a Conflict", err)
	}
	if _, err := s.Deployment(ctx, namesake.ID); slipway.CodeOf(err) != slipway.NotFound {
		t.Errorf("the deployment that was refused: %v, want NotFound", err)
	}
	for n := 6; n <= 1001; n++ {
		d := created(n, prod)
		if _, err := s.CreateDeployment(ctx, d); err != nil {
			t.Fatal(err)
		}
	}
	create(1002, prod, "", "shop-prod-v1000")
}

func sameDeployment(t *testing.T, s slipway.Store) {
	ctx := t.Context()
	must(t, s.PutImage(ctx, image(1, "shop", "v1", slipway.ImageReady)))
	first, err := s.CreateDeployment(ctx, created(1, prod))
	must(t, err)
	first.State = slipway.DeploymentSucceeded
	must(t, s.PutDeployment(ctx, first))
	same(t, first)(s.CreateDeployment(ctx, created(1, prod)))
	next, err := s.CreateDeployment(ctx, created(2, prod))
	must(t, err)
	if next.Target != prod.GroupName(2) {
		t.Errorf("creating again took a number: the next is %s", next.Target)
	}
}

func concurrentDeployments(t *testing.T, s slipway.Store) {
	const writers = 50
	must(t, s.PutImage(t.Context(), image(1, "shop", "v1", slipway.ImageReady)))
	targets := make([]string, writers)
	var all sync.WaitGroup
	for n := range writers {
		all.Go(func() {
			d, err := s.CreateDeployment(t.Context(), created(n, prod))
			if err != nil {
				t.Error(err)
			}
			targets[n] = d.Target
		})
	}
	all.Wait()
	slices.Sort(targets)
	for n, target := range targets {
		if want := prod.GroupName(n + 1); target != want {
			t.Fatalf("targets[%d] = %q, want %q", n, target, want)
		}
	}
}

func events(t *testing.T, s slipway.Store) {
	ctx := t.Context()
	var stored []slipway.Event
	for _, e := range []slipway.Event{
		{Kind: slipway.BakeStarted, Application: "shop", Execution: "x-1", Bake: "b-1"},
		{Kind: slipway.DeploymentStarted, Application: "shop", Environment: "prod", Execution: "x-1", Deployment: "d-1"},
		{Kind: slipway.DeploymentStarted, Application: "blog", Environment: "prod", Deployment: "d-2"},
		{Kind: slipway.BakeFinished, Application: "shop", Execution: "x-1", Bake: "b-1"},
	} {
		e.Time, e.Message = began, string(e.Kind)
		got, err := s.AppendEvent(ctx, e)
		must(t, err)
		if got.Seq != int64(len(stored)+1) {
			t.Fatalf("seq %d, want %d", got.Seq, len(stored)+1)
		}
		stored = append(stored, got)
	}
	for _, f := range []slipway.EventFilter{
		{}, {After: 2}, {After: 4}, {Application: "shop"}, {Environment: "prod"}, {Application: "shop", Environment: "prod"},
		{Execution: "x-1"}, {Bake: "b-1"}, {Bake: "b-1", After: 1}, {Deployment: "d-2"}, {Deployment: "d-3"},
		{Before: 3}, {Before: 4, After: 1}, {Before: 1}, {Before: 9, Application: "shop"},
	} {
		want := []slipway.Event{}
		for _, e := range stored {
			if f.Matches(e) {
				want = append(want, e)
			}
		}
		same(t, want)(s.Events(ctx, f, 100))
		same(t, want)(s.Events(ctx, f, 0))
		same(t, want[:min(1, len(want))])(s.Events(ctx, f, 1))
		f.Newest = true
		same(t, want)(s.Events(ctx, f, 100))
		same(t, want[max(0, len(want)-1):])(s.Events(ctx, f, 1))
	}
}

func concurrentEvents(t *testing.T, s slipway.Store) {
	const writers, each = 50, 4
	ctx := t.Context()
	var all sync.WaitGroup
	for n := range writers {
		all.Go(func() {
			for range each {
				if _, err := s.AppendEvent(ctx, slipway.Event{Time: began, Kind: slipway.BakeOutput, Message: fmt.Sprint(n)}); err != nil {
					t.Error(err)
				}
				if err := s.PutBake(ctx, bake(n, "shop")); err != nil {
					t.Error(err)
				}
			}
		})
	}
	done := make(chan struct{})
	go func() { all.Wait(); close(done) }()
	var last int64
	for finished := false; ; {
		select {
		case <-done:
			finished = true
		default:
		}
		got, err := s.Events(ctx, slipway.EventFilter{After: last}, 7)
		must(t, err)
		for _, e := range got {
			if e.Seq != last+1 {
				t.Fatalf("read event %d after %d", e.Seq, last)
			}
			last = e.Seq
		}
		if finished && len(got) == 0 {
			break
		}
	}
	if last != writers*each {
		t.Errorf("read %d events, want %d", last, writers*each)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// same returns a check that a call returned want and no error.
func same[T any](t *testing.T, want T) func(T, error) {
	return func(got T, err error) {
		t.Helper()
		must(t, err)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
	}
}

// empty returns a check that a call returned a list, not nil, of nothing.
func empty(t *testing.T) func(any, error) {
	return func(got any, err error) {
		t.Helper()
		must(t, err)
		if b, _ := json.Marshal(got); string(b) != "[]" {
			t.Errorf("got %s, want []", b)
		}
	}
}

// wants returns a check that a call failed with the code.
func wants(t *testing.T, code slipway.Code) func(any, error) {
	return func(_ any, err error) {
		t.Helper()
		if slipway.CodeOf(err) != code {
			t.Errorf("err = %v, want code %s", err, code)
		}
	}
}
