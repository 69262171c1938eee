package deploy

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/check"
)

// How often live state is read again when nothing signals that it has changed.
const (
	pollEvery  = 200 * time.Millisecond
	proveEvery = 500 * time.Millisecond
	drainEvery = 500 * time.Millisecond
)

// AwaitHealthy is done when so many machines of the group are healthy: Failed as soon as a machine of it is lost, DeadlinePast after the deadline.
func (a *Activities) AwaitHealthy(ctx context.Context, d slipway.Deployment, w Wait) (Look, error) {
	// What the machines of a group that served before went through in an earlier life does not matter.
	fresh := d.Kind == slipway.KindDeploy || d.Clone != ""
	return a.await(ctx, d, w, func(late bool) (Look, error) {
		group, err := a.Provider.ServerGroup(ctx, w.Group)
		if err != nil {
			return Look{}, gone(err, w.Group)
		}
		if fresh && (w.Forgive == 0 || group.Replaced > w.Forgive) {
			if err := check.Lost(ctx, a.Provider, group); err != nil {
				return Look{}, err
			}
		}
		if group.Healthy()+aside(group) >= w.Want && group.Size.Desired >= w.Want {
			return Look{Done: true}, nil
		}
		if late {
			return Look{}, slipway.Errorf(slipway.DeadlinePast, "not healthy after %s: %s",
				d.Environment.Healthy.Or(defaultHealthy).Round(time.Second), check.Progress(ctx, a.Provider, group))
		}
		return Look{Again: a.poll(w)}, nil
	})
}

// AwaitServing is done when so many machines of a group that served before are healthy: those that are lost are waited for, as the provider
// replaces them.
func (a *Activities) AwaitServing(ctx context.Context, d slipway.Deployment, w Wait) (look Look, err error) {
	defer persist(&err)
	return a.await(ctx, d, w, func(late bool) (Look, error) {
		group, err := a.Provider.ServerGroup(ctx, w.Group)
		switch {
		case err != nil:
			return Look{}, gone(err, w.Group)
		case group.Healthy()+aside(group) >= w.Want && group.Ready() > 0:
			return Look{Done: true}, nil
		case late:
			return Look{}, slipway.Errorf(slipway.DeadlinePast, "%s cannot serve: %s", w.Group, check.Progress(ctx, a.Provider, group))
		}
		return Look{Again: a.poll(w)}, nil
	})
}

// CheckBefore is done when every check before traffic has passed as often as it says.
func (a *Activities) CheckBefore(ctx context.Context, d slipway.Deployment, w Wait) (Look, error) {
	checks := map[int]slipway.Check{}
	for _, n := range checksIn(d, slipway.PhaseBefore) {
		checks[n] = d.Environment.Checks[n]
	}
	return a.checking(ctx, d, w, checks)
}

// CheckStep is as CheckBefore for the one check that w has.
func (a *Activities) CheckStep(ctx context.Context, d slipway.Deployment, w Wait) (Look, error) {
	return a.checking(ctx, d, w, map[int]slipway.Check{0: *w.Check})
}

func (a *Activities) checking(ctx context.Context, d slipway.Deployment, w Wait, checks map[int]slipway.Check) (Look, error) {
	seen := Look{Tallies: maps.Clone(w.Tallies)}
	if seen.Tallies == nil {
		seen.Tallies = map[string]Tally{}
	}
	look, err := a.await(ctx, d, w, func(late bool) (Look, error) {
		again, open, unmeasured := time.Duration(0), "", false
		for _, n := range slices.Sorted(maps.Keys(checks)) {
			done, next, err := a.measure(ctx, d, w, checks[n], n, &seen)
			if err != nil {
				return seen, err
			}
			if !done {
				open, again = check.CheckName(checks[n]), shorter(again, next)
				unmeasured = seen.Tallies[tallyKey(w.Phase, n)].Unproved(checks[n])
			}
		}
		switch {
		case open == "":
			return Look{Done: true}, nil
		case late && unmeasured:
			return Look{}, slipway.Errorf(slipway.Unmeasured, "check %s had no data%s", open, lastSeen(seen, open))
		case late:
			return Look{}, slipway.Errorf(slipway.DeadlinePast, "check %s did not pass in time%s", open, lastSeen(seen, open))
		}
		return Look{Again: again, Detail: open}, nil
	})
	look.Tallies, look.Measured, look.Flags = seen.Tallies, seen.Measured, seen.Flags
	return look, err
}

// measure makes the check if its time has come, and says whether it is done, and else when it is to be looked at again.
func (a *Activities) measure(ctx context.Context, d slipway.Deployment, w Wait, c slipway.Check, n int, seen *Look) (done bool, next time.Duration, err error) {
	key := tallyKey(w.Phase, n)
	tally, now := seen.Tallies[key], a.now()
	if done, _, _ := tally.verdict(c, w.Phase); done {
		return true, 0, nil
	}
	if wait := tally.Last.Add(c.Every()).Sub(now); !tally.Last.IsZero() && wait > 0 {
		return false, wait, nil
	}
	m := a.Measurer.Measure(ctx, c, check.Subject{Deployment: d, Phase: w.Phase, Since: w.Since, Before: w.Base.Pool})
	if ctx.Err() != nil {
		return false, 0, ctx.Err()
	}
	m.Time = now // by the clock of the deployment
	tally = tally.add(m)
	seen.Tallies[key] = tally
	seen.Measured = append(slices.DeleteFunc(seen.Measured, func(o slipway.Measurement) bool { return o.Check == m.Check }), m)
	if a.Patience > 0 { // whoever looks at the record need not wait for the end of the look
		if err := a.Store.PutDeployment(ctx, noted(d, seen.Measured)); err != nil {
			return false, 0, err
		}
	}
	done, err, flag := tally.verdict(c, w.Phase)
	if flag != "" && !slices.Contains(seen.Flags, flag) {
		seen.Flags = append(seen.Flags, flag)
	}
	return done, c.Every(), err
}

func lastSeen(seen Look, name string) string {
	for _, m := range seen.Measured {
		if m.Check == name && m.Detail != "" {
			return ": " + m.Detail
		}
	}
	return ""
}

// ProveTraffic is done when the data plane shows that traffic goes where the route says: all to the group, or as it is split.
func (a *Activities) ProveTraffic(ctx context.Context, d slipway.Deployment, w Wait) (Look, error) {
	if err := a.looking(ctx, d, w); err != nil {
		return Look{}, err
	}
	within := a.within(w.Until)
	prove := func() (requests int64, err error) {
		if w.Split {
			proof, err := a.Traffic.ProveSplit(ctx, d.Cluster, within)
			return proof.Requests, err
		}
		proof, err := a.Traffic.Prove(ctx, d.Cluster, w.Group, within)
		return proof.Requests, err
	}
	requests, err := prove()
	now := a.now()
	switch {
	case slipway.CodeOf(err) == slipway.DeadlinePast && now.Before(w.Until):
		return Look{Again: proveEvery}, nil
	case err != nil:
		return Look{}, err
	case w.Group == d.Target && !w.Split:
		d.Shifted = now
		if err := a.Store.PutDeployment(ctx, d); err != nil {
			return Look{}, err
		}
		a.publish(ctx, d, slipway.DeploymentShifted, fmt.Sprintf("all traffic is on %s: it got all of %d requests counted", d.Target, requests), true)
	}
	return Look{Done: true, At: now}, nil
}

// WatchTarget is done at the deadline or, if it is data that is waited for, as soon as there is some. It returns a Failed error as soon as
// a machine of the target is lost or, behind a load balancer, is down there, leaves a request without an answer, or fails more requests than
// [Counted.tolerates] of, or a check fails. It looks at least once, even if slipwayd was down until after the deadline.
func (a *Activities) WatchTarget(ctx context.Context, d slipway.Deployment, w Wait) (Look, error) {
	seen := Look{Tallies: maps.Clone(w.Tallies), Last: w.Last}
	if seen.Tallies == nil {
		seen.Tallies = map[string]Tally{}
	}
	look, err := a.await(ctx, d, w, func(late bool) (Look, error) {
		pool, err := a.wrong(ctx, d, w.Base)
		if err != nil {
			if slipway.CodeOf(err) == slipway.Failed {
				a.publish(ctx, d, slipway.DeploymentStep, gist(slipway.MessageOf(err)), false)
			}
			return Look{}, err
		}
		again := a.pace(w)
		for _, n := range checksIn(d, w.Phase) {
			_, next, err := a.measure(ctx, d, w, d.Environment.Checks[n], n, &seen)
			if err != nil {
				return Look{}, err
			}
			again = shorter(again, next)
		}
		if w.Every > 0 {
			if err := a.sample(ctx, d, w, pool, &seen.Last); err != nil {
				return Look{}, err
			}
			again = shorter(again, w.Every)
		}
		proved := w.Data && unproved(d, w.Phase, seen.Tallies) == ""
		return Look{Done: late || proved, Again: again}, nil
	})
	look.Tallies, look.Measured, look.Flags, look.Last = seen.Tallies, seen.Measured, seen.Flags, seen.Last
	return look, err
}

// poll returns how long it takes to look for machines again.
func (a *Activities) poll(w Wait) time.Duration {
	if a.Patience > 0 || w.Until.IsZero() {
		return pollEvery
	}
	return max(w.Until.Sub(a.now())/20, time.Second)
}

// pace returns how long a watch goes without looking: where looks are cheap that is a short time, in virtual time a share of what is left.
func (a *Activities) pace(w Wait) time.Duration {
	if a.Patience > 0 {
		return pollEvery
	}
	if w.Until.IsZero() {
		return 10 * time.Second
	}
	return max(w.Until.Sub(a.now())/2, 5*time.Second)
}

// AwaitDrained is done when nothing is under way on the group any more, or at the deadline: what is under way then is cut off.
func (a *Activities) AwaitDrained(ctx context.Context, d slipway.Deployment, w Wait) (Look, error) {
	if w.First {
		a.tell(ctx, d)
	}
	now := a.now()
	draining, cancel := context.WithTimeout(ctx, max(a.within(w.Until), time.Millisecond))
	defer cancel()
	err := a.Traffic.Drained(draining, d.Cluster, w.Group)
	switch {
	case ctx.Err() != nil:
		return Look{}, ctx.Err()
	case err == nil, !now.Before(w.Until):
		return Look{Done: true}, nil
	case slipway.CodeOf(err) == slipway.DeadlinePast:
		return Look{Again: drainEvery}, nil
	}
	return Look{}, err
}

// maxDoublings bounds how long a look may take: each may take twice as long as the one before, so that a workflow that waits for weeks does
// not fill its history, and one that waits for seconds knows at once what was seen.
const maxDoublings = 5

// await calls see, at once and after every signal of the provider, and when see says, until it is done or fails, or patience is over. late
// says that the deadline is past.
func (a *Activities) await(ctx context.Context, d slipway.Deployment, w Wait, see func(late bool) (Look, error)) (Look, error) {
	if err := a.looking(ctx, d, w); err != nil {
		return Look{}, err
	}
	var signals <-chan string
	if a.Patience > 0 {
		watched, cancel := context.WithCancel(ctx)
		defer cancel()
		signals = a.Provider.Watch(watched) // before the first look, so that no change falls between
	}
	end := a.now().Add(a.Patience * time.Duration(1<<min(w.Looks, maxDoublings)))
	for {
		now := a.now()
		look, err := see(!w.Until.IsZero() && !now.Before(w.Until))
		if err != nil || look.Done || !now.Before(end) {
			return a.bounded(look, w, now), err
		}
		if err := heard(ctx, &signals, d.Cluster, min(a.bounded(look, w, now).Again, end.Sub(now))); err != nil {
			return Look{}, err
		}
	}
}

// heard waits for a signal about the cluster's groups, or for so long. Where hundreds of deployments look at once, each would otherwise look
// again at whatever happens to any of them.
func heard(ctx context.Context, signals *<-chan string, cluster slipway.Cluster, long time.Duration) error {
	timer := time.NewTimer(long)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case group, open := <-*signals:
			if !open {
				*signals = nil
				return nil
			}
			if strings.HasPrefix(group, cluster.String()+"-v") {
				return nil
			}
		case <-timer.C:
			return nil
		}
	}
}

// bounded has the next look not come after the deadline.
func (a *Activities) bounded(look Look, w Wait, now time.Time) Look {
	if left := w.Until.Sub(now); !w.Until.IsZero() && left > 0 {
		look.Again = min(look.Again, left)
	}
	return look
}

// within returns how long a look may wait that has until.
func (a *Activities) within(until time.Time) time.Duration {
	if until.IsZero() {
		return a.Patience
	}
	return max(0, min(a.Patience, until.Sub(a.now())))
}

func shorter(a, b time.Duration) time.Duration {
	if a == 0 || b < a {
		return b
	}
	return a
}

// gone returns NotFound as a Failed error: what a deployment works with has been removed.
func gone(err error, group string) error {
	if slipway.CodeOf(err) == slipway.NotFound {
		return slipway.Errorf(slipway.Failed, "%s is gone", group)
	}
	return err
}

// wrong returns a Failed error if the target is worse now than it was, and else the pool as it is.
func (a *Activities) wrong(ctx context.Context, d slipway.Deployment, base Baseline) (slipway.PoolStatus, error) {
	var pool slipway.PoolStatus
	group, err := a.Provider.ServerGroup(ctx, d.Target)
	if err != nil {
		return pool, gone(err, d.Target)
	}
	if err := a.lost(ctx, group, base); err != nil || d.Environment.LoadBalancer == nil {
		return pool, err
	}
	if pool, err = a.Router.Pool(ctx, d.Cluster.String()); err != nil {
		return pool, err
	}
	for _, target := range pool.Targets {
		if target.Group == d.Target && target.Mode == slipway.Active && !target.Up && slices.Contains(base.Instances, target.Instance) {
			return pool, slipway.Errorf(slipway.Failed, "machine %s of %s is down for the load balancer", target.Instance, d.Target)
		}
	}
	now := count(pool, d.Target)
	if pool.Epoch == base.Pool.Epoch { // otherwise the counters began again
		now = now.since(count(base.Pool, d.Target))
	}
	if now.Broken > 0 {
		return pool, slipway.Errorf(slipway.Failed, "%s left %d of %d requests without an answer", d.Target, now.Broken, now.Requests)
	}
	if !base.Source.tolerates(now) {
		return pool, slipway.Errorf(slipway.Failed, "%s failed %d of %d requests%s", d.Target, now.Failed, now.Requests, base.Source.compared(d.Source))
	}
	return pool, nil
}
