package execute

import (
	"context"
	"time"

	"go.temporal.io/sdk/workflow"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/check"
	"github.com/slipway-sh/slipway/deploy/durable"
)

// checkTime is how long a check may take that neither its stage nor its environment limits.
const checkTime = 5 * time.Minute

// check makes a check of what serves in an environment.
func (r *run) check(ctx workflow.Context, s slipway.Step, rec *slipway.StageRecord) error {
	long := s.Timeout.Or(checkTime)
	var m slipway.Measurement
	if err := workflow.ExecuteActivity(durable.Step(ctx, long+briefly), acts.MakeCheck, r.x.Application, *s.Check, workflow.Now(ctx).Add(long)).Get(ctx, &m); err != nil {
		return err
	}
	outputs(rec, map[string]string{"check": m.Check, "outcome": string(m.Outcome), "detail": m.Detail})
	return nil
}

// MakeCheck measures until the check has passed as often as it says, and returns the last measurement: Failed once it has failed more often
// than is borne with, Unmeasured if nothing could be measured, DeadlinePast when it is too late.
func (a *Activities) MakeCheck(ctx context.Context, application string, s slipway.CheckStage, until time.Time) (slipway.Measurement, error) {
	cluster := slipway.Cluster{Application: application, Environment: s.Environment}
	subject := check.Subject{Phase: "pipeline", Since: time.Now()}
	var err error
	if subject.Deployment, err = a.serving(ctx, cluster); err != nil {
		return slipway.Measurement{}, err
	}
	if s.LoadBalancer != nil { // counted from now on
		if subject.Before, err = a.Measurer.Pools.Pool(ctx, cluster.String()); err != nil {
			return slipway.Measurement{}, err
		}
	}
	passed, failed := 0, 0
	for {
		m := a.Measurer.Measure(ctx, s.Check, subject)
		if ctx.Err() != nil {
			return m, ctx.Err()
		}
		switch m.Outcome {
		case slipway.OutcomePass:
			passed++
		case slipway.OutcomeFail:
			failed++
			if failed > s.Failures {
				return m, slipway.Errorf(slipway.Failed, "check %s failed: %s", m.Check, m.Detail)
			}
		default:
			switch s.WithoutData() {
			case slipway.NoDataPass:
				return m, nil
			case slipway.NoDataFail:
				return m, slipway.Errorf(slipway.Unmeasured, "check %s had no data: %s", m.Check, m.Detail)
			}
		}
		if passed >= max(1, s.Count) {
			return m, nil
		}
		if !time.Now().Add(s.Every()).Before(until) {
			if m.Outcome == slipway.OutcomeNoData {
				return m, slipway.Errorf(slipway.Unmeasured, "check %s had no data in time: %s", m.Check, m.Detail)
			}
			return m, slipway.Errorf(slipway.DeadlinePast, "check %s did not pass in time: %s", m.Check, m.Detail)
		}
		if err := pause(ctx, s.Every()); err != nil {
			return m, err
		}
	}
}

// serving returns the deployment that made what serves in the cluster now: the newest that succeeded.
func (a *Activities) serving(ctx context.Context, cluster slipway.Cluster) (slipway.Deployment, error) {
	all, err := a.Parts.Store.Deployments(ctx, cluster, deploymentsLookedAt)
	if err != nil {
		return slipway.Deployment{}, err
	}
	for _, d := range all {
		if d.State == slipway.DeploymentSucceeded && d.Target != "" {
			return d, nil
		}
	}
	return slipway.Deployment{}, slipway.Errorf(slipway.Failed, "nothing is deployed to %s", cluster.Environment)
}

// pause waits so long, or until ctx ends.
func pause(ctx context.Context, long time.Duration) error {
	timer := time.NewTimer(long)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
