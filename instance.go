package slipway

import (
	"context"
	"time"
)

// InstanceMark is what a person has said of a machine.
type InstanceMark struct {
	Since  time.Time `json:"since"`
	By     string    `json:"by"`
	Reason string    `json:"reason,omitempty"`
}

// Taint says that a machine is not any more what was baked: something was written to its root outside of the directories that its service
// declares as state.
type Taint struct {
	Since time.Time `json:"since"` // when it was noticed
	Path  string    `json:"path"`  // that was written to, the first of them
}

// MarkKind says what a mark is about.
type MarkKind string

// The kinds of marks.
const (
	// MarkDisabled takes a machine out of traffic: it gets no new requests, runs on, and no other is launched in its place. Its group does not
	// replace it if it turns unhealthy, but if it dies.
	MarkDisabled MarkKind = "disabled"
	// MarkProtected keeps a machine from being removed: a group that shrinks takes others, and by hand it takes force.
	MarkProtected MarkKind = "protected"
)

// Marker is what a provider can whose machines can be marked. Marks are the provider's, as tags are a cloud's: they live as long as the machine.
type Marker interface {
	// MarkInstance sets a mark of an instance, or takes it off if m is nil, and returns the instance as it is then. It is durable when it
	// returns. NotFound if there is no such instance, Conflict if it is being removed.
	MarkInstance(ctx context.Context, id string, kind MarkKind, m *InstanceMark) (Instance, error)
}

// Machine is an instance and what has to do with it.
type Machine struct {
	Instance
	Cluster Cluster         `json:"cluster,omitzero"` // that its group is of, or a throw-away was started for
	Version string          `json:"version,omitempty"`
	Traffic *MachineTraffic `json:"traffic,omitempty"` // as the load balancer has it; nil if it is not behind one
}

// MachineTraffic is what a load balancer gives a machine.
type MachineTraffic struct {
	Mode     TargetMode `json:"mode"`
	Weight   int        `json:"weight"`
	Up       bool       `json:"up"`
	Open     int        `json:"open"`     // requests under way
	Requests int64      `json:"requests"` // sent to it
}

// MachineFilter selects machines. Zero fields select all.
type MachineFilter struct {
	Cluster Cluster
	Group   string
	Image   string // a version label, a digest, or its first digits
	State   InstanceState
	Only    []string // all of these are so: tainted, disabled, protected, unhealthy (in any state but healthy)
}

// StartRequest asks for one machine of an image, outside of any server group and of all traffic.
type StartRequest struct {
	Application string   `json:"application"`
	Image       string   `json:"image"`                 // as in [DeployRequest]; its tests may have failed
	Environment string   `json:"environment,omitempty"` // whose configuration it gets; none: what was baked
	Config      int      `json:"config_version,omitempty"`
	For         Duration `json:"for,omitempty"` // how long it stays; default 1h
	Reason      string   `json:"reason,omitempty"`
	By          string   `json:"by,omitempty"`
}

// ResizeRequest asks for another size of what serves a cluster.
type ResizeRequest struct {
	Cluster Cluster `json:"-"`
	Desired int     `json:"desired"`
	Min     int     `json:"min,omitempty"`   // default: as it is
	Max     int     `json:"max,omitempty"`   // default: as it is
	Force   bool    `json:"force,omitempty"` // outside of what slipway.yaml allows, or below what must serve; wants a reason
	Reason  string  `json:"reason,omitempty"`
	By      string  `json:"by,omitempty"`
}

// Resizing is the size that a person has given a cluster. Deployments keep it until the size in slipway.yaml is another than Declared.
type Resizing struct {
	Cluster  Cluster   `json:"cluster"`
	Size     Size      `json:"size"`
	Declared Size      `json:"declared"` // by slipway.yaml, then
	By       string    `json:"by"`
	Reason   string    `json:"reason,omitempty"`
	At       time.Time `json:"at"`
}

// SizeStore keeps the sizes that people have given clusters: one a cluster. Methods are safe for concurrent use.
type SizeStore interface {
	PutSize(ctx context.Context, r Resizing) error
	// Size returns a cluster's; NotFound if nobody has set one.
	Size(ctx context.Context, cluster Cluster) (Resizing, error)
	// DeleteSize forgets it; nil if there is none.
	DeleteSize(ctx context.Context, cluster Cluster) error
}
