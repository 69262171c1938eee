package httpapi

import (
	"strings"
	"testing"
	"time"

	"github.com/slipway-sh/slipway"
)

func TestClusterQueue(t *testing.T) {
	const (
		queued, running, held, done = slipway.DeploymentQueued, slipway.DeploymentRunning, slipway.DeploymentHeld, slipway.DeploymentSucceeded
	)
	type deployment struct {
		state  slipway.DeploymentState
		hotfix bool
	}
	for name, c := range map[string]struct {
		deployments     []deployment // d-0 first, each a second after the one before
		current, queued string
	}{
		"none is under way":              {[]deployment{{done, false}, {done, false}}, "d-1", ""},
		"one is":                         {[]deployment{{done, false}, {running, false}}, "d-1", ""},
		"others wait for it":             {[]deployment{{done, false}, {running, false}, {queued, false}, {queued, false}}, "d-1", "d-2 d-3"},
		"a hotfix jumps the queue":       {[]deployment{{held, false}, {queued, false}, {queued, true}, {queued, false}}, "d-0", "d-2 d-1 d-3"},
		"one that waits was aborted":     {[]deployment{{running, false}, {queued, false}, {slipway.DeploymentAborted, false}}, "d-0", "d-1"},
		"one ended while another waited": {[]deployment{{queued, false}, {done, false}}, "d-1", "d-0"},
		"the next is about to begin":     {[]deployment{{queued, false}}, "d-0", "d-0"},
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t)
			prod := slipway.Cluster{Application: "shop", Environment: "prod"}
			route := slipway.Route{Cluster: prod, Groups: []slipway.GroupRoute{{Group: prod.GroupName(1), Mode: slipway.Active}}}
			if err := s.Store.PutRoute(t.Context(), route); err != nil {
				t.Fatal(err)
			}
			for n, d := range c.deployments {
				err := s.Store.PutDeployment(t.Context(), slipway.Deployment{
					ID: "d-" + string(rune('0'+n)), Cluster: prod, State: d.state, Hotfix: d.hotfix, Started: time.Unix(int64(n), 0),
				})
				if err != nil {
					t.Fatal(err)
				}
			}
			var got slipway.ClusterStatus
			s.get(t, "/v1/clusters/shop/prod", &got)
			if got.Deployment == nil || got.Deployment.ID != c.current || strings.Join(got.Queued, " ") != c.queued {
				t.Errorf("%s", mustJSON(t, got))
			}
		})
	}
}

func TestClusterRestrictions(t *testing.T) {
	s := serve(t)
	prod := slipway.Cluster{Application: "shop", Environment: "prod"}
	if err := s.Store.PutDeployment(t.Context(), slipway.Deployment{ID: "d-1", Cluster: prod}); err != nil {
		t.Fatal(err)
	}
	for _, r := range []slipway.Restriction{
		{ID: "f-1", Kind: slipway.RestrictionFreeze},
		{ID: "p-1", Kind: slipway.RestrictionPin, Cluster: prod},
		{ID: "f-2", Kind: slipway.RestrictionFreeze, Cluster: slipway.Cluster{Environment: "dev"}},
		{ID: "f-3", Kind: slipway.RestrictionFreeze, Cluster: slipway.Cluster{Application: "shop"}, Until: time.Unix(1, 0)},
	} {
		if _, err := s.Store.PutRestriction(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
	var got slipway.ClusterStatus
	s.get(t, "/v1/clusters/shop/prod", &got)
	if len(got.Restrictions) != 2 || got.Restrictions[0].ID != "f-1" || got.Restrictions[1].ID != "p-1" {
		t.Errorf("%s", mustJSON(t, got))
	}
}
