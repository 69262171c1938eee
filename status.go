package slipway

// ClusterStatus is a cluster as it is now, in one answer.
type ClusterStatus struct {
	Cluster    Cluster       `json:"cluster"`
	Serving    string        `json:"serving,omitempty"`    // the server group that gets the traffic (without a load balancer: that the last deployment which succeeded led to)
	Groups     []ServerGroup `json:"groups"`               // newest first
	Route      *Route        `json:"route,omitempty"`      // as decided
	Pool       *PoolStatus   `json:"pool,omitempty"`       // as the load balancer has it
	Deployment *Deployment   `json:"deployment,omitempty"` // under way, or the last
	// Queued are the IDs of deployments that wait for their turn, the next one first.
	Queued []string `json:"queued,omitempty"`
	// Restrictions are those in force for the cluster, oldest first.
	Restrictions []Restriction `json:"restrictions,omitempty"`
}
