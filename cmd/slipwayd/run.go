package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"runtime/debug"
	"time"

	"go.temporal.io/sdk/worker"
	"golang.org/x/sync/errgroup"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/analysis"
	"github.com/slipway-sh/slipway/approve"
	"github.com/slipway-sh/slipway/attest"
	"github.com/slipway-sh/slipway/bake"
	"github.com/slipway-sh/slipway/bases"
	"github.com/slipway-sh/slipway/catalog"
	"github.com/slipway-sh/slipway/check"
	"github.com/slipway-sh/slipway/config"
	"github.com/slipway-sh/slipway/deploy"
	"github.com/slipway-sh/slipway/deploy/durable"
	"github.com/slipway-sh/slipway/engine"
	"github.com/slipway-sh/slipway/execute"
	"github.com/slipway-sh/slipway/fleet"
	"github.com/slipway-sh/slipway/httpapi"
	"github.com/slipway-sh/slipway/image"
	"github.com/slipway-sh/slipway/image/diff"
	"github.com/slipway-sh/slipway/natsbus"
	"github.com/slipway-sh/slipway/notify"
	"github.com/slipway-sh/slipway/outbound"
	"github.com/slipway-sh/slipway/promote"
	"github.com/slipway-sh/slipway/promql"
	"github.com/slipway-sh/slipway/provider/local"
	"github.com/slipway-sh/slipway/registry"
	"github.com/slipway-sh/slipway/rootfs"
	"github.com/slipway-sh/slipway/router/haproxy"
	"github.com/slipway-sh/slipway/sbom"
	"github.com/slipway-sh/slipway/seal"
	"github.com/slipway-sh/slipway/secrets"
	"github.com/slipway-sh/slipway/ship"
	"github.com/slipway-sh/slipway/sqlstore"
	"github.com/slipway-sh/slipway/traffic"
	"github.com/slipway-sh/slipway/trigger"
)

// stopGrace is how long requests and parts get to end when slipwayd stops. What takes longer is cut off: everything is made to
// survive that.
const stopGrace = 5 * time.Second

// memory is beyond what slipwayd needs even at work. Nearing it the garbage collector works harder, instead of letting what a busy
// moment took stay with an idle process. GOMEMLIMIT overrides it.
const memory = 256 << 20

// run is slipwayd: it puts the parts together, serves until ctx is done, and takes them apart in the opposite order.
func run(ctx context.Context, o options) (err error) {
	started := time.Now()
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(memory)
	}
	worker.SetStickyWorkflowCacheSize(durable.CachedWorkflows)
	if err := preflight(o.agent); err != nil {
		return err
	}
	cacheBytes, err := o.cacheBytes()
	if err != nil {
		return err
	}
	world, err := outbound.New(o.outbound...)
	if err != nil {
		return err
	}
	queries := prometheus{world.Transport()}
	notifiers, err := o.notifiers(world)
	if err != nil {
		return err
	}
	outside, err := o.outside()
	if err != nil {
		return err
	}
	front := newFront(o)
	lock, err := o.lock(ctx, front.relay)
	if ctx.Err() != nil {
		return front.close() // it has stood by until now
	}
	if err != nil {
		return errors.Join(err, front.close())
	}
	defer lock.Unlock()

	var stops closers
	defer func() { err = errors.Join(err, stops.close()) }()
	stops.add("listeners", front.close)
	if err := front.listen(); err != nil {
		return err
	}

	// Records and images.
	store, err := sqlstore.Open(ctx, o.store)
	if err != nil {
		return err
	}
	os.Unsetenv("PGPASSWORD") // the programs that slipwayd runs have nothing to do with it
	stops.add("store", store.Close)
	ctx, release, err := o.own(ctx, store)
	if err != nil {
		return err
	}
	stops.add("hold on the store", func() error { release(); return nil })
	images, err := image.Open(o.path("images"))
	if err != nil {
		return err
	}
	keys, err := attest.OpenKeyring(o.path("keys"), o.signingKey)
	if err != nil {
		return err
	}
	checkpointing, err := o.checkpointing(store, keys)
	if err != nil {
		return err
	}
	vault, err := config.OpenVault(o.configKey())
	if err != nil {
		return err
	}
	launcher := config.Launcher{Store: store, Vault: vault}
	verifier := &attest.Verifier{Layout: images, Trusted: keys.Trusted, Signing: keys.Signing().ID()}
	inventory := sbom.New(images, o.path("cache/sbom"))
	values, err := secrets.Open(o.data)
	if err != nil {
		return err
	}
	stops.add("secrets", values.Close)
	sealer, err := seal.Open(o.path("keys/webhooks.key"))
	if err != nil {
		return err
	}
	mounts := rootfs.New(o.path("mounts"), images)
	registries := registry.New(registry.Config{Insecure: o.insecure, Version: o.version})
	starts := bases.New(bases.Config{Store: store, Blobs: images, Registry: registries, Dir: o.path("cache/bases")})
	baker := bake.New(bake.Config{Images: images, Mounts: mounts, Registry: starts, Dir: o.path("cache"), Log: o.log})

	// The slow starters side by side: Temporal, NATS, the machines that run already, the load balancer.
	var (
		temporal *engine.Engine
		bus      *natsbus.Bus
		machines *local.Provider
		router   *haproxy.Router
		starting errgroup.Group
	)
	starting.Go(func() (err error) {
		temporal, err = engine.Start(ctx, outside.temporal)
		return err
	})
	starting.Go(func() (err error) {
		bus, err = natsbus.Start(ctx, outside.nats)
		return err
	})
	starting.Go(func() (err error) {
		// Sandboxes of a killed predecessor are swept before anything counts the mounts.
		if err := baker.Sweep(ctx); err != nil {
			return err
		}
		machines, err = local.New(ctx, local.Config{Dir: o.path("local"), Images: images, Mounts: mounts, AgentPath: o.agent, Settings: launcher, Log: o.log})
		return err
	})
	starting.Go(func() (err error) {
		router, err = haproxy.New(haproxy.Config{Dir: o.path("haproxy"), Log: o.log})
		return err
	})
	err = starting.Wait()
	if bus != nil {
		stops.add("bus", func() error { bus.Close(); return nil })
	}
	if router != nil {
		stops.add("router", router.Close)
	}
	if machines != nil {
		stops.add("provider", func() error { return bounded(machines.Close) })
	}
	if temporal != nil {
		stops.add("engine", temporal.Stop)
	}
	if err != nil {
		return err
	}

	// Now, before anything is baked or deployed, it is certain which layers are in use.
	if err := prune(ctx, mounts, images, machines); err != nil {
		o.log.Warn("cannot unmount layers that nothing uses", "error", err)
	}

	// What was decided about traffic is applied to the machines there are, from now on.
	controller := traffic.New(traffic.Config{Routes: store, Groups: machines, Router: router, DefaultAddress: o.lbAddress, Log: o.log})
	background, stopBackground := context.WithCancel(context.WithoutCancel(ctx))
	var working errgroup.Group
	working.Go(func() error { return controller.Run(background) })
	if checkpointing != nil {
		working.Go(func() error { return checkpointing(background) })
	}
	working.Go(func() error {
		return fleet.Losses{Provider: machines, Store: store, Bus: bus, Log: o.log}.Run(background)
	})
	working.Go(func() error {
		return fleet.Taints{Provider: machines, Store: store, Bus: bus, Log: o.log}.Run(background)
	})
	cache := &collector{
		baker: baker, images: images, inventory: inventory, store: store, provider: machines,
		maxBytes: cacheBytes, maxAge: o.cacheAge, log: o.log,
	}
	working.Go(func() error { return cache.run(background) })
	keeper := catalog.New(catalog.Config{
		Store: store, Bus: bus, Provider: machines, Images: images, Statements: verifier, Cache: cache, Log: o.log,
		Compare: func(ctx context.Context, older, newer slipway.Image) (slipway.ImageDiff, error) {
			return diff.Images(ctx, images, older, newer)
		},
	})
	working.Go(func() error { return keeper.Run(background) })
	gatherer := promote.Gatherer{Store: store, Provider: machines, Verifier: verifier}
	approvals := approve.New(approve.Config{
		Audit: store, Against: gatherer.Against,
		Store: store, Events: store, Bus: bus, Waker: approve.Workflows{Temporal: temporal.Client(), Of: promote.WorkflowOf}, Log: o.log,
	})
	working.Go(func() error { return approvals.Run(background) })
	working.Go(func() error {
		if err := httpapi.EndShells(background, machines, started); err != nil && background.Err() == nil {
			o.log.Warn("cannot remove the machines of shells that ended with the last slipwayd", "error", err)
		}
		return nil
	})
	stops.add("traffic", func() error { stopBackground(); return working.Wait() })

	// Who may do what, which is asked by the API, and again by what goes on without it.
	access, err := authority(ctx, o, store, world)
	if err != nil {
		return err
	}

	// Workflows: unfinished ones go on as soon as the worker polls.
	parts := ship.Parts{
		Temporal: temporal.Client(), Store: store, Bus: bus, Blobs: images, Provider: machines, Probe: o.probe,
		Baker: baker, Bases: starts, Secrets: values, Verifier: verifier, Queries: promql.Check, Metrics: queries, Log: o.log,
		Configs: store, Sizes: store, Standing: access,
		Attester: &attest.Signer{Shelf: images, Key: keys.Signing(), Inventory: inventory, Version: o.version},
		Diff: func(ctx context.Context, a, b slipway.Digest) ([]string, error) {
			return diff.Layers(ctx, images, a, b)
		},
	}
	planner, occupied := parts, ship.Activities{Parts: parts} // of promotions, which are not held to their own policy twice
	promoter := promote.New(promote.Config{
		Gatherer: gatherer,
		Temporal: temporal.Client(), Bus: bus, Plan: planner.Plan, Occupied: occupied.Occupied, Standing: access, Log: o.log,
	})
	parts.Gate = promoter.Admit
	operator := ship.NewOperator(ship.Config{Parts: parts})
	measurer := check.Measurer{Provider: machines, Pools: router, Prometheus: func(url string) check.Asker { return queries.at(url) }, HTTP: world.Transport()}
	executions := execute.Config{Parts: parts, Promoter: promoter, Turns: store, Logs: store, Operator: operator, Measurer: measurer, HTTP: world.Transport()}
	turns := &deploy.Turns{} // of deployments and people, to take something from what serves
	options := durable.WorkerOptions(o.log)
	options.Interceptors = append(options.Interceptors, chaos()...)
	err = temporal.StartWorker(durable.TaskQueue, options, func(r worker.Registry) {
		deploy.Register(r, &deploy.Activities{
			Store: store, Bus: bus, Provider: machines, Router: router, Traffic: controller, Audit: store, Log: o.log, Address: o.lbAddress,
			Measurer: measurer,
			Analyst:  deploy.Analysis{Deps: analysis.Deps{Store: store, Metrics: queries}},
			Signal:   temporal.Client(), Patience: deploy.DefaultPatience, Turns: turns, Sizes: store,
		})
		ship.Register(r, &ship.Activities{Parts: parts})
		execute.Register(r, &execute.Activities{Config: executions})
		approve.Register(r, &approve.Activities{Approvals: approvals})
		promote.Register(r, &promote.Activities{Promoter: promoter})
	})
	if err != nil {
		return err
	}

	// What happens starts work, and is told to whoever asked.
	if err := os.RemoveAll(o.path("cache/pushed")); err != nil { // what was being pushed when the last slipwayd ended
		return err
	}
	pipelines := execute.New(executions)
	triggers := trigger.New(trigger.Config{
		Store: store, Bus: bus, Blobs: images, Operator: operator, Pipelines: pipelines, Standing: access, Sealer: sealer, Audit: store, Dir: o.path("cache/pushed"), Log: o.log,
	})
	subscriptions := notify.New(notify.Config{Store: store, Bus: bus, Sealer: sealer, Notifiers: notifiers, Log: o.log})
	working.Go(func() error { return triggers.Run(background) })
	working.Go(func() error { return subscriptions.Run(background) })

	// The API last.
	exchange := registry.NewExchange(registry.ExchangeConfig{
		Client: registries, Images: images, Store: store, Trust: verifier, Dir: o.path("cache/registry"),
	})
	configs := &config.Keeper{Launcher: launcher, Records: store, Provider: machines, Bus: bus, Deploy: operator.Deploy, Log: o.log}
	guard := &deploy.Guard{Store: store, Bus: bus, Provider: machines, Router: router, Traffic: controller, Log: o.log,
		Marker: machines, Sync: controller.Sync, Configs: store, Sizes: store, Turns: turns}
	elsewhere := o.elsewhere(store, temporal, bus)
	working.Go(func() error { return elsewhere.run(background) })
	api := httpapi.New(httpapi.Config{
		Parts:    elsewhere.states,
		Triggers: triggers, Subscriptions: subscriptions,
		Guard: guard, Approvals: approvals, Promoter: promoter, Pipelines: pipelines, StageLogs: store, Accounts: machines,
		Store: store, Configs: configs, Hands: guard, Bus: bus, Blobs: images, Operator: operator, Catalog: keeper, Exchange: exchange, Cache: cache,
		Secrets: values, Statements: verifier, Provider: machines, Sandboxes: baker, Pools: router, Access: access, Audit: store, Checkpoint: keys.Signing(), Limits: httpapi.Limits{Rate: o.rate, Each: o.rateEach}, PublicURL: o.publicURL, Log: o.log, Version: o.version,
	})
	err = front.serve(ctx, api, started)
	api.Close()
	return errors.Join(err, whyEnded(ctx))
}

// prune unmounts the layers of no machine there is and of no server group, which may be about to launch one.
func prune(ctx context.Context, mounts *rootfs.Mounts, images *image.Store, machines *local.Provider) error {
	used := map[slipway.Digest]bool{}
	instances, err := machines.Instances(ctx)
	if err != nil {
		return err
	}
	groups, err := machines.ServerGroups(ctx)
	if err != nil {
		return err
	}
	for _, i := range instances {
		used[i.Image] = true
	}
	for _, g := range groups {
		used[g.Image] = true
	}
	layers := map[slipway.Digest]bool{}
	for digest := range used {
		img, err := images.ReadImage(ctx, digest)
		if err != nil {
			return err
		}
		for _, l := range img.Layers {
			layers[l.Digest] = true
		}
	}
	return mounts.Prune(func(digest slipway.Digest) bool { return layers[digest] })
}

func bounded(f func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(context.Background(), stopGrace)
	defer cancel()
	return f(ctx)
}

// closers ends parts in the opposite order of their start.
type closers []func() error

func (c *closers) add(part string, end func() error) {
	*c = append(*c, func() error {
		if err := end(); err != nil && !errors.Is(err, net.ErrClosed) && !errors.Is(err, context.Canceled) {
			return fmt.Errorf("stop the %s: %w", part, err)
		}
		return nil
	})
}

func (c closers) close() error {
	var errs []error
	for i := range c {
		errs = append(errs, c[len(c)-1-i]())
	}
	return errors.Join(errs...)
}
