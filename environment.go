package slipway

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"
)

// Environment is where an application runs and by which policy it gets there. Application and environment name a [Cluster].
type Environment struct {
	Account      string            `json:"account,omitempty"` // default "local"
	Size         Size              `json:"size,omitzero"`     // default 1
	LoadBalancer *LoadBalancerSpec `json:"load_balancer,omitempty"`
	Strategy     Strategy          `json:"strategy,omitzero"` // default redblack
	Config       map[string]string `json:"config,omitempty"`  // environment variables given at launch, never baked
	Limits       Limits            `json:"limits,omitzero"`
	Checks       []Test            `json:"checks,omitempty"`  // smoke checks: on every new machine, before it gets traffic
	Healthy      Duration          `json:"healthy,omitempty"` // how long a new server group may take to become healthy; default 5m
}

// Limits bound one machine.
type Limits struct {
	CPU    float64 `json:"cpu,omitempty"`    // cores; default: no limit
	Memory int     `json:"memory,omitempty"` // MiB; default 512
	PIDs   int     `json:"pids,omitempty"`   // default 1024
}

// LoadBalancerSpec is the listener in front of a cluster. A cluster without one (queue workers) is rolled out without the traffic steps.
type LoadBalancerSpec struct {
	Port    int    `json:"port"`
	Address string `json:"address,omitempty"` // default: slipwayd's --lb-address
}

// Size is the number of instances in a server group. A plain number in YAML sets all three.
type Size struct {
	Min     int `json:"min"`
	Desired int `json:"desired"`
	Max     int `json:"max"`
}

// UnmarshalJSON accepts a number or an object.
func (s *Size) UnmarshalJSON(b []byte) error {
	var n int
	if json.Unmarshal(b, &n) == nil && string(b) != "null" {
		if n == 0 { // it would stand for the default
			return Errorf(Invalid, "cannot deploy 0 instances: want 1 or more")
		}
		*s = Size{Min: n, Desired: n, Max: n}
		return nil
	}
	type plain Size
	return strict(b, (*plain)(s), "a number or {min, desired, max}")
}

// StrategyName names a way to move traffic from one server group to the next.
type StrategyName string

// The strategies.
const (
	StrategyHighlander StrategyName = "highlander"
	StrategyRedBlack   StrategyName = "redblack"
)

// Strategies lists every strategy.
var Strategies = []StrategyName{StrategyHighlander, StrategyRedBlack}

// Strategy is a strategy with its options. In YAML it is a name, or an object with the name as its only key.
// Exactly one field is set, or none, which means redblack with its defaults.
type Strategy struct {
	Highlander *Highlander `json:"highlander,omitempty"`
	RedBlack   *RedBlack   `json:"redblack,omitempty"`
}

// Highlander: the new group takes all traffic, then every other group of the cluster is destroyed. There can be only one.
type Highlander struct {
	Watch Duration `json:"watch,omitempty"`
}

// RedBlack: the new group takes all traffic at once; the old one is kept, disabled, for instant rollback.
type RedBlack struct {
	Watch Duration `json:"watch,omitempty"` // how long the new group is watched at 100 % of traffic, the old one standing by; default DefaultWatch
	Keep  *int     `json:"keep,omitempty"`  // disabled groups kept; default 1
}

// DefaultWatch is how long a new group is watched under full traffic before the old one is retired.
const DefaultWatch = 5 * time.Second

// UnmarshalJSON accepts a name or an object.
func (s *Strategy) UnmarshalJSON(b []byte) error {
	var name StrategyName
	if json.Unmarshal(b, &name) == nil {
		switch name {
		case StrategyHighlander:
			*s = Strategy{Highlander: &Highlander{}}
		case StrategyRedBlack:
			*s = Strategy{RedBlack: &RedBlack{}}
		default:
			return Errorf(Invalid, "unknown strategy %q: want one of %v", name, Strategies)
		}
		return nil
	}
	type plain Strategy
	return strict(b, (*plain)(s), fmt.Sprintf("a strategy: one of %v, or an object with that key", Strategies))
}

// Name returns which strategy s is.
func (s Strategy) Name() StrategyName {
	if s.Highlander != nil {
		return StrategyHighlander
	}
	return StrategyRedBlack
}

// Watch returns how long the new group is watched under full traffic.
func (s Strategy) Watch() time.Duration {
	switch {
	case s.Highlander != nil:
		return s.Highlander.Watch.Or(DefaultWatch)
	case s.RedBlack != nil:
		return s.RedBlack.Watch.Or(DefaultWatch)
	}
	return DefaultWatch
}

// Keep returns how many disabled server groups stay for instant rollback.
func (s Strategy) Keep() int {
	switch {
	case s.Highlander != nil:
		return 0
	case s.RedBlack != nil && s.RedBlack.Keep != nil:
		return *s.RedBlack.Keep
	}
	return 1
}

// strict decodes b into v, refusing unknown fields.
func strict(b []byte, v any, want string) error {
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.DisallowUnknownFields()
	if err := dec.Decode(v); err != nil {
		return Errorf(Invalid, "want %s: %w", want, err)
	}
	return nil
}
