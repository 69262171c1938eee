package config

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/deploy"
	"github.com/slipway-sh/slipway/feed"
)

// Keeper implements [slipway.Configurator].
type Keeper struct {
	Launcher
	Records  slipway.Store
	Provider slipway.Provider
	Bus      slipway.Bus
	Deploy   func(ctx context.Context, req slipway.DeployRequest) (slipway.Deployment, error)
	Log      *slog.Logger
}

var _ slipway.Configurator = (*Keeper)(nil)

// maxTries is how often a change is made again on top of what others have changed meanwhile.
const maxTries = 100

// Config implements [slipway.Configurator].
func (k *Keeper) Config(ctx context.Context, cluster slipway.Cluster, number int) (slipway.ConfigVersion, error) {
	return k.Store.Config(ctx, cluster, number)
}

// Configs implements [slipway.Configurator].
func (k *Keeper) Configs(ctx context.Context, cluster slipway.Cluster, limit int) ([]slipway.ConfigVersion, error) {
	return k.Store.Configs(ctx, cluster, limit)
}

// ChangeConfig implements [slipway.Configurator].
func (k *Keeper) ChangeConfig(ctx context.Context, c slipway.ConfigChange) (slipway.ConfigOutcome, error) {
	if err := c.Validate(); err != nil {
		return slipway.ConfigOutcome{}, err
	}
	if err := k.known(ctx, c.Cluster); err != nil {
		return slipway.ConfigOutcome{}, err
	}
	var out slipway.ConfigOutcome
	for try := 0; ; try++ {
		var err error
		out, err = k.change(ctx, c)
		if slipway.CodeOf(err) == slipway.Conflict && c.IfNewest == nil && try < maxTries && ctx.Err() == nil {
			continue // somebody else's is in between
		}
		if err != nil {
			return slipway.ConfigOutcome{}, err
		}
		break
	}
	if out.Made {
		k.tell(ctx, out.Version)
	}
	if !c.Deploy || out.Version.Number == 0 {
		return out, nil
	}
	k.rollOut(ctx, c, &out)
	return out, nil
}

// change makes one try.
func (k *Keeper) change(ctx context.Context, c slipway.ConfigChange) (slipway.ConfigOutcome, error) {
	newest, err := k.Store.Config(ctx, c.Cluster, 0)
	if slipway.CodeOf(err) == slipway.NotFound {
		newest, err = slipway.ConfigVersion{Cluster: c.Cluster, Entries: []slipway.ConfigEntry{}}, nil
	}
	if err != nil {
		return slipway.ConfigOutcome{}, err
	}
	if c.IfNewest != nil && *c.IfNewest != newest.Number {
		return slipway.ConfigOutcome{}, slipway.Errorf(slipway.Conflict, "cannot configure %s in %s: the newest version is %d, no longer %d; look at it and do it again",
			c.Cluster.Application, c.Cluster.Environment, newest.Number, *c.IfNewest)
	}
	base := newest
	if c.Back > 0 {
		if base, err = k.Store.Config(ctx, c.Cluster, c.Back); err != nil {
			return slipway.ConfigOutcome{}, err
		}
	}
	secrets, err := open(ctx, k.Store, k.Vault, base)
	if err != nil {
		return slipway.ConfigOutcome{}, err
	}
	next := base
	next.Number, next.Back, next.By, next.Reason = newest.Number+1, c.Back, cmp.Or(c.By, "slipwayd"), c.Reason
	next.Created = time.Now().UTC()
	if next.Entries, err = edit(base, c, secrets); err != nil {
		return slipway.ConfigOutcome{}, err
	}
	diff := newest.Diff(next)
	if len(diff.Changes) == 0 {
		return slipway.ConfigOutcome{Version: newest}, nil
	}
	next.Set, next.Unset = []string{}, []string{}
	for _, d := range diff.Changes {
		if d.To != nil {
			next.Set = append(next.Set, d.Key)
		} else {
			next.Unset = append(next.Unset, d.Key)
		}
	}
	size := 0
	for _, e := range next.Entries {
		size += len(e.Key) + len(e.Value) + len(secrets[e.Key])
	}
	if err := next.Check(size); err != nil {
		return slipway.ConfigOutcome{}, err
	}
	if c.DryRun {
		return slipway.ConfigOutcome{Version: next}, nil
	}
	fresh, err := k.fresh(ctx)
	if err != nil {
		return slipway.ConfigOutcome{}, err
	}
	sealed, err := k.Vault.Seal(secrets, fresh)
	if err != nil {
		return slipway.ConfigOutcome{}, err
	}
	if err := k.Store.AddConfig(ctx, next, sealed); err != nil {
		return slipway.ConfigOutcome{}, err
	}
	return slipway.ConfigOutcome{Version: next, Made: true}, nil
}

// edit returns the entries that the change makes of base's, and makes secrets, which were base's, theirs.
func edit(base slipway.ConfigVersion, c slipway.ConfigChange, secrets map[string]string) ([]slipway.ConfigEntry, error) {
	entries := map[string]slipway.ConfigEntry{}
	for _, e := range base.Entries {
		entries[e.Key] = e
	}
	for i, key := range c.Unset {
		if _, ok := entries[key]; !ok {
			return nil, slipway.Errorf(slipway.NotFound, "cannot unset %s: it is not configured; what slipway.yaml sets is changed there", key).At(fmt.Sprintf("unset[%d]", i))
		}
		delete(entries, key)
		delete(secrets, key)
	}
	for i, s := range c.Set {
		was, had := entries[s.Key]
		next := slipway.ConfigEntry{Key: s.Key, Type: cmp.Or(s.Type, was.Type, slipway.ConfigString), Deliver: s.Deliver}
		secret := next.Type == slipway.ConfigSecret
		if next.Deliver == "" && had && secret == (was.Type == slipway.ConfigSecret) {
			next.Deliver = was.Deliver
		}
		if next.Deliver == "" {
			next.Deliver = slipway.DeliverEnv
			if secret {
				next.Deliver = slipway.DeliverFile
			}
		}
		value, err := next.Type.Canonical(s.Key, s.Value)
		if err != nil {
			return nil, placed(err, fmt.Sprintf("set[%d].value", i))
		}
		if secret {
			next.Fingerprint = was.Fingerprint
			if next.Fingerprint == "" || subtle.ConstantTimeCompare([]byte(secrets[s.Key]), []byte(value)) == 0 {
				next.Fingerprint = strings.ToLower(rand.Text()[:8])
			}
			secrets[s.Key] = value
		} else {
			next.Value = value
			delete(secrets, s.Key)
		}
		entries[s.Key] = next
	}
	sorted := make([]slipway.ConfigEntry, 0, len(entries))
	for _, key := range slices.Sorted(maps.Keys(entries)) {
		sorted = append(sorted, entries[key])
	}
	return sorted, nil
}

func placed(err error, place string) error {
	if e, ok := errors.AsType[*slipway.Error](err); ok {
		return e.At(place)
	}
	return err
}

// fresh reports whether a missing key may be made: if nothing is encrypted for one that was lost.
func (k *Keeper) fresh(ctx context.Context) (bool, error) {
	if k.Vault.HasKey() {
		return true, nil
	}
	all, err := k.Store.Configs(ctx, slipway.Cluster{}, 0)
	return !slices.ContainsFunc(all, hasSecrets), err
}

// known returns an error if the application is known, and has no such environment: whoever misspelt it wants to know.
func (k *Keeper) known(ctx context.Context, cluster slipway.Cluster) error {
	spec, err := k.Records.Application(ctx, cluster.Application)
	if slipway.CodeOf(err) == slipway.NotFound {
		return nil // it is configured before it is baked first
	}
	if err != nil {
		return err
	}
	if _, ok := spec.Environments[cluster.Environment]; !ok {
		return slipway.Errorf(slipway.NotFound, "cannot configure %s in %s: its slipway.yaml defines %s", cluster.Application, cluster.Environment,
			strings.Join(slices.Sorted(maps.Keys(spec.Environments)), ", "))
	}
	return nil
}

// rollOut has the newest version rolled out, and notes what comes of it. The version stands, whatever that is.
func (k *Keeper) rollOut(ctx context.Context, c slipway.ConfigChange, out *slipway.ConfigOutcome) {
	number := out.Version.Number
	fail := func(err error) {
		if e, ok := errors.AsType[*slipway.Error](err); ok {
			out.Error = e
			return
		}
		k.Log.Error("cannot roll out a configuration", "cluster", c.Cluster, "version", number, "error", err)
		out.Error = slipway.Errorf(slipway.Internal, "%s", slipway.MessageOf(err))
	}
	req, skipped, err := deploy.Reconfigure(ctx, k.Records, k.Provider, c.Cluster, number)
	if err != nil {
		fail(err)
		return
	}
	if out.Skipped = skipped; skipped != "" || c.DryRun {
		return
	}
	o := c.Options
	req.Strategy, req.OnConflict, req.Hotfix, req.Override, req.Force = o.Strategy, o.OnConflict, o.Hotfix, o.Override, o.Force
	req.By, req.Reason = c.By, fmt.Sprintf("version %d of the configuration", number)
	if reason := cmp.Or(o.Reason, c.Reason); reason != "" {
		req.Reason += ": " + reason
	}
	d, err := k.Deploy(ctx, req)
	if err != nil {
		fail(err)
		return
	}
	out.Deployment = &d
}

// tell writes an event. It has the names of what changed, and no values.
func (k *Keeper) tell(ctx context.Context, v slipway.ConfigVersion) {
	message := fmt.Sprintf("version %d of the configuration", v.Number)
	if v.Back > 0 {
		message += fmt.Sprintf(", back to %d", v.Back)
	}
	if len(v.Set) > 0 {
		message += ": sets " + strings.Join(v.Set, ", ")
	}
	if len(v.Unset) > 0 {
		message += ": unsets " + strings.Join(v.Unset, ", ")
	}
	message += " (" + v.By + ")"
	if v.Reason != "" {
		message += ": " + v.Reason
	}
	feed.Teller{Store: k.Records, Bus: k.Bus, Log: k.Log}.Tell(ctx, slipway.Event{
		Time: v.Created, Kind: slipway.ConfigChanged, Message: message, Application: v.Cluster.Application, Environment: v.Cluster.Environment,
	}, map[string]any{"number": v.Number, "set": v.Set, "unset": v.Unset, "back": v.Back, "by": v.By, "reason": v.Reason})
}
