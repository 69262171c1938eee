package deploy

import (
	"fmt"
	"time"

	"go.temporal.io/sdk/workflow"

	"github.com/slipway-sh/slipway"
)

// canary gives a few machines of the new image a share of the traffic, and raises it as long as analysis finds them no worse than
// as many machines of the old image that were started at the same time. Only then the new group grows to its full size and
// takes over as in red/black.
func canary(ctx workflow.Context, r *rollout, spec slipway.Canary) error {
	desired := r.d.Environment.Size.Desired
	steps := spec.Steps
	if len(steps) == 0 {
		steps = []int{5, 25, 50}
	}
	for i, percent := range steps {
		if r.promoted {
			break
		}
		size := share(percent, desired)
		if !spec.Size.IsZero() {
			size = max(1, spec.Size.Of(desired))
		}
		if spec.Replace {
			// Each machine of the canary takes the place of one of the source.
			if err := r.shrink(ctx, max(1, r.begun.SourceSize.Desired-size)); err != nil {
				return err
			}
		}
		if r.d.Baseline != "" {
			if err := r.growBaseline(ctx, size); err != nil {
				return err
			}
		}
		if err := r.grow(ctx, size); err != nil { // healthy and checked, and the baseline too
			return err
		}
		control := 0
		if r.d.Baseline != "" {
			control = min(percent, (100-percent)/2)
		}
		if err := r.give(ctx, percent, control); err != nil {
			return err
		}
		if err := r.proveSplit(ctx); err != nil {
			return err
		}
		if err := r.observe(ctx, observation{
			analysis: analysisOf(spec), long: spec.Interval.Or(slipway.DefaultInterval), last: i == len(steps)-1, control: controlOf(r.d),
		}); err != nil {
			return err
		}
	}
	if spec.Replace { // the others take the places of the source's too
		inPlace := limits{desired: desired, batch: 1, least: max(1, minHealthy(r.d.Environment)), most: desired}
		if err := r.roll(ctx, inPlace, slipway.Rolling{}); err != nil {
			return err
		}
	}
	if err := r.grow(ctx, desired); err != nil {
		return err
	}
	if err := r.takeOver(ctx); err != nil { // proved; the source stands by
		return err
	}
	if err := r.removeBaseline(ctx); err != nil {
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

func analysisOf(spec slipway.Canary) slipway.Analysis {
	if spec.Analysis == nil {
		return slipway.Analysis{}
	}
	return *spec.Analysis
}

// growBaseline makes a group like the source with so many machines, or gives it as many.
func (r *rollout) growBaseline(ctx workflow.Context, machines int) error {
	r.owe(slipway.Undo{Kind: slipway.UndoDestroyGroup, Group: r.d.Baseline, Image: r.begun.SourceImage})
	step := fmt.Sprintf("creating the baseline %s with %s, like %s", r.d.Baseline, counted(machines), r.d.Source)
	if err := r.do(ctx, step, slowly, nil, acts.CreateBaseline, machines); err != nil {
		return err
	}
	r.allow(ctx, r.d.Environment.Healthy.Or(defaultHealthy))
	return r.awaitHealthy(ctx, r.d.Baseline, machines)
}

// removeBaseline destroys the baseline, which gets no traffic any more.
func (r *rollout) removeBaseline(ctx workflow.Context) error {
	if r.d.Baseline == "" || !r.owesGroup(r.d.Baseline) {
		return nil
	}
	if err := r.drain(ctx, r.d.Baseline, 0); err != nil {
		return err
	}
	u := slipway.Undo{Kind: slipway.UndoDestroyGroup, Group: r.d.Baseline, Image: r.begun.SourceImage}
	if err := r.do(ctx, "destroying the baseline "+r.d.Baseline, stopping, nil, acts.DestroyGroup, u); err != nil {
		return err
	}
	r.paid(slipway.UndoDestroyGroup, r.d.Baseline)
	return nil
}

func (r *rollout) owesGroup(group string) bool {
	for _, u := range r.d.Undo {
		if u.Kind == slipway.UndoDestroyGroup && u.Group == group {
			return true
		}
	}
	return false
}

// observation is what an analysis judges.
type observation struct {
	analysis slipway.Analysis
	long     time.Duration
	last     bool // what is marginal is not good enough
	control  string
}

// observe watches the target for a while and then compares it with its control. With too few samples it observes longer, or does as the
// policy for low traffic says: it never takes that for success in silence.
func (r *rollout) observe(ctx workflow.Context, o observation) error {
	extended := workflow.Now(ctx).Add(o.long + o.analysis.Extend.Or(10*o.long))
	from := r.since
	for {
		err := r.watchFor(ctx, watching{
			step: fmt.Sprintf("observing %s at %d %% for %s", r.d.Target, r.d.Weight, o.long), long: o.long, every: sampleEvery(o), phase: slipway.PhaseDuring,
			waiting: slipway.Waiting{For: "samples to compare " + r.d.Target + " with " + o.control, Unblocks: "slipway promote " + r.d.ID, Then: "it is judged"},
		})
		if err != nil || r.promoted {
			return err
		}
		var verdict slipway.Verdict
		r.d.Deadline = time.Time{}
		step := fmt.Sprintf("comparing %s with %s", r.d.Target, o.control)
		if err := r.do(ctx, step, slowly, &verdict, acts.Analyse, Comparison{Analysis: o.analysis, Control: o.control, From: from, To: workflow.Now(ctx)}); err != nil {
			return err
		}
		r.judged(verdict)
		enough := workflow.Now(ctx).Before(extended)
		switch {
		case verdict.Grade == slipway.GradeFail, verdict.Grade == slipway.GradeMarginal && o.last:
			return slipway.Errorf(slipway.Failed, "%s is worse than %s: score %.0f, %s; %s", r.d.Target, o.control, verdict.Score, verdict.Grade, verdict.Detail)
		case verdict.Grade != slipway.GradeNoData:
			return nil
		case o.analysis.LowTraffic == slipway.LowTrafficPass:
			r.flag(fmt.Sprintf("at %d %% there was too little traffic to compare: %s", r.d.Weight, verdict.Detail))
			return nil
		case enough: // again, for as long
		case o.analysis.LowTraffic == slipway.LowTrafficHold:
			return r.awaitPromotion(ctx, verdict)
		default:
			return slipway.Errorf(slipway.Unmeasured, "cannot tell whether %s is worse than %s: %s", r.d.Target, o.control, verdict.Detail)
		}
	}
}

// awaitPromotion waits for a person to say that what could not be judged is to go on.
func (r *rollout) awaitPromotion(ctx workflow.Context, v slipway.Verdict) error {
	long := r.d.Environment.Policy.Hold.Or(slipway.DefaultHold)
	err := r.watchFor(ctx, watching{
		step: "waiting for a person to judge " + r.d.Target, long: long, phase: slipway.PhaseDuring, person: true,
		waiting: slipway.Waiting{For: "a person, as there is too little traffic to compare", Unblocks: "slipway promote " + r.d.ID + ", or slipway abort " + r.d.ID, Then: "it fails"},
	})
	if err == nil && !r.promoted {
		err = slipway.Errorf(slipway.Unmeasured, "nobody promoted it within %s, and there is too little traffic to compare: %s", long, v.Detail)
	}
	return err
}

// maxVerdicts bounds what the record says of analyses.
const maxVerdicts = 20

func (r *rollout) judged(v slipway.Verdict) {
	list := append([]slipway.Verdict{}, r.d.Verdicts...)
	list = append(list, v)
	r.d.Verdicts = list[max(0, len(list)-maxVerdicts):]
}

// sampleEvery returns the time between two samples: twice as many as are wanted fit into one observation, as each may come a little late.
func sampleEvery(o observation) time.Duration {
	wanted := o.analysis.MinSamples
	if wanted == 0 {
		wanted = defaultSamples
	}
	return max(o.long/time.Duration(2*wanted+1), 200*time.Millisecond)
}

// defaultSamples is how many samples an analysis wants that does not say.
const defaultSamples = 50
