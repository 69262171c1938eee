package ship

import (
	"context"
	"errors"
	"fmt"
	"time"

	enums "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/deploy"
	"github.com/slipway-sh/slipway/deploy/durable"
)

// releaseWorkflow is the type of the workflow that is a release.
const releaseWorkflow = "release"

// ReleaseInput is what the workflow of a release works from.
type ReleaseInput struct {
	Release     slipway.Release      `json:"release"`
	Deployments []slipway.Deployment `json:"deployments"` // planned, in the order of the members
}

// Release implements [slipway.Operator].
func (o *Operator) Release(ctx context.Context, req slipway.ReleaseRequest) (slipway.Release, error) {
	if err := req.Validate(); err != nil {
		return slipway.Release{}, err
	}
	if r, is, err := begun(ctx, "r-", o.Store.Release); is {
		return r, err
	}
	r := slipway.Release{
		ID: o.newID(ctx, "r-"), Environment: req.Environment, Parallel: req.Parallel, State: slipway.ReleaseRunning,
		Reason: req.Reason, By: req.By, Started: time.Now().UTC(),
	}
	in := ReleaseInput{}
	var problems []error
	for _, target := range req.Members {
		d, err := o.plan(ctx, slipway.DeployRequest{
			Cluster: slipway.Cluster{Application: target.Application, Environment: req.Environment}, Image: target.Image, Reason: req.Reason, By: req.By,
		})
		if err == nil {
			err = o.free(ctx, d)
		}
		if err != nil {
			problems = append(problems, err)
			continue
		}
		d.ID, d.Release, d.State, d.Step = o.NewID("d-"), r.ID, slipway.DeploymentRunning, "accepted"
		d.Undo, d.Started = []slipway.Undo{}, r.Started
		in.Deployments = append(in.Deployments, d)
		r.Members = append(r.Members, slipway.ReleaseMember{Application: target.Application, Image: d.Image})
	}
	if err := errors.Join(problems...); err != nil {
		return slipway.Release{}, err // none of it begins
	}
	in.Release = r
	options := client.StartWorkflowOptions{
		ID: r.ID, TaskQueue: durable.TaskQueue, WorkflowTaskTimeout: durable.TaskTimeout, Memo: map[string]any{deploy.MemoID: r.ID},
	}
	if _, err := o.Temporal.ExecuteWorkflow(ctx, options, releaseWorkflow, in); err != nil {
		return slipway.Release{}, fmt.Errorf("start release %s: %w", r.ID, err)
	}
	return recorded(ctx, func() (slipway.Release, error) { return o.Store.Release(ctx, r.ID) })
}

// free returns a Conflict if another deployment of the cluster is under way.
func (o *Operator) free(ctx context.Context, d slipway.Deployment) error {
	by, err := occupant(ctx, o.Temporal, deploy.WorkflowID(d.Cluster), func(id string) (bool, error) {
		other, err := o.Store.Deployment(ctx, id)
		return other.State.Done(), err
	})
	if err != nil || by == "" {
		return err
	}
	return occupied(d, by)
}

// Release is the workflow of a release: its members' deployments, in order or at once, each as far as it goes before it is final; then all
// of them settle. If one fails, all are undone, the last that began first. It returns the release in its final state; one that
// fails is no failure of the workflow. Cancelling the workflow aborts it.
func Release(ctx workflow.Context, in ReleaseInput) (slipway.Release, error) {
	r := &release{r: in.Release, ready: map[string]bool{}}
	r.listen(ctx)
	err := r.run(ctx, in.Deployments)
	rest, _ := workflow.NewDisconnectedContext(ctx)
	if err == nil {
		err = r.commit(rest)
	}
	switch {
	case err == nil:
		r.r.State = slipway.ReleaseSucceeded
	case ctx.Err() != nil:
		r.r.State, r.r.Error = slipway.ReleaseAborted, slipway.Errorf(slipway.ClosedByAbort, "release %s was aborted", r.r.ID)
	default:
		r.r.State, r.r.Error = slipway.ReleaseRolledBack, durable.Error(err)
	}
	if err != nil {
		r.undo(rest)
	}
	err = workflow.ExecuteActivity(durable.Tries(rest, briefly, 0), acts.FinishRelease, r.r).Get(rest, &r.r)
	return r.r, err
}

// release is a release being carried out.
type release struct {
	r       slipway.Release
	begun   []*member
	ready   map[string]bool // deployments that have come as far as they go on their own
	settled bool            // all were told to settle
}

// member is one deployment of a release.
type member struct {
	d     slipway.Deployment
	child workflow.ChildWorkflowFuture
	end   workflow.CancelFunc
}

// listen hears which members are ready.
func (r *release) listen(ctx workflow.Context) {
	workflow.Go(ctx, func(ctx workflow.Context) {
		for ready := workflow.GetSignalChannel(ctx, deploy.SignalReady); ; {
			var id string
			ready.Receive(ctx, &id)
			r.ready[id] = true
		}
	})
}

// run starts the members and returns nil once all are ready.
func (r *release) run(ctx workflow.Context, deployments []slipway.Deployment) error {
	for i, d := range deployments {
		if err := r.start(ctx, i, d); err != nil {
			return err
		}
		if !r.r.Parallel {
			if err := r.await(ctx); err != nil {
				return err
			}
		}
	}
	return r.await(ctx)
}

// start starts a member's deployment. It outlives an abort of the release, by which it is ended in its turn.
func (r *release) start(ctx workflow.Context, i int, d slipway.Deployment) error {
	own, end := workflow.NewDisconnectedContext(ctx)
	m := &member{d: d, end: end, child: workflow.ExecuteChildWorkflow(workflow.WithChildOptions(own, deploy.ChildOptions(d)), deploy.WorkflowName, d)}
	if err := m.child.GetChildWorkflowExecution().Get(ctx, nil); err != nil {
		if temporal.IsWorkflowExecutionAlreadyStartedError(err) {
			return slipway.Errorf(slipway.Conflict, "cannot %s: another deployment is under way there", deploy.What(d))
		}
		return err
	}
	r.begun = append(r.begun, m)
	r.r.Members[i].Deployment, r.r.Members[i].State = d.ID, slipway.DeploymentRunning
	return workflow.ExecuteActivity(durable.Step(ctx, briefly), acts.RecordRelease, r.r).Get(ctx, nil)
}

// await returns nil once all members that have begun are ready, and an error as soon as one has ended before.
func (r *release) await(ctx workflow.Context) error {
	ended := func() *member {
		for _, m := range r.begun {
			if m.child.IsReady() {
				return m
			}
		}
		return nil
	}
	all := func() bool {
		for _, m := range r.begun {
			if !r.ready[m.d.ID] {
				return false
			}
		}
		return true
	}
	if err := workflow.Await(ctx, func() bool { return all() || ended() != nil }); err != nil {
		return err
	}
	if m := ended(); m != nil {
		return r.failed(ctx, m)
	}
	return nil
}

// failed returns why a member ended before its time.
func (r *release) failed(ctx workflow.Context, m *member) error {
	if err := m.child.Get(ctx, &m.d); err != nil {
		return err
	}
	if m.d.Error != nil {
		return m.d.Error
	}
	return slipway.Errorf(slipway.Failed, "deployment %s of %s ended as %s", m.d.ID, m.d.Cluster.Application, m.d.State)
}

// commit has all members settle. From here on a member that fails is rolled back beside the others, to the groups that they keep.
func (r *release) commit(ctx workflow.Context) error {
	r.settled = true
	for _, m := range r.begun {
		if err := m.child.SignalChildWorkflow(ctx, deploy.SignalCommit, nil).Get(ctx, nil); err != nil && !m.child.IsReady() {
			return err
		}
	}
	var first error
	for _, m := range r.begun {
		if err := m.child.Get(ctx, &m.d); err != nil {
			return err
		}
		if m.d.State != slipway.DeploymentSucceeded && first == nil {
			first = r.failed(ctx, m)
		}
	}
	return first
}

// undo brings every member back to what it was, the last that began first.
func (r *release) undo(ctx workflow.Context) {
	for i := len(r.begun) - 1; i >= 0; i-- {
		m := r.begun[i]
		if !m.child.IsReady() {
			m.end()
		}
		err := m.child.Get(ctx, &m.d)
		if err == nil && m.d.State == slipway.DeploymentSucceeded {
			err = r.rollback(ctx, m)
		}
		if err != nil || m.d.State == slipway.DeploymentNeedsAttention {
			r.r.State = slipway.ReleaseNeedsAttention
			r.r.Error.Message += fmt.Sprintf("; and %s could not be brought back", m.d.Cluster.Application)
		}
	}
}

// rollback brings back what a member that has settled took over from. One of an irreversible image is left for a person.
func (r *release) rollback(ctx workflow.Context, m *member) error {
	if m.d.Irreversible {
		return slipway.Errorf(slipway.Refused, "image %s is irreversible", m.d.Image.Short())
	}
	var d slipway.Deployment
	if err := workflow.ExecuteActivity(durable.Step(ctx, briefly), acts.PlanReleaseRollback, r.r, m.d).Get(ctx, &d); err != nil {
		return err
	}
	if d.ID == "" { // there is nothing to go back to
		return nil
	}
	options := deploy.ChildOptions(d)
	options.ParentClosePolicy = enums.PARENT_CLOSE_POLICY_ABANDON
	err := workflow.ExecuteChildWorkflow(workflow.WithChildOptions(ctx, options), deploy.WorkflowName, d).Get(ctx, &d)
	if err == nil && d.State != slipway.DeploymentSucceeded {
		err = fmt.Errorf("rollback %s ended as %s", d.ID, d.State)
	}
	return err
}
