package auth

import (
	"net/netip"
	"sync"
	"time"
)

const (
	// failureBurst is how often an address may fail in a row, and failureEvery when it may once more.
	failureBurst = 20
	failureEvery = 6 * time.Second
	// throttled bounds the addresses that are remembered.
	throttled = 10_000
)

// throttle counts, by address, how often who asked could not be told. Whoever fails too often is not listened to for a while.
type throttle struct {
	now func() time.Time

	mu       sync.Mutex
	failures map[netip.Prefix]failures
}

// failures is a bucket that leaks: level is what was in it at the time.
type failures struct {
	level float64
	at    time.Time
}

func newThrottle(now func() time.Time) *throttle {
	return &throttle{now: now, failures: map[netip.Prefix]failures{}}
}

// wait returns how long the address is not listened to; 0 if it is.
func (t *throttle) wait(address string) time.Duration {
	key, ok := network(address)
	if !ok {
		return 0
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	over := t.level(key) - failureBurst + 1
	if over <= 0 {
		return 0
	}
	return time.Duration(over * float64(failureEvery))
}

// fail counts one more failure of the address.
func (t *throttle) fail(address string) {
	key, ok := network(address)
	if !ok {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if _, there := t.failures[key]; !there && len(t.failures) >= throttled {
		t.forget()
	}
	t.failures[key] = failures{min(t.level(key)+1, failureBurst), t.now()}
}

// level returns what is left of the address's failures now.
func (t *throttle) level(key netip.Prefix) float64 {
	f := t.failures[key]
	return max(0, f.level-float64(t.now().Sub(f.at))/float64(failureEvery))
}

// forget makes room: addresses that are forgiven go, and if there are none, all do.
func (t *throttle) forget() {
	for key := range t.failures {
		if t.level(key) == 0 {
			delete(t.failures, key)
		}
	}
	if len(t.failures) >= throttled {
		clear(t.failures)
	}
}

// network returns what counts as one address: an IPv4 address, or the network of an IPv6 address, of which anybody has as many as wanted.
func network(address string) (netip.Prefix, bool) {
	ip, err := netip.ParseAddr(address)
	if err != nil {
		return netip.Prefix{}, false
	}
	ip = ip.Unmap().WithZone("")
	bits := 64
	if ip.Is4() {
		bits = 32
	}
	prefix, err := ip.Prefix(bits)
	return prefix, err == nil
}
