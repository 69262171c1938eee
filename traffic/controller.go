// Package traffic keeps load balancers in step with what has been decided. A route says which server groups of a cluster get
// traffic; a Controller makes the load balancer's pool from it and from the instances that are live, whenever either changes,
// and proves from the data plane's counters where traffic goes.
package traffic

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/slipway-sh/slipway"
)

// Routes is the part of the [slipway.Store] that holds routes.
type Routes interface {
	PutRoute(ctx context.Context, route slipway.Route) error
	Route(ctx context.Context, cluster slipway.Cluster) (slipway.Route, error)
	Routes(ctx context.Context) ([]slipway.Route, error)
}

// Groups is the part of the [slipway.Provider] that tells what instances there are.
type Groups interface {
	ServerGroup(ctx context.Context, name string) (slipway.ServerGroup, error)
	Watch(ctx context.Context) <-chan string
}

// Config says what a Controller works with. All fields but Ask are required.
type Config struct {
	Routes         Routes
	Groups         Groups
	Router         slipway.Router
	DefaultAddress string // of a listener whose route names none
	Log            *slog.Logger
	// Ask sends one probe of a proof through the pool's listener, and returns when it was answered: a request for path, or a connection
	// where path is empty. It should be served by the group, or by any active one if group is empty. Default: over the network.
	Ask func(ctx context.Context, pool slipway.PoolStatus, path, group string) error
}

// Controller is the one place from which pools are set. Its methods are safe for concurrent use; those of one cluster run one
// after the other.
type Controller struct {
	Config

	mu    sync.Mutex
	locks map[slipway.Cluster]chan struct{}
}

// New returns a Controller. It does nothing by itself until Run.
func New(c Config) *Controller {
	if c.Ask == nil {
		c.Ask = newProber().ask
	}
	return &Controller{Config: c, locks: map[slipway.Cluster]chan struct{}{}}
}

// SetRoute stores the route and makes the load balancer follow it. A listener that cannot be bound is a Conflict; then the
// route that was stored before is stored again. After any other error the route stands, and Run goes on applying it. Idempotent.
//
// A route with port 0 has no listener: the one there was is closed.
func (c *Controller) SetRoute(ctx context.Context, route slipway.Route) error {
	unlock, err := c.lock(ctx, route.Cluster)
	if err != nil {
		return err
	}
	defer unlock()
	if route.Address == "" {
		route.Address = c.DefaultAddress
	}
	before, err := c.Routes.Route(ctx, route.Cluster)
	if slipway.CodeOf(err) == slipway.NotFound {
		before, err = slipway.Route{Cluster: route.Cluster, Groups: []slipway.GroupRoute{}}, nil
	}
	if err != nil {
		return fmt.Errorf("read the route of %s: %w", route.Cluster, err)
	}
	if err := c.Routes.PutRoute(ctx, route); err != nil {
		return fmt.Errorf("store the route of %s: %w", route.Cluster, err)
	}
	err = c.apply(ctx, route)
	if slipway.CodeOf(err) == slipway.Conflict {
		if err := c.Routes.PutRoute(context.WithoutCancel(ctx), before); err != nil {
			c.Log.Error("cannot take back a route", "cluster", route.Cluster, "err", err)
		}
	}
	return err
}

// Sync makes the load balancer follow the stored route and the instances that are live now. nil if the cluster has no route. Idempotent.
func (c *Controller) Sync(ctx context.Context, cluster slipway.Cluster) error {
	unlock, err := c.lock(ctx, cluster)
	if err != nil {
		return err
	}
	defer unlock()
	route, err := c.Routes.Route(ctx, cluster)
	if slipway.CodeOf(err) == slipway.NotFound {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read the route of %s: %w", cluster, err)
	}
	return c.apply(ctx, route)
}

// Run syncs every cluster, and then each one whose instances change, until ctx is done. What fails is tried again.
func (c *Controller) Run(ctx context.Context) error {
	changes := c.Groups.Watch(ctx) // before the first look, so that no change falls between
	var running sync.WaitGroup
	defer running.Wait()
	kicks := map[string]chan struct{}{} // by the name of a cluster that has a route
	kick := func(name string) {
		select {
		case kicks[name] <- struct{}{}:
		default: // it is about to look anyway
		}
	}
	meet := func() { // whoever has a route by now
		for _, route := range c.routes(ctx) {
			if name := route.Cluster.String(); kicks[name] == nil {
				kicks[name] = make(chan struct{}, 1)
				kicked := kicks[name]
				running.Go(func() { c.follow(ctx, route.Cluster, kicked) })
				kick(name)
			}
		}
	}
	meet()
	for {
		select {
		case <-ctx.Done():
			return nil
		case group, ok := <-changes:
			if !ok {
				<-ctx.Done() // the provider closes it then
				return nil
			}
			if _, ok := slipway.GroupNumber(group); !ok {
				continue
			}
			name := group[:strings.LastIndex(group, "-v")]
			if kicks[name] == nil {
				meet()
			}
			kick(name)
		}
	}
}

// follow syncs a cluster after every kick, until it succeeds.
func (c *Controller) follow(ctx context.Context, cluster slipway.Cluster, kicks <-chan struct{}) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-kicks:
		}
		for wait := 20 * time.Millisecond; ; wait = min(2*wait, 2*time.Second) {
			err := c.Sync(ctx, cluster)
			if err == nil || ctx.Err() != nil {
				break
			}
			c.Log.Warn("cannot bring the load balancer up to date; trying again", "cluster", cluster, "err", err)
			if !pause(ctx, wait) {
				break
			}
		}
	}
}

// routes reads all routes, and tries until it can.
func (c *Controller) routes(ctx context.Context) []slipway.Route {
	for {
		routes, err := c.Routes.Routes(ctx)
		if err == nil {
			return routes
		}
		if !pause(ctx, 200*time.Millisecond) {
			return nil
		}
		c.Log.Warn("cannot read the routes; trying again", "err", err)
	}
}

// apply makes the pool from scratch and sets it.
func (c *Controller) apply(ctx context.Context, route slipway.Route) error {
	if route.Port == 0 {
		return c.Router.RemovePool(ctx, route.Cluster.String())
	}
	groups, err := c.groups(ctx, route)
	if err != nil {
		return err
	}
	if err := c.Router.SetPool(ctx, c.pool(route, groups)); err != nil {
		return fmt.Errorf("set the pool of %s: %w", route.Cluster, err)
	}
	return nil
}

// groups returns the route's groups that exist, as they are now, without the instances that are to have no traffic yet.
func (c *Controller) groups(ctx context.Context, route slipway.Route) (map[string]slipway.ServerGroup, error) {
	groups := map[string]slipway.ServerGroup{}
	for _, gr := range route.Groups {
		group, err := c.Groups.ServerGroup(ctx, gr.Group)
		if slipway.CodeOf(err) == slipway.NotFound {
			continue
		}
		if err != nil { // a group that cannot be seen now is not a group without instances
			return nil, fmt.Errorf("look at %s: %w", gr.Group, err)
		}
		if len(gr.Machines) > 0 {
			group.Instances = slices.DeleteFunc(slices.Clone(group.Instances), func(i slipway.Instance) bool { return !slices.Contains(gr.Machines, i.ID) })
		}
		groups[gr.Group] = group
	}
	return groups, nil
}

// pool returns what the load balancer should have: the healthy instances of the route's groups.
func (c *Controller) pool(route slipway.Route, groups map[string]slipway.ServerGroup) slipway.Pool {
	pool := slipway.Pool{LoadBalancer: route.Cluster.String(), Address: route.Address, Port: route.Port, Sticky: route.Sticky, Targets: []slipway.Target{}}
	if pool.Address == "" {
		pool.Address = c.DefaultAddress
	}
	first := true
	for _, gr := range route.Groups {
		group, ok := groups[gr.Group]
		if !ok {
			continue
		}
		health := group.Service.Health
		pool.HTTP = pool.HTTP || health.HTTP != ""
		switch {
		case first:
			pool.Health, first = health, false
		case pool.Health.HTTP != health.HTTP:
			pool.Health.HTTP = "" // one check must fit all, and every service takes connections
		}
		pool.Drain = max(pool.Drain, slipway.Duration(group.Service.Drain.Or(10*time.Second)))
	}
	pool.Targets = targets(route, groups, slipway.InstanceHealthy)
	if !slices.ContainsFunc(pool.Targets, func(t slipway.Target) bool { return t.Mode != slipway.Off }) {
		// Nothing healthy is left. An instance that answers some requests is better than none; the load balancer's own checks decide.
		pool.Targets = targets(route, groups, slipway.InstanceHealthy, slipway.InstanceUnhealthy)
	}
	return pool
}

// lock waits for the cluster's turn.
func (c *Controller) lock(ctx context.Context, cluster slipway.Cluster) (unlock func(), err error) {
	c.mu.Lock()
	turn, ok := c.locks[cluster]
	if !ok {
		turn = make(chan struct{}, 1)
		c.locks[cluster] = turn
	}
	c.mu.Unlock()
	select {
	case turn <- struct{}{}:
		return func() { <-turn }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// pause waits for d and reports whether ctx is still good.
func pause(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}
