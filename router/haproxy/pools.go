package haproxy

import (
	"context"
	"errors"
	"strconv"
	"strings"

	"github.com/slipway-sh/slipway"
)

// Pools returns every pool, by the load balancer's name, with one question to HAProxy however many there are: as its newest worker has them.
// What requests are under way on workers that a reload has replaced is not counted; see [Router.Pool].
func (r *Router) Pools(ctx context.Context) (map[string]slipway.PoolStatus, error) {
	pools := r.poolsNow()
	all := make(map[string]slipway.PoolStatus, len(pools))
	if len(pools) == 0 {
		return all, nil
	}
	procs, err := r.cli.processes(ctx)
	if err != nil {
		return nil, unavailable(err)
	}
	for _, w := range procs.workers {
		if w.old {
			continue
		}
		stats, err := r.cli.stats(ctx, w)
		if err != nil {
			return nil, unavailable(err)
		}
		for name, pool := range pools {
			stat, ok := stats[name]
			if !ok || !stat.known {
				return nil, unavailable(errors.New("its worker does not know the pool " + name + " yet"))
			}
			status := slipway.PoolStatus{
				LoadBalancer: pool.LoadBalancer, Address: pool.Address, Port: pool.Port, Epoch: strconv.Itoa(w.pid), Requests: stat.requests,
				Targets: make([]slipway.TargetStatus, len(pool.Targets)),
			}
			for i, t := range pool.Targets {
				status.Targets[i] = targetStatus(t, stat, []proxyStat{stat})
			}
			all[name] = status
		}
		return all, nil
	}
	return nil, unavailable(errors.New("it has no worker"))
}

// stats reads the counters of all proxies of a worker.
func (c cli) stats(ctx context.Context, w worker) (map[string]proxyStat, error) {
	said, err := c.run(ctx, w.pid, "show stat -1 7 -1") // of all proxies: listener, sum and servers
	if err != nil {
		return nil, err
	}
	head, rows, _ := strings.Cut(strings.TrimSpace(said), "\n")
	texts := map[string]*strings.Builder{}
	for row := range strings.Lines(rows) {
		name, _, ok := strings.Cut(row, ",")
		if !ok {
			continue
		}
		if texts[name] == nil {
			texts[name] = &strings.Builder{}
			texts[name].WriteString(head + "\n")
		}
		texts[name].WriteString(row)
	}
	all := make(map[string]proxyStat, len(texts))
	for name, text := range texts {
		if all[name], err = parseStat(text.String()); err != nil {
			return nil, err
		}
	}
	return all, nil
}
