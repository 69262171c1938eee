package ship

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"time"

	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/bake"
	"github.com/slipway-sh/slipway/deploy"
	"github.com/slipway-sh/slipway/deploy/durable"
)

// Baker makes layers and images. [bake.Baker] is one.
type Baker interface {
	// Key returns the digest of everything that decides the image.
	Key(req *slipway.BakeRequest) slipway.Digest
	// Layer returns the layer of a step from the cache, or builds it; what that prints goes to out.
	Layer(ctx context.Context, req *slipway.BakeRequest, step bake.Step, below []slipway.LayerInfo, out io.Writer) (slipway.LayerBake, error)
	// Image writes the image of the layers; the same again gives the same digest.
	Image(ctx context.Context, req *slipway.BakeRequest, layers []slipway.LayerInfo) (slipway.Image, error)
}

// Activities are the steps of bakes and executions as they touch the world. Each may be run again at any time.
type Activities struct {
	Temporal Temporal
	Store    slipway.Store
	Bus      slipway.Bus
	Blobs    slipway.Blobs
	Provider slipway.Provider
	Baker    Baker
	Log      *slog.Logger
}

// Register adds the workflows and their activities to slipwayd's worker, which must run with durable.WorkerOptions.
func Register(r worker.Registry, a *Activities) {
	r.RegisterWorkflowWithOptions(Bake, workflow.RegisterOptions{Name: bakeWorkflow})
	r.RegisterWorkflowWithOptions(Ship, workflow.RegisterOptions{Name: shipWorkflow})
	r.RegisterActivity(a)
}

// request reads the request of a bake.
func (a *Activities) request(ctx context.Context, digest slipway.Digest) (*slipway.BakeRequest, error) {
	blob, err := a.Blobs.OpenBlob(ctx, digest)
	if err != nil {
		return nil, err
	}
	defer blob.Close()
	var req slipway.BakeRequest
	if err := json.NewDecoder(blob).Decode(&req); err != nil {
		return nil, fmt.Errorf("read the request %s: %w", digest, err)
	}
	return &req, nil
}

// PlanDeployment stores the execution and returns its next deployment, of the image to the environment as the request has it.
func (a *Activities) PlanDeployment(ctx context.Context, x slipway.Execution, request slipway.Digest, environment string) (slipway.Deployment, error) {
	if err := a.Store.PutExecution(ctx, x); err != nil {
		return slipway.Deployment{}, err
	}
	req, err := a.request(ctx, request)
	if err != nil {
		return slipway.Deployment{}, err
	}
	policy := req.Spec.Environments[environment]
	d, err := deploy.PlanDeploy(ctx, a.Store, slipway.DeployRequest{
		Cluster: slipway.Cluster{Application: x.Application, Environment: environment}, Image: string(x.Image), Environment: &policy,
	})
	if err != nil {
		return slipway.Deployment{}, err
	}
	d.ID, d.Execution, d.State, d.Step = derivedID("d-", x.ID+" "+environment), x.ID, slipway.DeploymentRunning, "accepted"
	d.Undo, d.Started = []slipway.Undo{}, time.Now().UTC()
	return d, nil
}

// Occupied returns nil once no other deployment keeps d from starting, or the error that says which one does.
func (a *Activities) Occupied(ctx context.Context, d slipway.Deployment) error {
	by, err := occupant(ctx, a.Temporal, deploy.WorkflowID(d.Cluster), func(id string) (bool, error) {
		other, err := a.Store.Deployment(ctx, id)
		return other.State.Done(), err
	})
	if err != nil || by == "" {
		return err
	}
	return occupied(d, by)
}

// RecordExecution stores the execution, and tells of it if it has begun just now.
func (a *Activities) RecordExecution(ctx context.Context, x slipway.Execution) error {
	_, err := a.Store.Execution(ctx, x.ID)
	fresh := slipway.CodeOf(err) == slipway.NotFound
	if err := a.Store.PutExecution(ctx, x); err != nil {
		return err
	}
	if fresh {
		a.executionEvent(ctx, x, slipway.ExecutionStarted, "shipping "+x.Application)
	}
	return nil
}

// FinishExecution stores the execution in its final state and returns it.
func (a *Activities) FinishExecution(ctx context.Context, x slipway.Execution) (slipway.Execution, error) {
	stored, err := a.Store.Execution(ctx, x.ID)
	if err == nil && stored.State.Done() {
		return stored, nil // an earlier try did it and its reply was lost
	}
	x.Finished = time.Now().UTC()
	if err := a.Store.PutExecution(ctx, x); err != nil {
		return x, durable.Passing(err)
	}
	message := "shipped " + x.Image.Short()
	if x.Error != nil {
		message = gist(x.Error.Message)
	}
	a.executionEvent(ctx, x, slipway.ExecutionFinished, message)
	return x, nil
}

// AwaitBake returns when the bake with the key that is under way is over.
func (a *Activities) AwaitBake(ctx context.Context, key slipway.Digest) error {
	err := a.Temporal.GetWorkflow(ctx, bakeWorkflowID(key), "").Get(ctx, nil)
	if isNotFound(err) {
		return nil
	}
	return err
}

func (a *Activities) executionEvent(ctx context.Context, x slipway.Execution, kind slipway.EventKind, message string) {
	data, _ := json.Marshal(x) // an Execution always can be
	publish(ctx, a.Store, a.Bus, a.Log, slipway.Event{
		Time: time.Now().UTC(), Kind: kind, Message: message, Application: x.Application, Execution: x.ID, Data: data,
	})
}
