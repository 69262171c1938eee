package deploy

import (
	"fmt"
	"slices"

	"go.temporal.io/sdk/workflow"

	"github.com/slipway-sh/slipway"
)

// rolling moves machine by machine, or batch by batch: the new group grows, its machines are healthy, checked and get their share
// of the traffic, that is proved, and then the old group shrinks by as many. At no time do fewer serve, or are there more,
// than the strategy allows; the guard has the last word, from what the load balancer sees at that moment.
func rolling(ctx workflow.Context, r *rollout, spec slipway.Rolling) error {
	if err := r.roll(ctx, limitsOf(spec, r.d.Environment), spec); err != nil {
		return err
	}
	if err := r.takeOver(ctx); err != nil { // proved
		return err
	}
	if err := r.watch(ctx); err != nil {
		return err
	}
	if err := r.settle(ctx); err != nil {
		return err
	}
	r.retire(ctx, r.d.Environment.Strategy.Keep())
	return nil
}

// roll moves what is left to move, batch by batch.
func (r *rollout) roll(ctx workflow.Context, limits limits, spec slipway.Rolling) error {
	checkpoints := slices.Clone(spec.Checkpoints)
	for r.size < limits.desired {
		if r.promoted { // what remains is moved in one batch
			limits.batch, checkpoints = limits.desired, nil
		}
		batch := limits.next(r.size, r.left)
		if batch.first < r.left { // no room for more before some have gone
			if err := r.shrink(ctx, batch.first); err != nil {
				return err
			}
		}
		if err := r.grow(ctx, batch.target); err != nil { // healthy and checked
			return err
		}
		if err := r.giveByNumber(ctx, batch.target, batch.source); err != nil {
			return err
		}
		if err := r.proveSplit(ctx); err != nil {
			return err
		}
		if err := r.shrink(ctx, batch.source); err != nil {
			return err
		}
		moved := 100 * r.size / limits.desired
		for len(checkpoints) > 0 && checkpoints[0] <= moved {
			reached := checkpoints[0]
			checkpoints = checkpoints[1:]
			if err := r.pass(ctx, spec.Delay.Or(slipway.DefaultInterval), fmt.Sprintf("it goes on from the checkpoint at %d %%", reached)); err != nil {
				return err
			}
		}
	}
	return nil
}

// giveByNumber gives target and source traffic by the number of their machines.
func (r *rollout) giveByNumber(ctx workflow.Context, target, source int) error {
	split := []slipway.GroupRoute{{Group: r.d.Target, Mode: slipway.Active, Weight: target}}
	switch {
	case source > 0:
		split = append(split, slipway.GroupRoute{Group: r.d.Source, Mode: slipway.Active, Weight: source})
	case r.standsBy():
		split = append(split, slipway.GroupRoute{Group: r.d.Source, Mode: slipway.Standby, Weight: 100})
	}
	r.d.Weight = 100 * target / (target + source)
	return r.shift(ctx, fmt.Sprintf("giving %s %d %% of the traffic", r.d.Target, r.d.Weight), split)
}

// limits bound how many machines a rolling deployment has, target and source together.
type limits struct {
	desired int
	batch   int
	least   int // that serve at any time
	most    int // that there are at any time
}

func limitsOf(spec slipway.Rolling, e slipway.Environment) limits {
	l := limits{desired: e.Size.Desired, batch: 1}
	if !spec.Batch.IsZero() {
		l.batch = max(1, spec.Batch.Of(l.desired))
	}
	percent := func(p int) int { return slipway.Amount{N: p, Percent: true}.Of(l.desired) }
	l.least = l.desired
	if spec.MinHealthy != nil {
		l.least = percent(*spec.MinHealthy)
	}
	l.least = max(1, l.least, minHealthy(e))
	l.most = l.desired + l.batch
	if spec.MaxHealthy != nil {
		l.most = l.desired * *spec.MaxHealthy / 100 // rounded down: it is a bound
	}
	if l.most <= l.least { // one must be allowed to move
		l.most = l.least + 1
	}
	return l
}

// batch is one move.
type batch struct {
	first  int // machines of the source before the target grows
	target int // machines of the target once it has grown
	source int // machines of the source after that
}

// next returns the move from so many machines of target and source.
func (l limits) next(target, source int) batch {
	n := min(l.batch, l.desired-target)
	first := source
	if room := l.most - target - source; room < n {
		// As many of the source go first as may be missed; of a source bigger than the target is to be, all that are too many.
		first -= min(source, max(0, min(n-room, target+source-l.least)))
		n = max(1, min(n, l.most-target-first))
	}
	target += n
	return batch{first: first, target: target, source: min(first, max(0, l.desired-target))}
}
