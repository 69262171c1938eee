// Package sim is a provider and a load balancer that exist in memory and in virtual time. Machines take their time to launch, die, turn
// unhealthy and are replaced as those of provider/local are; virtual clients send requests that are balanced and counted as router/haproxy
// does; and calls fail, lose their replies, come late or are throttled as a script or a seed has it.
//
// Nothing sleeps and no goroutine is left running: whenever the [World] is asked it first goes through everything that has happened
// since it was asked last, in order of time. Calls themselves take no virtual time: what a call waits for, such as the graceful end of a
// machine, has happened when it returns. The same calls at the same times with the same seed give the same world.
package sim

import (
	"container/heap"
	"context"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/slipway-sh/slipway"
)

// Config says what a World is made from.
type Config struct {
	Now  func() time.Time // the clock; required. It may stand still, and must not go back
	Seed uint64           // of all noise
}

// World is a [slipway.Provider] and a [slipway.Router]. Its methods are safe for concurrent use; its fields are set before the first call.
type World struct {
	// Fault, if set, is asked at every call, such as "EnsureServerGroup hello-prod-v001". It may call the methods of the World that make
	// things happen, such as [World.Kill], and those that tell what is so, but no others.
	Fault func(call string) Fault
	// Observe, if set, is called after every change, with the call that made it or what happened: "i-00001 becomes healthy". It may call
	// the methods that tell what is so, such as [World.Capacity], which then show the world as it was right after the change.
	Observe func(change string)
	// Follow, if set, is called by [World.Advance] with the name of a server group whose instances have changed, at the time at which
	// they did. It may make any call. After an error it is called again a second later.
	Follow func(group string) error

	clock func() time.Time
	turn  sync.Mutex // held by Advance

	mu     sync.Mutex
	now    time.Time // how far the world has come
	held   bool      // by Advance: nobody else goes on
	events events
	seq    int
	random *rand.Rand
	late   map[string][]*arrival // changes that were asked for and have not been made yet, by what they are of

	behaviours map[slipway.Digest]Behaviour
	room       int // machines there may be; 0: any number
	groups     map[string]*group
	machines   map[string]*machine
	addresses  map[string]*machine // by where they answer, or did
	logs       map[string]*log     // of machines that are gone, too
	made       int                 // machines so far
	watchers   watchers
	changed    []string // groups that Follow has not heard of yet

	pools   []*pool // in the order they were made
	taken   []string
	clients []*clients
	reloads int
}

var (
	_ slipway.Provider = (*World)(nil)
	_ slipway.Router   = (*World)(nil)
)

// New returns a World with nothing in it, whose time begins now.
func New(c Config) *World {
	return &World{
		clock: c.Now, now: c.Now(), random: rand.New(rand.NewPCG(c.Seed, 0)), late: map[string][]*arrival{},
		behaviours: map[slipway.Digest]Behaviour{}, groups: map[string]*group{}, machines: map[string]*machine{},
		addresses: map[string]*machine{}, logs: map[string]*log{},
	}
}

// Time returns how far the world has come.
func (w *World) Time() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now
}

// Next returns when something happens next by itself, and whether anything will. Virtual clients do not count.
func (w *World) Next() (time.Time, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.events) == 0 {
		return time.Time{}, false
	}
	return w.events[0].at, true
}

// Advance brings the world up to the clock's time. Every call does, but only Advance has Follow called on the way.
func (w *World) Advance() {
	w.turn.Lock()
	defer w.turn.Unlock()
	for limit := w.clock(); ; {
		w.mu.Lock()
		w.held = true
		var change string
		more := true
		groups := w.changed
		if w.changed = nil; len(groups) == 0 { // otherwise whoever follows hears of them before anything else happens
			change, more = w.step(limit)
		}
		if w.held = more; !more {
			w.mu.Unlock()
			return
		}
		w.mu.Unlock()
		w.observe(change)
		for _, name := range groups {
			if w.Follow(name) != nil {
				w.mu.Lock()
				w.after(time.Second, func() string { w.touch(name); return "" })
				w.mu.Unlock()
			}
		}
	}
}

// event is something that will happen. It returns what that was, "" if it turned out to be nothing.
type event struct {
	at     time.Time
	seq    int // of two at the same time the one that was planned first comes first
	happen func() string
}

// after plans something. mu must be held.
func (w *World) after(d time.Duration, happen func() string) {
	w.seq++
	heap.Push(&w.events, event{w.now.Add(max(0, d)), w.seq, happen})
}

// step lets the next thing happen that is due by limit. If there is none it lets time pass until then, and reports false. mu must be held.
func (w *World) step(limit time.Time) (change string, more bool) {
	if len(w.events) == 0 || w.events[0].at.After(limit) {
		w.pass(limit)
		return "", false
	}
	e := heap.Pop(&w.events).(event)
	w.pass(e.at)
	return e.happen(), true
}

// pass lets time pass in which nothing happens but that clients send requests. mu must be held.
func (w *World) pass(until time.Time) {
	if !until.After(w.now) {
		return
	}
	for _, c := range w.clients {
		w.send(c, until)
	}
	w.now = until
}

// catchUp lets everything happen that is due.
func (w *World) catchUp() {
	limit := w.clock()
	for {
		w.mu.Lock()
		if w.held {
			w.mu.Unlock()
			return
		}
		change, more := w.step(limit)
		w.mu.Unlock()
		w.observe(change)
		if !more {
			return
		}
	}
}

func (w *World) observe(change string) {
	if change != "" && w.Observe != nil {
		w.Observe(change)
	}
}

// look is a call that changes nothing. It returns with mu held, unless it returns an error.
func (w *World) look(ctx context.Context, call string) error {
	fault := w.faultAt(call)
	w.catchUp()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	for _, err := range []error{fault.Before, fault.After} {
		if err != nil {
			return err
		}
	}
	w.mu.Lock()
	return nil
}

// arrival is a change that was asked for and comes later than the call that asked for it returns.
type arrival struct {
	call   string
	effect func() error
}

// change is a call that changes what is named. Changes of the same thing are made in the order in which they were asked for: one
// that is late is made before the next.
func (w *World) change(ctx context.Context, method, name string, effect func(Fault) error) error {
	call := method + " " + name
	fault := w.faultAt(call)
	w.catchUp()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if fault.Before != nil {
		return fault.Before
	}
	w.mu.Lock()
	if fault.Delay > 0 {
		w.delay(name, fault.Delay, &arrival{call, func() error { return effect(fault) }})
		w.mu.Unlock()
		if fault.After == nil {
			return slipway.Errorf(slipway.Unavailable, "cannot %s: no answer in time", call)
		}
		return fault.After
	}
	late := w.late[name]
	delete(w.late, name)
	for _, a := range late {
		_ = a.effect() // whoever asked for it has been told something else
	}
	err := effect(fault)
	w.mu.Unlock()
	w.observe(call)
	if err == nil {
		err = fault.After
	}
	return err
}

// delay has a change made later, unless another change of the same thing comes first. mu must be held.
func (w *World) delay(name string, by time.Duration, a *arrival) {
	w.late[name] = append(w.late[name], a)
	w.after(by, func() string {
		for i, other := range w.late[name] {
			if other == a { // and what was asked for before it
				due := w.late[name][:i+1]
				w.late[name] = w.late[name][i+1:]
				for _, d := range due {
					_ = d.effect()
				}
				return a.call + ", late"
			}
		}
		return ""
	})
}

func (w *World) faultAt(call string) Fault {
	if w.Fault == nil {
		return Fault{}
	}
	return w.Fault(call)
}

// events is a heap.
type events []event

func (e events) Len() int      { return len(e) }
func (e events) Swap(i, j int) { e[i], e[j] = e[j], e[i] }
func (e *events) Push(x any)   { *e = append(*e, x.(event)) }
func (e events) Less(i, j int) bool {
	if e[i].at.Equal(e[j].at) {
		return e[i].seq < e[j].seq
	}
	return e[i].at.Before(e[j].at)
}

func (e *events) Pop() any {
	old := *e
	last := old[len(old)-1]
	old[len(old)-1] = event{}
	*e = old[:len(old)-1]
	return last
}
