package execute

import (
	"cmp"
	"context"
	"time"

	"go.temporal.io/sdk/workflow"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/deploy/durable"
)

// wait waits for so long, or until a time.
func (r *run) wait(ctx workflow.Context, s slipway.WaitStage, rec *slipway.StageRecord) error {
	until := workflow.Now(ctx).Add(time.Duration(s.For))
	if s.Until != "" {
		if err := workflow.ExecuteActivity(durable.Step(ctx, briefly), acts.MomentOf, s, workflow.Now(ctx)).Get(ctx, &until); err != nil {
			return err
		}
	}
	outputs(rec, map[string]string{"until": until.UTC().Format(time.RFC3339)})
	r.waits(rec, "the time to be "+until.UTC().Format(time.RFC3339))
	if left := until.Sub(workflow.Now(ctx)); left > 0 {
		return workflow.Sleep(ctx, left)
	}
	return nil
}

// MomentOf returns until when a stage waits that began at a time. Where time zones change, that is what the zone's clocks show.
func (a *Activities) MomentOf(_ context.Context, s slipway.WaitStage, began time.Time) (time.Time, error) {
	if moment, err := time.Parse(time.RFC3339, s.Until); err == nil {
		return moment, nil
	}
	zone, err := time.LoadLocation(cmp.Or(s.Zone, "UTC"))
	if err != nil {
		return time.Time{}, slipway.Errorf(slipway.Invalid, "cannot use the time zone %q: this host knows none of that name", s.Zone)
	}
	clock, err := time.Parse("15:04", s.Until)
	if err != nil {
		return time.Time{}, slipway.Errorf(slipway.Invalid, "cannot read %q as a time", s.Until)
	}
	here := began.In(zone)
	moment := time.Date(here.Year(), here.Month(), here.Day(), clock.Hour(), clock.Minute(), 0, 0, zone)
	if moment.Before(began) {
		moment = time.Date(here.Year(), here.Month(), here.Day()+1, clock.Hour(), clock.Minute(), 0, 0, zone)
	}
	return moment, nil
}
