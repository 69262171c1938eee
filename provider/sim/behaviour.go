package sim

import (
	"context"
	"math"
	"time"

	"github.com/slipway-sh/slipway"
)

// Behaviour is what machines of an image do. The zero Behaviour is healthy at once, serves every request well and lives for ever.
type Behaviour struct {
	Launch       time.Duration // from being launched to being healthy
	NeverHealthy bool          // it runs, and its health check fails
	BootFailures int           // how many of a server group's machines, and then of those that replace them, end before they are healthy
	CrashAfter   time.Duration // from being healthy to ending by itself; 0: never
	SickAfter    time.Duration // from being healthy to failing its health check; 0: never
	Ends         string        // how it ends by itself, for people; default "its service exited with status 1"
	Stop         time.Duration // from being told to stop to its end; at most its drain time and a little more

	Latency     time.Duration // of an answer
	ErrorRate   float64       // of requests that are answered 5xx, from 0 to 1
	BreakRate   float64       // of requests that are left without an answer, from 0 to 1
	ErrorsAfter time.Duration // from being healthy to when requests begin to fail at these rates
	Noise       float64       // how far latency and rates stray from these at any time, from 0 to 1

	FailChecks bool   // whoever checks its machines finds them wanting
	Greeting   string // what its service prints first
	LastWords  string // what its service prints when it is told to stop
	// Exec answers [World.Exec]; nil: every program succeeds and prints nothing. It may wait for ctx.
	Exec func(ctx context.Context, i slipway.Instance, e slipway.Exec) (slipway.ExecResult, error)

	// Configured, if set, gives the behaviour by the configuration that a machine is launched with, and all other fields do not count.
	Configured func(config map[string]string) Behaviour
}

// Always is how often something happens that always does.
const Always = math.MaxInt

// Image makes an image known, or lets the machines that are launched of it from now on behave otherwise.
func (w *World) Image(digest slipway.Digest, b Behaviour) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.behaviours[digest] = b
}

// Behaviour returns what the instance does. The zero Behaviour if there is none of that ID.
func (w *World) Behaviour(instance string) Behaviour {
	w.mu.Lock()
	defer w.mu.Unlock()
	if m := w.machines[instance]; m != nil {
		return m.behaviour
	}
	return Behaviour{}
}

// behaviour returns what a machine does; NotFound if its image is not known. mu must be held.
func (w *World) behaviour(digest slipway.Digest, config map[string]string) (Behaviour, error) {
	b, ok := w.behaviours[digest]
	if !ok {
		return b, slipway.Errorf(slipway.NotFound, "no image %s", digest.Short())
	}
	if b.Configured != nil {
		b = b.Configured(config)
	}
	return b, nil
}
