package deploy

import (
	"errors"
	"fmt"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/deploy/durable"
)

// Activities only look; the workflow waits. So whatever a deployment waits for, it can be paused, promoted or aborted there and then,
// and its deadlines are the workflow's own.

// Wait is what an activity that looks is given.
type Wait struct {
	First   bool      // it is the first look of this step
	Looks   int       // that were taken before
	Until   time.Time // a point in time, after which what is not there is an error, or the waiting is over; zero: never
	Group   string
	Want    int              // machines
	Forgive int              // machines lost before, which do not count
	Base    Baseline         // the target when it got traffic
	Since   time.Time        // when that was
	Phase   slipway.Phase    // whose checks are made
	Tallies map[string]Tally // of them
	Split   bool             // prove the shares of several groups
	Every   time.Duration    // between two samples; 0: none are taken
	Last    Sampled          // the last that was taken
	Check   *slipway.Check   // that is a step of its own
	Data    bool             // it is over as soon as no check waits for data any more
}

// Look is what an activity saw.
type Look struct {
	Done     bool
	Again    time.Duration         // until it is worth looking again
	Detail   string                // what it waits for, for people
	Tallies  map[string]Tally      // as they are now
	Measured []slipway.Measurement // the last of each check that was measured
	Flags    []string              // what went on without proof
	Last     Sampled               // the last sample that was taken
	At       time.Time             // when it was proved
}

// waiting is something that is waited for by looking again and again.
type waiting struct {
	step     string
	what     slipway.Waiting // without Until
	look     any             // the activity
	wait     Wait            // without First, Until and Tallies
	allowed  time.Duration   // how long it may take, counted again when a person says to try again; 0: what remains until the deadline
	timeless bool            // it goes on while the deployment is paused: it looks after what has traffic
	over     func() bool     // reports whether what was waited for has happened without a look; may be nil
	person   bool            // it is a person who is waited for
}

// awaitHealthy waits until so many machines of the group are healthy, for as long as the deployment's deadline allows.
func (r *rollout) awaitHealthy(ctx workflow.Context, group string, want int) error {
	forgive := 0
	if group == r.d.Target {
		forgive = r.forgiven
	}
	_, err := r.await(ctx, waiting{
		step: fmt.Sprintf("waiting until %s is healthy", group), look: acts.AwaitHealthy, wait: Wait{Group: group, Want: want, Forgive: forgive},
		what:    slipway.Waiting{For: group + " to become healthy", Unblocks: "its " + counted(want) + " answering their health check", Then: "it fails"},
		allowed: r.d.Environment.Healthy.Or(defaultHealthy),
	})
	return err
}

// checkBefore makes the checks that come before traffic, on every machine of the target.
func (r *rollout) checkBefore(ctx workflow.Context) error {
	if !r.has(slipway.PhaseBefore) {
		return nil
	}
	r.forget(slipway.PhaseBefore) // a machine that has come since was never checked
	_, err := r.await(ctx, waiting{
		step: fmt.Sprintf("checking every machine of %s", r.d.Target), look: acts.CheckBefore, wait: Wait{Phase: slipway.PhaseBefore},
		what:    slipway.Waiting{For: "the checks before traffic to pass", Then: "it fails"},
		allowed: r.d.Environment.Healthy.Or(defaultHealthy),
	})
	return err
}

// proveSplit waits until the data plane shows that traffic goes where the split says.
func (r *rollout) proveSplit(ctx workflow.Context) error {
	if r.worker() {
		return nil
	}
	r.allow(ctx, proveWithin)
	_, err := r.await(ctx, waiting{
		step: fmt.Sprintf("proving that %s has %d %% of the traffic", r.d.Target, r.d.Weight), look: acts.ProveTraffic, wait: Wait{Group: r.d.Target, Split: true},
		what:    slipway.Waiting{For: "the load balancer's counters to show it", Then: "it fails"},
		allowed: proveWithin,
	})
	return err
}

// proveAll waits until the data plane shows that all traffic is on the target.
func (r *rollout) proveAll(ctx workflow.Context) error {
	if r.worker() {
		return nil
	}
	r.allow(ctx, proveWithin)
	look, err := r.await(ctx, waiting{
		step: fmt.Sprintf("proving that traffic is on %s", r.d.Target), look: acts.ProveTraffic, wait: Wait{Group: r.d.Target},
		what:    slipway.Waiting{For: "the load balancer's counters to show it", Then: "it fails"},
		allowed: proveWithin,
	})
	if err == nil {
		r.d.Shifted = look.At
	}
	return err
}

// watch fails as soon as the target does anything wrong under full traffic.
func (r *rollout) watch(ctx workflow.Context) error {
	long := r.d.Environment.Strategy.Watch()
	return r.watchFor(ctx, watching{
		step: fmt.Sprintf("watching %s for %s", r.d.Target, long), long: long, phase: slipway.PhaseAfter,
		waiting: slipway.Waiting{For: "the end of the watch", Unblocks: "slipway promote " + r.d.ID, Then: "it settles"},
	})
}

// pass lets time pass, in which what has traffic is watched.
func (r *rollout) pass(ctx workflow.Context, long time.Duration, then string) error {
	if long <= 0 {
		return nil
	}
	return r.watchFor(ctx, watching{
		step: fmt.Sprintf("watching %s at %d %% for %s", r.d.Target, r.d.Weight, long), long: long,
		waiting: slipway.Waiting{For: "time to pass", Unblocks: "slipway promote " + r.d.ID, Then: then},
	})
}

// watching is a stretch of time in which what has traffic is watched.
type watching struct {
	step    string
	waiting slipway.Waiting
	long    time.Duration // 0: until over
	phase   slipway.Phase // default: by what traffic the target has
	every   time.Duration // between two samples for an analysis
	over    func() bool   // ends it early
	person  bool
}

func (r *rollout) watchFor(ctx workflow.Context, w watching) error {
	if w.phase == "" {
		w.phase = slipway.PhaseDuring
		if r.d.Weight == 100 {
			w.phase = slipway.PhaseAfter
		}
	}
	r.d.Deadline = time.Time{}
	if w.long > 0 {
		r.allow(ctx, w.long)
	}
	over := func() bool { return r.promoted || w.over != nil && w.over() }
	if r.since.IsZero() { // nothing has traffic yet, so there is nothing to look at
		return r.idle(ctx, w, over)
	}
	look, err := r.await(ctx, waiting{
		step: w.step, what: w.waiting, look: acts.WatchTarget, timeless: true, over: over, allowed: w.long, person: w.person,
		wait: Wait{Group: r.d.Target, Phase: w.phase, Every: w.every},
	})
	if err == nil && look.Done && w.long > 0 {
		err = r.proved(ctx, w)
	}
	return err
}

// idle waits for something but time in which nothing has to be looked after.
func (r *rollout) idle(ctx workflow.Context, w watching, over func() bool) error {
	for {
		if err := r.gate(ctx); err != nil {
			return err
		}
		r.d.Step = w.step
		w.waiting.Until = r.d.Deadline
		if err := r.say(ctx, w.waiting, w.person); err != nil {
			return err
		}
		happened := func() bool { return over() || r.d.Paused != nil }
		var err error
		if r.d.Deadline.IsZero() {
			err = workflow.Await(ctx, happened)
		} else if left := r.d.Deadline.Sub(workflow.Now(ctx)); left > 0 {
			_, err = workflow.AwaitWithTimeout(ctx, left, happened)
		}
		if err != nil {
			return err
		}
		if r.d.Paused == nil {
			r.d.Waiting = nil
			return nil
		}
	}
}

// proved extends a watch while there are checks that wait for data and have had none: what was not measured is no success.
func (r *rollout) proved(ctx workflow.Context, w watching) error {
	long := r.d.Environment.Healthy.Or(defaultHealthy)
	r.allow(ctx, long)
	missing := func() string { return unproved(r.d, w.phase, r.tallies) }
	for name := missing(); name != "" && !r.promoted; name = missing() {
		if !workflow.Now(ctx).Before(r.d.Deadline) {
			return slipway.Errorf(slipway.Unmeasured, "check %s had no data for %s", name, long)
		}
		until := r.d.Deadline
		_, err := r.await(ctx, waiting{
			step: "waiting for data of check " + name, look: acts.WatchTarget, timeless: true, allowed: long,
			what: slipway.Waiting{For: "data of check " + name, Unblocks: "slipway promote " + r.d.ID, Then: "it fails"},
			over: func() bool { return r.promoted || missing() == "" },
			wait: Wait{Group: r.d.Target, Phase: w.phase, Every: w.every, Data: true},
		})
		if err != nil {
			return err
		}
		r.d.Deadline = until
	}
	return nil
}

// await looks until it sees what it waits for, or that cannot come any more.
func (r *rollout) await(ctx workflow.Context, w waiting) (Look, error) {
	for first := true; ; first = false {
		if !first {
			w.wait.Looks++
		}
		if !w.timeless {
			if err := r.gate(ctx); err != nil {
				return Look{}, err
			}
		}
		if w.over != nil && w.over() {
			r.d.Waiting = nil
			return Look{}, nil
		}
		if first && w.person {
			if err := r.say(ctx, *r.described(w), true); err != nil {
				return Look{}, err
			}
		}
		look, err := r.look(ctx, w, first)
		switch {
		case err == nil && look.Done:
			r.d.Waiting = nil
			return look, nil
		case err == nil:
			if _, err := workflow.AwaitWithTimeout(ctx, look.Again, r.interrupts(w)); err != nil {
				return Look{}, err
			}
		case errors.Is(err, errInterrupted): // to be looked at with other eyes
		case r.hold(ctx, err):
			first = true
			r.forget(w.wait.Phase)
			w.wait.Forgive = r.forgiven
			if w.allowed > 0 {
				r.allow(ctx, w.allowed)
			}
		default:
			return Look{}, err
		}
	}
}

// look executes the activity once, and cuts it short if something happens meanwhile that ends or suspends the waiting.
func (r *rollout) look(ctx workflow.Context, w waiting, first bool) (Look, error) {
	w.wait.First, w.wait.Until = first, r.d.Deadline
	w.wait.Base, w.wait.Since, w.wait.Last, w.wait.Tallies = r.base, r.since, r.sampled, r.tallies
	r.d.Step, r.d.Waiting = w.step, r.described(w)
	if w.timeless && r.d.Paused != nil {
		w.wait.Until = time.Time{}
	}
	looking, cancel := workflow.WithCancel(ctx)
	defer cancel()
	interrupts := r.interrupts(w)
	options := durable.Look(looking, lookWithin, w.wait.Looks > 0)
	if r.ending { // what takes back ends in bounded time, whatever hangs
		options, w.wait.Looks = durable.Tries(looking, slowly, undoTries), 0
	}
	future := workflow.ExecuteActivity(options, w.look, r.d, w.wait)
	interrupted := false
	if err := workflow.Await(ctx, func() bool { return future.IsReady() || interrupts() }); err == nil && !future.IsReady() {
		interrupted = true
		cancel()
	}
	var look Look
	if err := future.Get(ctx, &look); err != nil {
		if interrupted && ctx.Err() == nil && cutShort(err) {
			return Look{}, errInterrupted
		}
		return Look{}, err
	}
	if look.Tallies != nil {
		r.tallies = look.Tallies
	}
	if !look.Last.Time.IsZero() {
		r.sampled = look.Last
	}
	r.note(look)
	return look, nil
}

// errInterrupted says that a look was cut short because something happened meanwhile.
var errInterrupted = errors.New("interrupted")

// cutShort reports whether err is what becomes of an activity that was cancelled. One whose slipwayd was killed is not tried again then, and
// nobody hears of it any more.
func cutShort(err error) bool { return temporal.IsCanceledError(err) || temporal.IsTimeoutError(err) }

// interrupts returns what reports whether something has happened that the waiting has to heed.
func (r *rollout) interrupts(w waiting) func() bool {
	paused := r.d.Paused != nil
	return func() bool { return w.over != nil && w.over() || !r.ending && (r.d.Paused != nil) != paused }
}

// described returns what the record says of the waiting.
func (r *rollout) described(w waiting) *slipway.Waiting {
	what := w.what
	what.Until = r.d.Deadline
	if p := r.d.Paused; p != nil && !r.ending {
		what = paused(r.d)
	}
	return &what
}

func paused(d slipway.Deployment) slipway.Waiting {
	text := "a person to resume it: it was paused"
	if d.Paused.By != "" {
		text += " by " + d.Paused.By
	}
	if d.Paused.Reason != "" {
		text += " (" + d.Paused.Reason + ")"
	}
	return slipway.Waiting{For: text, Unblocks: "slipway resume " + d.ID}
}

// gate waits while the deployment is paused. What has traffic is watched all the same.
func (r *rollout) gate(ctx workflow.Context) error {
	for r.d.Paused != nil && !r.ending && !r.settling {
		resumed := func() bool { return r.d.Paused == nil }
		if r.since.IsZero() {
			if err := r.say(ctx, paused(r.d), true); err != nil {
				return err
			}
			if err := workflow.Await(ctx, resumed); err != nil {
				return err
			}
			continue
		}
		phase := slipway.PhaseDuring
		if r.d.Weight == 100 {
			phase = slipway.PhaseAfter
		}
		_, err := r.await(ctx, waiting{
			step: r.d.Step, look: acts.WatchTarget, timeless: true, over: resumed,
			what: paused(r.d), wait: Wait{Group: r.d.Target, Phase: phase},
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// hold waits for a person to say that what failed is to be tried again, and reports whether one did.
func (r *rollout) hold(ctx workflow.Context, err error) bool {
	if r.d.Environment.Policy.OnFailure != slipway.FailureHold || r.ending || ctx.Err() != nil || temporal.IsCanceledError(err) {
		return false
	}
	long := r.d.Environment.Policy.Hold.Or(slipway.DefaultHold)
	deadline := r.d.Deadline
	r.d.State, r.d.Error, r.retried = slipway.DeploymentHeld, durable.Error(err), false
	r.allow(ctx, long)
	waiting := slipway.Waiting{
		For:      "a person, as it failed: " + gist(r.d.Error.Message),
		Unblocks: "slipway retry " + r.d.ID + ", or slipway abort " + r.d.ID,
		Until:    r.d.Deadline, Then: "it is undone",
	}
	if r.say(ctx, waiting, true) != nil {
		return false
	}
	if ok, err := workflow.AwaitWithTimeout(ctx, long, func() bool { return r.retried }); err != nil || !ok {
		return false
	}
	r.d.State, r.d.Error, r.d.Waiting, r.d.Deadline = slipway.DeploymentRunning, nil, nil, deadline
	var now Baseline
	if workflow.ExecuteActivity(durable.Step(ctx, slowly), acts.ReplaceFailed, r.d).Get(ctx, &now) != nil {
		return false
	}
	r.forgiven = now.Replaced
	if !r.since.IsZero() {
		now.Source = r.base.Source
		r.base = now
	}
	return true
}

// say stores what the deployment waits for.
func (r *rollout) say(ctx workflow.Context, what slipway.Waiting, person bool) error {
	r.d.Waiting = &what
	return workflow.ExecuteActivity(durable.Step(ctx, briefly), acts.TellWaiting, r.d, person).Get(ctx, nil)
}
