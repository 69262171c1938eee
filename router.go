package slipway

import "context"

// Router is a load balancer that takes the whole pool at once: what is not listed is taken out. Methods are safe for
// concurrent use and idempotent. What a Router was told last it keeps doing while slipwayd is down.
type Router interface {
	// SetPool makes the load balancer's listener, if it is missing, and makes its pool exactly this. It returns when the
	// data plane has taken the change. Requests under way on targets that change or leave are left to finish. A listener
	// that cannot be bound is a Conflict, and then nothing has changed.
	SetPool(ctx context.Context, pool Pool) error
	// Pool returns the pool as the data plane has it now, with its live counters. NotFound if there is none.
	Pool(ctx context.Context, loadBalancer string) (PoolStatus, error)
	// RemovePool closes the listener; nil if there is none.
	RemovePool(ctx context.Context, loadBalancer string) error
}

// Pool is a load balancer with everything behind it.
type Pool struct {
	LoadBalancer string   `json:"load_balancer"` // the cluster's name
	Address      string   `json:"address"`
	Port         int      `json:"port"`
	Health       Health   `json:"health"`
	HTTP         bool     `json:"http,omitempty"`  // requests are balanced one by one though Health has no HTTP path, as when the targets' paths differ
	Sticky       Sticky   `json:"sticky,omitzero"` // HTTP only
	Drain        Duration `json:"drain,omitempty"` // after which requests on a removed target are cut off
	Targets      []Target `json:"targets"`
}

// TargetMode says what traffic a target gets.
type TargetMode string

// The modes.
const (
	Active  TargetMode = "active"  // by weight
	Standby TargetMode = "standby" // only while no active target is up
	Off     TargetMode = "off"     // none new; requests under way finish
)

// Target is one instance behind a load balancer.
type Target struct {
	Instance string     `json:"instance"`
	Group    string     `json:"group"`
	Address  string     `json:"address"`
	Port     int        `json:"port"`
	Mode     TargetMode `json:"mode"`
	Weight   int        `json:"weight"` // 1 to 256, relative to the other active targets
}

// PoolStatus is what the data plane says of a pool.
type PoolStatus struct {
	LoadBalancer string         `json:"load_balancer"`
	Address      string         `json:"address"`
	Port         int            `json:"port"`
	Requests     int64          `json:"requests"` // received by the listener since Epoch
	Epoch        string         `json:"epoch"`    // changes when the counters restart from zero
	Targets      []TargetStatus `json:"targets"`
}

// TargetStatus is what the data plane says of a target. Counters only grow within one Epoch.
type TargetStatus struct {
	Target
	Up       bool  `json:"up"`
	Open     int   `json:"open"`     // requests or connections under way
	Requests int64 `json:"requests"` // sent to it
	Failed   int64 `json:"failed"`   // tries that went wrong: connections refused or broken, also where another target then took the request, and answers 5xx
	Broken   int64 `json:"broken"`   // of these, the requests that a client got no answer of the target for
	// Latency is the mean time that the target took for an answer, over the last requests (HAProxy: 1,024); 0 if it had none, or is not HTTP.
	Latency Duration `json:"latency,omitempty"`
}

// Route is what traffic a cluster's load balancer should send to which server group. It is stored before it is applied, so
// that instances that come and go, and a restarted slipwayd, find the pool that was last decided.
type Route struct {
	Cluster Cluster      `json:"cluster"`
	Address string       `json:"address"`
	Port    int          `json:"port"`
	Sticky  Sticky       `json:"sticky,omitzero"`
	Groups  []GroupRoute `json:"groups"`
}

// GroupRoute is one server group's part of a route. A group that is not listed gets no traffic.
type GroupRoute struct {
	Group  string     `json:"group"`
	Mode   TargetMode `json:"mode"`
	Weight int        `json:"weight,omitempty"` // share of the group as a whole, relative to the other active groups; default 100
	// Machines, if not empty, are the only instances of the group that get traffic: others of it are still to be checked.
	Machines []string `json:"machines,omitempty"`
}
