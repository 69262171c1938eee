package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"time"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/check"
	"github.com/slipway-sh/slipway/deploy"
	"github.com/slipway-sh/slipway/deploy/durable"
	"github.com/slipway-sh/slipway/engine"
	"github.com/slipway-sh/slipway/memstore"
	"github.com/slipway-sh/slipway/provider/sim"
	"github.com/slipway-sh/slipway/ship"
	"github.com/slipway-sh/slipway/sqlstore"
	"github.com/slipway-sh/slipway/traffic"
)

// simulated is all of slipwayd that deploys, as it is: the embedded Temporal, its worker, the records on disk, the traffic controller.
// Only machines and the load balancer are simulated, in real time, and take none: so what a deployment takes is the engine's.
type simulated struct {
	dir      string
	engine   *engine.Engine
	store    *sqlstore.Store
	world    *sim.World
	traffic  *traffic.Controller
	images   atomic.Int64
	operator *ship.Operator
	launch   func(n int) time.Duration // of a machine of the n-th cluster
	stop     func()
}

func newSimulated(ctx context.Context, dir string) (_ *simulated, err error) {
	s := &simulated{dir: dir, world: sim.New(sim.Config{Now: time.Now}), launch: func(int) time.Duration { return 0 }}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.close())
		}
	}()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError}))
	if s.store, err = sqlstore.Open(ctx, filepath.Join(dir, "slipway.db")); err != nil {
		return nil, err
	}
	if s.engine, err = engine.Start(ctx, engine.Config{Dir: dir, Log: log}); err != nil {
		return nil, err
	}
	s.traffic = traffic.New(traffic.Config{
		Routes: s.store, Groups: s.world, Router: s.world, DefaultAddress: "127.0.0.1", Ask: s.world.Ask, Log: log,
	})
	running, cancel := context.WithCancel(context.WithoutCancel(ctx))
	followed := make(chan error, 1)
	go func() { followed <- s.traffic.Run(running) }()
	s.stop = func() { cancel(); <-followed }
	s.operator = ship.NewOperator(ship.Config{Parts: ship.Parts{
		Temporal: s.engine.Client(), Store: s.store, Bus: &memstore.Bus{}, Provider: s.world, Verifier: trusting{}, Log: log,
	}})
	worker.SetStickyWorkflowCacheSize(durable.CachedWorkflows)
	return s, s.engine.StartWorker(durable.TaskQueue, durable.WorkerOptions(log), func(r worker.Registry) {
		deploy.Register(r, &deploy.Activities{
			Store: s.store, Bus: &memstore.Bus{}, Provider: s.world, Router: s.world, Traffic: s.traffic, Log: log, Address: "127.0.0.1",
			Measurer: check.Measurer{Provider: s.world, Pools: s.world}, Analyst: deploy.Analysis{}, Signal: s.engine.Client(),
			Patience: deploy.DefaultPatience,
		})
	})
}

// close ends what newSimulated began, and removes its files.
func (s *simulated) close() (err error) {
	if s.engine != nil {
		err = s.engine.Stop()
	}
	if s.stop != nil {
		s.stop()
	}
	if s.store != nil {
		err = errors.Join(err, s.store.Close())
	}
	return errors.Join(err, os.RemoveAll(s.dir))
}

// deployment is one that was started.
type deployment struct {
	id  string
	run client.WorkflowRun
}

// deploy asks for a deployment of a new image to the n-th cluster, as the API does.
func (s *simulated) deploy(ctx context.Context, n int, strategy slipway.Strategy) (deployment, error) {
	req, err := s.request(ctx, n, strategy)
	if err != nil {
		return deployment{}, err
	}
	d, err := s.operator.Deploy(ctx, req)
	return deployment{id: d.ID, run: s.engine.Client().GetWorkflow(ctx, deploy.WorkflowID(req.Cluster), "")}, err
}

// request makes a new image, and asks for its deployment to the n-th cluster.
func (s *simulated) request(ctx context.Context, n int, strategy slipway.Strategy) (slipway.DeployRequest, error) {
	cluster := slipway.Cluster{Application: "app" + strconv.Itoa(n), Environment: "prod"}
	image := slipway.Image{
		Digest: slipway.DigestOf([]byte(strconv.FormatInt(s.images.Add(1), 10))), Application: cluster.Application, State: slipway.ImageReady, Created: time.Now(),
		Service: slipway.Service{Command: []string{"/app"}, Port: 8080, Health: slipway.Health{HTTP: "/healthz"}, Drain: slipway.Duration(time.Second)},
	}
	s.world.Image(image.Digest, sim.Behaviour{Launch: s.launch(n)})
	return slipway.DeployRequest{
		Cluster: cluster, Image: string(image.Digest), Environment: &slipway.Environment{
			Account: "local", Size: slipway.Size{Min: 1, Desired: 3, Max: 4}, Healthy: slipway.Duration(time.Minute),
			LoadBalancer: &slipway.LoadBalancerSpec{Port: 10_000 + n}, Strategy: strategy,
		},
	}, s.store.PutImage(ctx, image)
}

// trusting takes every image for a good one: simulated ones have no content that could be verified.
type trusting struct{}

// VerifyImage implements slipway.ImageVerifier.
func (trusting) VerifyImage(_ context.Context, image slipway.Digest) (slipway.Verification, error) {
	return slipway.Verification{Image: image}, nil
}

// serve has the n-th cluster serve as if it had been deployed to before, which takes no time.
func (s *simulated) serve(ctx context.Context, n int) error {
	req, err := s.request(ctx, n, slipway.Strategy{})
	if err != nil {
		return err
	}
	d, err := deploy.PlanDeploy(ctx, s.store, req)
	if err == nil {
		d.ID, d.Started, d.State, d.Undo = "d-of-"+req.Cluster.Application, time.Now(), slipway.DeploymentRunning, []slipway.Undo{}
		d, err = s.store.CreateDeployment(ctx, d)
	}
	if err != nil {
		return err
	}
	image, err := s.store.Image(ctx, d.Image)
	if err != nil {
		return err
	}
	err = s.world.EnsureServerGroup(ctx, slipway.ServerGroupSpec{
		Name: d.Target, Cluster: d.Cluster, Image: d.Image, Service: image.Service, Size: d.Environment.Size,
	})
	if err != nil {
		return err
	}
	err = s.traffic.SetRoute(ctx, slipway.Route{
		Cluster: d.Cluster, Port: d.Environment.LoadBalancer.Port, Groups: []slipway.GroupRoute{{Group: d.Target, Mode: slipway.Active, Weight: 100}},
	})
	if err != nil {
		return err
	}
	d.State, d.Shifted, d.Finished = slipway.DeploymentSucceeded, time.Now(), time.Now()
	return s.store.PutDeployment(ctx, d)
}

// finish waits until a deployment is over, and returns an error unless it succeeded.
func (s *simulated) finish(ctx context.Context, d deployment) error {
	var end slipway.Deployment
	if err := d.run.Get(ctx, &end); err != nil {
		return err
	}
	if end.State != slipway.DeploymentSucceeded {
		return fmt.Errorf("%s of %s is %s: %w", end.ID, end.Cluster, end.State, end.Error)
	}
	return nil
}

// course carries a deployment to the n-th cluster out, and tells how it went.
func (s *simulated) course(ctx context.Context, n int, strategy slipway.Strategy) (course, error) {
	d, err := s.deploy(ctx, n, strategy)
	if err == nil {
		err = s.finish(ctx, d)
	}
	if err != nil {
		return course{}, err
	}
	return courseOf(ctx, s.engine.Client(), d)
}
