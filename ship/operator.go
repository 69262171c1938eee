package ship

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/bake"
	"github.com/slipway-sh/slipway/deploy"
	"github.com/slipway-sh/slipway/pipeline"
	"github.com/slipway-sh/slipway/restrict"
)

// Temporal is what is needed of a client.Client.
type Temporal interface {
	ExecuteWorkflow(ctx context.Context, options client.StartWorkflowOptions, workflow any, args ...any) (client.WorkflowRun, error)
	GetWorkflow(ctx context.Context, workflowID, runID string) client.WorkflowRun
	DescribeWorkflowExecution(ctx context.Context, workflowID, runID string) (*workflowservice.DescribeWorkflowExecutionResponse, error)
	CancelWorkflow(ctx context.Context, workflowID, runID string) error
	SignalWorkflow(ctx context.Context, workflowID, runID, signal string, arg any) error
	UpdateWorkflow(ctx context.Context, options client.UpdateWorkflowOptions) (client.WorkflowUpdateHandle, error)
}

// Config is what an [Operator] works with.
type Config struct {
	Parts
	// NewID returns a new ID with the prefix; nil for random ones.
	NewID func(prefix string) string
}

// Operator implements [slipway.Operator] on Temporal.
type Operator struct {
	Config
	keeper    *restrict.Keeper
	beginning chan struct{} // has room for deployments that begin
}

// beginAtOnce is how many deployments begin at once; others wait until they are accepted. To begin is the most work, and if hundreds did it
// at the same moment, steps of those under way would wait too.
const beginAtOnce = 8

// NewOperator returns an operator. It starts nothing.
func NewOperator(c Config) *Operator {
	if c.NewID == nil {
		c.NewID = randomID
	}
	return &Operator{Config: c, keeper: newKeeper(c.Parts), beginning: make(chan struct{}, beginAtOnce)}
}

// Bake implements [slipway.Operator].
func (o *Operator) Bake(ctx context.Context, req slipway.BakeRequest) (slipway.Bake, error) {
	if err := req.Validate(); err != nil {
		return slipway.Bake{}, err
	}
	if b, is, err := begun(ctx, "b-", o.Store.Bake); is {
		return b, err
	}
	in, err := o.accept(ctx, req, nil)
	if err != nil {
		return slipway.Bake{}, err
	}
	return o.startBake(ctx, in)
}

// startBake starts the workflow of a bake, or joins one of the same key, and returns its record.
func (o *Operator) startBake(ctx context.Context, in BakeInput) (slipway.Bake, error) {
	id, err := o.start(ctx, bakeStart(in.Bake), bakeWorkflow, in, func(id string) (bool, error) {
		b, err := o.Store.Bake(ctx, id)
		return b.State.Done(), err
	})
	var running *underWay
	if errors.As(err, &running) {
		id, err = running.id, nil // joined
	}
	if err != nil {
		return slipway.Bake{}, err
	}
	return recorded(ctx, func() (slipway.Bake, error) { return o.Store.Bake(ctx, id) })
}

// Ship implements [slipway.Operator].
func (o *Operator) Ship(ctx context.Context, req slipway.ShipRequest) (slipway.Execution, error) {
	if err := req.Validate(); err != nil {
		return slipway.Execution{}, err
	}
	if x, is, err := begun(ctx, "x-", o.Store.Execution); is {
		return x, err
	}
	for _, environment := range req.Environments {
		// Said now rather than after the bake.
		if err := deploy.Nameable(ctx, o.Store, slipway.Cluster{Application: req.Spec.Application, Environment: environment}); err != nil {
			return slipway.Execution{}, err
		}
	}
	in, err := o.accept(ctx, req.BakeRequest, nil)
	if err != nil {
		return slipway.Execution{}, err
	}
	x := slipway.Execution{
		ID: o.newID(ctx, "x-"), Application: req.Spec.Application, Environments: req.Environments, State: slipway.ExecutionRunning,
		Bake: in.Bake.ID, Deployments: []string{}, Principal: slipway.PrincipalOf(ctx).Lasting(), Started: in.Bake.Started,
	}
	in.Bake.Execution = x.ID
	_, err = o.start(ctx, shipStart(x), shipWorkflow, ShipInput{Execution: x, Bake: in, Deploy: req.Deploy}, func(id string) (bool, error) {
		other, err := o.Store.Execution(ctx, id)
		return other.State.Done(), err
	})
	var running *underWay
	if err != nil && !errors.As(err, &running) { // what runs under its ID is it
		return slipway.Execution{}, err
	}
	return recorded(ctx, func() (slipway.Execution, error) { return o.Store.Execution(ctx, x.ID) })
}

// Deploy implements [slipway.Operator].
func (o *Operator) Deploy(ctx context.Context, req slipway.DeployRequest) (slipway.Deployment, error) {
	if err := req.Validate(); err != nil {
		return slipway.Deployment{}, err
	}
	if d, is, err := begun(ctx, "d-", o.Store.Deployment); is {
		return d, err
	}
	d, err := o.plan(ctx, req)
	if err != nil {
		return slipway.Deployment{}, err
	}
	return o.deploy(ctx, d)
}

// plan is [Parts.Plan] for what is no promotion: policies of promotion that are enforced must be met.
func (p *Parts) plan(ctx context.Context, req slipway.DeployRequest) (slipway.Deployment, error) {
	d, err := p.Plan(ctx, req)
	if err == nil && p.Gate != nil {
		err = p.Gate(ctx, &d, req.Override)
	}
	return d, err
}

// Plan returns the deployment that req asks for, to be given an ID and started, once all that can be said against it has not been said; but
// for what policies of promotion say.
func (p *Parts) Plan(ctx context.Context, req slipway.DeployRequest) (slipway.Deployment, error) {
	d, err := deploy.PlanDeploy(ctx, p.Store, req)
	if err == nil {
		err = deploy.Configured(ctx, p.Configs, &d, req.ConfigVersion)
	}
	if err == nil {
		err = deploy.Sized(ctx, p.Sizes, &d, d.Environment.Size)
	}
	if err == nil && p.Queries != nil {
		err = p.Queries(d.Cluster, d.Environment)
	}
	if err == nil {
		err = deploy.Verified(ctx, p.Verifier, d)
	}
	return d, err
}

// Rollback implements [slipway.Operator].
func (o *Operator) Rollback(ctx context.Context, req slipway.RollbackRequest) (slipway.Deployment, error) {
	if err := req.Validate(); err != nil {
		return slipway.Deployment{}, err
	}
	if d, is, err := begun(ctx, "d-", o.Store.Deployment); is {
		return d, err
	}
	d, err := deploy.PlanRollback(ctx, o.Store, o.Provider, req)
	if err == nil {
		var declared slipway.Size
		if declared, err = deploy.Declared(ctx, o.Store, d); err == nil {
			err = deploy.Sized(ctx, o.Sizes, &d, declared)
		}
	}
	if err == nil {
		err = deploy.Verified(ctx, o.Verifier, d)
	}
	if err != nil {
		return slipway.Deployment{}, err
	}
	return o.deploy(ctx, d)
}

// Abort implements [slipway.Operator].
func (o *Operator) Abort(ctx context.Context, id string) error {
	wish := slipway.Event{Time: time.Now(), Kind: slipway.AbortRequested, Message: "abort of " + id + " requested"}
	var workflow string
	var done bool
	switch {
	case strings.HasPrefix(id, "b-"):
		b, err := o.Store.Bake(ctx, id)
		if err != nil {
			return err
		}
		workflow, done = bakeWorkflowID(b.Key), b.State.Done()
		wish.Application, wish.Execution, wish.Bake = b.Application, b.Execution, id
	case strings.HasPrefix(id, "d-"):
		d, err := o.Store.Deployment(ctx, id)
		if err != nil {
			return err
		}
		workflow, done = deploy.WorkflowID(d.Cluster), d.State.Done()
		if d.State == slipway.DeploymentQueued {
			workflow = deploy.QueueID(id)
		}
		wish.Application, wish.Environment, wish.Execution, wish.Deployment = d.Cluster.Application, d.Cluster.Environment, d.Execution, id
	case strings.HasPrefix(id, "x-"):
		x, err := o.Store.Execution(ctx, id)
		if err != nil {
			return err
		}
		workflow, done = id, x.State.Done()
		wish.Application, wish.Execution = x.Application, id
	case strings.HasPrefix(id, "r-"):
		r, err := o.Store.Release(ctx, id)
		if err != nil {
			return err
		}
		workflow, done = id, r.State.Done()
		wish.Environment = r.Environment
	default:
		return slipway.Errorf(slipway.NotFound, "cannot abort %q: want the ID of a bake (b-…), a deployment (d-…), a release (r-…) or an execution (x-…)", id)
	}
	if done {
		return o.discard(ctx, id)
	}
	of, run, err := running(ctx, o.Temporal, workflow)
	if err != nil || of != id {
		return err // nil if it is over, and what runs under that name now is another
	}
	if err := o.Temporal.CancelWorkflow(ctx, workflow, run); err != nil && !isNotFound(err) {
		return fmt.Errorf("cancel workflow %s: %w", workflow, err)
	}
	publish(ctx, o.Store, o.Bus, o.Log, wish)
	return nil
}

// discard removes what is kept of a bake that failed, if id is one.
func (o *Operator) discard(ctx context.Context, id string) error {
	if !strings.HasPrefix(id, "b-") {
		return nil
	}
	b, err := o.Store.Bake(ctx, id)
	if err != nil || b.Kept == "" {
		return err
	}
	if err := o.Baker.Discard(ctx, id); err != nil {
		return err
	}
	b.Kept = ""
	return o.Store.PutBake(ctx, b)
}

// deploy starts d, and returns it once it has begun.
func (o *Operator) deploy(ctx context.Context, d slipway.Deployment) (slipway.Deployment, error) {
	if d.Kind != slipway.KindRollback && !d.Hotfix { // those wait behind nobody
		select {
		case o.beginning <- struct{}{}:
			defer func() { <-o.beginning }()
		case <-ctx.Done():
			return slipway.Deployment{}, ctx.Err()
		}
	}
	d.ID, d.State, d.Step, d.Undo, d.Started = o.newID(ctx, "d-"), slipway.DeploymentRunning, "accepted", []slipway.Undo{}, time.Now().UTC()
	_, err := o.start(ctx, deploy.StartOptions(d), deploy.WorkflowName, d, func(id string) (bool, error) {
		other, err := o.Store.Deployment(ctx, id)
		return other.State.Done(), err
	})
	var running *underWay
	if errors.As(err, &running) && running.id != d.ID {
		return o.conflict(ctx, d, running.id)
	}
	if err != nil && running == nil {
		return slipway.Deployment{}, err
	}
	return recorded(ctx, func() (slipway.Deployment, error) { return o.Store.Deployment(ctx, d.ID) })
}

// conflict does with d, which comes while another deployment of its cluster is under way, as its policy says.
func (o *Operator) conflict(ctx context.Context, d slipway.Deployment, by string) (slipway.Deployment, error) {
	policy := d.Environment.Policy.OnConflict
	if d.Kind == slipway.KindRollback || (policy == "" || policy == slipway.ConflictRefuse) && !d.Hotfix {
		return slipway.Deployment{}, occupied(d, by)
	}
	d.State = slipway.DeploymentQueued
	if _, err := o.Temporal.ExecuteWorkflow(ctx, deploy.QueueOptions(d), deploy.QueueName, d, policy == slipway.ConflictSupersede); err != nil {
		return slipway.Deployment{}, fmt.Errorf("start workflow %s: %w", deploy.QueueID(d.ID), err)
	}
	return recorded(ctx, func() (slipway.Deployment, error) { return o.Store.Deployment(ctx, d.ID) })
}

// accept checks what can be checked at once, stores the request and returns the bake to be started. known is what the image starts from,
// nil if that is to be found out.
func (o *Operator) accept(ctx context.Context, req slipway.BakeRequest, known *slipway.Base) (BakeInput, error) {
	if err := pipeline.Check(req.Spec); err != nil {
		return BakeInput{}, err
	}
	if err := o.uploaded(ctx, req); err != nil {
		return BakeInput{}, err
	}
	for i, id := range req.After {
		if _, err := o.Store.Bake(ctx, id); err != nil {
			return BakeInput{}, slipway.Errorf(slipway.Invalid, "cannot wait for bake %s: %s", id, slipway.MessageOf(err)).At(fmt.Sprintf("after[%d]", i))
		}
	}
	base := known
	if strings.HasPrefix(req.Spec.Image.From, "image:") && len(req.After) == 0 {
		// Said now; a registry is asked by the bake itself.
		var err error
		if base, _, err = o.resolve(ctx, &req, known); err != nil {
			return BakeInput{}, err
		}
	}
	content, err := json.Marshal(req)
	if err != nil {
		return BakeInput{}, fmt.Errorf("store the request of a bake: %w", err)
	}
	digest := slipway.DigestOf(content)
	if err := o.Blobs.PutBlob(ctx, digest, int64(len(content)), bytes.NewReader(content)); err != nil {
		return BakeInput{}, err
	}
	key := string(o.Baker.Key(bake.Job{Request: &req, Base: base})) + " " + req.Version
	for _, id := range req.After {
		key += " " + id
	}
	return BakeInput{
		Request: digest,
		After:   req.After,
		Bake: slipway.Bake{
			ID: o.newID(ctx, "b-"), Key: slipway.DigestOf([]byte(key)), Request: digest, Base: base,
			Application: req.Spec.Application, Version: req.Version, State: slipway.BakeRunning, Started: time.Now().UTC(),
		},
	}, nil
}

// uploaded returns an error unless all files of the build context are there.
func (o *Operator) uploaded(ctx context.Context, req slipway.BakeRequest) error {
	var digests []slipway.Digest
	for _, entry := range req.Context {
		if entry.Digest != "" {
			digests = append(digests, entry.Digest)
		}
	}
	missing, err := o.Blobs.Missing(ctx, digests)
	if err != nil {
		return err
	}
	for _, entry := range req.Context {
		if len(missing) > 0 && entry.Digest == missing[0] {
			return slipway.Errorf(slipway.Invalid, "cannot bake: %d files of the build context are not uploaded, %s among them", len(missing), entry.Path).At(entry.Path)
		}
	}
	return nil
}

// underWay is the error of starting a workflow under a name that is taken.
type underWay struct{ id string }

func (u *underWay) Error() string { return u.id + " is under way" }

// start starts a workflow and returns the ID of its record. If another of the same name is under way the error is underWay; if
// that one is over but for its last breath, as its record tells, it is waited for.
func (o *Operator) start(ctx context.Context, options client.StartWorkflowOptions, workflow string, input any, over func(id string) (bool, error)) (string, error) {
	for {
		_, err := o.Temporal.ExecuteWorkflow(ctx, options, workflow, input)
		var taken *serviceerror.WorkflowExecutionAlreadyStarted
		if !errors.As(err, &taken) {
			if err != nil {
				return "", fmt.Errorf("start workflow %s: %w", options.ID, err)
			}
			return options.Memo[deploy.MemoID].(string), nil
		}
		id, err := occupant(ctx, o.Temporal, options.ID, over)
		if err != nil {
			return "", err
		}
		if id != "" {
			return "", &underWay{id}
		}
	}
}

// occupant returns the ID of the record of the workflow that runs under a name and is not over, "" once the name is free. A
// workflow that has stored its final record ends an instant later, and whoever has read the record finds the name free.
func occupant(ctx context.Context, t Temporal, workflow string, over func(id string) (bool, error)) (string, error) {
	id, run, err := running(ctx, t, workflow)
	if err != nil || id == "" {
		return "", err
	}
	done, err := over(id)
	if slipway.CodeOf(err) == slipway.NotFound {
		return id, nil // it has only just begun
	}
	if err != nil {
		return "", err
	}
	if !done {
		return id, nil
	}
	ctx, cancel := context.WithTimeout(ctx, recordWithin)
	defer cancel()
	if err := t.GetWorkflow(ctx, workflow, run).Get(ctx, nil); err != nil && ctx.Err() != nil {
		return id, nil
	}
	return "", nil
}

// running returns the ID of the record and the run of the workflow that runs under a name, "" if none does.
func running(ctx context.Context, t Temporal, workflow string) (id, run string, err error) {
	found, err := t.DescribeWorkflowExecution(ctx, workflow, "")
	if isNotFound(err) {
		return "", "", nil
	}
	if err != nil {
		return "", "", fmt.Errorf("look for workflow %s: %w", workflow, err)
	}
	info := found.GetWorkflowExecutionInfo()
	if info.GetStatus() != enums.WORKFLOW_EXECUTION_STATUS_RUNNING {
		return "", "", nil
	}
	if err := converter.GetDefaultDataConverter().FromPayload(info.GetMemo().GetFields()[deploy.MemoID], &id); err != nil {
		return "", "", fmt.Errorf("read the memo of workflow %s: %w", workflow, err)
	}
	return id, info.GetExecution().GetRunId(), nil
}

func occupied(d slipway.Deployment, by string) *slipway.Error {
	return slipway.Errorf(slipway.Conflict, "cannot %s: %s is under way; abort it with `slipway abort %s` or wait", deploy.What(d), by, by)
}

func isNotFound(err error) bool {
	var missing *serviceerror.NotFound
	return errors.As(err, &missing)
}

// How long a record is looked for that a workflow just started is about to store, and the times between two looks, which double.
const (
	recordWithin = 10 * time.Second
	recordFirst  = 2 * time.Millisecond
	recordLast   = 32 * time.Millisecond
)

// recorded returns what read does, once it is not NotFound any more. Only the workflow stores its record: a second hand could
// overwrite what it has become meanwhile.
func recorded[T any](ctx context.Context, read func() (T, error)) (T, error) {
	ctx, cancel := context.WithTimeout(ctx, recordWithin)
	defer cancel()
	for every := recordFirst; ; every = min(2*every, recordLast) {
		record, err := read()
		if slipway.CodeOf(err) != slipway.NotFound {
			return record, err
		}
		select {
		case <-ctx.Done():
			return record, slipway.Errorf(slipway.Unavailable, "cannot tell whether the work began: its record is not there yet")
		case <-time.After(every):
		}
	}
}

// publish stores an event and sends it to whoever listens. Work does not fail because it could not tell of itself.
func publish(ctx context.Context, store slipway.Store, bus slipway.Bus, log *slog.Logger, e slipway.Event) {
	stored, err := store.AppendEvent(ctx, e)
	if err == nil {
		err = bus.Publish(ctx, stored)
	}
	if err != nil {
		log.Warn("cannot publish event", "kind", e.Kind, "error", err)
	}
}

var _ slipway.Operator = (*Operator)(nil)
