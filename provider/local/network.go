package local

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/gofrs/flock"
	"github.com/google/renameio/v2"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/slipway-sh/slipway"
)

// network is the bridge of one data directory and the places on it. A place is an address with a network namespace of its
// own, and is used by one machine once. Some are prepared ahead, for making one takes as long as starting a container.
// Whatever is on the host is named after the data directory: networks of others are not touched.
type network struct {
	record string // file that keeps the subnet
	pins   string // directory with a pinned namespace per place
	name   string // of the bridge, and the start of all link names
	log    *slog.Logger
	host   *netlink.Handle
	home   *os.File // the host's network namespace
	bridge *netlink.Bridge
	subnet netip.Prefix
	nat    bool // machines reach other networks

	spare chan int // prepared places
	stop  context.CancelFunc
	ready chan struct{} // closed when the preparing goroutine has ended

	mu   sync.Mutex
	used map[int]bool
	last int
}

const (
	sparePlaces = 4
	firstPlace  = 2 // 0 is the network, 1 the bridge
	subnetBits  = 22
	machineLink = "eth0"
	networkLock = "/run/lock/slipway-network.lock"
	// Namespaces are not pinned below the data directory: runc refuses paths with a comma.
	pinned = "/run/slipway"
	// prepareAgain is how long after a place could not be prepared the next try is.
	prepareAgain = 10 * time.Second
)

// subnetSpace is private address space that few others choose from.
var subnetSpace = netip.MustParsePrefix("10.208.0.0/12")

// openNetwork makes the bridge, or finds that of an earlier process, and removes the places that inUse does not know.
func openNetwork(record, hash string, inUse map[int]bool, log *slog.Logger) (*network, error) {
	pins := filepath.Join(pinned, hash[:10])
	if err := os.MkdirAll(pins, 0o700); err != nil {
		return nil, err
	}
	home, err := os.Open("/proc/thread-self/ns/net")
	if err != nil {
		return nil, err
	}
	host, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	if err != nil {
		home.Close()
		return nil, err
	}
	n := &network{record: record, pins: pins, name: "sw" + hash[:7], log: log, host: host, home: home, spare: make(chan int, sparePlaces), used: inUse}
	for place := range inUse {
		n.last = max(n.last, place)
	}
	err = errors.Join(n.openBridge(hash), n.removeUnused())
	if err != nil {
		n.host.Close()
		n.home.Close()
		return nil, err
	}
	if err := n.openNAT(); err != nil {
		log.Warn("machines can reach this host and each other, but no other network: it takes nf_tables with masquerading (modprobe nft_masq)", "error", err)
	} else {
		n.nat = true
	}
	ctx, stop := context.WithCancel(context.Background())
	n.stop, n.ready = stop, make(chan struct{})
	go n.prepare(ctx)
	return n, nil
}

// take returns a place for a machine.
func (n *network) take(ctx context.Context) (int, error) {
	select {
	case place := <-n.spare:
		return place, nil
	default:
	}
	if ctx.Err() != nil {
		return 0, context.Cause(ctx)
	}
	return n.make()
}

// release removes a place; nil if it is gone already.
func (n *network) release(place int) error {
	link, err := n.host.LinkByName(n.link(place))
	if err == nil {
		err = n.host.LinkDel(link)
	}
	if errors.As(err, &netlink.LinkNotFoundError{}) || errors.Is(err, unix.ENODEV) {
		err = nil
	}
	if err != nil {
		return fmt.Errorf("cannot remove link %s: %w", n.link(place), err)
	}
	path := n.namespace(place)
	if err := unix.Unmount(path, unix.MNT_DETACH|unix.UMOUNT_NOFOLLOW); err != nil && !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.ENOENT) {
		return fmt.Errorf("cannot release network namespace %s: %w", path, err)
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.used, place)
	return nil
}

// close removes what no machine uses: the prepared places, and the bridge when nothing is left on it.
func (n *network) close() error {
	n.stop()
	<-n.ready
	close(n.spare)
	var errs []error
	for place := range n.spare {
		errs = append(errs, n.release(place))
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(n.used) == 0 {
		errs = append(errs, n.host.LinkDel(n.bridge), os.Remove(n.pins))
		if n.nat {
			errs = append(errs, n.closeNAT())
		}
	}
	n.host.Close()
	return errors.Join(append(errs, n.home.Close())...)
}

// address returns a place's IP.
func (n *network) address(place int) netip.Addr {
	a := n.subnet.Addr().As4()
	return netip.AddrFrom4([4]byte{a[0], a[1], a[2] + byte(place>>8), byte(place)})
}

// namespace returns the path of a place's network namespace.
func (n *network) namespace(place int) string { return filepath.Join(n.pins, strconv.Itoa(place)) }

func (n *network) link(place int) string { return fmt.Sprintf("%s-%x", n.name, place) }

// prepare keeps some places ready.
func (n *network) prepare(ctx context.Context) {
	defer close(n.ready)
	for ctx.Err() == nil {
		place, err := n.make()
		if err != nil {
			// Whoever needs a place makes it and hears why it cannot be made.
			n.log.Warn("cannot prepare a network namespace", "error", err)
			select {
			case <-time.After(prepareAgain):
			case <-ctx.Done():
			}
			continue
		}
		select {
		case n.spare <- place:
		case <-ctx.Done():
			if err := n.release(place); err != nil {
				n.log.Warn("cannot remove a network namespace", "error", err)
			}
		}
	}
}

// make makes a place.
func (n *network) make() (int, error) {
	place, err := n.reserve()
	if err != nil {
		return 0, err
	}
	made := make(chan error)
	go func() {
		// This thread goes through another namespace. Should it not find back, it ends with this goroutine.
		runtime.LockOSThread()
		err := n.makeNamespace(place)
		if home := unix.Setns(int(n.home.Fd()), unix.CLONE_NEWNET); home == nil {
			runtime.UnlockOSThread()
		}
		made <- err
	}()
	if err := <-made; err != nil {
		return 0, errors.Join(fmt.Errorf("cannot make a machine's network: %w", err), n.release(place))
	}
	return place, nil
}

// reserve chooses a number not in use, one that was not in use for as long as possible: who still talks to its address
// should meet no stranger.
func (n *network) reserve() (int, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	size := 1<<(32-subnetBits) - 1 // the last is the broadcast address
	for range size {
		n.last++
		if n.last < firstPlace || n.last >= size {
			n.last = firstPlace
		}
		if !n.used[n.last] {
			n.used[n.last] = true
			return n.last, nil
		}
	}
	return 0, slipway.Errorf(slipway.Unprepared, "cannot start a machine: all %d addresses of %s are in use", size-firstPlace, n.subnet)
}

// makeNamespace leaves its thread in the new namespace.
func (n *network) makeNamespace(place int) error {
	path := n.namespace(place)
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		return err
	}
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("unshare: %w", err)
	}
	if err := unix.Mount("/proc/thread-self/ns/net", path, "", unix.MS_BIND, ""); err != nil {
		return fmt.Errorf("cannot pin the namespace at %s: %w", path, err)
	}
	// Services that are not root's may listen on port 80. Nothing speaks IPv6 here, and its start-up chatter takes time.
	for name, value := range map[string]string{"ipv4/ip_unprivileged_port_start": "0", "ipv6/conf/all/disable_ipv6": "1"} {
		if err := os.WriteFile("/proc/sys/net/"+name, []byte(value), 0); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	ns, err := os.Open(path)
	if err != nil {
		return err
	}
	defer ns.Close()
	address := n.address(place).As4()
	attrs := netlink.NewLinkAttrs()
	attrs.Name, attrs.MasterIndex, attrs.Flags = n.link(place), n.bridge.Index, net.FlagUp
	err = n.host.LinkAdd(&netlink.Veth{
		LinkAttrs: attrs, PeerName: machineLink, PeerNamespace: netlink.NsFd(int(ns.Fd())),
		// An address always has the same hardware address: the host need not notice that another machine has it now.
		PeerHardwareAddr: net.HardwareAddr{2, 's', address[0], address[1], address[2], address[3]},
	})
	if err != nil {
		return fmt.Errorf("cannot add link %s: %w", n.link(place), err)
	}
	return n.configure(place)
}

// configure sets up the links of the namespace this thread is in.
func (n *network) configure(place int) error {
	inside, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	if err != nil {
		return err
	}
	defer inside.Close()
	lo, err := inside.LinkByName("lo")
	if err != nil {
		return err
	}
	eth, err := inside.LinkByName(machineLink)
	if err != nil {
		return err
	}
	mask := net.CIDRMask(subnetBits, 32)
	return errors.Join(
		inside.LinkSetUp(lo),
		inside.AddrAdd(eth, &netlink.Addr{IPNet: &net.IPNet{IP: n.address(place).AsSlice(), Mask: mask}}),
		inside.LinkSetUp(eth),
		inside.RouteAdd(&netlink.Route{LinkIndex: eth.Attrs().Index, Gw: n.address(1).AsSlice()}),
	)
}

// openBridge finds or makes the bridge, and decides on the subnet.
func (n *network) openBridge(hash string) error {
	// Two processes must not choose the same subnet at the same time.
	if err := os.MkdirAll(filepath.Dir(networkLock), 0o755); err != nil { //nolint:gosec // A system directory.
		return err
	}
	lock := flock.New(networkLock)
	if err := lock.Lock(); err != nil {
		return err
	}
	defer lock.Close()

	attrs := netlink.NewLinkAttrs()
	attrs.Name, attrs.Flags = n.name, net.FlagUp
	// A bridge would otherwise change its hardware address with every machine, and connections would stall.
	attrs.HardwareAddr = append(net.HardwareAddr{2, 'b'}, hash[:4]...)
	n.bridge = &netlink.Bridge{LinkAttrs: attrs}
	err := n.host.LinkAdd(n.bridge)
	existed := errors.Is(err, unix.EEXIST)
	if err != nil && !existed {
		return fmt.Errorf("cannot add bridge %s: %w", n.name, err)
	}
	link, err := n.host.LinkByName(n.name)
	if err != nil {
		return err
	}
	n.bridge.Index = link.Attrs().Index
	if err := n.host.LinkSetUp(link); err != nil {
		return err
	}
	if n.subnet, err = n.chooseSubnet(hash, existed); err != nil {
		return err
	}
	mask := net.CIDRMask(subnetBits, 32)
	return n.host.AddrReplace(link, &netlink.Addr{IPNet: &net.IPNet{IP: n.address(1).AsSlice(), Mask: mask}})
}

// chooseSubnet returns the subnet of an earlier process, or a free one. That of a bridge with machines on it cannot change; after
// a restart of the host someone else may have taken it.
func (n *network) chooseSubnet(hash string, existed bool) (netip.Prefix, error) {
	taken, err := n.takenPrefixes()
	if err != nil {
		return netip.Prefix{}, err
	}
	free := func(p netip.Prefix) bool {
		for _, t := range taken {
			if t.Overlaps(p) {
				return false
			}
		}
		return true
	}
	var subnet netip.Prefix
	if b, err := os.ReadFile(n.record); err == nil && json.Unmarshal(b, &subnet) == nil && (free(subnet) || existed && len(n.used) > 0) {
		return subnet, nil
	}
	count := 1 << (subnetBits - subnetSpace.Bits())
	start, err := strconv.ParseUint(hash[:8], 16, 64)
	if err != nil {
		return netip.Prefix{}, err
	}
	base := subnetSpace.Addr().As4()
	for i := range count {
		at := (int(start%uint64(count)) + i) % count << (32 - subnetBits)
		subnet = netip.PrefixFrom(netip.AddrFrom4([4]byte{base[0], base[1] + byte(at>>16), byte(at >> 8), 0}), subnetBits)
		if !free(subnet) {
			continue
		}
		b, err := json.Marshal(subnet)
		if err != nil {
			return netip.Prefix{}, err
		}
		return subnet, renameio.WriteFile(n.record, b, 0o600)
	}
	return netip.Prefix{}, slipway.Errorf(slipway.Unprepared, "cannot run machines: no free /%d network in %s", subnetBits, subnetSpace)
}

// takenPrefixes returns every network the host has a way to, but for our own and the default route.
func (n *network) takenPrefixes() ([]netip.Prefix, error) {
	routes, err := whole(func() ([]netlink.Route, error) { return n.host.RouteList(nil, netlink.FAMILY_V4) })
	if err != nil {
		return nil, err
	}
	var taken []netip.Prefix
	for _, r := range routes {
		if r.Dst == nil || r.LinkIndex == n.bridge.Index {
			continue
		}
		if p, err := netip.ParsePrefix(r.Dst.String()); err == nil && p.Bits() > 0 {
			taken = append(taken, p)
		}
	}
	return taken, nil
}

// removeUnused removes places and links that no machine has.
func (n *network) removeUnused() error {
	unused := map[int]bool{}
	entries, err := os.ReadDir(n.pins)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if place, err := strconv.Atoi(e.Name()); err == nil && !n.used[place] {
			unused[place] = true
		}
	}
	links, err := whole(n.host.LinkList)
	if err != nil {
		return err
	}
	for _, l := range links {
		digits, ours := strings.CutPrefix(l.Attrs().Name, n.name+"-")
		if place, err := strconv.ParseInt(digits, 16, 32); ours && err == nil && !n.used[int(place)] {
			unused[int(place)] = true
		}
	}
	var errs []error
	for place := range unused {
		errs = append(errs, n.release(place))
	}
	return errors.Join(errs...)
}

// dumpTries bounds how often the kernel is asked for a list that changes while it is read.
const dumpTries = 100

// whole returns what list returns, once nothing has changed while the kernel was listing: where other machines come and go at the same
// time, a list may lack some, and says so.
func whole[T any](list func() ([]T, error)) ([]T, error) {
	for try := 1; ; try++ {
		items, err := list()
		if !errors.Is(err, netlink.ErrDumpInterrupted) || try == dumpTries {
			return items, err
		}
	}
}
