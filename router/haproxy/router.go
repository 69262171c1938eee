package haproxy

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/slipway-sh/slipway"
)

// Config says where a Router works. Dir and Log are required.
type Config struct {
	Dir     string       // HAProxy's files; made if missing. Two Routers never share one
	Program string       // default "haproxy", found in PATH
	Log     *slog.Logger //
}

// Router is a [slipway.Router] on one HAProxy process. Besides that interface's promises: while the Router is open, a HAProxy
// that dies is started again within a second with all its pools.
type Router struct {
	program string
	dir     string
	log     *slog.Logger
	cli     cli

	mu      sync.Mutex              // held while anything is changed
	proc    *process                // nil while HAProxy is not running
	retired map[retiree]time.Time   // when what is under way on a removed server is cut off
	closed  bool                    //
	poolsMu sync.Mutex              // guards pools; taken after mu
	pools   map[string]slipway.Pool // as in the configuration file
	stop    context.CancelFunc      //
	changed chan struct{}           // wakes the keeper
	done    chan struct{}           // closed when the keeper has ended
}

var _ slipway.Router = (*Router)(nil)

// New returns a Router. It adopts the HAProxy that an earlier Router of the directory left running. If none runs, one is
// started now if there are pools it should serve, otherwise with the first SetPool.
func New(c Config) (*Router, error) {
	dir, err := filepath.Abs(c.Dir)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the load balancer's directory: %w", err)
	}
	root, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	pools, err := readPools(filepath.Join(dir, configName))
	if err != nil {
		c.Log.Warn("cannot read the load balancer's last configuration; pools come back as they are set", "err", err)
	}
	program := c.Program
	if program == "" {
		program = "haproxy"
	}
	ctx, stop := context.WithCancel(context.Background())
	r := &Router{
		program: program, dir: dir, log: c.Log, cli: cli{dir: root},
		retired: map[retiree]time.Time{}, pools: pools,
		stop: stop, changed: make(chan struct{}, 1), done: make(chan struct{}),
	}
	if err := r.adopt(ctx); err != nil {
		c.Log.Warn("cannot adopt the load balancer", "err", err)
	}
	go r.keep(ctx)
	return r, nil
}

// Close ends the Router and leaves HAProxy running. It may be called again.
func (r *Router) Close() error {
	r.mu.Lock()
	if r.closed {
		r.mu.Unlock()
		return nil
	}
	r.closed = true
	r.mu.Unlock()
	r.stop()
	<-r.done
	return r.cli.dir.Close()
}

// Stop ends HAProxy, requests under way included, and then the Router. Its files stay: a new Router starts it again.
func (r *Router) Stop(ctx context.Context) error {
	r.mu.Lock()
	if r.closed {
		r.mu.Unlock()
		return errors.New("stop the load balancer: its router is closed")
	}
	proc := r.proc
	r.closed = true // it is not started again
	r.mu.Unlock()
	var err error
	if proc != nil {
		err = proc.terminate(ctx)
	}
	r.stop()
	<-r.done
	r.cli.dir.Close()
	if err != nil {
		return fmt.Errorf("stop the load balancer: %w", err)
	}
	return nil
}

// SetPool implements [slipway.Router].
func (r *Router) SetPool(ctx context.Context, pool slipway.Pool) error {
	pool, err := checkPool(pool)
	if err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return errors.New("set a pool: the router is closed")
	}
	r.noticeEnd()
	old := r.poolsNow()
	pools := maps.Clone(old)
	pools[pool.LoadBalancer] = pool

	was, had := old[pool.LoadBalancer]
	if !had || listenAddress(was) != listenAddress(pool) {
		if err := r.listenable(pool, old); err != nil {
			return err
		}
	}
	if err := r.change(ctx, old, pools, !had || listener(was) != listener(pool)); err != nil {
		if errors.Is(err, errReload) {
			return slipway.Errorf(slipway.Conflict, "cannot listen on %s: %w", listenAddress(pool), err)
		}
		return err
	}
	if had && listenAddress(was) != listenAddress(pool) {
		r.awaitReleased(ctx, listenAddress(was))
	}
	if had && isSticky(was) && !isSticky(pool) {
		r.dropMap(was)
	}
	return r.converge(ctx, pool)
}

// RemovePool implements [slipway.Router].
func (r *Router) RemovePool(ctx context.Context, loadBalancer string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return errors.New("remove a pool: the router is closed")
	}
	old := r.poolsNow()
	pool, ok := old[loadBalancer]
	if !ok {
		return nil
	}
	r.noticeEnd()
	pools := maps.Clone(old)
	delete(pools, loadBalancer)
	if err := r.change(ctx, old, pools, true); err != nil {
		return err
	}
	r.dropMap(pool)
	r.awaitReleased(ctx, listenAddress(pool))
	return nil
}

// Pool implements [slipway.Router].
func (r *Router) Pool(ctx context.Context, loadBalancer string) (slipway.PoolStatus, error) {
	pool, ok := r.poolsNow()[loadBalancer]
	if !ok {
		return slipway.PoolStatus{}, slipway.Errorf(slipway.NotFound, "cannot find the load balancer %s: it has no listener", loadBalancer)
	}
	procs, err := r.cli.processes(ctx)
	if err != nil {
		return slipway.PoolStatus{}, unavailable(err)
	}
	var live []proxyStat
	var current proxyStat
	status := slipway.PoolStatus{LoadBalancer: pool.LoadBalancer, Address: pool.Address, Port: pool.Port}
	for _, w := range procs.workers {
		stat, err := r.cli.stat(ctx, w, loadBalancer)
		switch {
		case w.old && (err != nil || !stat.known):
			continue // it just ended, or is older than the pool
		case err != nil:
			return slipway.PoolStatus{}, unavailable(err)
		case !stat.known:
			return slipway.PoolStatus{}, unavailable(errors.New("its worker does not know the pool yet"))
		case !w.old:
			status.Epoch = strconv.Itoa(w.pid)
			status.Requests = stat.requests
			current = stat
		}
		live = append(live, stat)
	}
	if status.Epoch == "" {
		return slipway.PoolStatus{}, unavailable(errors.New("it has no worker"))
	}
	status.Targets = make([]slipway.TargetStatus, len(pool.Targets))
	for i, t := range pool.Targets {
		status.Targets[i] = targetStatus(t, current, live)
	}
	return status, nil
}

// change makes HAProxy's configuration hold pools instead of old, and HAProxy know every listener of it: by starting it, or by
// a reload if listeners changed. On error all is as before.
func (r *Router) change(ctx context.Context, old, pools map[string]slipway.Pool, listeners bool) error {
	if r.proc == nil {
		if err := r.writeConfig(ctx, pools, true); err != nil {
			return err
		}
		if err := r.start(ctx); err != nil {
			return errors.Join(err, r.writeConfig(ctx, old, false))
		}
		r.setPools(pools)
		return nil
	}
	if !listeners {
		if err := r.writeConfig(ctx, pools, false); err != nil {
			return err
		}
		r.setPools(pools)
		return nil
	}
	pending := filepath.Join(r.dir, pendingName)
	if err := os.WriteFile(pending, nil, 0o600); err != nil {
		return err
	}
	err := r.writeConfig(ctx, pools, true)
	if err == nil {
		if err = r.reload(ctx); err != nil {
			// What the failed reload left is put right with a context of its own: the caller's may be why it failed.
			undo, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
			defer cancel()
			err = errors.Join(err, r.writeConfig(undo, old, false), r.reload(undo))
		} else {
			r.setPools(pools)
		}
	}
	return errors.Join(err, os.Remove(pending))
}

// listenable returns a Conflict if the pool's listener cannot be bound. HAProxy itself would share the port with another
// HAProxy of the same user without a word, so it is asked of the kernel first.
func (r *Router) listenable(pool slipway.Pool, others map[string]slipway.Pool) error {
	address := listenAddress(pool)
	for name, other := range others {
		if name != pool.LoadBalancer && listenAddress(other) == address {
			return slipway.Errorf(slipway.Conflict, "cannot listen on %s: address already in use by the load balancer %s", address, name)
		}
	}
	if own, ok := others[pool.LoadBalancer]; ok && own.Port == pool.Port && r.proc != nil {
		return nil // its own listener may be what holds the port; the reload will tell
	}
	l, err := net.Listen("tcp", address)
	if err == nil {
		return l.Close()
	}
	var errno syscall.Errno
	if errors.As(err, &errno) {
		return slipway.Errorf(slipway.Conflict, "cannot listen on %s: %w", address, errno)
	}
	return slipway.Errorf(slipway.Conflict, "cannot listen on %s: %w", address, err)
}

// awaitReleased waits a moment until the worker that listened on address has let go of it.
func (r *Router) awaitReleased(ctx context.Context, address string) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	for {
		l, err := net.Listen("tcp", address)
		if err == nil {
			l.Close()
			return
		}
		if !pause(ctx, 5*time.Millisecond) {
			return
		}
	}
}

func (r *Router) poolsNow() map[string]slipway.Pool {
	r.poolsMu.Lock()
	defer r.poolsMu.Unlock()
	return r.pools
}

func (r *Router) setPools(pools map[string]slipway.Pool) {
	r.poolsMu.Lock()
	defer r.poolsMu.Unlock()
	r.pools = pools
}

// checkPool returns pool as it is stored, or why HAProxy cannot have it.
func checkPool(pool slipway.Pool) (slipway.Pool, error) {
	if !wordForm.MatchString(pool.LoadBalancer) {
		return pool, slipway.Errorf(slipway.Invalid, "cannot use %q as name of a load balancer: want letters, digits, dots, dashes and underscores", pool.LoadBalancer)
	}
	if _, err := netip.ParseAddr(pool.Address); err != nil {
		return pool, slipway.Errorf(slipway.Invalid, "cannot listen on %q: want an IP address such as 127.0.0.1", pool.Address)
	}
	if pool.Port < 1 || pool.Port > 65535 {
		return pool, slipway.Errorf(slipway.Invalid, "cannot listen on port %d: want 1 to 65535", pool.Port)
	}
	if p := pool.Health.HTTP; p != "" && (p[0] != '/' || strings.ContainsFunc(p, func(c rune) bool { return c <= ' ' || c == 0x7f })) {
		return pool, slipway.Errorf(slipway.Invalid, "cannot use %q as an HTTP path: want a form such as /healthz", p)
	}
	if err := checkSticky(pool.Sticky); err != nil {
		return pool, err
	}
	pool.Targets = slices.Clone(pool.Targets)
	seen := map[string]bool{}
	for i := range pool.Targets {
		t := &pool.Targets[i]
		if !wordForm.MatchString(t.Instance) || seen[t.Instance] {
			return pool, slipway.Errorf(slipway.Invalid, "cannot use %q as name of a target: want letters, digits, dots, dashes and underscores, each name once", t.Instance)
		}
		seen[t.Instance] = true
		if _, err := netip.ParseAddr(t.Address); err != nil || t.Port < 1 || t.Port > 65535 {
			return pool, slipway.Errorf(slipway.Invalid, "cannot send traffic to %q port %d: want an IP address and a port from 1 to 65535", t.Address, t.Port)
		}
		switch t.Mode {
		case slipway.Active, slipway.Standby, slipway.Off:
		default:
			return pool, slipway.Errorf(slipway.Invalid, "cannot use %q as mode of the target %s: want active, standby or off", t.Mode, t.Instance)
		}
		if t.Weight == 0 && t.Mode != slipway.Active {
			t.Weight = 1
		}
		if t.Weight < 1 || t.Weight > 256 {
			return pool, slipway.Errorf(slipway.Invalid, "cannot give the target %s the weight %d: want 1 to 256", t.Instance, t.Weight)
		}
	}
	return pool, nil
}

// unavailable says that HAProxy does not answer, which passes.
func unavailable(err error) error {
	return slipway.Errorf(slipway.Unavailable, "cannot ask the load balancer: %w", err)
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
