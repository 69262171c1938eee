package slipway

import "context"

// DefaultAccount is the account of an environment that names none: this host.
const DefaultAccount = "local"

// Account is where machines run: a provider, with what it takes to use it.
type Account struct {
	Name         string   `json:"name"`     // what "account:" in slipway.yaml says
	Provider     string   `json:"provider"` // "local": this host
	Host         string   `json:"host,omitempty"`
	Machines     int      `json:"machines"`
	ServerGroups int      `json:"server_groups"`
	Capacity     Capacity `json:"capacity"`
}

// Capacity is what machines can have all together, and what is left of it. Zeros are not known.
type Capacity struct {
	CPUs       int     `json:"cpus,omitempty"`
	Load       float64 `json:"load,omitempty"`        // processes that run or wait to, mean of the last minute
	Memory     int64   `json:"memory,omitempty"`      // bytes
	FreeMemory int64   `json:"free_memory,omitempty"` // bytes that can be had without taking anything from what runs
	Disk       int64   `json:"disk,omitempty"`        // bytes, where images and machines are kept
	FreeDisk   int64   `json:"free_disk,omitempty"`   // bytes
}

// Accounts tells of the accounts there are. Methods are safe for concurrent use.
type Accounts interface {
	// Accounts returns all accounts as they are now, by name.
	Accounts(ctx context.Context) ([]Account, error)
}

// LoadBalancer is a cluster's load balancer: what it should do, and what it does.
type LoadBalancer struct {
	Name    string      `json:"name"`
	Cluster Cluster     `json:"cluster"`
	Route   Route       `json:"route"`             // as decided
	Pool    *PoolStatus `json:"pool,omitempty"`    // as it is, with its counters
	Trouble string      `json:"trouble,omitempty"` // why Pool is not there
}
