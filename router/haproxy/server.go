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

// converge makes the servers what the pool says, and returns when it has seen that they are.
func (r *Router) converge(ctx context.Context, pool slipway.Pool) error {
	procs, err := r.cli.processes(ctx)
	if err != nil {
		return unavailable(err)
	}
	var said string
	for range 3 {
		stat, err := r.cli.stat(ctx, procs.current(), pool.LoadBalancer)
		if err != nil {
			return unavailable(err)
		}
		if !stat.known {
			return unavailable(fmt.Errorf("it does not know %s", pool.LoadBalancer))
		}
		commands, left := difference(pool, stat)
		for _, s := range left {
			r.retire(pool, s)
		}
		if len(commands) == 0 {
			return nil
		}
		if said, err = r.cli.run(ctx, procs.current().pid, commands...); err != nil {
			return unavailable(err)
		}
	}
	return fmt.Errorf("change the servers of %s: the load balancer does not take it: %s", pool.LoadBalancer, lastLines([]byte(said)))
}

// difference returns the commands that make the servers what the pool says, those first that add capacity, and the
// names of servers that are left over: out of service, but not deleted yet, maybe because they have requests under way.
func difference(pool slipway.Pool, stat proxyStat) (commands, left []string) {
	var leave []string
	wanted := map[string]bool{}
	for _, s := range servers(pool) {
		wanted[s.name] = true
		full := pool.LoadBalancer + "/" + s.name
		now, ok := stat.servers[s.name]
		if !ok {
			commands = append(commands, fmt.Sprintf("add server %s %s %s", full, s.address, s.options(pool.Health)), "enable health "+full)
			now = serverStat{address: s.address, weight: s.weight, off: true}
		}
		if now.address != s.address {
			host, port, _ := cutLast(s.address, ":")
			commands = append(commands, fmt.Sprintf("set server %s addr %s port %s", full, strings.Trim(host, "[]"), port))
		}
		if now.weight != s.weight {
			commands = append(commands, fmt.Sprintf("set server %s weight %d", full, s.weight))
		}
		if s.on && now.off {
			commands = append(commands, "set server "+full+" state ready")
		}
		if !s.on && !now.off {
			leave = append(leave, "set server "+full+" state maint")
		}
	}
	for name, now := range stat.servers {
		if wanted[name] {
			continue
		}
		if !now.off {
			leave = append(leave, "set server "+pool.LoadBalancer+"/"+name+" state maint")
		}
		left = append(left, name)
	}
	slices.Sort(left)
	return append(commands, leave...), left
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
		_, left := difference(pool, stat)
		var commands []string
		for _, s := range left {
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

// targetStatus adds up what all workers say of a target.
func targetStatus(t slipway.Target, live []proxyStat) slipway.TargetStatus {
	status := slipway.TargetStatus{Target: t}
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
