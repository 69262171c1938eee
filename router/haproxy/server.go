package haproxy

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/slipway-sh/slipway"
)

// server is one of the two servers that stand for a target.
type server struct {
	name    string
	address string
	weight  int
	backup  bool
	on      bool // gets traffic; otherwise it is in maintenance
}

// The names of a target's servers are its instance's with one of these.
const (
	activeSuffix = ":active"
	backupSuffix = ":backup"
)

// servers returns the servers of a pool as they should be.
func servers(pool slipway.Pool) []server {
	list := make([]server, 0, 2*len(pool.Targets))
	for _, t := range pool.Targets {
		s := server{address: targetAddress(t), weight: t.Weight}
		active, backup := s, s
		active.name, active.on = t.Instance+activeSuffix, t.Mode == slipway.Active
		backup.name, backup.on, backup.backup = t.Instance+backupSuffix, t.Mode == slipway.Standby, true
		list = append(list, active, backup)
	}
	return list
}

// retiree is a server that left its pool.
type retiree struct{ pool, server string }

// converge makes the servers, and a sticky pool's map, what the pool says, and returns when it has seen that they are.
func (r *Router) converge(ctx context.Context, pool slipway.Pool) error {
	procs, err := r.cli.processes(ctx)
	if err != nil {
		return unavailable(err)
	}
	worker := procs.current()
	var said string
	for range 3 {
		stat, err := r.cli.stat(ctx, worker, pool.LoadBalancer)
		if err != nil {
			return unavailable(err)
		}
		if !stat.known {
			return unavailable(fmt.Errorf("it does not know %s", pool.LoadBalancer))
		}
		todo := difference(pool, stat)
		for _, s := range todo.left {
			r.retire(pool, s)
		}
		mapped := []entry{}
		if isSticky(pool) {
			if mapped, err = r.cli.stickyMap(ctx, worker.pid, pool); err != nil {
				return unavailable(err)
			}
		}
		remap := isSticky(pool) && !slices.Equal(mapped, stickyMap(pool))
		if !remap && todo.nothing() {
			return nil
		}
		// Servers enter before the map names them, and leave when it does not any more. The weights, of which a proof is made, follow the map.
		if !remap {
			said, err = r.cli.run(ctx, worker.pid, slices.Concat(todo.enter, todo.weigh, todo.leave)...)
		} else if said, err = r.cli.run(ctx, worker.pid, todo.enter...); err == nil {
			if err = r.cli.exchangeMap(ctx, worker.pid, pool, stickyMap(pool)); err == nil {
				_, err = r.cli.run(ctx, worker.pid, slices.Concat(todo.weigh, todo.leave)...)
			}
		}
		if err != nil {
			return unavailable(err)
		}
	}
	return fmt.Errorf("change the servers of %s: the load balancer does not take it: %s", pool.LoadBalancer, lastLines([]byte(said)))
}

// todo is the commands that make the servers what a pool says, in this order: those that add capacity come first.
type todo struct {
	enter, weigh, leave []string
	left                []string // names of servers that are left over: out of service, but not deleted yet, maybe because they have requests under way
}

func (t todo) nothing() bool { return len(t.enter)+len(t.weigh)+len(t.leave) == 0 }

// difference returns what is to be done until the servers are what the pool says.
func difference(pool slipway.Pool, stat proxyStat) todo {
	var do todo
	wanted := map[string]bool{}
	for _, s := range servers(pool) {
		wanted[s.name] = true
		full := pool.LoadBalancer + "/" + s.name
		now, ok := stat.servers[s.name]
		if !ok {
			do.enter = append(do.enter, fmt.Sprintf("add server %s %s %s", full, s.address, s.options(pool.Health)), "enable health "+full)
			now = serverStat{address: s.address, weight: s.weight, off: true}
		}
		if now.address != s.address {
			host, port, _ := cutLast(s.address, ":")
			do.enter = append(do.enter, fmt.Sprintf("set server %s addr %s port %s", full, strings.Trim(host, "[]"), port))
		}
		if now.weight != s.weight {
			weigh := fmt.Sprintf("set server %s weight %d", full, s.weight)
			if s.on && now.off { // it would begin with what it weighed when it had traffic last
				do.enter = append(do.enter, weigh)
			} else {
				do.weigh = append(do.weigh, weigh)
			}
		}
		if s.on && now.off {
			do.enter = append(do.enter, "set server "+full+" state ready")
		}
		if !s.on && !now.off {
			do.leave = append(do.leave, "set server "+full+" state maint")
		}
	}
	for name, now := range stat.servers {
		if wanted[name] {
			continue
		}
		if !now.off {
			do.leave = append(do.leave, "set server "+pool.LoadBalancer+"/"+name+" state maint")
		}
		do.left = append(do.left, name)
	}
	slices.Sort(do.left)
	return do
}

// retire remembers when what is under way on a removed server has to end, and wakes the keeper, which deletes the server.
func (r *Router) retire(pool slipway.Pool, name string) {
	key := retiree{pool.LoadBalancer, name}
	if _, ok := r.retired[key]; ok {
		return
	}
	r.retired[key] = time.Now().Add(pool.Drain.Or(10 * time.Second))
	r.wake()
}

// sweep deletes removed servers that nothing is under way on, and cuts off what is too late. It holds mu.
func (r *Router) sweep(ctx context.Context) error {
	procs, err := r.cli.processes(ctx)
	if err != nil {
		return err
	}
	worker := procs.current()
	still := map[retiree]bool{}
	for name, pool := range r.poolsNow() {
		stat, err := r.cli.stat(ctx, worker, name)
		if err != nil {
			return err
		}
		var commands []string
		for _, s := range difference(pool, stat).left {
			r.retire(pool, s)
			still[retiree{name, s}] = true
			if time.Now().After(r.retired[retiree{name, s}]) && stat.servers[s].open > 0 {
				commands = append(commands, "shutdown sessions server "+name+"/"+s)
			}
			commands = append(commands, "del server "+name+"/"+s)
		}
		if _, err := r.cli.run(ctx, worker.pid, commands...); err != nil {
			return err
		}
	}
	for key := range r.retired {
		if !still[key] {
			delete(r.retired, key)
		}
	}
	return nil
}

// targetStatus returns what the current worker has of a target, with its counters added up over all workers.
func targetStatus(t slipway.Target, current proxyStat, live []proxyStat) slipway.TargetStatus {
	status := slipway.TargetStatus{Target: t}
	active, backup := current.servers[t.Instance+activeSuffix], current.servers[t.Instance+backupSuffix]
	_, known := current.servers[t.Instance+activeSuffix]
	serving, other := active, backup
	switch {
	case known && !active.off:
		status.Mode, status.Weight = slipway.Active, active.weight
	case known && !backup.off:
		status.Mode, status.Weight = slipway.Standby, backup.weight
		serving, other = backup, active
	default:
		status.Mode = slipway.Off
	}
	// The other server's last requests are those of an earlier mode, maybe of long ago.
	status.Latency = slipway.Duration(serving.latency)
	if serving.requests == 0 {
		status.Latency = slipway.Duration(other.latency)
	}
	for _, stat := range live {
		for _, suffix := range []string{activeSuffix, backupSuffix} {
			s := stat.servers[t.Instance+suffix]
			status.Up = status.Up || s.up
			status.Open += s.open
			status.Requests += s.requests
			status.Failed += s.failed
			status.Broken += s.broken
		}
	}
	return status
}

func cutLast(s, sep string) (before, after string, found bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(sep):], true
}
