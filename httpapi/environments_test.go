package httpapi

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/slipway-sh/slipway"
)

// town is an environment of so many applications, each of so many machines, as a big company has them.
func town(t testing.TB, applications, machines int) func(*Config) {
	return func(c *Config) {
		p, all := &provider{}, pools{}
		for n := range applications {
			cluster := slipway.Cluster{Application: fmt.Sprintf("app-%03d", n), Environment: "prod"}
			image := slipway.Image{
				Digest: slipway.DigestOf([]byte(cluster.Application)), Application: cluster.Application, Version: "v7", State: slipway.ImageReady, Created: time.Unix(1, 0),
				Source: &slipway.Source{Commit: "c0ffee"},
			}
			size := slipway.Size{Min: machines, Desired: machines, Max: machines}
			policy := slipway.Environment{Size: size, LoadBalancer: &slipway.LoadBalancerSpec{Port: 20000 + n}}
			d := slipway.Deployment{
				ID: fmt.Sprintf("d-%03d", n), Kind: slipway.KindDeploy, Cluster: cluster, Image: image.Digest, Environment: policy, By: "ann", State: slipway.DeploymentRunning,
				Started: time.Unix(1, 0).UTC(), Undo: []slipway.Undo{},
			}
			must := func(err error) {
				if err != nil {
					t.Helper()
					t.Fatal(err)
				}
			}
			must(c.Store.PutApplication(t.Context(), slipway.Spec{Application: cluster.Application, Environments: map[string]slipway.Environment{"prod": policy}}))
			must(c.Store.PutImage(t.Context(), image))
			d, err := c.Store.CreateDeployment(t.Context(), d)
			must(err)
			d.State, d.Finished = slipway.DeploymentSucceeded, time.Unix(60, 0).UTC()
			must(c.Store.PutDeployment(t.Context(), d))
			must(c.Store.PutRoute(t.Context(), slipway.Route{Cluster: cluster, Address: "127.0.0.1", Port: 20000 + n, Groups: []slipway.GroupRoute{{Group: d.Target, Mode: slipway.Active}}}))
			g := slipway.ServerGroup{ServerGroupSpec: slipway.ServerGroupSpec{Name: d.Target, Cluster: cluster, Image: image.Digest, Size: size}, Created: time.Unix(2, 0).UTC()}
			status := slipway.PoolStatus{LoadBalancer: cluster.String(), Address: "127.0.0.1", Port: 20000 + n}
			for i := range machines {
				id := fmt.Sprintf("i-%03d-%03d", n, i)
				g.Instances = append(g.Instances, slipway.Instance{ID: id, Group: g.Name, Image: image.Digest, State: slipway.InstanceHealthy})
				status.Targets = append(status.Targets, slipway.TargetStatus{Up: true, Target: slipway.Target{Instance: id, Group: g.Name, Mode: slipway.Active, Weight: 10}})
			}
			p.groups = append(p.groups, g)
			all[cluster.String()] = status
		}
		c.Provider, c.Pools = p, everyPool{all}
	}
}

// everyPool also reads all load balancers at once, as HAProxy's does.
type everyPool struct{ pools }

func (p everyPool) Pools(context.Context) (map[string]slipway.PoolStatus, error) { return p.pools, nil }

func TestEnvironmentState(t *testing.T) {
	s := serve(t, town(t, 3, 2))
	var state slipway.EnvironmentState
	s.get(t, "/v1/environments/prod/state", &state)
	if state.Condition != slipway.ConditionHealthy || len(state.Clusters) != 3 || state.Machines != 6 || state.Healthy != 6 || state.Drifted != 0 {
		t.Errorf("%+v", state)
	}
	shop := state.Clusters[0]
	if shop.Image == nil || shop.Image.Version != "v7" || shop.Image.Commit != "c0ffee" || shop.Placed == nil || shop.Placed.By != "ann" ||
		!shop.Placed.Since.Equal(time.Unix(60, 0)) || shop.LoadBalancer == nil || shop.LoadBalancer.Port != 20000 || shop.Groups[0].Traffic != 100 {
		t.Errorf("%+v", shop)
	}

	_, _, header := s.do(t, "GET", "/v1/environments/prod/state", "")
	tag := header.Get("ETag")
	if status, body, header := s.do(t, "GET", "/v1/environments/prod/state", "", "If-None-Match", tag); status != http.StatusNotModified || body != "" || header.Get("ETag") != tag {
		t.Errorf("as it was: %d %s %v", status, body, header)
	}
	p := s.Provider.(*provider)
	p.groups[1].Instances[0].State = slipway.InstanceUnhealthy
	if _, err := s.Store.RevokeImage(t.Context(), p.groups[2].Image, &slipway.Revocation{Reason: "CVE"}); err != nil {
		t.Fatal(err)
	}
	if status, _, _ := s.do(t, "GET", "/v1/environments/prod/state", "", "If-None-Match", tag); status != http.StatusOK {
		t.Errorf("otherwise than it was: %d", status)
	}
	for query, want := range map[string]string{
		"": "[app-000 app-001 app-002]", "?condition=degraded": "[app-001]", "?condition=degraded,healthy": "[app-000 app-001 app-002]",
		"?drifted=true": "[app-002]", "?drifted=true&condition=down": "[]",
	} {
		s.get(t, "/v1/environments/prod/state"+query, &state)
		names := []string{}
		for _, c := range state.Clusters {
			names = append(names, c.Cluster.Application)
		}
		if fmt.Sprint(names) != want {
			t.Errorf("%q: %v, want %s", query, names, want)
		}
	}

	var one slipway.ClusterState
	s.get(t, "/v1/clusters/app-002/prod/state", &one)
	if len(one.Drift) != 1 || one.Drift[0].Kind != slipway.DriftRevoked || one.Image.Revoked == nil {
		t.Errorf("%+v", one.Drift)
	}
	for _, path := range []string{"/v1/environments/nowhere/state", "/v1/environments/nowhere", "/v1/clusters/app-000/dev/state", "/v1/clusters/nothing/prod/state", "/v1/load-balancers/nothing", "/v1/groups/nothing-v001", "/v1/accounts/nothing"} {
		if status, body, _ := s.do(t, "GET", path, ""); status != http.StatusNotFound || !strings.Contains(body, "not_found") {
			t.Errorf("%s: %d %s", path, status, body)
		}
	}
	if status, body, _ := s.do(t, "GET", "/v1/environments/prod/state?condition=fine", ""); status != http.StatusUnprocessableEntity || !strings.Contains(body, "query.condition") {
		t.Errorf("%d %s", status, body)
	}
}

// TestStateWhileTheLoadBalancerIsAway shows the rest.
func TestStateWhileTheLoadBalancerIsAway(t *testing.T) {
	s := serve(t, town(t, 2, 1), func(c *Config) { c.Pools = blind{} })
	var state slipway.EnvironmentState
	s.get(t, "/v1/environments/prod/state", &state)
	if state.Condition != slipway.ConditionUnknown || len(state.Clusters) != 2 || !strings.Contains(state.Clusters[0].Reason, "cannot reach HAProxy") {
		t.Errorf("%+v", state)
	}
	var b slipway.LoadBalancer
	s.get(t, "/v1/load-balancers/app-000-prod", &b)
	if b.Pool != nil || !strings.Contains(b.Trouble, "cannot reach HAProxy") {
		t.Errorf("%+v", b)
	}
}

type blind struct{}

func (blind) Pool(context.Context, string) (slipway.PoolStatus, error) {
	return slipway.PoolStatus{}, slipway.Errorf(slipway.Unavailable, "cannot reach HAProxy")
}

func TestEnvironmentsAccountsAndLoadBalancers(t *testing.T) {
	s := serve(t, town(t, 2, 1), func(c *Config) { c.Accounts = accounts{{Name: "local", Provider: "local", Machines: 2}} })
	var environments struct{ Items []slipway.EnvironmentInfo }
	s.get(t, "/v1/environments?application=app-001", &environments)
	if len(environments.Items) != 1 || environments.Items[0].Name != "prod" || len(environments.Items[0].Applications) != 2 || !slices.Equal(environments.Items[0].Accounts, []string{"local"}) {
		t.Errorf("%+v", environments)
	}
	var one slipway.EnvironmentInfo
	s.get(t, "/v1/environments/prod", &one)
	if one.Applications[1].Policy == nil || one.Applications[1].Policy.LoadBalancer.Port != 20001 {
		t.Errorf("%+v", one)
	}
	var account slipway.Account
	s.get(t, "/v1/accounts/local", &account)
	if account.Machines != 2 {
		t.Errorf("%+v", account)
	}
	var balancers struct{ Items []slipway.LoadBalancer }
	s.get(t, "/v1/load-balancers?environment=prod", &balancers)
	if len(balancers.Items) != 2 || balancers.Items[1].Pool == nil || balancers.Items[1].Route.Groups[0].Group != "app-001-prod-v001" {
		t.Errorf("%+v", balancers)
	}
	var groups struct{ Items []slipway.ServerGroup }
	s.get(t, "/v1/groups?application=app-001", &groups)
	if len(groups.Items) != 1 || groups.Items[0].Name != "app-001-prod-v001" {
		t.Errorf("%+v", groups)
	}
}

type accounts []slipway.Account

func (a accounts) Accounts(context.Context) ([]slipway.Account, error) { return a, nil }

// BenchmarkEnvironmentState asks for the state of 500 applications with 10,000 machines.
func BenchmarkEnvironmentState(b *testing.B) {
	s := serve(b, town(b, 500, 20))
	for _, clients := range []int{1, 16} {
		b.Run(fmt.Sprintf("%d clients", clients), func(b *testing.B) {
			var all sync.WaitGroup
			var mu sync.Mutex
			var took []time.Duration
			for range clients {
				all.Go(func() {
					for range b.N {
						began := time.Now()
						if status, body, _ := s.do(b, "GET", "/v1/environments/prod/state", ""); status != http.StatusOK {
							b.Errorf("%d %s", status, body)
						}
						mu.Lock()
						took = append(took, time.Since(began))
						mu.Unlock()
					}
				})
			}
			all.Wait()
			slices.Sort(took)
			b.ReportMetric(float64(took[len(took)*99/100].Milliseconds()), "p99-ms")
		})
	}
}
