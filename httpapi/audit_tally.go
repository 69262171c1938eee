package httpapi

import (
	"context"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/slipway-sh/slipway"
)

// How much nobody who is known can have written into the audit log: what was turned away of an address is recorded in full a few times a
// minute, and counted beyond, and so is what comes of more addresses than a few. So strangers add at most so many entries a minute, whatever
// they do: toldAddresses * (toldEach + 1) + 1.
const (
	tallyWindow   = time.Minute
	toldEach      = 5
	toldAddresses = 100
)

// tally counts what was turned away of those who are not known.
type tally struct {
	write func(slipway.AuditEntry)
	after func(time.Duration, func()) // time.AfterFunc

	mu   sync.Mutex
	seen map[string]*turnedAway // by address, "" for all beyond toldAddresses; nil: no window is open
}

type turnedAway struct {
	told  int
	count int                // of those that were not told
	last  slipway.AuditEntry // the newest of them
}

func newTally(write func(slipway.AuditEntry)) *tally {
	return &tally{write: write, after: func(d time.Duration, f func()) { time.AfterFunc(d, f) }}
}

// add records that something was turned away, now or in a while.
func (t *tally) add(address string, e slipway.AuditEntry) {
	if t.note(address, e) {
		t.write(e)
	}
}

// note reports whether the entry is to be written as it is.
func (t *tally) note(address string, e slipway.AuditEntry) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.seen == nil {
		t.seen = map[string]*turnedAway{}
		t.after(tallyWindow, t.flush)
	}
	one := t.seen[address]
	if one == nil {
		if len(t.seen) >= toldAddresses {
			address, e.By.Address = "", "several"
			if one = t.seen[address]; one == nil {
				one = &turnedAway{told: toldEach}
			}
		} else {
			one = &turnedAway{}
		}
		t.seen[address] = one
	}
	if one.told < toldEach {
		one.told++
		return true
	}
	one.count, one.last = one.count+1, e
	return false
}

// flush writes what was counted, one entry for each address, and closes the window.
func (t *tally) flush() {
	t.mu.Lock()
	seen := t.seen
	t.seen = nil
	t.mu.Unlock()
	for _, one := range seen {
		if one.count == 0 {
			continue
		}
		e := one.last
		e.Count = one.count
		if one.count > 1 {
			e.Message = brief(strconv.Itoa(one.count)+" more were turned away, this the last: "+e.Message, maxAuditText)
		}
		t.write(e)
	}
}

// writeTurnedAway writes what nobody is told of if it cannot be written.
func (a *api) writeTurnedAway(e slipway.AuditEntry) {
	if a.Audit == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), auditTime)
	defer cancel()
	if _, err := a.Audit.AppendAudit(ctx, e); err != nil {
		a.Log.Error("cannot write the audit log: this is not in it", "action", e.Action, "address", e.By.Address, "status", e.Status, "code", e.Code, "error", err)
	}
}

// stranger reports whether an entry is of nobody who is known.
func stranger(e slipway.AuditEntry) bool { return e.By.Kind == unknownKind }

// unknownKind is the kind of who is not known, in the audit log.
const unknownKind slipway.PrincipalKind = "unknown"

// questioned records who shows what is not good, also where nothing would be changed.
func (a *api) questioned(route route, next http.Handler, w http.ResponseWriter, r *http.Request) {
	if failure(r.Context()) == nil {
		next.ServeHTTP(w, r)
		return
	}
	seen := &witness{ResponseWriter: w}
	next.ServeHTTP(seen, r)
	if seen.status == http.StatusUnauthorized {
		a.attempt(route, r).refused(seen)
	}
}
