package haproxy

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/renameio/v2"

	"github.com/slipway-sh/slipway"
)

// The files in a Router's directory.
const (
	configName  = "haproxy.cfg"
	checkName   = "haproxy.cfg.check" // a configuration HAProxy is asked about before it becomes the one
	pendingName = "reload-pending"    // there while HAProxy may not have loaded the configuration file
	socketName  = "master.sock"
	logName     = "haproxy.log"
)

// wordForm is what may stand in the configuration and in commands without quotes.
var wordForm = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$`)

// defaults is the part of the configuration that is the same for all pools.
//
// The number of tries must suffice to get past every active target of a pool that has just died: each is marked down at the
// first refused connection, so a request needs at most one try for each. A try is made at once if another target is there;
// HAProxy waits for the connect timeout where it sees no active target left.
//
// Connections that a client keeps open are closed by an old worker with its next answer, not while a request may be on its way.
const defaults = `# Written by slipwayd, which overwrites changes. The lines "# pool" are read by it.
global
  fd-hard-limit 65536
  hard-stop-after 1h
%s
defaults
  timeout connect 500ms
  timeout client 60s
  timeout server 60s
  timeout http-request 10s
  timeout http-keep-alive 60s
  timeout queue 10s
  timeout tunnel 1h
  option redispatch 1
  retries 16
`

// render returns the configuration that serves pools.
func render(pools map[string]slipway.Pool) ([]byte, error) {
	var b bytes.Buffer
	fmt.Fprintf(&b, defaults, unprivileged())
	for _, name := range slices.Sorted(maps.Keys(pools)) {
		pool := pools[name]
		record, err := json.Marshal(pool)
		if err != nil {
			return nil, err
		}
		fmt.Fprintf(&b, "\n%s%s\n%s", poolMark, record, listener(pool))
		for _, s := range servers(pool) {
			disabled := ""
			if !s.on {
				disabled = " disabled"
			}
			fmt.Fprintf(&b, "  server %s %s %s%s\n", s.name, s.address, s.options(pool.Health), disabled)
		}
	}
	return b.Bytes(), nil
}

const poolMark = "# pool "

// readPools returns the pools that are in a configuration file; none if there is no file.
func readPools(path string) (map[string]slipway.Pool, error) {
	pools := map[string]slipway.Pool{}
	b, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return pools, nil
	}
	if err != nil {
		return pools, err
	}
	lines := bufio.NewScanner(bytes.NewReader(b))
	lines.Buffer(nil, len(b)+1)
	for lines.Scan() {
		record, ok := bytes.CutPrefix(lines.Bytes(), []byte(poolMark))
		if !ok {
			continue
		}
		var pool slipway.Pool
		if err := json.Unmarshal(record, &pool); err != nil {
			return map[string]slipway.Pool{}, fmt.Errorf("read %s: %w", path, err)
		}
		pools[pool.LoadBalancer] = pool
	}
	return pools, lines.Err()
}

// listener returns the pool's section without its servers: what only a reload can change.
//
// The servers of a worker that a reload has replaced cannot be changed any more. So it sends what comes to it on connections
// that clients kept open through the front door, to the new worker.
func listener(pool slipway.Pool) string {
	var b strings.Builder
	if proxiesHTTP(pool) {
		fmt.Fprintf(&b, "backend %s:relay\n  mode http\n  retries 3\n  server self %s\n", pool.LoadBalancer, frontDoor(pool))
	}
	fmt.Fprintf(&b, "listen %s\n  bind %s\n  balance roundrobin\n  option allbackups\n", pool.LoadBalancer, listenAddress(pool))
	fmt.Fprintf(&b, "  timeout check %dms\n", millis(pool.Health.Timeout, 2*time.Second))
	if !proxiesHTTP(pool) {
		b.WriteString("  mode tcp\n")
		return b.String()
	}
	b.WriteString("  mode http\n  http-reuse safe\n  option idle-close-on-response\n  option forwardfor\n")
	if pool.Health.HTTP != "" {
		path := strings.ReplaceAll(pool.Health.HTTP, "'", "%27") // in single quotes all else stands for itself
		b.WriteString("  option httpchk\n")
		fmt.Fprintf(&b, "  http-check send meth GET uri '%s' ver HTTP/1.1 hdr Host localhost\n  http-check expect status 200-399\n", path)
	}
	if isSticky(pool) {
		b.WriteString(stickyRules(pool))
	}
	fmt.Fprintf(&b, "  use_backend %s:relay if { stopping }\n", pool.LoadBalancer)
	b.WriteString("  retry-on conn-failure empty-response junk-response\n  http-request disable-l7-retry unless { method GET HEAD OPTIONS }\n")
	return b.String()
}

// options are the server's settings in the configuration and in "add server", which takes nothing from a default-server line.
// A target that refuses a connection is down at once, and up again with the first check it passes.
func (s server) options(h slipway.Health) string {
	o := fmt.Sprintf("weight %d check inter %dms fastinter 50ms downinter 100ms rise 1 fall %d observe layer4 error-limit 1 on-error mark-down",
		s.weight, millis(h.Interval, 500*time.Millisecond), max(1, cmpOr(h.Failures, 2)))
	if s.backup {
		o += " backup"
	}
	return o
}

// writeConfig makes the configuration file hold pools. If check is set, HAProxy must find it good first.
func (r *Router) writeConfig(ctx context.Context, pools map[string]slipway.Pool, check bool) error {
	b, err := render(pools)
	if err != nil {
		return err
	}
	if err := r.writeMaps(pools); err != nil {
		return noSpace(err)
	}
	path := filepath.Join(r.dir, configName)
	if had, err := os.ReadFile(path); err == nil && bytes.Equal(had, b) {
		return nil
	}
	if check && len(pools) > 0 { // without a listener HAProxy finds that there is nothing to do
		candidate := filepath.Join(r.dir, checkName)
		if err := os.WriteFile(candidate, b, 0o600); err != nil {
			return noSpace(err)
		}
		defer os.Remove(candidate)
		cmd := exec.CommandContext(ctx, r.program, "-c", "-q", "-f", checkName)
		cmd.Dir = r.dir
		out, err := cmd.CombinedOutput()
		if errors.Is(err, exec.ErrNotFound) {
			return notInstalled()
		}
		if err != nil {
			return fmt.Errorf("check the load balancer's configuration: %w: %s", err, lastLines(out))
		}
	}
	if err := renameio.WriteFile(path, b, 0o600); err != nil {
		return noSpace(err)
	}
	return nil
}

// writeMaps makes the maps' files hold what sticky pools need. They are written before the configuration that names them; a map
// that is ahead of it names at most a server that HAProxy does not know, for which its own balancing steps in.
func (r *Router) writeMaps(pools map[string]slipway.Pool) error {
	for _, pool := range pools {
		if !isSticky(pool) {
			continue
		}
		path, b := filepath.Join(r.dir, mapName(pool)), renderMap(stickyMap(pool))
		if had, err := os.ReadFile(path); err == nil && bytes.Equal(had, b) {
			continue
		}
		if err := renameio.WriteFile(path, b, 0o600); err != nil {
			return err
		}
	}
	return nil
}

// dropMap removes the file of a map that the configuration does not name any more. A file that stays does no harm.
func (r *Router) dropMap(pool slipway.Pool) {
	_ = os.Remove(filepath.Join(r.dir, mapName(pool)))
}

// unprivileged makes the workers run as Debian's user for HAProxy, if there is one and slipwayd is root.
func unprivileged() string {
	if os.Geteuid() != 0 {
		return ""
	}
	if _, err := user.Lookup("haproxy"); err != nil {
		return ""
	}
	if _, err := user.LookupGroup("haproxy"); err != nil {
		return ""
	}
	return "  user haproxy\n  group haproxy\n"
}

func listenAddress(pool slipway.Pool) string {
	return net.JoinHostPort(pool.Address, strconv.Itoa(pool.Port))
}

func proxiesHTTP(pool slipway.Pool) bool { return pool.HTTP || pool.Health.HTTP != "" }

// frontDoor is where the pool's listener can be reached from this host.
func frontDoor(pool slipway.Pool) string {
	address := pool.Address
	if addr, err := netip.ParseAddr(address); err == nil && addr.IsUnspecified() {
		address = "127.0.0.1"
		if addr.Is6() {
			address = "::1"
		}
	}
	return net.JoinHostPort(address, strconv.Itoa(pool.Port))
}

func targetAddress(t slipway.Target) string {
	addr, err := netip.ParseAddr(t.Address)
	if err != nil {
		return net.JoinHostPort(t.Address, strconv.Itoa(t.Port))
	}
	return netip.AddrPortFrom(addr, uint16(t.Port)).String()
}

func millis(d slipway.Duration, fallback time.Duration) int64 {
	return max(1, d.Or(fallback).Milliseconds())
}

func cmpOr(n, fallback int) int {
	if n == 0 {
		return fallback
	}
	return n
}

func notInstalled() error {
	return slipway.Errorf(slipway.Unprepared, "cannot start the load balancer: haproxy is not installed; install it with: apt-get install haproxy")
}

func noSpace(err error) error { return fmt.Errorf("write the load balancer's configuration: %w", err) }

// lastLines returns the end of what HAProxy printed, short enough for a message.
func lastLines(out []byte) string {
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	return strings.Join(lines[max(0, len(lines)-5):], "; ")
}
