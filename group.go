package slipway

import "time"

// ServerGroupSpec is what a server group is made from. It never changes, but for its size.
type ServerGroupSpec struct {
	Name    string            `json:"name"`
	Cluster Cluster           `json:"cluster"`
	Image   Digest            `json:"image"`
	Service Service           `json:"service"` // as baked
	Config  map[string]string `json:"config,omitempty"`
	// ConfigVersion is the version of the service configuration that lies on top of Config; 0: none. Machines get it when they are launched.
	ConfigVersion int    `json:"config_version,omitempty"`
	Size          Size   `json:"size"`
	Limits        Limits `json:"limits,omitzero"`
}

// ServerGroup is a set of like instances that replaces its own dead.
type ServerGroup struct {
	ServerGroupSpec
	Created   time.Time  `json:"created"`
	Instances []Instance `json:"instances"`
	Replaced  int        `json:"replaced"`          // instances that died or turned unhealthy since the group was made, and were replaced
	Trouble   string     `json:"trouble,omitempty"` // why the group cannot reach its size, for people
}

// Healthy counts the healthy instances.
func (g ServerGroup) Healthy() int {
	n := 0
	for _, i := range g.Instances {
		if i.State == InstanceHealthy {
			n++
		}
	}
	return n
}

// Ready counts the healthy instances that are not disabled: those that may get traffic.
func (g ServerGroup) Ready() int {
	n := 0
	for _, i := range g.Instances {
		if i.State == InstanceHealthy && i.Disabled == nil {
			n++
		}
	}
	return n
}

// InstanceState says what an instance is good for.
type InstanceState string

// The states of an instance, in the order they are passed through.
const (
	InstanceStarting  InstanceState = "starting"
	InstanceHealthy   InstanceState = "healthy"
	InstanceUnhealthy InstanceState = "unhealthy" // was healthy; about to be replaced
	InstanceStopping  InstanceState = "stopping"
	InstanceDead      InstanceState = "dead" // its machine ended by itself; about to be replaced
)

// Instance is one machine.
type Instance struct {
	ID      string        `json:"id"`              // "i-…"
	Group   string        `json:"group,omitempty"` // empty for a throw-away machine
	Image   Digest        `json:"image"`
	Address string        `json:"address"` // IP
	Port    int           `json:"port,omitempty"`
	State   InstanceState `json:"state"`
	Reason  string        `json:"reason,omitempty"` // why it is in that state, for people
	Started time.Time     `json:"started"`

	ConfigVersion int           `json:"config_version,omitempty"` // that it was launched with
	Expires       time.Time     `json:"expires,omitzero"`         // of a throw-away machine
	Owner         string        `json:"owner,omitempty"`          // of a throw-away machine
	Taint         *Taint        `json:"taint,omitempty"`          // it is not what was baked any more
	Disabled      *InstanceMark `json:"disabled,omitempty"`       // it is out of traffic
	Protected     *InstanceMark `json:"protected,omitempty"`      // it is not to be removed
}

// MachineSpec is what one throw-away machine, outside any server group, is launched from.
type MachineSpec struct {
	ID      string            `json:"id"`    // chosen by the caller: the same ID is the same machine
	Owner   string            `json:"owner"` // for people and for clean-up: "bake b-…"
	Image   Digest            `json:"image"`
	Service Service           `json:"service"`
	Config  map[string]string `json:"config,omitempty"`
	// Cluster and ConfigVersion, if set, name the service configuration that lies on top of Config.
	Cluster       Cluster   `json:"cluster,omitzero"`
	ConfigVersion int       `json:"config_version,omitempty"`
	Limits        Limits    `json:"limits,omitzero"`
	Expires       time.Time `json:"expires"` // the provider destroys it then, whoever has forgotten it
	// Stay says that somebody is to look into the machine: it does not end with its service, however that ends, and needs no command.
	Stay bool `json:"stay,omitempty"`
}
