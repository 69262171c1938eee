package restrict_test

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/restrict"
	"github.com/slipway-sh/slipway/sqlstore"
)

// bus cannot be reached.
type bus struct{}

func (bus) Publish(context.Context, slipway.Event) error            { return errors.New("nobody is there") }
func (bus) Subscribe(context.Context) (<-chan slipway.Event, error) { return nil, nil }

// world is a keeper over a real store, in which shop serves image one in prod and nothing in dev.
type world struct {
	*restrict.Keeper
	t     *testing.T
	store *sqlstore.Store
}

func newWorld(t *testing.T) world {
	t.Helper()
	store, err := sqlstore.Open(t.Context(), filepath.Join(t.TempDir(), "slipway.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	w := world{t: t, store: store}
	w.Keeper = restrict.New(restrict.Config{Store: store, Bus: bus{}, Log: slog.New(slog.DiscardHandler), Serving: func(_ context.Context, c slipway.Cluster) (slipway.Digest, error) {
		if c == prod {
			return one, nil
		}
		return "", nil
	}})
	for _, err := range []error{
		store.PutApplication(t.Context(), slipway.Spec{Application: "shop", Environments: map[string]slipway.Environment{"prod": {}, "dev": {}}}),
		store.PutImage(t.Context(), slipway.Image{Digest: one, Application: "shop", Version: "v1", State: slipway.ImageReady}),
		store.PutImage(t.Context(), slipway.Image{Digest: two, Application: "shop", Version: "v2", State: slipway.ImageReady}),
		store.PutDeployment(t.Context(), slipway.Deployment{ID: "d-1", Cluster: slipway.Cluster{Application: "shop", Environment: "old"}}),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	return w
}

func (w world) restrict(req slipway.RestrictionRequest) slipway.Restriction {
	w.t.Helper()
	r, err := w.Restrict(w.t.Context(), req)
	if err != nil {
		w.t.Fatal(err)
	}
	return r
}

func (w world) stored() []slipway.Restriction {
	w.t.Helper()
	all, err := w.store.Restrictions(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	return all
}

// told returns the messages of the events there have been.
func (w world) told() []string {
	w.t.Helper()
	events, err := w.store.Events(w.t.Context(), slipway.EventFilter{}, 0)
	if err != nil {
		w.t.Fatal(err)
	}
	var messages []string
	for _, e := range events {
		messages = append(messages, string(e.Kind)+" "+e.Message)
	}
	return messages
}

func asked(kind slipway.RestrictionKind, c slipway.Cluster, image string) slipway.RestrictionRequest {
	return slipway.RestrictionRequest{Kind: kind, Cluster: c, Image: image, Reason: " the sale\n", By: "ann"}
}

func TestRestrict(t *testing.T) {
	for name, c := range map[string]struct {
		req   slipway.RestrictionRequest
		id    string
		image slipway.Digest
		tells string
	}{
		"a freeze of everything":      {asked(slipway.RestrictionFreeze, slipway.Cluster{}, ""), "f-", "", "everything is frozen since "},
		"of an application":           {asked(slipway.RestrictionFreeze, slipway.Cluster{Application: "shop"}, ""), "f-", "", "shop in every environment is frozen"},
		"of an environment":           {asked(slipway.RestrictionFreeze, slipway.Cluster{Environment: "dev"}, ""), "f-", "", "every application in dev is frozen"},
		"of one that is left":         {asked(slipway.RestrictionFreeze, slipway.Cluster{Application: "shop", Environment: "old"}, ""), "f-", "", "shop in old is frozen"},
		"a pin to what serves":        {asked(slipway.RestrictionPin, prod, ""), "p-", one, "shop in prod is pinned to " + one.Short()},
		"a pin to a version":          {asked(slipway.RestrictionPin, dev, "v2"), "p-", two, "shop in dev is pinned to " + two.Short()},
		"a veto of the first digits":  {asked(slipway.RestrictionVeto, prod, two.Short()), "v-", two, two.Short() + " is vetoed for shop in prod"},
		"a veto of what serves there": {asked(slipway.RestrictionVeto, prod, "v1"), "v-", one, one.Short() + " is vetoed"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			r := w.restrict(c.req)
			if !strings.HasPrefix(r.ID, c.id) || len(r.ID) != 12 || r.Kind != c.req.Kind || r.Cluster != c.req.Cluster || r.Image != c.image ||
				r.Reason != "the sale" || r.By != "ann" || r.Since.IsZero() || !r.Until.IsZero() {
				t.Errorf("got %+v", r)
			}
			if diff := cmp.Diff([]slipway.Restriction{r}, w.stored()); diff != "" {
				t.Errorf("-returned +stored:\n%s", diff)
			}
			told := w.told()
			if len(told) != 1 || !strings.HasPrefix(told[0], "restriction.made "+c.tells) || !strings.HasSuffix(told[0], " by ann: the sale") {
				t.Errorf("told %q", told)
			}

			again := c.req
			again.Reason, again.By = "for another reason", "bob"
			if diff := cmp.Diff(r, w.restrict(again)); diff != "" || len(w.told()) != 1 {
				t.Errorf("asked again: %s, told %q", diff, w.told())
			}

			lifted, err := w.Lift(t.Context(), slipway.LiftRequest{ID: r.ID, Reason: "it is over ", By: "bob"})
			if diff := cmp.Diff(r, lifted); err != nil || diff != "" || len(w.stored()) != 0 {
				t.Errorf("lifted: %v, %s", err, diff)
			}
			if told = w.told(); len(told) != 2 || !strings.HasPrefix(told[1], "restriction.lifted "+string(c.req.Kind)+" of ") || !strings.HasSuffix(told[1], " lifted by bob: it is over") {
				t.Errorf("told %q", told)
			}
			if _, err := w.Lift(t.Context(), slipway.LiftRequest{ID: r.ID, Reason: "again"}); slipway.CodeOf(err) != slipway.NotFound || !strings.Contains(err.Error(), r.ID) {
				t.Errorf("lifted twice: %v", err)
			}
		})
	}
}

func TestRestrictRefusals(t *testing.T) {
	w := newWorld(t)
	kept := w.restrict(asked(slipway.RestrictionPin, prod, "v1"))
	past := asked(slipway.RestrictionFreeze, slipway.Cluster{}, "")
	past.Until = time.Now().Add(-time.Second)
	silent := asked(slipway.RestrictionFreeze, slipway.Cluster{}, "")
	silent.Reason = " "
	for name, c := range map[string]struct {
		req  slipway.RestrictionRequest
		code slipway.Code
		says string
	}{
		"without reason":      {silent, slipway.Invalid, "without a reason"},
		"over already":        {past, slipway.Invalid, "that is over"},
		"unknown application": {asked(slipway.RestrictionFreeze, slipway.Cluster{Application: "shpo"}, ""), slipway.NotFound, "shpo"},
		"unknown environment": {asked(slipway.RestrictionFreeze, slipway.Cluster{Environment: "prdo"}, ""), slipway.NotFound, `"prdo" of any application: there is dev, prod`},
		"unknown cluster":     {asked(slipway.RestrictionVeto, slipway.Cluster{Application: "shop", Environment: "qa"}, "v1"), slipway.NotFound, `"qa" of shop: there is dev, prod`},
		"unknown image":       {asked(slipway.RestrictionVeto, prod, "v9"), slipway.NotFound, "v9"},
		"nothing to pin to":   {asked(slipway.RestrictionPin, dev, ""), slipway.Conflict, "nothing does; say which image"},
		"pinned to another":   {asked(slipway.RestrictionPin, prod, "v2"), slipway.Conflict, "`" + kept.Lifting() + "`"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := w.Restrict(t.Context(), c.req); slipway.CodeOf(err) != c.code || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%v, want %s: %s", err, c.code, c.says)
			}
		})
	}
	if diff := cmp.Diff([]slipway.Restriction{kept}, w.stored()); diff != "" || len(w.told()) != 1 {
		t.Errorf("something was changed: %s, told %q", diff, w.told())
	}
}

// Whoever wants a freeze to last longer is not told that it is frozen already, and nobody's freeze becomes shorter.
func TestFreezesOutlast(t *testing.T) {
	w := newWorld(t)
	until := func(d time.Duration) slipway.RestrictionRequest {
		req := asked(slipway.RestrictionFreeze, prod, "")
		if d != 0 {
			req.Until = time.Now().Add(d)
		}
		return req
	}
	first := w.restrict(until(2 * time.Hour))
	if got := w.restrict(until(time.Hour)); !got.Until.Equal(first.Until) || got.ID != first.ID {
		t.Errorf("asked for less: %+v, want %+v", got, first)
	}
	longer := until(3 * time.Hour)
	longer.Reason = "it takes longer"
	if got := w.restrict(longer); !got.Until.Equal(longer.Until) || got.ID != first.ID || !got.Since.Equal(first.Since) || got.Reason != "it takes longer" {
		t.Errorf("asked for more: %+v", got)
	}
	if got := w.restrict(until(0)); !got.Until.IsZero() || got.ID != first.ID {
		t.Errorf("asked for good: %+v", got)
	}
	if got := w.restrict(until(time.Hour)); !got.Until.IsZero() {
		t.Errorf("asked for less than for good: %+v", got)
	}
	if len(w.stored()) != 1 || len(w.told()) != 3 {
		t.Errorf("stored %+v, told %q", w.stored(), w.told())
	}
}

// Of many who pin one cluster to two images at once the first decides.
func TestConcurrentPins(t *testing.T) {
	w := newWorld(t)
	var all sync.WaitGroup
	errs := make([]error, 20)
	for n := range errs {
		all.Go(func() {
			_, errs[n] = w.Restrict(t.Context(), asked(slipway.RestrictionPin, dev, []string{"v1", "v2"}[n%2]))
		})
	}
	all.Wait()
	stored := w.stored()
	if len(stored) != 1 {
		t.Fatalf("stored %+v, want one pin", stored)
	}
	for n, err := range errs {
		if won := stored[0].Image == []slipway.Digest{one, two}[n%2]; won != (err == nil) || !won && slipway.CodeOf(err) != slipway.Conflict {
			t.Errorf("%d: %v", n, err)
		}
	}
}
