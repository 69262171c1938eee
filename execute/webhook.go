package execute

import (
	"context"
	"net/url"
	"time"

	"go.temporal.io/sdk/workflow"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/check"
	"github.com/slipway-sh/slipway/deploy/durable"
)

const (
	askEvery  = 5 * time.Second  // a webhook that has not decided yet
	askWithin = 10 * time.Second // one answer
)

// Question is what a webhook is posted.
type Question struct {
	Execution   string            `json:"execution"`
	Application string            `json:"application"`
	Pipeline    string            `json:"pipeline"`
	Stage       string            `json:"stage"`
	Attempt     int               `json:"attempt"`
	Image       slipway.Digest    `json:"image,omitempty"`
	Parameters  map[string]string `json:"parameters,omitempty"`
	Cause       slipway.Cause     `json:"cause,omitzero"`
	Failed      string            `json:"failed,omitempty"` // ID of the stage that failed, if that is why it is asked
}

// webhook asks somebody else's program.
func (r *run) webhook(ctx workflow.Context, s slipway.Step, rec *slipway.StageRecord) error {
	q := Question{
		Execution: r.x.ID, Application: r.x.Application, Pipeline: r.x.Pipeline, Stage: rec.ID, Attempt: rec.Attempt, Image: r.x.Image,
		Parameters: r.x.Parameters, Cause: r.x.Cause, Failed: r.failed,
	}
	long := s.Timeout.Or(checkTime)
	r.waits(rec, "the answer of "+hostOf(s.Webhook.URL))
	var m slipway.Measurement
	if err := workflow.ExecuteActivity(durable.Step(ctx, long+briefly), acts.AskWebhook, *s.Webhook, q, workflow.Now(ctx).Add(long)).Get(ctx, &m); err != nil {
		return err
	}
	outputs(rec, map[string]string{"message": m.Detail})
	return nil
}

// hostOf returns whom a URL is of: the rest may have secrets in it.
func hostOf(address string) string {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" {
		return "the webhook"
	}
	return u.Host
}

// AskWebhook asks until there is an answer that decides: Failed if it is fail, Unmeasured if there is none in time.
func (a *Activities) AskWebhook(ctx context.Context, s slipway.WebhookStage, q Question, until time.Time) (slipway.Measurement, error) {
	for {
		asking, cancel := context.WithTimeout(ctx, askWithin)
		m := check.Ask(asking, a.HTTP, s.WebhookCheck, q)
		cancel()
		switch {
		case ctx.Err() != nil:
			return m, ctx.Err()
		case m.Outcome == slipway.OutcomePass:
			return m, nil
		case m.Outcome == slipway.OutcomeFail:
			return m, slipway.Errorf(slipway.Failed, "the webhook says: %s", m.Detail)
		case !time.Now().Add(s.Interval.Or(askEvery)).Before(until):
			return m, slipway.Errorf(slipway.Unmeasured, "the webhook gave no answer that decides: %s", m.Detail)
		}
		if err := pause(ctx, s.Interval.Or(askEvery)); err != nil {
			return m, err
		}
	}
}
