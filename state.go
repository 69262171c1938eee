package slipway

import (
	"context"
	"time"
)

// Condition says in a word how a cluster, or an environment, is.
type Condition string

// The conditions, from the best to the worst.
const (
	ConditionEmpty    Condition = "empty"    // nothing runs, and nothing is meant to
	ConditionHealthy  Condition = "healthy"  // as many machines serve as should
	ConditionDegraded Condition = "degraded" // some serve, fewer than should
	ConditionUnknown  Condition = "unknown"  // the load balancer does not say
	ConditionDown     Condition = "down"     // nothing serves that should
)

// Conditions lists every condition, from the best to the worst.
var Conditions = []Condition{ConditionEmpty, ConditionHealthy, ConditionDegraded, ConditionUnknown, ConditionDown}

// EnvironmentState is all of an environment as it is now: what runs where, how it is, and what comes next.
type EnvironmentState struct {
	Environment string    `json:"environment"`
	Condition   Condition `json:"condition"` // the worst of its clusters'
	Machines    int       `json:"machines"`  // of server groups
	Healthy     int       `json:"healthy"`   // of these
	Drifted     int       `json:"drifted"`   // clusters with drift
	UnderWay    int       `json:"under_way"` // deployments, those that are queued among them
	// Restrictions are those in force for all of the environment, oldest first; those of one application are with its cluster.
	Restrictions []Restriction  `json:"restrictions,omitempty"`
	Clusters     []ClusterState `json:"clusters"` // by application
}

// ClusterState is a cluster as it is now: what runs, how it is, who put it there, and what comes next.
type ClusterState struct {
	Cluster   Cluster   `json:"cluster"`
	Account   string    `json:"account"`
	Condition Condition `json:"condition"`
	Reason    string    `json:"reason,omitempty"` // why it is in that condition, if it is not healthy
	// Serving is the server group that gets most of the traffic; without a load balancer that which the last deployment has led to.
	Serving string        `json:"serving,omitempty"`
	Image   *RunningImage `json:"image,omitempty"`  // of Serving
	Placed  *Placement    `json:"placed,omitempty"` // how Serving came to serve
	Groups  []GroupState  `json:"groups"`           // newest first
	Drift   []Drift       `json:"drift"`            // what is not as it was decided
	// LoadBalancer is its listener, if it has one.
	LoadBalancer *Listener `json:"load_balancer,omitempty"`
	// Failed is the last deployment, if it did not succeed.
	Failed *Placement `json:"failed,omitempty"`
	Next   Next       `json:"next"`
}

// RunningImage is what there is to know at a glance of an image that runs.
type RunningImage struct {
	Digest  Digest      `json:"digest"`
	Version string      `json:"version,omitempty"`
	Commit  string      `json:"commit,omitempty"`
	Branch  string      `json:"branch,omitempty"`
	State   ImageState  `json:"state,omitempty"` // "" if its record is gone
	Revoked *Revocation `json:"revoked,omitempty"`
}

// Placement is a deployment in short.
type Placement struct {
	Deployment string          `json:"deployment"`
	Kind       DeploymentKind  `json:"kind"`
	State      DeploymentState `json:"state"`
	Image      Digest          `json:"image"`
	Target     string          `json:"target,omitempty"`
	By         string          `json:"by,omitempty"`
	Reason     string          `json:"reason,omitempty"`
	Execution  string          `json:"execution,omitempty"`
	Started    time.Time       `json:"started"`
	Since      time.Time       `json:"since,omitzero"` // when it was over: since then its target serves, if it succeeded
	Error      string          `json:"error,omitempty"`
}

// GroupState is a server group at a glance.
type GroupState struct {
	Name     string       `json:"name"`
	Image    RunningImage `json:"image"`
	Size     Size         `json:"size"`
	Machines int          `json:"machines"`
	Healthy  int          `json:"healthy"`
	Traffic  int          `json:"traffic"`        // percent of new requests, by the weights that the load balancer has
	Mode     TargetMode   `json:"mode,omitempty"` // as the load balancer has it; "" if it has none of it
	Replaced int          `json:"replaced"`
	Created  time.Time    `json:"created"`
	Trouble  string       `json:"trouble,omitempty"`
}

// Listener is where a cluster's load balancer listens.
type Listener struct {
	Name    string `json:"name"`
	Address string `json:"address"`
	Port    int    `json:"port"`
	Trouble string `json:"trouble,omitempty"` // why it cannot be looked at
}

// Next is what is about to happen to a cluster, or what waits to.
type Next struct {
	// Deployments are under way or queued: that under way first, then in the order of their turns.
	Deployments []NextDeployment `json:"deployments,omitempty"`
	Approvals   []Approval       `json:"approvals,omitempty"` // that people are asked for
	// Restrictions are those in force of this application alone, or of it in every environment; oldest first.
	Restrictions []Restriction `json:"restrictions,omitempty"`
}

// NextDeployment is a deployment that is under way or queued.
type NextDeployment struct {
	Placement
	Step    string   `json:"step,omitempty"`
	Weight  int      `json:"weight,omitempty"` // percent of the traffic that the target has
	Waiting *Waiting `json:"waiting,omitempty"`
	Paused  *Pause   `json:"paused,omitempty"`
}

// DriftKind says what is not as it was decided.
type DriftKind string

// The kinds of drift.
const (
	DriftImage        DriftKind = "image"         // what serves is of another image than the last deployment that succeeded, or its machines are
	DriftTainted      DriftKind = "tainted"       // machines are not what was baked any more
	DriftRevoked      DriftKind = "revoked"       // what runs is revoked
	DriftFailed       DriftKind = "failed"        // the tests of what runs failed
	DriftConfig       DriftKind = "config"        // slipway.yaml has other configuration than runs, or machines have another version than their group
	DriftSize         DriftKind = "size"          // slipway.yaml has another size than runs
	DriftLimits       DriftKind = "limits"        // slipway.yaml has other limits than runs
	DriftLoadBalancer DriftKind = "load_balancer" // the load balancer does not have what was decided
	DriftRemoved      DriftKind = "removed"       // the newest slipway.yaml has no such environment
)

// DriftKinds lists every kind.
var DriftKinds = []DriftKind{DriftImage, DriftTainted, DriftRevoked, DriftFailed, DriftConfig, DriftSize, DriftLimits, DriftLoadBalancer, DriftRemoved}

// Drift is something that is not as it was decided.
type Drift struct {
	Kind    DriftKind `json:"kind"`
	Group   string    `json:"group,omitempty"`
	Message string    `json:"message"` // what differs, for people; never a value of the configuration
}

// Records reads what is told of a whole environment in a bounded number of queries, however many applications it has. Methods are safe for
// concurrent use.
type Records interface {
	// EnvironmentRecords returns what is recorded of an environment: of all its applications, or of the one that is not "". groups are the server
	// groups whose placement, images the images whose record is wanted.
	EnvironmentRecords(ctx context.Context, cluster Cluster, groups []string, images []Digest) (EnvironmentRecords, error)
	// EnvironmentNames returns every environment that an application's newest slipway.yaml names or to which something was deployed, by name, with
	// what those slipway.yaml say of it.
	EnvironmentNames(ctx context.Context) ([]EnvironmentInfo, error)
}

// EnvironmentRecords is what is recorded of an environment. Maps are by application unless they say otherwise. What is in them is shared: who
// gets it reads it alone.
type EnvironmentRecords struct {
	Policies map[string]Environment  // of the newest slipway.yaml
	Known    map[string]bool         // whether the application has a slipway.yaml
	Routes   map[string]Route        //
	Last     map[string]Placement    // the last deployment that is over
	Open     []Deployment            // under way or queued, oldest first
	Placed   map[string]Placement    // by server group: the last deployment that led to it and succeeded
	Images   map[Digest]RunningImage // those that are recorded
}

// EnvironmentInfo is an environment as the applications' slipway.yaml have it.
type EnvironmentInfo struct {
	Name         string              `json:"name"`
	Accounts     []string            `json:"accounts"` // that its applications run in, by name
	Applications []EnvironmentMember `json:"applications"`
}

// EnvironmentMember is an application of an environment.
type EnvironmentMember struct {
	Application string `json:"application"`
	// Policy is what the application's newest slipway.yaml says; nil if it says nothing (any more), though something was deployed.
	Policy *Environment `json:"policy,omitempty"`
}

// PlacementOf returns a deployment in short.
func PlacementOf(d Deployment) Placement {
	p := Placement{
		Deployment: d.ID, Kind: d.Kind, State: d.State, Image: d.Image, Target: d.Target, By: d.By, Reason: d.Reason, Execution: d.Execution,
		Started: d.Started, Since: d.Finished,
	}
	if d.Error != nil {
		p.Error = d.Error.Message
	}
	return p
}

// RunningImageOf returns an image in short.
func RunningImageOf(i Image) RunningImage {
	r := RunningImage{Digest: i.Digest, Version: i.Version, State: i.State, Revoked: i.Revoked}
	if i.Source != nil {
		r.Commit, r.Branch = i.Source.Commit, i.Source.Branch
	}
	return r
}

// Serving returns the server group that the route sends most traffic to, "" if it sends none.
func (r Route) Serving() string {
	name, most := "", -1
	for _, g := range r.Groups {
		weight := g.Weight
		if weight == 0 {
			weight = fullWeight
		}
		if g.Mode == Active && weight > most {
			name, most = g.Group, weight
		}
	}
	return name
}

// fullWeight is the weight of a group in a route that names none.
const fullWeight = 100
