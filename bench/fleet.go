package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/sqlstore"
)

// What the control plane of a large company has to do with.
const (
	fleetApplications = 500
	fleetEvents       = 100_000
	fleetDeployments  = 5 // of each cluster
)

// fleetEnvironments are how many machines an application has in each: 20 in all, so 10,000.
var fleetEnvironments = map[string]int{"dev": 2, "staging": 4, "prod": 14}

// fleet is a provider and a load balancer with very many machines, which neither come nor go. What reads it gets a copy, as of a real one.
type fleet struct {
	slipway.Provider // nothing else is asked of it
	groups           []slipway.ServerGroup
	pools            map[string]slipway.PoolStatus
}

// ServerGroups implements [slipway.Provider].
func (f *fleet) ServerGroups(context.Context) ([]slipway.ServerGroup, error) {
	all := slices.Clone(f.groups)
	for i := range all {
		all[i].Instances = slices.Clone(all[i].Instances)
	}
	return all, nil
}

// Instances implements [slipway.Provider].
func (f *fleet) Instances(context.Context) ([]slipway.Instance, error) {
	var n int
	for _, g := range f.groups {
		n += len(g.Instances)
	}
	all := make([]slipway.Instance, 0, n)
	for _, g := range f.groups {
		all = append(all, g.Instances...)
	}
	return all, nil
}

// Pool reads one load balancer.
func (f *fleet) Pool(_ context.Context, loadBalancer string) (slipway.PoolStatus, error) {
	pool, ok := f.pools[loadBalancer]
	if !ok {
		return pool, slipway.Errorf(slipway.NotFound, "cannot find load balancer %s", loadBalancer)
	}
	return pool, nil
}

// Pools reads all load balancers at once.
func (f *fleet) Pools(context.Context) (map[string]slipway.PoolStatus, error) {
	all := make(map[string]slipway.PoolStatus, len(f.pools))
	for name, pool := range f.pools {
		pool.Targets = slices.Clone(pool.Targets)
		all[name] = pool
	}
	return all, nil
}

// newFleet returns a fleet, and writes the records that belong to it into the store.
func newFleet(ctx context.Context, store *sqlstore.Store) (*fleet, error) {
	f := &fleet{pools: map[string]slipway.PoolStatus{}}
	now := time.Now().UTC()
	for n := range fleetApplications {
		name := fmt.Sprintf("app-%03d", n)
		spec := slipway.Spec{Application: name, Image: slipway.ImageSpec{From: "debian:bookworm", Service: slipway.Service{Command: []string{"/bin/" + name}, Port: 8080}}, Environments: map[string]slipway.Environment{}}
		image := slipway.Image{
			Digest: slipway.DigestOf([]byte(name)), Application: name, Version: "v5", State: slipway.ImageReady, From: "debian:bookworm", Created: now.Add(-time.Hour),
			Layers: []slipway.LayerInfo{{Digest: slipway.DigestOf([]byte("base")), Size: 80 << 20, Step: "from debian:bookworm"}, {Digest: slipway.DigestOf([]byte(name + "/")), Size: 20 << 20, Step: "copy app"}},
		}
		if err := store.PutImage(ctx, image); err != nil {
			return nil, err
		}
		for environment, machines := range fleetEnvironments {
			cluster := slipway.Cluster{Application: name, Environment: environment}
			spec.Environments[environment] = slipway.Environment{
				Account: "local", Size: slipway.Size{Min: machines, Desired: machines, Max: machines}, Strategy: slipway.Strategy{RedBlack: &slipway.RedBlack{}},
			}
			if err := f.add(ctx, store, cluster, image, machines, now); err != nil {
				return nil, err
			}
		}
		if err := store.PutApplication(ctx, spec); err != nil {
			return nil, err
		}
	}
	return f, addEvents(ctx, store, now)
}

// add makes a cluster: its server group, its listener, and how it came to be.
func (f *fleet) add(ctx context.Context, store *sqlstore.Store, cluster slipway.Cluster, image slipway.Image, machines int, now time.Time) error {
	var target string
	for n := range fleetDeployments {
		began := now.Add(-time.Duration(fleetDeployments-n) * 24 * time.Hour)
		d, err := store.CreateDeployment(ctx, slipway.Deployment{
			ID: fmt.Sprintf("d-%s-%d", cluster, n), Kind: slipway.KindDeploy, Cluster: cluster, Image: image.Digest, State: slipway.DeploymentRunning,
			Environment: slipway.Environment{Size: slipway.Size{Min: machines, Desired: machines, Max: machines}}, Started: began, By: "ann@example.com", Reason: "release train",
		})
		if err != nil {
			return err
		}
		d.State, d.Finished, target = slipway.DeploymentSucceeded, began.Add(time.Minute), d.Target
		if err := store.PutDeployment(ctx, d); err != nil {
			return err
		}
	}
	g := slipway.ServerGroup{Created: now.Add(-time.Hour)}
	g.Name, g.Cluster, g.Image, g.Size = target, cluster, image.Digest, slipway.Size{Min: machines, Desired: machines, Max: machines}
	pool := slipway.PoolStatus{LoadBalancer: cluster.String(), Address: "127.0.0.1", Port: 8080, Requests: 1e6, Epoch: "1"}
	for n := range machines {
		i := slipway.Instance{ID: fmt.Sprintf("i-%s-%d", cluster, n), Group: target, Image: image.Digest, State: slipway.InstanceHealthy, Address: "10.208.1.2", Port: 8080, Started: now.Add(-time.Hour)}
		g.Instances = append(g.Instances, i)
		t := slipway.TargetStatus{Up: true, Requests: 1e5}
		t.Instance, t.Group, t.Address = i.ID, target, i.Address
		pool.Targets = append(pool.Targets, t)
	}
	f.groups = append(f.groups, g)
	f.pools[cluster.String()] = pool
	return store.PutRoute(ctx, slipway.Route{Cluster: cluster, Address: "127.0.0.1", Port: 8080, Groups: []slipway.GroupRoute{{Group: target, Mode: slipway.Active, Weight: 100}}})
}

// addEvents writes what a busy month has left.
func addEvents(ctx context.Context, store *sqlstore.Store, now time.Time) error {
	const batch = 1000
	for n := 0; n < fleetEvents; n += batch {
		some := make([]slipway.Event, batch)
		for i := range some {
			at := n + i
			some[i] = slipway.Event{
				Time: now.Add(-time.Duration(fleetEvents-at) * time.Second), Kind: slipway.DeploymentStep, Message: "shifted 25 % of the traffic to the new server group",
				Application: fmt.Sprintf("app-%03d", at%fleetApplications), Environment: "prod", Deployment: fmt.Sprintf("d-app-%03d-prod-%d", at%fleetApplications, at%fleetDeployments),
			}
		}
		if _, err := store.AppendEvents(ctx, some); err != nil {
			return err
		}
	}
	return nil
}
