package deploy

import (
	"fmt"
	"math"

	"github.com/slipway-sh/slipway"
)

// Counted is what the load balancer has counted of a group.
type Counted struct {
	Requests int64
	Failed   int64 // answers 5xx, and what was tried again elsewhere
	Broken   int64 // of these, left without an answer
}

// A group may fail a request now and then, as few applications never do: this many, and this share of its requests.
const (
	tolerated      = 2
	toleratedShare = 0.01
)

// count adds up what the group's machines did.
func count(pool slipway.PoolStatus, group string) Counted {
	var c Counted
	for _, target := range pool.Targets {
		if target.Group == group {
			c.Requests += target.Requests
			c.Failed += target.Failed
			c.Broken += target.Broken
		}
	}
	return c
}

// since returns what came after before.
func (c Counted) since(before Counted) Counted {
	return Counted{Requests: c.Requests - before.Requests, Failed: c.Failed - before.Failed, Broken: c.Broken - before.Broken}
}

// tolerates reports whether the group that takes over from c's fails no more requests than may be: two; or one in a hundred, or twice the
// share that c's failed, and what chance adds to that, which is much while there are few requests. A version is not blamed
// for what the one before it did as well.
func (c Counted) tolerates(now Counted) bool {
	expected := max(toleratedShare, 2*c.share()) * float64(now.Requests)
	return float64(now.Failed) <= max(tolerated, expected+3*math.Sqrt(expected)) // three standard deviations
}

// compared says how c's group did, if it failed any, to follow how its successor does.
func (c Counted) compared(group string) string {
	if c.Failed == 0 {
		return ""
	}
	return fmt.Sprintf(" (%s before it: %.1f %%)", group, 100*c.share())
}

func (c Counted) share() float64 {
	if c.Requests == 0 {
		return 0
	}
	return float64(c.Failed) / float64(c.Requests)
}
