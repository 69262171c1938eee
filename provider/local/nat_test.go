package local

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// natTest marks the process that is TestNAT's host.
const natTest = "SLIPWAY_LOCAL_TEST_NAT"

// TestNAT has a process in a network namespace of its own for the host, and another namespace for the world outside.
func TestNAT(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	if os.Getenv(natTest) == "" {
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestNAT$")
		cmd.Env = append(os.Environ(), natTest+"=1")
		cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: unix.CLONE_NEWNET}
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%v\n%s", err, out)
		}
		return
	}
	const hostIP, worldIP = "198.51.100.1", "198.51.100.2" // meant for examples
	host, err := os.Open("/proc/self/ns/net")
	if err != nil {
		t.Fatal(err)
	}
	defer host.Close()
	world := newNetns(t)
	check := func(errs ...error) {
		t.Helper()
		if err := errors.Join(errs...); err != nil {
			t.Fatal(err)
		}
	}
	check(within(host, func(h *netlink.Handle) error {
		attrs := netlink.NewLinkAttrs()
		attrs.Name = "uplink"
		return h.LinkAdd(&netlink.Veth{LinkAttrs: attrs, PeerName: "uplink", PeerNamespace: netlink.NsFd(int(world.Fd()))})
	}))
	uplink := func(ip, via string) func(*netlink.Handle) error {
		return func(h *netlink.Handle) error {
			link, lerr := h.LinkByName("uplink")
			address, aerr := netlink.ParseAddr(ip + "/24")
			if err := errors.Join(lerr, aerr); err != nil {
				return err
			}
			return errors.Join(h.AddrAdd(link, address), h.LinkSetUp(link), h.RouteAdd(&netlink.Route{Gw: net.ParseIP(via)}))
		}
	}
	// The world knows the way to the machines, as a neighbour might who wants to reach them.
	check(within(host, uplink(hostIP, worldIP)), within(world, uplink(worldIP, hostIP)))
	// A service that answers with the address it is called from.
	service := listenIn(t, world, worldIP)
	go func() {
		for conn, err := service.Accept(); err == nil; conn, err = service.Accept() {
			_, _ = io.WriteString(conn, conn.RemoteAddr().String())
			conn.Close()
		}
	}()

	record, hash := filepath.Join(t.TempDir(), "network.json"), strings.Repeat("0a1b2c3d", 8)
	open := func(inUse map[int]bool) *network {
		var said bytes.Buffer
		n, err := openNetwork(record, hash, inUse, slog.New(slog.NewTextHandler(&said, nil)))
		check(err)
		if !n.nat {
			t.Fatal("there is no NAT: " + said.String())
		}
		return n
	}
	n := open(map[int]bool{})
	place, err := n.take(t.Context())
	check(err)
	machine, err := os.Open(n.namespace(place))
	check(err)
	defer machine.Close()
	inside := listenIn(t, machine, n.address(place).String())
	look := func(when string) {
		t.Helper()
		conn, err := dialFrom(machine, service, 10*time.Second) // links take up to a second to come up
		check(err)
		defer conn.Close()
		if from, err := io.ReadAll(conn); err != nil || !strings.HasPrefix(string(from), hostIP+":") {
			t.Errorf("%s the machine calls from %s, %v, want the host's %s", when, from, err, hostIP)
		}
		if conn, err := dialFrom(host, inside, 10*time.Second); err != nil {
			t.Errorf("%s the host does not reach the machine: %v", when, err)
		} else {
			conn.Close()
		}
		if conn, err := dialFrom(world, inside, 300*time.Millisecond); err == nil {
			conn.Close()
			t.Errorf("%s the world reaches the machine", when)
		}
	}
	look("at first")

	// It is the rules that keep the world out.
	check(n.closeNAT())
	conn, err := dialFrom(world, inside, 10*time.Second)
	check(err)
	conn.Close()
	check(n.openNAT())

	// A process that was killed leaves the rules; the next one has them once.
	n.stop()
	<-n.ready
	n.host.Close()
	n.home.Close()
	n = open(map[int]bool{place: true})
	look("after a restart")
	tables := func() (names []string) {
		conn, err := (&network{home: host}).netfilter()
		check(err)
		all, err := conn.ListTables()
		check(err)
		for _, table := range all {
			names = append(names, table.Name)
		}
		return names
	}
	if got := tables(); len(got) != 1 || got[0] != n.name {
		t.Errorf("there are tables %q, want %q alone", got, n.name)
	}
	check(n.release(place), n.close())
	if got := tables(); len(got) != 0 {
		t.Errorf("in the end there are tables %q, want none", got)
	}
}

func newNetns(t *testing.T) *os.File {
	t.Helper()
	var ns *os.File
	made := make(chan error)
	go func() {
		runtime.LockOSThread() // for good: the thread ends with this goroutine
		err := unix.Unshare(unix.CLONE_NEWNET)
		if err == nil {
			ns, err = os.Open("/proc/thread-self/ns/net")
		}
		made <- err
	}()
	if err := <-made; err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ns.Close() })
	return ns
}

// within calls f in a namespace.
func within(ns *os.File, f func(*netlink.Handle) error) error {
	done := make(chan error)
	go func() {
		runtime.LockOSThread()
		done <- func() error {
			if err := unix.Setns(int(ns.Fd()), unix.CLONE_NEWNET); err != nil {
				return fmt.Errorf("setns: %w", err)
			}
			h, err := netlink.NewHandle(unix.NETLINK_ROUTE)
			if err != nil {
				return err
			}
			defer h.Close()
			return f(h)
		}()
	}()
	return <-done
}

func listenIn(t *testing.T, ns *os.File, ip string) (l net.Listener) {
	t.Helper()
	err := within(ns, func(*netlink.Handle) (err error) { l, err = net.Listen("tcp", net.JoinHostPort(ip, "0")); return err })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

func dialFrom(ns *os.File, to net.Listener, patience time.Duration) (conn net.Conn, err error) {
	err = within(ns, func(*netlink.Handle) error {
		conn, err = net.DialTimeout("tcp", to.Addr().String(), patience)
		return err
	})
	return conn, err
}

func TestResolvers(t *testing.T) {
	write := func(text string) string {
		path := filepath.Join(t.TempDir(), "resolv.conf")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	real, stub := "search a.example\nnameserver 192.0.2.1\n", "# systemd's\nnameserver 127.0.0.53\noptions edns0\n"
	for _, c := range []struct {
		name  string
		files []string
		want  string
	}{
		{"a real one", []string{write(real), write(stub)}, real},
		{"behind a stub", []string{write(stub), write(real)}, real},
		{"a stub alone", []string{write(stub), "/none"}, stub},
		{"one of two is real", []string{write(stub + real), write(real)}, stub + real},
		{"none", []string{"/none", "/none"}, ""},
	} {
		if got := string(resolvers(c.files)); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}
