package sim

import (
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"github.com/slipway-sh/slipway"
)

// Fault is what goes wrong at a call. The zero Fault is nothing.
type Fault struct {
	Before error // the call fails, and changes nothing
	After  error // the call does its work, and then fails: its reply is lost
	// Delay is how much later the change comes than the call returns, with After, or an Unavailable error if that is nil. A later call
	// that changes the same thing finds the change made.
	Delay time.Duration
	// Short is how many machines of the group there is no room for, for now: they fail to launch, and others are launched a while later.
	Short int
}

// Throttled is a call that is refused because there were too many.
func Throttled() Fault {
	return Fault{Before: slipway.Errorf(slipway.Unavailable, "cannot take the call: too many requests")}
}

// Lost is a call whose reply is lost.
func Lost() Fault {
	return Fault{After: slipway.Errorf(slipway.Unavailable, "cannot read the reply: connection reset")}
}

// Late is a call that takes too long to be waited for.
func Late(by time.Duration) Fault { return Fault{Delay: by} }

// Broken is a call that fails for good.
func Broken(err error) Fault { return Fault{Before: err} }

// Rule says at which calls there is a fault.
type Rule struct {
	Call  string // the beginning of the call, such as "SetPool hello-prod"; "" is every call
	Skip  int    // so many of these calls go well first
	Times int    // then so many do not; 0: all
	Fault Fault
	Do    func() // is called at each of them, before the call does its work; may be nil
}

// Script returns a function for [World.Fault]. Of several rules that are due the first one holds. It is safe for concurrent use.
func Script(rules ...Rule) func(call string) Fault {
	var mu sync.Mutex
	seen := make([]int, len(rules))
	due := func(call string) (Rule, bool) {
		mu.Lock()
		defer mu.Unlock()
		var first Rule
		found := false
		for i, r := range rules {
			if !strings.HasPrefix(call, r.Call) {
				continue
			}
			seen[i]++
			if n := seen[i] - r.Skip; !found && n > 0 && (r.Times == 0 || n <= r.Times) {
				first, found = r, true
			}
		}
		return first, found
	}
	return func(call string) Fault {
		r, ok := due(call)
		if ok && r.Do != nil {
			r.Do()
		}
		return r.Fault
	}
}

// Odds are how likely faults are, each from 0 to 1 a call.
type Odds struct {
	Throttled, Lost, Late, Short float64
	Longest                      time.Duration // that a change is late by
	Most                         int           // faults in all; 0: no bound
}

// Random returns a function for [World.Fault] that draws faults. The same seed gives the same faults to the same calls in the same
// order. Calls that change nothing are only throttled, and what goes through a load balancer is left alone. It is safe for concurrent use.
func Random(seed uint64, odds Odds) func(call string) Fault {
	var mu sync.Mutex
	random, faults := rand.New(rand.NewPCG(seed, 1)), 0
	return func(call string) Fault {
		mu.Lock()
		defer mu.Unlock()
		if odds.Most > 0 && faults >= odds.Most || strings.HasPrefix(call, "Ask ") {
			return Fault{}
		}
		fault, dice := Fault{}, random.Float64()
		due := func(odds float64) bool {
			hit := dice >= 0 && dice < odds
			dice -= odds
			return hit
		}
		switch {
		case due(odds.Throttled):
			fault = Throttled()
		case !changes(call):
			return Fault{}
		case due(odds.Lost):
			fault = Lost()
		case due(odds.Late):
			fault = Late(time.Duration(random.Int64N(int64(odds.Longest) + 1)))
			if fault.Delay == 0 {
				fault = Lost()
			}
		case due(odds.Short):
			fault = Fault{Short: 1 + random.IntN(2)}
		default:
			return Fault{}
		}
		faults++
		return fault
	}
}

func changes(call string) bool {
	method, _, _ := strings.Cut(call, " ")
	switch method {
	case "EnsureServerGroup", "ResizeServerGroup", "DestroyServerGroup", "Launch", "Terminate", "SetPool", "RemovePool":
		return true
	}
	return false
}
