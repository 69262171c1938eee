package promote

import (
	"fmt"
	"strings"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/approve"
	"github.com/slipway-sh/slipway/deploy"
	"github.com/slipway-sh/slipway/deploy/durable"
)

// WorkflowName is the type of the workflow that is a promotion.
const WorkflowName = "promote"

// Input is what the workflow of a promotion works from.
type Input struct {
	Request   slipway.PromoteRequest `json:"request"`
	Promotion slipway.Promotion      `json:"promotion"` // as it is accepted
}

// What waits looks now and then whether it is hopeless meanwhile.
const (
	lookSoon   = 5 * time.Minute
	lookRarely = time.Hour
	briefly    = 30 * time.Second
)

// Register adds the workflow and its activities to slipwayd's worker, which must run with durable.WorkerOptions.
func Register(r worker.Registry, a *Activities) {
	r.RegisterWorkflowWithOptions(Workflow, workflow.RegisterOptions{Name: WorkflowName})
	r.RegisterActivity(a)
}

// Workflow carries a promotion out and returns it in its final state. One that is refused or fails is no failure of the workflow.
// Cancelling the workflow aborts the promotion, and its deployment, which is undone.
func Workflow(ctx workflow.Context, in Input) (slipway.Promotion, error) {
	p := &promotion{Promotion: in.Promotion, req: in.Request}
	err := p.run(ctx)
	rest, _ := workflow.NewDisconnectedContext(ctx)
	switch {
	case err == nil:
		p.State = slipway.PromotionSucceeded
	case p.attention:
		p.State, p.Error = slipway.PromotionFailed, durable.Error(err)
	case ctx.Err() != nil || durable.Error(err).Code == slipway.ClosedByAbort:
		p.State, p.Error = slipway.PromotionAborted, slipway.Errorf(slipway.ClosedByAbort, "the promotion of %s to %s was aborted", p.Application, p.To)
	case p.State == slipway.PromotionDeploying:
		p.State, p.Error = slipway.PromotionFailed, durable.Error(err)
	default:
		p.State, p.Error = slipway.PromotionRefused, durable.Error(err)
	}
	p.Waiting = nil
	err = workflow.ExecuteActivity(durable.Tries(rest, briefly, 0), acts.FinishPromotion, p.Promotion).Get(rest, &p.Promotion)
	return p.Promotion, err
}

// promotion is a promotion being carried out.
type promotion struct {
	slipway.Promotion
	req       slipway.PromoteRequest
	notBefore time.Time // when it begins that has waited for a window
	asked     int       // approvals that were asked for
	attention bool      // its deployment could not be undone
}

func (p *promotion) run(ctx workflow.Context) error {
	if err := p.record(ctx, slipway.PromotionStarted, fmt.Sprintf("promoting %s %s from %s to %s", p.Application, p.Image.Short(), p.From, p.To)); err != nil {
		return err
	}
	pause := lookSoon
	for {
		// All conditions are looked at anew every time, and the last time in the very step that says what is deployed.
		var now Outlook
		if err := workflow.ExecuteActivity(durable.Step(ctx, briefly), acts.Consider, p.req, p.notBefore).Get(ctx, &now); err != nil {
			return err
		}
		p.Constraints = now.Constraints
		holding := Holding(now.Constraints)
		switch {
		case len(holding) == 0:
			return p.deploy(ctx, now.Deployment)
		case hopeless(now.Constraints, p.req):
			return Summary(fmt.Sprintf("promote %s %s from %s to %s", p.Application, p.Image.Short(), p.From, p.To), now.Constraints)
		case now.Approval != nil:
			if err := p.approval(ctx, *now.Approval, holding); err != nil {
				return err
			}
		default:
			if err := p.wait(ctx, holding, pause); err != nil {
				return err
			}
			pause = min(2*pause, lookRarely)
		}
	}
}

// approval asks people, and waits until they have decided.
func (p *promotion) approval(ctx workflow.Context, a slipway.Approval, holding []slipway.Constraint) error {
	p.asked++
	now := workflow.Now(ctx).UTC()
	a.ID = approve.ID(fmt.Sprintf("%s %d", p.ID, p.asked))
	a.Expires, a.Asked = now.Add(a.Expires.Sub(a.Asked)), now
	p.Approval = a.ID
	p.Waiting = &slipway.Waiting{
		For: "approvals: " + wanted(a), Unblocks: "slipway approve " + a.ID, Until: a.Expires, Then: "it is refused",
	}
	if rest := others(holding, slipway.ConstraintApprovals); len(rest) > 0 {
		p.Waiting.For += "; then " + strings.Join(rest, " and ")
	}
	if err := p.record(ctx, slipway.PromotionWaits, "waits for "+p.Waiting.For); err != nil {
		return err
	}
	a, err := approve.Await(ctx, a)
	switch {
	case err != nil:
		return err
	case a.State == slipway.ApprovalGranted:
		return nil
	case a.State == slipway.ApprovalRejected:
		last := a.Votes[len(a.Votes)-1]
		return slipway.Errorf(slipway.Refused, "approval %s was rejected by %s: %s", a.ID, last.By, last.Comment).At(string(slipway.ConstraintApprovals))
	}
	return slipway.Errorf(slipway.Refused, "approval %s was %s with %d of %d approvals", a.ID, a.State, a.Approved(), a.Needed).At(string(slipway.ConstraintApprovals))
}

// wait lets time pass: until all that it meets is met, or until it is time to look whether it still will be.
func (p *promotion) wait(ctx workflow.Context, holding []slipway.Constraint, pause time.Duration) error {
	var until time.Time
	for _, c := range holding {
		if c.At.After(until) {
			until = c.At
		}
		if c.Kind == slipway.ConstraintWindow {
			p.notBefore = c.At
		}
	}
	was := p.Waiting
	p.Waiting = &slipway.Waiting{For: strings.Join(others(holding, ""), " and "), Until: until, Then: "it looks at everything once more, and deploys"}
	if was == nil || was.For != p.Waiting.For || !was.Until.Equal(until) {
		if err := p.record(ctx, slipway.PromotionWaits, "waits for "+p.Waiting.For); err != nil {
			return err
		}
	}
	return workflow.Sleep(ctx, max(min(until.Sub(workflow.Now(ctx)), pause), time.Second))
}

// deploy starts the ordinary deployment and follows it.
func (p *promotion) deploy(ctx workflow.Context, d slipway.Deployment) error {
	var child workflow.ChildWorkflowFuture
	for {
		child = workflow.ExecuteChildWorkflow(workflow.WithChildOptions(ctx, deploy.ChildOptions(d)), deploy.WorkflowName, d)
		err := child.GetChildWorkflowExecution().Get(ctx, nil)
		if err == nil {
			break
		}
		if !temporal.IsWorkflowExecutionAlreadyStartedError(err) {
			return err
		}
		if policy := d.Environment.Policy.OnConflict; policy == slipway.ConflictQueue || policy == slipway.ConflictSupersede {
			child = workflow.ExecuteChildWorkflow(workflow.WithChildOptions(ctx, deploy.QueueChildOptions(d)), deploy.QueueName, d, policy == slipway.ConflictSupersede)
			if err := child.GetChildWorkflowExecution().Get(ctx, nil); err != nil {
				return err
			}
			break
		}
		if err := workflow.ExecuteActivity(durable.Step(ctx, briefly), acts.PromotionOccupied, d).Get(ctx, nil); err != nil {
			return err
		}
	}
	p.State, p.Deployment, p.Waiting = slipway.PromotionDeploying, d.ID, nil
	recorded := workflow.ExecuteActivity(durable.Step(ctx, briefly), acts.RecordPromotion, p.Promotion, slipway.EventKind(""), "")
	if err := child.Get(ctx, &d); err != nil {
		return err
	}
	if err := recorded.Get(ctx, nil); err != nil {
		return err
	}
	if d.State == slipway.DeploymentSucceeded {
		return nil
	}
	p.attention = d.State == slipway.DeploymentNeedsAttention
	if d.Error != nil {
		return d.Error
	}
	return slipway.Errorf(slipway.Failed, "deployment %s ended as %s", d.ID, d.State)
}

func (p *promotion) record(ctx workflow.Context, kind slipway.EventKind, message string) error {
	return workflow.ExecuteActivity(durable.Step(ctx, briefly), acts.RecordPromotion, p.Promotion, kind, message).Get(ctx, nil)
}

// others says what holds, but for one kind.
func others(holding []slipway.Constraint, but slipway.ConstraintKind) (texts []string) {
	for _, c := range holding {
		switch c.Kind {
		case but:
		case slipway.ConstraintRan:
			texts = append(texts, "the time that it must have served")
		case slipway.ConstraintWindow:
			texts = append(texts, "the window")
		default:
			texts = append(texts, string(c.Kind))
		}
	}
	return texts
}

// wanted says whose approvals: "2 of ops, ann", "1 of the approvers of hello in prod".
func wanted(a slipway.Approval) string {
	of := "the approvers of " + a.Application + " in " + a.Environment
	if len(a.From) > 0 {
		of = strings.Join(a.From, ", ")
	}
	return fmt.Sprintf("%d of %s (%s)", a.Needed, of, a.ID)
}
