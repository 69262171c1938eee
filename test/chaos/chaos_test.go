// Package chaos kills slipwayd where it hurts most.
package chaos

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/test/daemon"
	"github.com/slipway-sh/slipway/test/load"
)

const rate = 300

var prod = slipway.Cluster{Application: "hello", Environment: "prod"}

// TestKilledInRollout kills slipwayd with SIGKILL at five points of a rollout, under load, and starts it again. The rollout
// must finish, no request may fail, and nothing may be left over.
func TestKilledInRollout(t *testing.T) {
	d := daemon.ForTest(t)
	port, err := daemon.FreePort()
	if err != nil {
		t.Fatal(err)
	}
	ship := func(t *testing.T, release string, flags ...string) {
		t.Helper()
		manifest := d.HelloForTest(t, release, func(s *slipway.Spec) {
			env := s.Environments[prod.Environment]
			env.LoadBalancer.Port = port
			env.Healthy = slipway.Duration(2 * time.Minute) // a killed slipwayd's time counts
			env.Strategy = slipway.Strategy{RedBlack: &slipway.RedBlack{Watch: slipway.Duration(time.Second)}}
			s.Environments[prod.Environment] = env
		})
		args := append([]string{"ship", "--file", manifest, "--version", release}, flags...)
		d.Must(t, 0, append(args, prod.Environment)...)
	}
	ship(t, "v1")
	requests := load.Start(t.Context(), load.Options{URL: fmt.Sprintf("http://127.0.0.1:%d/", port), Rate: rate, Label: release})
	defer requests.Stop()

	for i, point := range []string{
		"creating",           // the target's machines are being made
		"checking",           // they are healthy, and no request has reached them
		"shifting",           // the load balancer is about to be told
		"watching",           // all traffic is on the target
		"settling",           // the deployment is about to become final
		"keeping",            // it is; the source is being put aside
		"the bake",           // nothing has been deployed yet
		"the end of the way", // it is over: the restart must change nothing
	} {
		next := []string{"v2", "v1"}[i%2]
		t.Run(point, func(t *testing.T) {
			before := requests.Counts()
			last, err := d.LastEvent(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			ship(t, next, "--no-wait")
			event, err := d.Await(t.Context(), slipway.EventFilter{After: last, Application: prod.Application}, func(e slipway.Event) bool {
				switch point {
				case "the bake":
					return e.Kind == slipway.BakeStarted
				case "the end of the way":
					return e.Kind == slipway.DeploymentFinished
				}
				return e.Kind == slipway.DeploymentStep && strings.Contains(e.Message, point)
			})
			if err != nil {
				t.Fatalf("never saw %q: %v", point, err)
			}
			d.Kill()
			if err := requests.Await(t.Context(), rate); err != nil { // a second's worth without slipwayd
				t.Fatal(err)
			}
			if err := d.Start(t.Context()); err != nil {
				t.Fatal(err)
			}
			finished(t, d, last, event)
			serves(t, d, requests, next)
			if c := requests.Counts().Minus(before); c.Failed > 0 {
				t.Errorf("%d of %d requests failed: %v", c.Failed, c.Sent, requests.Failures())
			}
		})
	}
	if c := requests.Stop(); c.Failed > 0 || c.Sent == 0 {
		t.Errorf("%d of %d requests failed: %v", c.Failed, c.Sent, requests.Failures())
	} else {
		t.Logf("%d requests, 0 failed, the slowest took %s", c.Sent, c.Slow.Round(time.Millisecond))
	}
}

// finished waits for the deployment that event belongs to, or that comes after the last one, and checks how it ended.
func finished(t *testing.T, d *daemon.Daemon, last int64, event slipway.Event) {
	t.Helper()
	if event.Deployment == "" {
		started, err := d.Await(t.Context(), slipway.EventFilter{After: last, Application: prod.Application}, func(e slipway.Event) bool {
			return e.Deployment != ""
		})
		if err != nil {
			t.Fatal(err)
		}
		event = started
	}
	deployment, err := d.AwaitDeployment(t.Context(), event.Deployment)
	if err != nil {
		t.Fatal(err)
	}
	if deployment.State != slipway.DeploymentSucceeded || len(deployment.Undo) > 0 {
		t.Errorf("deployment %s is %s, to be undone: %v, error: %v", deployment.ID, deployment.State, deployment.Undo, deployment.Error)
	}
}

// serves checks that the release alone answers, from three healthy machines, and that there are no machines but these and
// the three of the group that is kept.
func serves(t *testing.T, d *daemon.Daemon, requests *load.Generator, want string) {
	t.Helper()
	before := requests.Counts()
	if err := requests.Await(t.Context(), 50); err != nil {
		t.Fatal(err)
	}
	// Answers that were under way when we began to count may be old: there are at most as many as were open.
	for label, n := range requests.Counts().Minus(before).Labels {
		if label != want && n > before.Open {
			t.Errorf("%d answers came from %s, not from %s", n, label, want)
		}
	}
	status, err := d.API.Cluster(t.Context(), prod)
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]bool{}
	for _, group := range status.Groups {
		for _, instance := range group.Instances {
			known[instance.ID] = true
		}
		if group.Name == status.Serving && group.Healthy() != 3 {
			t.Errorf("%d machines of %s are healthy, not 3", group.Healthy(), group.Name)
		}
	}
	if len(status.Groups) > 2 || len(known) > 6 {
		t.Errorf("%d server groups and %d machines are there, want at most 2 and 6", len(status.Groups), len(known))
	}
	instances, err := d.API.Instances(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, instance := range instances {
		if !known[instance.ID] {
			t.Errorf("orphan: %+v", instance)
		}
	}
	if n := daemon.Overlays(d.Data); n != len(known) {
		t.Errorf("%d root file systems are mounted for %d machines", n, len(known))
	}
}

// release finds v2 in "hello v2 from i-abc".
func release(body []byte) string {
	if words := strings.Fields(string(body)); len(words) > 1 {
		return words[1]
	}
	return "?"
}
