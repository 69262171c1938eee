package haproxy

import (
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/slipway-sh/slipway"
)

// cli speaks with HAProxy's master, and through it with the workers.
type cli struct{ dir *os.File }

// The limits of one exchange: HAProxy reads a line of commands into one buffer of 16 KiB, and answers in about a millisecond.
const (
	maxLine     = 8 << 10
	maxExchange = 5 * time.Second
)

// run has a worker run the commands in order and returns what they print. HAProxy goes on after a command that fails: the
// caller looks at the state that came of it.
func (c cli) run(ctx context.Context, worker int, commands ...string) (string, error) {
	var out strings.Builder
	for len(commands) > 0 {
		line := "@!" + strconv.Itoa(worker)
		for len(commands) > 0 && len(line)+len(commands[0]) < maxLine {
			line += ";" + commands[0]
			commands = commands[1:]
		}
		said, err := c.exchange(ctx, line)
		if err != nil {
			return "", err
		}
		out.WriteString(said)
	}
	return out.String(), nil
}

// exchange sends one line to the master and reads its answer.
func (c cli) exchange(ctx context.Context, line string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, maxExchange)
	defer cancel()
	// The directory's descriptor keeps the path short: a socket's may not have more than 107 bytes.
	conn, err := new(net.Dialer).DialContext(ctx, "unix", fmt.Sprintf("/proc/self/fd/%d/%s", c.dir.Fd(), socketName))
	if err != nil {
		return "", err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.SetDeadline(time.Unix(1, 0)) })()
	if _, err := io.WriteString(conn, line+"\n"); err != nil {
		return "", err
	}
	// Without this the master waits for more. It answers what it has got all the same.
	if err := conn.(*net.UnixConn).CloseWrite(); err != nil {
		return "", err
	}
	said, err := io.ReadAll(conn)
	return string(said), err
}

// processes is what the master says of itself and its workers.
type processes struct {
	master  int
	failed  int // reloads that failed
	workers []worker
}

type worker struct {
	pid int
	old bool // replaced by a reload; ends when what it has under way is over
}

// current returns the worker that takes new connections; its pid is 0 if there is none.
func (p processes) current() worker {
	for _, w := range p.workers {
		if !w.old {
			return w
		}
	}
	return worker{}
}

func (c cli) processes(ctx context.Context) (processes, error) {
	said, err := c.exchange(ctx, "show proc")
	if err != nil {
		return processes{}, err
	}
	p := parseProcesses(said)
	if p.master == 0 {
		return p, errors.New("the master does not list itself")
	}
	return p, nil
}

func parseProcesses(said string) processes {
	var p processes
	old := false
	for line := range strings.Lines(said) {
		f := strings.Fields(line)
		switch {
		case len(f) == 0:
		case f[0] == "#":
			old = f[1] == "old"
		case len(f) > 4 && f[1] == "master":
			p.master, _ = strconv.Atoi(f[0])
			p.failed, _ = strconv.Atoi(strings.Trim(f[4], "]"))
		case len(f) > 1 && f[1] == "worker":
			pid, _ := strconv.Atoi(f[0])
			p.workers = append(p.workers, worker{pid: pid, old: old})
		}
	}
	return p
}

// proxyStat is what a worker says of a pool.
type proxyStat struct {
	known    bool  // the worker has it
	requests int64 // received by its listener
	servers  map[string]serverStat
}

type serverStat struct {
	address  string
	latency  time.Duration // mean of the last 1,024 requests, from the connection to the answer's first byte; HTTP only
	weight   int
	off      bool // in maintenance
	up       bool // in service and healthy
	open     int
	requests int64
	failed   int64
	broken   int64
}

// stat reads a pool from a worker. An old worker does not tell its counters, only its servers and what is open on them.
func (c cli) stat(ctx context.Context, w worker, proxy string) (proxyStat, error) {
	if w.old {
		said, err := c.run(ctx, w.pid, "show servers state "+proxy, "show servers conn "+proxy)
		if err != nil {
			return proxyStat{}, err
		}
		return parseServers(said), nil
	}
	said, err := c.run(ctx, w.pid, "show stat "+proxy+" 7 -1") // 7: listener, sum and servers; -1: all of them
	if err != nil {
		return proxyStat{}, err
	}
	return parseStat(said)
}

// stickyMap reads a sticky pool's map from a worker.
func (c cli) stickyMap(ctx context.Context, worker int, pool slipway.Pool) ([]entry, error) {
	said, err := c.run(ctx, worker, "show map "+mapName(pool))
	if err != nil {
		return nil, err
	}
	return parseMap(said)
}

// exchangeMap puts entries in place of a sticky pool's map in one moment: no request sees a part of either.
func (c cli) exchangeMap(ctx context.Context, worker int, pool slipway.Pool, entries []entry) error {
	said, err := c.run(ctx, worker, "prepare map "+mapName(pool))
	if err != nil {
		return err
	}
	version, err := parsePrepared(said)
	if err != nil {
		return err
	}
	_, err = c.run(ctx, worker, exchanged(pool, version, entries)...)
	return err
}

// inMaintenance are the bits of a server's administrative state that mean it is in maintenance, for whatever reason.
const inMaintenance = 0x23

// parseServers reads the answers to "show servers state" and "show servers conn".
func parseServers(said string) proxyStat {
	stat := proxyStat{servers: map[string]serverStat{}}
	column := map[string]int{}
	for line := range strings.Lines(said) {
		f := strings.Fields(line)
		switch {
		case len(f) > 2 && f[0] == "#":
			clear(column)
			for i, name := range f[1:] {
				column[name] = i
			}
			stat.known = true
		case len(f) < len(column) || len(f) < 9:
		case column["srv_name"] > 0:
			admin, _ := strconv.Atoi(f[column["srv_admin_state"]])
			weight, _ := strconv.Atoi(f[column["srv_uweight"]])
			stat.servers[f[column["srv_name"]]] = serverStat{
				address: net.JoinHostPort(f[column["srv_addr"]], f[column["srv_port"]]),
				weight:  weight,
				off:     admin&inMaintenance != 0,
			}
		case column["used_cur"] > 0:
			_, name, _ := strings.Cut(f[0], "/")
			if s, ok := stat.servers[name]; ok {
				s.open, _ = strconv.Atoi(f[column["used_cur"]])
				stat.servers[name] = s
			}
		}
	}
	return stat
}

// parseStat reads HAProxy's table of counters. A request is counted with a server (stot) when it is sent to it, not when it
// is answered, which is what makes a proof possible: what moves after a change was sent after it.
func parseStat(said string) (proxyStat, error) {
	stat := proxyStat{servers: map[string]serverStat{}}
	said = strings.TrimSpace(said)
	if !strings.HasPrefix(said, "# pxname,") {
		if strings.HasPrefix(said, "No such proxy") {
			return stat, nil
		}
		return stat, fmt.Errorf("cannot read the load balancer's counters: %.100q", said)
	}
	rows, err := csv.NewReader(strings.NewReader(said)).ReadAll()
	if err != nil {
		return stat, fmt.Errorf("cannot read the load balancer's counters: %w", err)
	}
	column := map[string]int{}
	for i, name := range rows[0] {
		column[name] = i
	}
	for _, row := range rows[1:] {
		text := func(name string) string {
			if i, ok := column[name]; ok {
				return row[i]
			}
			return ""
		}
		number := func(name string) int64 { n, _ := strconv.ParseInt(text(name), 10, 64); return n }
		switch name := text("svname"); name {
		case "FRONTEND":
			stat.known = true
			stat.requests = number("stot")
			if text("mode") == "http" {
				stat.requests = number("req_tot")
			}
		case "BACKEND":
		default:
			status := text("status")
			broken := number("econ") + number("eresp")
			stat.servers[name] = serverStat{
				address:  text("addr"),
				weight:   int(number("uweight")),
				off:      strings.HasPrefix(status, "MAINT"),
				up:       strings.HasPrefix(status, "UP") || status == "no check",
				open:     int(number("scur")),
				requests: number("stot"),
				latency:  time.Duration(number("rtime")) * time.Millisecond,
				failed:   broken + number("hrsp_5xx") + number("wretr") + number("wredis"),
				broken:   broken,
			}
		}
	}
	return stat, nil
}
