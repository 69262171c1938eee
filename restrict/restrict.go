// Package restrict keeps deployments from beginning: freezes, pins and vetoes. [Forbids] is the rule; a [Keeper] makes and lifts what it
// goes by.
package restrict

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/slipway-sh/slipway"
)

// Config is what a keeper works with.
type Config struct {
	Store slipway.Store
	Bus   slipway.Bus
	// Serving returns the image that serves a cluster, "" if none does.
	Serving func(ctx context.Context, cluster slipway.Cluster) (slipway.Digest, error)
	Log     *slog.Logger
}

// Keeper makes and lifts restrictions. Its methods are those of [slipway.Operator], and safe for concurrent use.
type Keeper struct {
	Config
	making sync.Mutex // so that of two requests that do not agree one is second
}

// New returns a keeper. It starts nothing.
func New(cfg Config) *Keeper { return &Keeper{Config: cfg} }

// Restrict freezes, pins or vetoes, and returns the restriction. Asked for what is there already it returns that; a freeze that would last
// longer makes the one that is there last as long. Invalid if the request is, NotFound if what it names does not exist, Conflict if the
// cluster is pinned to another image or nothing serves that it could be pinned to.
func (k *Keeper) Restrict(ctx context.Context, req slipway.RestrictionRequest) (slipway.Restriction, error) {
	if err := req.Validate(); err != nil {
		return slipway.Restriction{}, err
	}
	now := time.Now().UTC()
	if !req.Until.IsZero() && !req.Until.After(now) {
		return slipway.Restriction{}, slipway.Errorf(slipway.Invalid, "cannot %s until %s: that is over", req.Kind, req.Until.UTC().Format(time.RFC3339)).At("until")
	}
	if err := k.known(ctx, req.Kind, req.Cluster); err != nil {
		return slipway.Restriction{}, err
	}
	r := slipway.Restriction{
		ID: newID(req.Kind), Kind: req.Kind, Cluster: req.Cluster, Reason: strings.TrimSpace(req.Reason), By: req.By, Since: now, Until: req.Until.UTC(),
	}
	var err error
	if r.Image, err = k.image(ctx, req); err != nil {
		return slipway.Restriction{}, err
	}
	k.making.Lock()
	defer k.making.Unlock()
	if r.Kind == slipway.RestrictionPin {
		if err := k.unpinned(ctx, r); err != nil {
			return slipway.Restriction{}, err
		}
	}
	made, err := k.Store.PutRestriction(ctx, r)
	if err != nil {
		return slipway.Restriction{}, err
	}
	if made.ID != r.ID {
		if !outlasts(r, made) {
			return made, nil
		}
		made.Reason, made.By, made.Until = r.Reason, r.By, r.Until
		if made, err = k.Store.PutRestriction(ctx, made); err != nil {
			return slipway.Restriction{}, err
		}
	}
	k.tell(ctx, slipway.Restricted, made, made.String())
	return made, nil
}

// Lift ends a restriction and returns it. NotFound if there is none of that ID: it may be lifted already.
func (k *Keeper) Lift(ctx context.Context, req slipway.LiftRequest) (slipway.Restriction, error) {
	if err := req.Validate(); err != nil {
		return slipway.Restriction{}, err
	}
	r, err := k.Store.DeleteRestriction(ctx, req.ID)
	if err != nil {
		return slipway.Restriction{}, err
	}
	text := fmt.Sprintf("%s of %s lifted", r.Kind, r.Scope())
	if r.Kind != slipway.RestrictionFreeze {
		text = fmt.Sprintf("%s of %s for %s lifted", r.Kind, r.Image.Short(), r.Scope())
	}
	if req.By != "" {
		text += " by " + req.By
	}
	k.tell(ctx, slipway.RestrictionLifted, r, text+": "+strings.TrimSpace(req.Reason))
	return r, nil
}

// outlasts reports whether a lasts longer than b.
func outlasts(a, b slipway.Restriction) bool {
	return !b.Until.IsZero() && (a.Until.IsZero() || a.Until.After(b.Until))
}

// known returns NotFound unless there is an application or environment of the names that are given: a restriction of what does not exist
// would restrict nothing, and nobody would know.
func (k *Keeper) known(ctx context.Context, kind slipway.RestrictionKind, c slipway.Cluster) error {
	if c == (slipway.Cluster{}) {
		return nil
	}
	specs, err := k.Store.Applications(ctx)
	if err != nil {
		return err
	}
	if c.Application != "" {
		spec, err := k.Store.Application(ctx, c.Application)
		if err != nil {
			return err
		}
		specs = []slipway.Spec{spec}
	}
	if c.Environment == "" {
		return nil
	}
	var names []string
	for _, spec := range specs {
		for name := range spec.Environments {
			names = append(names, name)
		}
	}
	if slices.Contains(names, c.Environment) {
		return nil
	}
	deployed, err := k.Store.Deployments(ctx, c, 1) // it may be that slipway.yaml lists it no more
	if err != nil || len(deployed) > 0 {
		return err
	}
	slices.Sort(names)
	return slipway.Errorf(slipway.NotFound, "cannot %s environment %q of %s: there is %s", kind, c.Environment,
		cmp.Or(c.Application, "any application"), cmp.Or(strings.Join(slices.Compact(names), ", "), "none"))
}

// image returns the image that the restriction is about, "" for a freeze.
func (k *Keeper) image(ctx context.Context, req slipway.RestrictionRequest) (slipway.Digest, error) {
	switch {
	case req.Kind == slipway.RestrictionFreeze:
		return "", nil
	case req.Image != "":
		image, err := k.Store.FindImage(ctx, req.Cluster.Application, req.Image)
		return image.Digest, err
	}
	serving, err := k.Serving(ctx, req.Cluster)
	if err == nil && serving == "" {
		err = slipway.Errorf(slipway.Conflict, "cannot pin %s in %s to what serves: nothing does; say which image", req.Cluster.Application, req.Cluster.Environment)
	}
	return serving, err
}

// unpinned returns a Conflict if the cluster is pinned to another image: then nothing could be deployed to it at all.
func (k *Keeper) unpinned(ctx context.Context, pin slipway.Restriction) error {
	all, err := k.Store.Restrictions(ctx)
	if err != nil {
		return err
	}
	for _, r := range all {
		if r.Kind == slipway.RestrictionPin && r.Cluster == pin.Cluster && r.Image != pin.Image && r.Holds(pin.Since) {
			return slipway.Errorf(slipway.Conflict, "cannot pin %s to %s: %s; lift that first, with `%s`", r.Scope(), pin.Image.Short(), r, r.Lifting())
		}
	}
	return nil
}

// newID returns a random ID of a restriction: "f-", "p-" or "v-", and 50 bits.
func newID(kind slipway.RestrictionKind) string {
	return string(kind[0]) + "-" + strings.ToLower(rand.Text()[:10])
}

// tell stores an event and sends it to whoever listens. What it tells of does not fail because nobody could be told.
func (k *Keeper) tell(ctx context.Context, kind slipway.EventKind, r slipway.Restriction, message string) {
	data, _ := json.Marshal(r) // the domain's types always can be
	e, err := k.Store.AppendEvent(ctx, slipway.Event{
		Time: time.Now().UTC(), Kind: kind, Message: message, Application: r.Cluster.Application, Environment: r.Cluster.Environment, Data: data,
	})
	if err == nil {
		err = k.Bus.Publish(ctx, e)
	}
	if err != nil {
		k.Log.Warn("cannot publish event", "kind", kind, "error", err)
	}
}
