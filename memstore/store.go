// Package memstore is a [slipway.Store] and a [slipway.Bus] in memory: for simulations and for tests that make many of them. It forgets
// all when it is dropped, and does in microseconds what a database does in milliseconds. What goes in and what comes out are copies.
package memstore

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/slipway-sh/slipway"
)

// Store is a [slipway.Store]. The zero Store is not usable; see [New].
type Store struct {
	mu           sync.RWMutex
	applications map[string]slipway.Spec
	images       map[slipway.Digest]slipway.Image
	revocations  map[slipway.Digest]slipway.Revocation
	labels       map[label]map[slipway.Digest]time.Time // when it was given
	channels     map[channelKey]slipway.Channel
	bakes        map[string]slipway.Bake
	deployments  map[string]slipway.Deployment
	executions   map[string]slipway.Execution
	restrictions map[string]slipway.Restriction
	releases     map[string]slipway.Release
	samples      map[string]map[sampleKey]slipway.Sample // by deployment
	routes       map[slipway.Cluster]slipway.Route
	sizes        map[slipway.Cluster]slipway.Resizing
	numbers      map[slipway.Cluster]int // of the last server group
	events       []slipway.Event
	turns        []turn
	stageLogs    map[[2]string]string // by execution and stage
}

var _ slipway.Store = (*Store)(nil)

// New returns an empty Store.
func New() *Store {
	return &Store{
		applications: map[string]slipway.Spec{},
		images:       map[slipway.Digest]slipway.Image{},
		revocations:  map[slipway.Digest]slipway.Revocation{},
		labels:       map[label]map[slipway.Digest]time.Time{},
		channels:     map[channelKey]slipway.Channel{},
		bakes:        map[string]slipway.Bake{},
		deployments:  map[string]slipway.Deployment{},
		executions:   map[string]slipway.Execution{},
		restrictions: map[string]slipway.Restriction{},
		releases:     map[string]slipway.Release{},
		samples:      map[string]map[sampleKey]slipway.Sample{},
		routes:       map[slipway.Cluster]slipway.Route{},
		sizes:        map[slipway.Cluster]slipway.Resizing{},
		numbers:      map[slipway.Cluster]int{},
		stageLogs:    map[[2]string]string{},
	}
}

// PutApplication implements [slipway.Store].
func (s *Store) PutApplication(_ context.Context, spec slipway.Spec) error {
	put(s, s.applications, spec.Application, spec)
	return nil
}

// Application implements [slipway.Store].
func (s *Store) Application(_ context.Context, name string) (slipway.Spec, error) {
	return get(s, s.applications, name, "application "+quote(name))
}

// Applications implements [slipway.Store]; by name.
func (s *Store) Applications(context.Context) ([]slipway.Spec, error) {
	return list(s, s.applications, 0, nil, func(a, b slipway.Spec) int { return cmp.Compare(a.Application, b.Application) }), nil
}

// PutBake implements [slipway.Store].
func (s *Store) PutBake(_ context.Context, b slipway.Bake) error {
	put(s, s.bakes, b.ID, b)
	return nil
}

// Bake implements [slipway.Store].
func (s *Store) Bake(_ context.Context, id string) (slipway.Bake, error) {
	return get(s, s.bakes, id, "bake "+quote(id))
}

// Bakes implements [slipway.Store]; all applications' for "", and without bound for a limit below 1.
func (s *Store) Bakes(_ context.Context, application string, limit int) ([]slipway.Bake, error) {
	return list(s, s.bakes, limit,
		func(b slipway.Bake) bool { return is(application, b.Application) },
		func(a, b slipway.Bake) int { return newest(a.Started, b.Started, a.ID, b.ID) }), nil
}

// PutExecution implements [slipway.Store].
func (s *Store) PutExecution(_ context.Context, e slipway.Execution) error {
	put(s, s.executions, e.ID, e)
	return nil
}

// Execution implements [slipway.Store].
func (s *Store) Execution(_ context.Context, id string) (slipway.Execution, error) {
	return get(s, s.executions, id, "execution "+quote(id))
}

// Executions implements [slipway.Store]; all applications' for "", and without bound for a limit below 1.
func (s *Store) Executions(_ context.Context, application string, limit int) ([]slipway.Execution, error) {
	return list(s, s.executions, limit,
		func(e slipway.Execution) bool { return is(application, e.Application) },
		func(a, b slipway.Execution) int { return newest(a.Started, b.Started, a.ID, b.ID) }), nil
}

// PutRelease implements [slipway.Store].
func (s *Store) PutRelease(_ context.Context, r slipway.Release) error {
	put(s, s.releases, r.ID, r)
	return nil
}

// Release implements [slipway.Store].
func (s *Store) Release(_ context.Context, id string) (slipway.Release, error) {
	return get(s, s.releases, id, "release "+quote(id))
}

// Releases implements [slipway.Store]; all environments' for "", and without bound for a limit below 1.
func (s *Store) Releases(_ context.Context, environment string, limit int) ([]slipway.Release, error) {
	return list(s, s.releases, limit,
		func(r slipway.Release) bool { return is(environment, r.Environment) },
		func(a, b slipway.Release) int { return newest(a.Started, b.Started, a.ID, b.ID) }), nil
}

// PutRoute implements [slipway.Store].
func (s *Store) PutRoute(_ context.Context, r slipway.Route) error {
	put(s, s.routes, r.Cluster, r)
	return nil
}

// Route implements [slipway.Store].
func (s *Store) Route(_ context.Context, cluster slipway.Cluster) (slipway.Route, error) {
	return get(s, s.routes, cluster, "a route of cluster "+quote(cluster.String()))
}

// Routes implements [slipway.Store]; by cluster.
func (s *Store) Routes(context.Context) ([]slipway.Route, error) {
	return list(s, s.routes, 0, nil, func(a, b slipway.Route) int {
		return cmp.Or(cmp.Compare(a.Cluster.Application, b.Cluster.Application), cmp.Compare(a.Cluster.Environment, b.Cluster.Environment))
	}), nil
}

// put inserts a record, or replaces the one with the same key.
func put[K comparable, V any](s *Store, table map[K]V, key K, record V) {
	record = Copied(record)
	s.mu.Lock()
	defer s.mu.Unlock()
	table[key] = record
}

// get returns a copy of a record, or a NotFound error that says it is the one named by what.
func get[K comparable, V any](s *Store, table map[K]V, key K, what string) (V, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return find(table, key, what)
}

// find is get with mu held.
func find[K comparable, V any](table map[K]V, key K, what string) (V, error) {
	record, ok := table[key]
	if !ok {
		return record, missing(what)
	}
	return Copied(record), nil
}

// list returns copies of the records that match, in order, at most limit of them if that is above 0.
func list[K comparable, V any](s *Store, table map[K]V, limit int, match func(V) bool, order func(a, b V) int) []V {
	s.mu.RLock()
	defer s.mu.RUnlock()
	records := make([]V, 0, len(table))
	for record := range maps.Values(table) {
		if match == nil || match(record) {
			records = append(records, record)
		}
	}
	slices.SortFunc(records, order)
	if limit > 0 && len(records) > limit {
		records = records[:limit]
	}
	return Copied(records)
}

// newest orders by time, the newest first. Keys make the order of equals certain.
func newest(a, b time.Time, keyA, keyB string) int {
	return cmp.Or(b.Compare(a), cmp.Compare(keyB, keyA))
}

// is reports whether got is what is wanted, or all is.
func is(want, got string) bool { return want == "" || want == got }

func missing(what string) error { return slipway.Errorf(slipway.NotFound, "cannot find %s", what) }

func quote(name string) string { return strconv.Quote(name) }
