package promote

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	enums "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/deploy"
	"github.com/slipway-sh/slipway/deploy/durable"
	"github.com/slipway-sh/slipway/ship"
)

// Config is what promotions work with.
type Config struct {
	Gatherer
	Temporal ship.Temporal
	Bus      slipway.Bus
	// Plan returns the deployment that a request asks for, once all that can be said against it has not been said; but for what policies of
	// promotion say.
	Plan func(ctx context.Context, req slipway.DeployRequest) (slipway.Deployment, error)
	// Occupied returns the error that says which deployment keeps d from starting, nil once none does.
	Occupied func(ctx context.Context, d slipway.Deployment) error
	NewID    func(prefix string) string // nil: random ones
	Standing slipway.Standing           // of those who have asked; nil: nobody loses a right
	Now      func() time.Time           // nil: time.Now
	Log      *slog.Logger
}

// Promoter implements [slipway.Promoter] on Temporal.
type Promoter struct{ Config }

var _ slipway.Promoter = (*Promoter)(nil)

// New returns a promoter. It starts nothing.
func New(c Config) *Promoter {
	if c.NewID == nil {
		c.NewID = ship.NewID
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return &Promoter{c}
}

// workflowID returns the ID of the workflow that promotes to the cluster: there is one a cluster, so that two promotions exclude each other.
func workflowID(to slipway.Cluster) string { return "promote/" + to.Application + "/" + to.Environment }

// WorkflowOf returns the ID of the workflow that waits for an approval: its subject, but for promotions.
func WorkflowOf(a slipway.Approval) string {
	if slipway.IsPromotion(a.Subject) {
		return workflowID(slipway.Cluster{Application: a.Application, Environment: a.Environment})
	}
	return a.Subject
}

// PlanPromotion implements [slipway.Promoter].
func (p *Promoter) PlanPromotion(ctx context.Context, req slipway.PromoteRequest) (slipway.PromotionPlan, error) {
	f, all, err := p.evaluate(ctx, req, p.Now().UTC())
	if err != nil {
		return slipway.PromotionPlan{}, err
	}
	plan := slipway.PromotionPlan{
		Application: f.Cluster.Application, From: f.From, To: f.Cluster.Environment, Image: f.Image.Digest, Version: f.Image.Version, Replaces: f.Replaces,
		Config: f.Config, ConfigReplaces: f.ConfigReplaces, Constraints: all, Ready: len(Holding(all)) == 0,
	}
	for _, c := range Holding(all) {
		if c.Kind == slipway.ConstraintApprovals {
			continue
		}
		if c.At.IsZero() {
			plan.At = time.Time{}
			break
		}
		if c.At.After(plan.At) {
			plan.At = c.At
		}
	}
	return plan, nil
}

// Promote implements [slipway.Promoter].
func (p *Promoter) Promote(ctx context.Context, req slipway.PromoteRequest) (slipway.Promotion, error) {
	req.ID = cmp.Or(req.ID, slipway.RequestedID(ctx, "m-"))
	if req.ID != "" {
		if known, err := p.Store.Promotion(ctx, req.ID); slipway.CodeOf(err) != slipway.NotFound {
			return known, err
		}
	}
	req.ID = cmp.Or(req.ID, p.NewID("m-"))
	f, all, err := p.evaluate(ctx, req, p.Now().UTC())
	if err != nil {
		return slipway.Promotion{}, err
	}
	if hopeless(all, req) {
		return slipway.Promotion{}, Refusal(what(f), all)
	}
	req.From, req.Image = f.From, string(f.Image.Digest) // the very image, whatever serves there later
	promotion := slipway.Promotion{
		ID: req.ID, Application: req.Application, From: f.From, To: req.To, Image: f.Image.Digest, Replaces: f.Replaces, State: slipway.PromotionWaiting,
		Constraints: all, Execution: req.Execution, Reason: req.Reason, By: req.By, Principal: slipway.PrincipalOf(ctx).Lasting(), Started: f.Now,
	}
	options := client.StartWorkflowOptions{
		ID: workflowID(f.Cluster), TaskQueue: durable.TaskQueue, WorkflowTaskTimeout: durable.TaskTimeout,
		WorkflowIDConflictPolicy: enums.WORKFLOW_ID_CONFLICT_POLICY_FAIL, WorkflowExecutionErrorWhenAlreadyStarted: true,
		Memo: map[string]any{deploy.MemoID: req.ID},
	}
	other, err := ship.Exclusively(ctx, p.Temporal, options, WorkflowName, Input{Request: req, Promotion: promotion}, func(id string) (bool, error) {
		stored, err := p.Store.Promotion(ctx, id)
		return stored.State.Done(), err
	})
	if err != nil {
		return slipway.Promotion{}, err
	}
	if other != "" && other != req.ID {
		return slipway.Promotion{}, slipway.Errorf(slipway.Conflict, "cannot %s: %s is under way; abort it with `slipway abort %s` or wait", what(f), other, other)
	}
	return p.until(ctx, req.ID, recordWithin, func(slipway.Promotion) bool { return true })
}

// AwaitPromotion implements [slipway.Promoter].
func (p *Promoter) AwaitPromotion(ctx context.Context, id string) (slipway.Promotion, error) {
	if _, err := p.Store.Promotion(ctx, id); err != nil {
		return slipway.Promotion{}, err
	}
	return p.until(ctx, id, 0, func(m slipway.Promotion) bool { return m.State.Done() })
}

// AbortPromotion implements [slipway.Promoter].
func (p *Promoter) AbortPromotion(ctx context.Context, id string) error {
	m, err := p.Store.Promotion(ctx, id)
	if err != nil || m.State.Done() {
		return err
	}
	if err := ship.Cancel(ctx, p.Temporal, workflowID(m.Cluster()), id); err != nil {
		return err
	}
	p.tell(ctx, slipway.AbortRequested, m, "abort requested")
	return nil
}

// Promotion implements [slipway.Promoter].
func (p *Promoter) Promotion(ctx context.Context, id string) (slipway.Promotion, error) {
	return p.Store.Promotion(ctx, id)
}

// Promotions implements [slipway.Promoter].
func (p *Promoter) Promotions(ctx context.Context, filter slipway.PromotionFilter, limit int) ([]slipway.Promotion, error) {
	return p.Store.Promotions(ctx, filter, limit)
}

// Admit returns nil if a deployment that is no promotion meets its environment's policy, should that be enforced, and Refused with all that is
// not met if not. Overriding it is noted in d. A rollback need not meet it: getting back is never refused.
func (p *Promoter) Admit(ctx context.Context, d *slipway.Deployment, override bool) error {
	policy := d.Environment.Policy.Promotion
	if policy == nil || !policy.Enforce || d.Kind == slipway.KindRollback {
		return nil
	}
	f, err := p.Facts(ctx, Subject{Cluster: d.Cluster, Image: string(d.Image), Policy: policy, Requester: d.By, Override: override}, p.Now().UTC())
	if err != nil {
		return err
	}
	all := Evaluate(f)
	if err := Refusal(deploy.What(*d), all); err != nil {
		hint := fmt.Sprintf("%s has a policy of promotion that is enforced; `slipway promote %s --to %s` asks for approvals and waits", d.Cluster.Environment, d.Cluster.Application, d.Cluster.Environment)
		return errors.Join(err, slipway.Errorf(slipway.Refused, "%s", hint))
	}
	d.Override = append(d.Override, overridden(all, d.Reason)...)
	return nil
}

// evaluate reads the facts of a request, and says how its conditions stand.
func (p *Promoter) evaluate(ctx context.Context, req slipway.PromoteRequest, now time.Time) (Facts, []slipway.Constraint, error) {
	if err := req.Validate(); err != nil {
		return Facts{}, nil, err
	}
	f, err := p.Facts(ctx, subject(req, time.Time{}), now)
	if err != nil {
		return f, nil, err
	}
	if f.From == req.To {
		return f, nil, slipway.Errorf(slipway.Invalid, "cannot promote %s from %s to itself", req.Application, f.From).At("from")
	}
	return f, Evaluate(f), nil
}

func subject(req slipway.PromoteRequest, notBefore time.Time) Subject {
	return Subject{
		Cluster: slipway.Cluster{Application: req.Application, Environment: req.To}, From: req.From, Image: req.Image, Requester: req.By,
		Override: req.Override, Moves: true, NotBefore: notBefore, Promotion: req.ID,
	}
}

// hopeless reports whether something is not met that waiting does not mend, or that is not to be waited for.
func hopeless(all []slipway.Constraint, req slipway.PromoteRequest) bool {
	for _, c := range Holding(all) {
		wait := c.Mendable()
		switch c.Kind {
		case slipway.ConstraintRan:
			wait = wait && req.WaitForRan
		case slipway.ConstraintWindow:
			wait = wait && req.WaitForWindow
		}
		if !wait {
			return true
		}
	}
	return false
}

// overridden says what was not met and is gone past, for the audit.
func overridden(all []slipway.Constraint, reason string) (texts []string) {
	for _, c := range all {
		if c.Overridden && c.Kind != slipway.ConstraintFreeze && c.Kind != slipway.ConstraintPin { // the deployment notes these itself
			texts = append(texts, fmt.Sprintf("promotion %s (%s): %s", c.Kind, c.Message, strings.TrimSpace(reason)))
		}
	}
	return texts
}

// How long and how often a record is looked for.
const (
	recordWithin = 10 * time.Second
	firstLook    = 2 * time.Millisecond
	lastLook     = time.Second
)

// until returns the promotion once it is stored and done says so. within bounds it, if it is not 0.
func (p *Promoter) until(ctx context.Context, id string, within time.Duration, done func(slipway.Promotion) bool) (slipway.Promotion, error) {
	if within > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, within, slipway.Errorf(slipway.Unavailable, "cannot tell whether the promotion began: its record is not there yet"))
		defer cancel()
	}
	for pause := firstLook; ; pause = min(2*pause, lastLook) {
		m, err := p.Store.Promotion(ctx, id)
		if err == nil && done(m) || err != nil && slipway.CodeOf(err) != slipway.NotFound && ctx.Err() == nil {
			return m, err
		}
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return m, context.Cause(ctx)
		}
	}
}
