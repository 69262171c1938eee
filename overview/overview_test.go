package overview_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/overview"
)

var (
	now  = time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	prod = slipway.Cluster{Application: "shop", Environment: "prod"}
	v1   = slipway.DigestOf([]byte("v1"))
	v2   = slipway.DigestOf([]byte("v2"))
)

func size(n int) slipway.Size { return slipway.Size{Min: n, Desired: n, Max: n} }

// group is the n-th server group of shop in prod: so many machines, of which so many are healthy.
func group(n int, image slipway.Digest, machines, healthy int) slipway.ServerGroup {
	g := slipway.ServerGroup{ServerGroupSpec: slipway.ServerGroupSpec{Name: prod.GroupName(n), Cluster: prod, Image: image, Size: size(machines)}}
	for i := range machines {
		state := slipway.InstanceStarting
		if i < healthy {
			state = slipway.InstanceHealthy
		}
		g.Instances = append(g.Instances, slipway.Instance{ID: fmt.Sprintf("i-%d%d", n, i), Group: g.Name, Image: image, State: state})
	}
	return g
}

// serving is a shop that serves as it should: two machines of v1 behind a load balancer.
func serving() overview.Facts {
	f := overview.Facts{Cluster: slipway.Cluster{Environment: "prod"}, Now: now, Groups: []slipway.ServerGroup{group(1, v1, 2, 2)}}
	f.Records = slipway.EnvironmentRecords{
		Policies: map[string]slipway.Environment{"shop": {Size: size(2)}},
		Known:    map[string]bool{"shop": true},
		Routes: map[string]slipway.Route{"shop": {Cluster: prod, Address: "127.0.0.1", Port: 80, Groups: []slipway.GroupRoute{
			{Group: prod.GroupName(1), Mode: slipway.Active},
		}}},
		Last:   map[string]slipway.Placement{"shop": {Deployment: "d-1", State: slipway.DeploymentSucceeded, Image: v1}},
		Placed: map[string]slipway.Placement{prod.GroupName(1): {Deployment: "d-1", State: slipway.DeploymentSucceeded, Image: v1, By: "ann", Since: now.Add(-time.Hour)}},
		Images: map[slipway.Digest]slipway.RunningImage{v1: {Digest: v1, Version: "v1", State: slipway.ImageReady}, v2: {Digest: v2, Version: "v2", State: slipway.ImageReady}},
	}
	f.Pools = map[string]slipway.PoolStatus{"shop-prod": pool(target(1, 0, 128), target(1, 1, 128))}
	return f
}

func pool(targets ...slipway.TargetStatus) slipway.PoolStatus {
	return slipway.PoolStatus{LoadBalancer: "shop-prod", Address: "127.0.0.1", Port: 80, Targets: targets}
}

func target(n, i, weight int) slipway.TargetStatus {
	return slipway.TargetStatus{Target: slipway.Target{Instance: fmt.Sprintf("i-%d%d", n, i), Group: prod.GroupName(n), Mode: slipway.Active, Weight: weight}, Up: true}
}

func underWay(f *overview.Facts, d slipway.Deployment) {
	d.Cluster = prod
	f.Records.Open = append(f.Records.Open, d)
}

func TestConditionsAndDrift(t *testing.T) {
	for name, c := range map[string]struct {
		change    func(*overview.Facts)
		condition slipway.Condition
		drift     []slipway.DriftKind
	}{
		"all is well": {func(*overview.Facts) {}, slipway.ConditionHealthy, nil},
		"a machine is missing": {func(f *overview.Facts) {
			f.Groups = []slipway.ServerGroup{group(1, v1, 2, 1)}
		}, slipway.ConditionDegraded, nil},
		"no machine is healthy": {func(f *overview.Facts) {
			f.Groups = []slipway.ServerGroup{group(1, v1, 2, 0)}
		}, slipway.ConditionDown, nil},
		"the group that should serve is gone": {func(f *overview.Facts) { f.Groups = nil }, slipway.ConditionDown, nil},
		"nothing is routed": {func(f *overview.Facts) {
			f.Records.Routes, f.Records.Placed = nil, nil
		}, slipway.ConditionDown, nil},
		"a worker without a load balancer": {func(f *overview.Facts) { f.Records.Routes, f.Pools = nil, nil }, slipway.ConditionHealthy, nil},
		"nothing was deployed": {func(f *overview.Facts) {
			f.Groups, f.Pools = nil, nil
			f.Records = slipway.EnvironmentRecords{Policies: f.Records.Policies, Known: f.Records.Known}
		}, slipway.ConditionEmpty, nil},
		"the load balancer does not answer": {func(f *overview.Facts) {
			f.Pools, f.Blind = nil, "cannot reach HAProxy"
		}, slipway.ConditionUnknown, nil},
		"the load balancer does not listen": {func(f *overview.Facts) { f.Pools = nil }, slipway.ConditionDown, []slipway.DriftKind{slipway.DriftLoadBalancer}},
		"the load balancer takes all for dead": {func(f *overview.Facts) {
			dead := target(1, 0, 128)
			dead.Up = false
			f.Pools["shop-prod"] = pool(dead)
		}, slipway.ConditionDown, []slipway.DriftKind{slipway.DriftLoadBalancer}},
		"the load balancer sends some elsewhere": {func(f *overview.Facts) {
			f.Groups = append(f.Groups, group(2, v2, 1, 1))
			f.Pools["shop-prod"] = pool(target(1, 0, 128), target(2, 0, 128))
		}, slipway.ConditionHealthy, []slipway.DriftKind{slipway.DriftLoadBalancer, slipway.DriftLoadBalancer}},
		"weights are rounded": {func(f *overview.Facts) {
			f.Pools["shop-prod"] = pool(target(1, 0, 85), target(1, 1, 86))
		}, slipway.ConditionHealthy, nil},
		"the image is revoked": {func(f *overview.Facts) {
			f.Records.Images[v1] = slipway.RunningImage{Digest: v1, Revoked: &slipway.Revocation{Reason: "CVE"}}
		}, slipway.ConditionHealthy, []slipway.DriftKind{slipway.DriftRevoked}},
		"the image's tests failed": {func(f *overview.Facts) {
			f.Records.Images[v1] = slipway.RunningImage{Digest: v1, State: slipway.ImageFailed}
		}, slipway.ConditionHealthy, []slipway.DriftKind{slipway.DriftFailed}},
		"a machine is of another image": {func(f *overview.Facts) { f.Groups[0].Instances[1].Image = v2 }, slipway.ConditionHealthy, []slipway.DriftKind{slipway.DriftImage}},
		"a machine is tainted": {func(f *overview.Facts) {
			f.Groups[0].Instances[1].Taint = &slipway.Taint{Path: "/etc/passwd"}
		}, slipway.ConditionHealthy, []slipway.DriftKind{slipway.DriftTainted}},
		"a machine has another version of the configuration": {func(f *overview.Facts) {
			f.Groups[0].ConfigVersion, f.Groups[0].Instances[0].ConfigVersion = 3, 3
		}, slipway.ConditionHealthy, []slipway.DriftKind{slipway.DriftConfig}},
		"it is not what was deployed": {func(f *overview.Facts) {
			f.Records.Placed[prod.GroupName(1)] = slipway.Placement{Deployment: "d-1", Image: v2}
		}, slipway.ConditionHealthy, []slipway.DriftKind{slipway.DriftImage}},
		"slipway.yaml wants another size": {func(f *overview.Facts) {
			f.Records.Policies["shop"] = slipway.Environment{Size: size(3)}
		}, slipway.ConditionHealthy, []slipway.DriftKind{slipway.DriftSize}},
		"slipway.yaml wants a size that is the default": {func(f *overview.Facts) {
			f.Records.Policies["shop"] = slipway.Environment{}
		}, slipway.ConditionHealthy, []slipway.DriftKind{slipway.DriftSize}},
		"slipway.yaml has other configuration": {func(f *overview.Facts) {
			f.Records.Policies["shop"] = slipway.Environment{Size: size(2), Config: map[string]string{"A": "secret"}}
		}, slipway.ConditionHealthy, []slipway.DriftKind{slipway.DriftConfig}},
		"the service is configured beside slipway.yaml": {func(f *overview.Facts) {
			f.Groups[0].Config = map[string]string{"B": "1"}
		}, slipway.ConditionHealthy, nil},
		"slipway.yaml has other limits": {func(f *overview.Facts) {
			f.Records.Policies["shop"] = slipway.Environment{Size: size(2), Limits: slipway.Limits{CPU: 1}}
		}, slipway.ConditionHealthy, []slipway.DriftKind{slipway.DriftLimits}},
		"slipway.yaml has no such environment any more": {func(f *overview.Facts) {
			f.Records.Policies = nil
		}, slipway.ConditionHealthy, []slipway.DriftKind{slipway.DriftRemoved}},
		"a group kept for a rollback is of a revoked image": {func(f *overview.Facts) {
			f.Groups = append(f.Groups, group(2, v2, 0, 0))
			f.Records.Images[v2] = slipway.RunningImage{Digest: v2, Revoked: &slipway.Revocation{}}
		}, slipway.ConditionHealthy, nil},
		"what a deployment under way intends is no drift": {func(f *overview.Facts) {
			f.Records.Policies["shop"] = slipway.Environment{Size: size(9)}
			f.Pools["shop-prod"] = pool(target(1, 0, 1), target(2, 0, 99))
			underWay(f, slipway.Deployment{ID: "d-2", State: slipway.DeploymentRunning})
		}, slipway.ConditionHealthy, nil},
		"one that is queued changes nothing yet": {func(f *overview.Facts) {
			f.Records.Policies["shop"] = slipway.Environment{Size: size(9)}
			underWay(f, slipway.Deployment{ID: "d-2", State: slipway.DeploymentQueued})
		}, slipway.ConditionHealthy, []slipway.DriftKind{slipway.DriftSize}},
	} {
		t.Run(name, func(t *testing.T) {
			f := serving()
			c.change(&f)
			state, known := overview.Environment(f)
			if !known || len(state.Clusters) != 1 {
				t.Fatalf("%+v", state)
			}
			s := state.Clusters[0]
			if s.Condition != c.condition || state.Condition != c.condition {
				t.Errorf("%s (%s), want %s", s.Condition, s.Reason, c.condition)
			}
			if (s.Reason == "") != (s.Condition == slipway.ConditionHealthy) {
				t.Errorf("%s because of %q", s.Condition, s.Reason)
			}
			var kinds []slipway.DriftKind
			for _, d := range s.Drift {
				kinds = append(kinds, d.Kind)
				if d.Message == "" || strings.Contains(d.Message, "secret") {
					t.Errorf("%+v", d)
				}
			}
			if !slices.Equal(kinds, c.drift) {
				t.Errorf("drift: %+v, want %v", s.Drift, c.drift)
			}
			if want := min(len(c.drift), 1); state.Drifted != want {
				t.Errorf("%d clusters have drifted, want %d", state.Drifted, want)
			}
		})
	}
}

func TestWhoPutItThereAndWhatIsNext(t *testing.T) {
	f := serving()
	f.Records.Last["shop"] = slipway.Placement{Deployment: "d-2", State: slipway.DeploymentRolledBack, Error: "cannot"}
	underWay(&f, slipway.Deployment{ID: "d-5", State: slipway.DeploymentQueued, Started: now})
	underWay(&f, slipway.Deployment{ID: "d-4", State: slipway.DeploymentQueued, Started: now.Add(-time.Minute)})
	underWay(&f, slipway.Deployment{ID: "d-6", State: slipway.DeploymentQueued, Started: now, Hotfix: true})
	underWay(&f, slipway.Deployment{ID: "d-3", State: slipway.DeploymentHeld, Started: now, Step: "held", Waiting: &slipway.Waiting{For: "a person"}})
	f.Approvals = []slipway.Approval{{ID: "a-1", Application: "shop", Environment: "prod"}, {ID: "a-2", Application: "shop", Environment: "dev"}, {ID: "a-3", Application: "till", Environment: "prod"}}
	f.Restrictions = []slipway.Restriction{
		{ID: "f-1", Cluster: slipway.Cluster{Environment: "prod"}}, {ID: "f-2"}, {ID: "f-3", Cluster: slipway.Cluster{Environment: "dev"}},
		{ID: "f-4", Cluster: prod}, {ID: "f-5", Cluster: slipway.Cluster{Application: "shop"}}, {ID: "f-6", Cluster: prod, Until: now},
		{ID: "f-7", Cluster: slipway.Cluster{Application: "till", Environment: "prod"}},
	}
	state, _ := overview.Environment(f)
	s := state.Clusters[0]
	if s.Placed == nil || s.Placed.By != "ann" || !s.Placed.Since.Equal(now.Add(-time.Hour)) || s.Failed == nil || s.Failed.Deployment != "d-2" {
		t.Errorf("%+v, %+v", s.Placed, s.Failed)
	}
	var next []string
	for _, d := range s.Next.Deployments {
		next = append(next, d.Deployment)
	}
	if want := []string{"d-3", "d-6", "d-4", "d-5"}; !slices.Equal(next, want) || state.UnderWay != 4 {
		t.Errorf("next: %v, want %v", next, want)
	}
	if first := s.Next.Deployments[0]; first.Waiting == nil || first.Step != "held" {
		t.Errorf("%+v", first)
	}
	ids := func(all []slipway.Restriction) (ids []string) {
		for _, r := range all {
			ids = append(ids, r.ID)
		}
		return ids
	}
	if got := ids(state.Restrictions); !slices.Equal(got, []string{"f-1", "f-2"}) {
		t.Errorf("of all: %v", got)
	}
	if got := ids(s.Next.Restrictions); !slices.Equal(got, []string{"f-4", "f-5"}) {
		t.Errorf("of shop: %v", got)
	}
	if len(s.Next.Approvals) != 1 || s.Next.Approvals[0].ID != "a-1" {
		t.Errorf("%+v", s.Next.Approvals)
	}
}

func TestTraffic(t *testing.T) {
	f := serving()
	f.Groups = append(f.Groups, group(2, v2, 1, 1), group(3, v1, 1, 1))
	standby := target(3, 0, 1)
	standby.Mode = slipway.Standby
	f.Pools["shop-prod"] = pool(target(1, 0, 100), target(1, 1, 90), target(2, 0, 10), standby)
	state, _ := overview.Environment(f)
	got := ""
	for _, g := range state.Clusters[0].Groups {
		got += fmt.Sprintf("%s %d%% %s; ", g.Name, g.Traffic, g.Mode)
	}
	if want := "shop-prod-v003 0% standby; shop-prod-v002 5% active; shop-prod-v001 95% active; "; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if state.Machines != 4 || state.Healthy != 4 {
		t.Errorf("%d of %d machines", state.Healthy, state.Machines)
	}
}

func TestNothingIsKnown(t *testing.T) {
	if state, known := overview.Environment(overview.Facts{Cluster: slipway.Cluster{Environment: "nowhere"}, Now: now}); known {
		t.Errorf("%+v", state)
	}
	only := overview.Only(func() slipway.EnvironmentState { s, _ := overview.Environment(serving()); return s }(), func(slipway.ClusterState) bool { return false })
	if len(only.Clusters) != 0 || only.Machines != 0 || only.Condition != slipway.ConditionEmpty {
		t.Errorf("%+v", only)
	}
}
