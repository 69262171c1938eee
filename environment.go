package slipway

import (
	"bytes"
	"encoding/json"
	"errors"
)

// Environment is where an application runs and by which policy it gets there. Application and environment name a [Cluster].
type Environment struct {
	Account      string            `json:"account,omitempty"` // default "local"
	Size         Size              `json:"size,omitzero"`     // default 1
	LoadBalancer *LoadBalancerSpec `json:"load_balancer,omitempty"`
	Strategy     Strategy          `json:"strategy,omitzero"` // default redblack
	Config       map[string]string `json:"config,omitempty"`  // environment variables given at launch, never baked
	Limits       Limits            `json:"limits,omitzero"`
	Checks       []Check           `json:"checks,omitempty"`     // what decides whether a deployment goes on
	Healthy      Duration          `json:"healthy,omitempty"`    // how long new machines may take to become healthy; default 5m
	Policy       Policy            `json:"policy,omitzero"`      // what may be done to the cluster, and what is done when something fails
	Prometheus   string            `json:"prometheus,omitempty"` // URL of the Prometheus that PromQL checks and canary analyses ask
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
	Sticky  Sticky `json:"sticky,omitzero"`   // what keeps a client with one server group while traffic is split; default nothing
}

// Sticky says by what a load balancer knows a client again: a cookie that it sets, or a header that the client sends. In YAML it
// is "cookie", which is a cookie of the name DefaultCookie, or an object with one key. At most one field is set.
type Sticky struct {
	Cookie string `json:"cookie,omitempty"` // its name
	Header string `json:"header,omitempty"` // its name; requests without it go by weight
}

// DefaultCookie is the cookie of a load balancer that is said to be sticky by cookie and not by which.
const DefaultCookie = "slipway"

// UnmarshalJSON accepts "cookie" or an object.
func (s *Sticky) UnmarshalJSON(b []byte) error {
	var word string
	if json.Unmarshal(b, &word) == nil {
		if word != "cookie" {
			return Errorf(Invalid, "cannot be sticky by %q: want cookie, {cookie: NAME} or {header: NAME}", word)
		}
		*s = Sticky{Cookie: DefaultCookie}
		return nil
	}
	type plain Sticky
	if err := strict(b, (*plain)(s), "cookie, {cookie: NAME} or {header: NAME}"); err != nil {
		return err
	}
	if *s == (Sticky{}) {
		return Errorf(Invalid, "cannot be sticky by nothing: want cookie, {cookie: NAME} or {header: NAME}")
	}
	return nil
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

// strict decodes b into v, refusing unknown fields. What a type within says of itself is the error.
func strict(b []byte, v any, want string) error {
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.DisallowUnknownFields()
	if err := dec.Decode(v); err != nil {
		var e *Error
		if errors.As(err, &e) {
			return e
		}
		return Errorf(Invalid, "cannot use it: want %s: %w", want, err)
	}
	return nil
}
