package catalog_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/catalog"
	"github.com/slipway-sh/slipway/sqlstore"
)

// machines is a provider of which only what runs matters.
type machines struct {
	slipway.Provider
	groups    []slipway.ServerGroup
	instances []slipway.Instance
	broken    error
}

func (m *machines) ServerGroups(context.Context) ([]slipway.ServerGroup, error) {
	return m.groups, m.broken
}
func (m *machines) Instances(context.Context) ([]slipway.Instance, error) { return m.instances, nil }
func (m *machines) ServerGroup(_ context.Context, name string) (slipway.ServerGroup, error) {
	for _, g := range m.groups {
		if g.Name == name {
			return g, nil
		}
	}
	return slipway.ServerGroup{}, slipway.Errorf(slipway.NotFound, "no group %s", name)
}

// bus forgets.
type bus struct{}

func (bus) Publish(context.Context, slipway.Event) error            { return nil }
func (bus) Subscribe(context.Context) (<-chan slipway.Event, error) { return nil, nil }

// shelf is where images are stored; it notes which are taken away.
type shelf struct {
	mu   sync.Mutex
	gone []slipway.Digest
}

func (s *shelf) Unlist(_ context.Context, d slipway.Digest) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.gone = append(s.gone, d)
	return nil
}

// cache collects always the same.
type cache struct{ freed int64 }

func (c cache) Collect(context.Context, slipway.CacheRequest) (slipway.CacheReport, error) {
	return slipway.CacheReport{Freed: c.freed}, nil
}

// world is a catalog over a real store.
type world struct {
	*catalog.Catalog
	t        *testing.T
	store    *sqlstore.Store
	machines *machines
	shelf    *shelf
	clock    time.Time
}

func newWorld(t *testing.T) *world {
	t.Helper()
	store, err := sqlstore.Open(t.Context(), filepath.Join(t.TempDir(), "slipway.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	w := &world{t: t, store: store, machines: &machines{}, shelf: &shelf{}, clock: time.Now().AddDate(0, 0, -100)}
	w.Catalog = catalog.New(catalog.Config{Store: store, Bus: bus{}, Provider: w.machines, Images: w.shelf, Log: slog.New(slog.DiscardHandler)})
	return w
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func digestOf(name string) slipway.Digest { return slipway.DigestOf([]byte(name)) }

// image records "hello@v1"; change, if not nil, makes it otherwise.
func (w *world) image(name string, change func(*slipway.Image)) slipway.Image {
	w.t.Helper()
	application, version, _ := strings.Cut(name, "@")
	w.clock = w.clock.Add(time.Hour)
	i := slipway.Image{
		Digest: digestOf(name), Application: application, Version: version, State: slipway.ImageReady, From: "scratch", Created: w.clock,
		Service: slipway.Service{Command: []string{"/" + application}},
		Layers:  []slipway.LayerInfo{{Digest: digestOf("shared by " + application), Size: 100}, {Digest: digestOf("layer of " + name), Size: 7}},
	}
	if change != nil {
		change(&i)
	}
	w.must(w.store.PutImage(w.t.Context(), i))
	w.must(w.store.PutApplication(w.t.Context(), slipway.Spec{Application: application}))
	return i
}

// on makes an image one that was built on another.
func on(parent slipway.Image, ref string) func(*slipway.Image) {
	return func(i *slipway.Image) {
		i.From = "image:" + parent.Application + ref
		i.Base = &slipway.Base{From: i.From, Digest: parent.Digest, Application: parent.Application, Version: parent.Version}
	}
}

// deployed makes a server group of the image, as a deployment that succeeded leaves it, in the place of another.
func (w *world) deployed(image slipway.Image, environment, source string) string {
	w.t.Helper()
	cluster := slipway.Cluster{Application: image.Application, Environment: environment}
	w.clock = w.clock.Add(time.Hour)
	d, err := w.store.CreateDeployment(w.t.Context(), slipway.Deployment{
		ID: "d-" + environment + image.Version, Kind: slipway.KindDeploy, Cluster: cluster, Image: image.Digest, Source: source, State: slipway.DeploymentRunning, Started: w.clock,
	})
	w.must(err)
	d.State, d.Finished = slipway.DeploymentSucceeded, w.clock
	w.must(w.store.PutDeployment(w.t.Context(), d))
	group := slipway.ServerGroup{ServerGroupSpec: slipway.ServerGroupSpec{Name: d.Target, Cluster: cluster, Image: image.Digest}}
	group.Instances = []slipway.Instance{{ID: "i-" + d.Target, Group: d.Target, Image: image.Digest}}
	w.machines.groups = append(w.machines.groups, group)
	w.machines.instances = append(w.machines.instances, group.Instances...)
	return d.Target
}

// told returns what events say.
func (w *world) told() []string {
	w.t.Helper()
	events, err := w.store.Events(w.t.Context(), slipway.EventFilter{}, 0)
	w.must(err)
	var lines []string
	for _, e := range events {
		lines = append(lines, fmt.Sprintf("%s %s: %s", e.Application, e.Kind, e.Message))
	}
	return lines
}

func (w *world) want(what string, want, got any) {
	w.t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		w.t.Errorf("%s: -want +got:\n%s", what, diff)
	}
}

func TestChannels(t *testing.T) {
	w := newWorld(t)
	v1, v2 := w.image("hello@v1", nil), w.image("hello@v2", nil)
	move := func(req slipway.ChannelRequest) error {
		_, err := w.MoveChannel(t.Context(), "hello", "stable", req)
		return err
	}
	w.want("a channel that nobody made", slipway.NotFound, slipway.CodeOf(move(slipway.ChannelRequest{Image: "v1"})))
	w.must(move(slipway.ChannelRequest{Image: "v1", Create: true, By: "ann"}))
	w.must(move(slipway.ChannelRequest{Image: "v2", IfAt: "v1"}))
	w.must(move(slipway.ChannelRequest{Image: "v2"})) // it is there
	w.want("moved by another meanwhile", slipway.Conflict, slipway.CodeOf(move(slipway.ChannelRequest{Image: "v1", IfAt: "v1"})))
	w.want("an unknown image", slipway.NotFound, slipway.CodeOf(move(slipway.ChannelRequest{Image: "v9"})))
	s, err := w.Status(t.Context(), "hello", "stable")
	w.must(err)
	if s.Digest != v2.Digest || len(s.Channels) != 1 || s.Channels[0].Previous != v1.Digest {
		t.Errorf("stable is %+v", s)
	}
	w.must(w.DeleteChannel(t.Context(), "hello", "stable", "bob"))
	w.want("removed twice", slipway.NotFound, slipway.CodeOf(w.DeleteChannel(t.Context(), "hello", "stable", "bob")))
	w.want("events", []string{
		"hello channel.moved: channel stable made to " + v1.Name() + " by ann",
		"hello channel.moved: channel stable moved from " + v1.Name() + " to " + v2.Name(),
		"hello channel.moved: channel stable, which named " + v2.Name() + ", removed by bob",
	}, w.told())
}

func TestRevoke(t *testing.T) {
	w := newWorld(t)
	v1 := w.image("hello@v1", nil)
	v2 := w.image("hello@v2", nil)
	first := w.deployed(v1, "prod", "")
	w.deployed(v2, "prod", first)
	w.machines.instances = append(w.machines.instances, slipway.Instance{ID: "i-shell", Image: v1.Digest})
	_, err := w.MoveChannel(t.Context(), "hello", "stable", slipway.ChannelRequest{Image: "v1", Create: true})
	w.must(err)

	s, err := w.Revoke(t.Context(), "hello", "stable", " CVE-2026-1\n", "ann")
	w.must(err)
	cluster := slipway.Cluster{Application: "hello", Environment: "prod"}
	w.want("uses", []slipway.ImageUse{{Instances: []string{"i-shell"}}, {Cluster: &cluster, Group: first, Instances: []string{"i-" + first}}}, s.Uses)
	if s.Revoked == nil || s.Revoked.Reason != "CVE-2026-1" || s.Revoked.By != "ann" || len(s.Channels) != 1 {
		t.Errorf("got %+v", s)
	}
	w.want("no reason", slipway.Invalid, slipway.CodeOf(second(w.Revoke(t.Context(), "hello", "v1", " ", ""))))
	w.want("unknown", slipway.NotFound, slipway.CodeOf(second(w.Revoke(t.Context(), "hello", "v9", "x", ""))))
	for range 2 {
		s, err = w.Reinstate(t.Context(), "hello", "v1", "")
		w.must(err)
	}
	if s.Revoked != nil {
		t.Errorf("still revoked: %+v", s)
	}
	w.want("events", []string{
		"hello image.revoked: image " + v1.Name() + " revoked by ann: CVE-2026-1", "hello image.revoked: image " + v1.Name() + " is no longer revoked",
	}, w.told()[1:])
}

func second[T any](_ T, err error) error { return err }

// signatures is who signed what: of an image that it does not have, something cannot be read.
type signatures map[slipway.Digest]error

func (s signatures) Statement(_ context.Context, image slipway.Digest, _ slipway.StatementKind) ([]byte, error) {
	err, ok := s[image]
	if !ok {
		return nil, errors.New("no disk")
	}
	return nil, err
}
func (s signatures) Keys(context.Context) ([]slipway.PublicKey, error) { return nil, nil }
func (s signatures) VerifyImage(context.Context, slipway.Digest) (slipway.Verification, error) {
	return slipway.Verification{}, nil
}

func TestSigned(t *testing.T) {
	w := newWorld(t)
	signed, unsigned, unknown := w.image("hello@signed", nil), w.image("hello@unsigned", nil), w.image("hello@unknown", nil)
	s, err := w.Status(t.Context(), "hello", "signed")
	w.must(err)
	w.want("where nobody signs", (*bool)(nil), s.Signed)
	w.Statements = signatures{signed.Digest: nil, unsigned.Digest: slipway.Errorf(slipway.Refused, "by no trusted key")}
	for image, want := range map[slipway.Digest]bool{signed.Digest: true, unsigned.Digest: false} {
		s, err := w.Status(t.Context(), "hello", string(image))
		w.must(err)
		w.want(s.Version, &want, s.Signed)
	}
	if _, err := w.Status(t.Context(), "hello", string(unknown.Digest)); err == nil {
		t.Error("what cannot be read is taken for unsigned")
	}
}

func TestAncestry(t *testing.T) {
	w := newWorld(t)
	debian := func(i *slipway.Image) {
		i.From, i.Base = "debian:bookworm", &slipway.Base{From: "debian:bookworm"}
	}
	old := w.image("base@1", debian)
	java := w.image("java@1", on(old, ""))
	shop := w.image("shop@1", on(java, "@1"))
	w.image("shop@2", on(java, "@1"))
	w.image("base@2", debian)
	w.image("blog@1", on(shop, ""))

	a, err := w.Ancestry(t.Context(), "java", "")
	w.must(err)
	lines := func(list ...slipway.Relative) (text []string) {
		for _, r := range list {
			line := fmt.Sprintf("%d %s@%s from %s", r.Depth, r.Application, r.Version, r.From)
			if r.Parent != nil {
				line += ", " + r.Parent.Message
			}
			if r.Removed {
				line += ", removed"
			}
			text = append(text, line)
		}
		return text
	}
	w.want("ancestors", []string{"-2 @ from debian:bookworm", "-1 base@1 from debian:bookworm"}, lines(a.Ancestors...))
	newBase := "parent is outdated: base is now 2 (" + digestOf("base@2").Short() + "); `slipway bake --refresh` builds on it"
	w.want("image", []string{"0 java@1 from image:base, " + newBase}, lines(a.Image))
	w.want("descendants", []string{
		"1 shop@2 from image:java@1", "1 shop@1 from image:java@1",
		"2 blog@1 from image:shop, parent is outdated: shop is now 2 (" + digestOf("shop@2").Short() + "); `slipway bake --refresh` builds on it",
	}, lines(a.Descendants...))

	w.must(w.store.DeleteImage(t.Context(), old.Digest, time.Now()))
	a, err = w.Ancestry(t.Context(), "java", "")
	w.must(err)
	w.want("ancestors of which one is removed", []string{"-1 base@1 from image:base, removed"}, lines(a.Ancestors...))
	statuses, err := w.Statuses(t.Context(), "shop")
	w.must(err)
	w.want("children", []int{0, 1}, []int{statuses[0].Children, statuses[1].Children})
}

func TestPrune(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	var images []slipway.Image
	for n := range 12 {
		images = append(images, w.image(fmt.Sprintf("hello@v%d", n), nil))
	}
	gone := w.deployed(images[0], "prod", "")
	kept := w.deployed(images[1], "prod", gone)
	w.deployed(images[2], "prod", kept)
	w.deployed(images[3], "dev", "hello-dev-v000")
	// A rollback leads to a group that was destroyed, and would be made again of its image.
	staging := w.deployed(images[4], "staging", "")
	w.deployed(images[5], "staging", staging)
	w.machines.groups = slices.DeleteFunc(w.machines.groups, func(g slipway.ServerGroup) bool { return g.Name == gone || g.Name == staging })
	w.machines.instances = []slipway.Instance{{ID: "i-shell", Image: images[6].Digest}}
	_, err := w.MoveChannel(ctx, "hello", "stable", slipway.ChannelRequest{Image: "v7", Create: true})
	w.must(err)
	w.must(w.store.PutBake(ctx, slipway.Bake{ID: "b-1", State: slipway.BakeRunning, Base: &slipway.Base{Digest: images[8].Digest}}))
	w.must(w.store.PutExecution(ctx, slipway.Execution{ID: "x-1", State: slipway.ExecutionRunning, Image: images[9].Digest}))

	none := 0
	req := slipway.PruneRequest{Application: "hello", Keep: &none, DryRun: true}
	want := map[string]string{
		"v11": "it is the newest that is ready",
		"v10": "gone: it is not among the newest 1",
		"v9":  "execution x-1 is under way",
		"v8":  "bake b-1 builds on it",
		"v7":  "channel stable names it",
		"v6":  "machine i-shell runs it",
		"v5":  "hello-staging-v002 serves it",
		"v4":  "hello-staging would be rolled back to it",
		"v3":  "hello-dev-v001 serves it",
		"v2":  "hello-prod-v003 serves it",
		"v1":  "hello-prod-v002 is kept of it; hello-prod would be rolled back to it",
		"v0":  "gone: it is not among the newest 1",
	}
	said := func(p slipway.Pruned) map[string]string {
		all := map[string]string{}
		for _, i := range p.Images {
			all[i.Version] = strings.Join(i.Reasons, "; ")
			if i.Removed {
				all[i.Version] = "gone: " + all[i.Version]
			}
		}
		return all
	}
	p, err := w.Prune(ctx, req)
	w.must(err)
	w.want("a dry run", want, said(p))
	w.want("what it would free", int64(2*7), p.Freed)
	if all, _ := w.store.Images(ctx, "hello"); len(all) != 12 || len(w.shelf.gone) > 0 {
		t.Fatalf("a dry run left %d images and took away %v", len(all), w.shelf.gone)
	}

	req.DryRun = false
	w.Cache = cache{freed: 12345}
	p, err = w.Prune(ctx, req)
	w.must(err)
	w.want("what goes", want, said(p))
	w.want("what was freed", int64(12345), p.Freed)
	w.want("what was taken away", []slipway.Digest{images[10].Digest, images[0].Digest}, w.shelf.gone)
	for n, i := range images {
		if _, err := w.store.Image(ctx, i.Digest); (slipway.CodeOf(err) == slipway.NotFound) != (n == 0 || n == 10) {
			t.Errorf("v%d: %v", n, err)
		}
	}
	w.want("events", []string{
		"hello image.removed: image " + images[10].Name() + " removed: it is not among the newest 1",
		"hello image.removed: image " + images[0].Name() + " removed: it is not among the newest 1",
	}, w.told()[1:])
	p, err = w.Prune(ctx, req)
	w.must(err)
	w.want("what there is to free then", int64(0), p.Freed)
}

func TestPruneAsksForNothing(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	for n := range 3 {
		w.image(fmt.Sprintf("hello@v%d", n), nil)
		w.image(fmt.Sprintf("shop@v%d", n), nil)
	}
	left := func(want int) {
		t.Helper()
		if all, _ := w.store.Images(ctx, ""); len(all) != want {
			t.Errorf("%d images are left, want %d", len(all), want)
		}
	}
	prune := func(req slipway.PruneRequest) error { return second(w.Prune(ctx, req)) }
	less := -1
	w.want("negative", slipway.Invalid, slipway.CodeOf(prune(slipway.PruneRequest{Keep: &less})))
	w.want("unknown", slipway.NotFound, slipway.CodeOf(prune(slipway.PruneRequest{Application: "blog"})))
	w.must(prune(slipway.PruneRequest{}))
	left(6)
	w.must(w.store.PutApplication(ctx, slipway.Spec{Application: "hello", Retention: &slipway.Retention{Keep: 2}}))
	w.must(prune(slipway.PruneRequest{Application: "shop"}))
	left(6)
	w.machines.broken = errors.New("no provider")
	if err := prune(slipway.PruneRequest{}); err == nil {
		t.Error("removes images though it cannot see what runs")
	}
	left(6)
	w.machines.broken = nil
	w.must(prune(slipway.PruneRequest{}))
	left(5)
}

// TestPruneBesideDeployments deploys images while they are removed: each is either deployed and there, or gone and refused.
func TestPruneBesideDeployments(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	var images []slipway.Image
	for n := range 40 {
		images = append(images, w.image(fmt.Sprintf("hello@v%d", n), nil))
	}
	w.image("hello@newest", nil)
	var all sync.WaitGroup
	deployed := make([]error, len(images))
	for n, i := range images {
		all.Go(func() {
			_, deployed[n] = w.store.CreateDeployment(ctx, slipway.Deployment{
				ID: "d-" + i.Version, Cluster: slipway.Cluster{Application: "hello", Environment: "prod"}, Image: i.Digest, State: slipway.DeploymentRunning,
			})
		})
	}
	none := 0
	all.Go(func() {
		if _, err := w.Prune(ctx, slipway.PruneRequest{Keep: &none}); err != nil {
			t.Error(err)
		}
	})
	all.Wait()
	for n, i := range images {
		_, err := w.store.Image(ctx, i.Digest)
		if there := err == nil; there != (deployed[n] == nil) || !there && slipway.CodeOf(deployed[n]) != slipway.NotFound {
			t.Errorf("%s: deployed: %v, its record: %v", i.Version, deployed[n], err)
		}
	}
}

// specs is a store of which only the applications are asked for.
type specs struct {
	catalog.Records
	asked chan struct{}
}

func (s specs) Applications(context.Context) ([]slipway.Spec, error) {
	s.asked <- struct{}{}
	return nil, nil
}

func TestRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := specs{asked: make(chan struct{})}
		c := catalog.New(catalog.Config{Store: store, Log: slog.New(slog.DiscardHandler)})
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- c.Run(ctx) }()
		last := time.Now()
		for range 20 {
			<-store.asked
			if pause := time.Since(last); pause < 54*time.Minute || pause > 66*time.Minute {
				t.Errorf("pruned after %s", pause)
			}
			last = time.Now()
		}
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}
