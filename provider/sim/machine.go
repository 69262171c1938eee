package sim

import (
	"fmt"
	"time"

	"github.com/slipway-sh/slipway"
)

// machine is one machine, from being launched until nothing is left of it. World.mu guards it.
type machine struct {
	id        string
	group     string // empty for a throw-away
	image     slipway.Digest
	service   slipway.Service
	config    map[string]string
	stay      bool
	behaviour Behaviour
	created   time.Time
	state     slipway.InstanceState
	reason    string
	address   string
	log       *log

	serving    bool // it takes requests
	sick       bool // it fails its health check
	failing    bool // its requests fail at the rates of its behaviour
	unlaunched bool // it never ran
	retired    bool // it is on its way out

	owner         string    // of a throw-away
	expires       time.Time // of a throw-away
	configVersion int
	taint         *slipway.Taint
	disabled      *slipway.InstanceMark
	protected     *slipway.InstanceMark
}

// As long as provider/local takes.
const (
	// remains is how long a dead or unhealthy machine of a group stays.
	remains = time.Second
	// advance is how long before it is told to stop a machine is said to be stopping, for the load balancer to take it out.
	advance = 300 * time.Millisecond
	// mercy is what a machine gets on top of its drain time before it is killed.
	mercy = 2 * time.Second

	defaultDrain    = 10 * time.Second
	defaultInterval = time.Second
	defaultFailures = 2
)

// Reasons for the state of a machine.
const (
	killed = "its machine was killed, by its memory limit or from outside"
	ailing = "health check: its service answers 503 Service Unavailable"
)

// begin launches a machine. mu must be held.
func (w *World) begin(m *machine) {
	w.made++
	m.id = orNew(m.id, w.made)
	m.created, m.state = w.now, slipway.InstanceStarting
	m.address = fmt.Sprintf("10.%d.%d.%d", w.made>>16&0xff, w.made>>8&0xff, w.made&0xff)
	m.log = w.logOf(m.id)
	w.machines[m.id] = m
	w.addresses[endpoint(m.address, m.service.Port)] = m
	w.touch(m.group)
	switch {
	case m.unlaunched:
		w.after(0, func() string {
			w.die(m, "cannot be launched: there is no room for it")
			w.settle(m)
			return m.id + " cannot be launched"
		})
		return
	case m.behaviour.NeverHealthy:
		m.sick, m.reason = true, ailing
	}
	m.log.print(m.behaviour.Greeting)
	w.after(m.behaviour.Launch, func() string { return w.booted(m) })
}

// booted ends a machine's launch. mu must be held.
func (w *World) booted(m *machine) string {
	switch {
	case m.retired || m.state != slipway.InstanceStarting:
		return ""
	case w.failsBoot(m):
		w.end(m)
		return m.id + " ends before it is healthy"
	case m.sick:
		return ""
	}
	m.state, m.reason, m.serving = slipway.InstanceHealthy, "", true
	m.failing = m.behaviour.ErrorsAfter == 0
	if d := m.behaviour.ErrorsAfter; d > 0 {
		w.after(d, func() string { m.failing = true; return "" })
	}
	if d := m.behaviour.SickAfter; d > 0 {
		w.after(d, func() string { return w.harm(m, Sickness) })
	}
	if d := m.behaviour.CrashAfter; d > 0 {
		w.after(d, func() string {
			if m.state == slipway.InstanceDead || !w.there(m) {
				return ""
			}
			w.end(m)
			return m.id + " ends"
		})
	}
	w.touch(m.group)
	return m.id + " becomes healthy"
}

func (w *World) failsBoot(m *machine) bool {
	g := w.groups[m.group]
	if g == nil {
		return m.behaviour.BootFailures > 0
	}
	if g.failures >= m.behaviour.BootFailures {
		return false
	}
	g.failures++
	return true
}

// end lets a machine end by itself. mu must be held.
func (w *World) end(m *machine) {
	if m.stay { // it outlives its service
		m.serving = false
		w.notice(m)
		return
	}
	reason := m.behaviour.Ends
	if reason == "" {
		reason = "its service exited with status 1"
	}
	w.die(m, reason)
	w.settle(m)
}

// die makes a machine dead: its requests under way break. mu must be held.
func (w *World) die(m *machine, reason string) {
	w.cut(m)
	m.serving = false
	if !m.retired { // who stops says so to the end
		m.state, m.reason = slipway.InstanceDead, reason
	}
	m.log.end()
	w.notice(m)
	w.touch(m.group)
}

// sicken lets a machine fail its health check from now on. mu must be held.
func (w *World) sicken(m *machine) {
	if m.sick {
		return
	}
	m.sick = true
	if m.state == slipway.InstanceStarting {
		m.reason = ailing
		w.touch(m.group)
	}
	w.notice(m)
	w.after(patience(m.service.Health), func() string {
		if m.state != slipway.InstanceHealthy {
			return ""
		}
		m.state, m.reason = slipway.InstanceUnhealthy, ailing
		w.touch(m.group)
		w.settle(m)
		return m.id + " is found to be unhealthy"
	})
}

// patience is how long a health check fails until somebody believes it.
func patience(h slipway.Health) time.Duration {
	failures := h.Failures
	if failures == 0 {
		failures = defaultFailures
	}
	return time.Duration(failures) * h.Interval.Or(defaultInterval)
}

// settle has the machine's group do what is to be done about its state. mu must be held.
func (w *World) settle(m *machine) {
	if g := w.groups[m.group]; g != nil {
		w.keep(g)
	}
}

// retire has a machine stopped and removed, after a time in which it is left alone. mu must be held.
func (w *World) retire(m *machine, after time.Duration) {
	if m.retired {
		return
	}
	m.retired = true
	if m.state == slipway.InstanceStarting || m.state == slipway.InstanceHealthy {
		m.state, m.reason = slipway.InstanceStopping, ""
	}
	w.touch(m.group)
	w.after(after, func() string { return w.stop(m) })
}

// stop tells a machine to end. mu must be held.
func (w *World) stop(m *machine) string {
	if !w.there(m) {
		return ""
	}
	var takes time.Duration
	if m.state != slipway.InstanceDead {
		m.state = slipway.InstanceStopping
		w.hush(m)
		takes = min(m.behaviour.Stop, m.service.Drain.Or(defaultDrain)+mercy)
	}
	if takes == 0 {
		w.remove(m)
		return m.id + " is gone"
	}
	w.after(takes, func() string {
		if !w.there(m) {
			return ""
		}
		w.remove(m)
		return m.id + " is gone"
	})
	return m.id + " stops"
}

// finish stops a machine gracefully, for a call that waits for that. mu must be held.
func (w *World) finish(m *machine) {
	m.retired = true
	if m.state != slipway.InstanceDead {
		w.hush(m)
	}
	w.remove(m)
}

// hush lets a machine take no more requests, and finish those under way. mu must be held.
func (w *World) hush(m *machine) {
	if m.serving {
		m.serving = false
		w.notice(m)
	}
	m.log.print(m.behaviour.LastWords)
}

// remove takes away what is left of a machine. mu must be held.
func (w *World) remove(m *machine) {
	delete(w.machines, m.id)
	m.log.end()
	w.touch(m.group)
	if g := w.groups[m.group]; g != nil {
		g.drop(m)
		w.keep(g)
	}
}

// there reports whether something is left of the machine. mu must be held.
func (w *World) there(m *machine) bool { return w.machines[m.id] == m }

// full reports whether there is no room for another machine. mu must be held.
func (w *World) full() bool {
	if w.room == 0 {
		return false
	}
	n := 0
	for _, m := range w.machines {
		if m.state != slipway.InstanceDead {
			n++
		}
	}
	return n >= w.room
}

func (m *machine) view() slipway.Instance {
	return slipway.Instance{
		ID: m.id, Group: m.group, Image: m.image, Address: m.address, Port: m.service.Port, State: m.state, Reason: m.reason, Started: m.created,
		ConfigVersion: m.configVersion, Owner: m.owner, Expires: m.expires, Taint: m.taint, Disabled: m.disabled, Protected: m.protected,
	}
}

func orNew(id string, n int) string {
	if id == "" {
		return fmt.Sprintf("i-%05d", n)
	}
	return id
}
