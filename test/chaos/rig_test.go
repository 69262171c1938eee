package chaos

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/promql/promtest"
	"github.com/slipway-sh/slipway/test/daemon"
	"github.com/slipway-sh/slipway/test/load"
)

var (
	all    = flag.Bool("chaos.all", false, "kill slipwayd at every step of every strategy")
	report = flag.String("chaos.report", "", "the `file` whose tables are written anew from what was found")
	record = flag.String("chaos.record", "", "the `directory` that histories are recorded into")
)

var prod = slipway.Cluster{Application: "hello", Environment: "prod"}

const (
	machines = 2   // of the cluster
	rate     = 100 // requests per second
	patience = 2 * time.Minute
)

// rig is a slipwayd of its own with a cluster that serves v1 of hello under steady load, and can be deployed v2.
type rig struct {
	*daemon.Daemon
	t        *testing.T
	requests *load.Generator
	env      slipway.Environment
	serving  string // the release that answers
	made     int    // deployments that were begun

	prometheus *promtest.Server // that a check asks, if one does
}

// newRig returns a rig, and takes it down when the test ends.
func newRig(t *testing.T) *rig {
	t.Helper()
	r := newDaemon(t)
	if err := r.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	r.serve()
	return r
}

// newDaemon is newRig without anything started.
func newDaemon(t *testing.T) *rig {
	t.Helper()
	r := &rig{Daemon: daemon.NewForTest(t), t: t, serving: "v1"}
	r.Programs = chaosPrograms(t, r.Programs)
	r.Env = []string{"SLIPWAY_CHAOS_KILL=" + r.killFile()}
	return r
}

// chaosPrograms returns the programs beside which there is a slipwayd that kills itself.
func chaosPrograms(t *testing.T, built daemon.Programs) daemon.Programs {
	t.Helper()
	programs := daemon.Programs(filepath.Join(string(built), "chaos"))
	if _, err := os.Stat(programs.Slipwayd()); err != nil {
		t.Fatalf("there is no slipwayd that kills itself: %v; run `make chaos-programs`", err)
	}
	return programs
}

// killFile says where slipwayd is to kill itself next. It lies beside the data directory.
func (r *rig) killFile() string { return r.Data + ".kill" }

// serve deploys v1, begins to send requests, and bakes v2. more changes what slipway.yaml says.
func (r *rig) serve(more ...func(*slipway.Spec)) {
	r.t.Helper()
	port, err := daemon.FreePort()
	if err != nil {
		r.t.Fatal(err)
	}
	change := func(s *slipway.Spec) {
		s.Image.Service.Health.Interval = slipway.Duration(100 * time.Millisecond)
		s.Image.Service.Drain = slipway.Duration(time.Second)
		env := s.Environments[prod.Environment]
		env.Size = slipway.Size{Min: machines, Desired: machines, Max: machines}
		env.LoadBalancer.Port = port
		env.Healthy = slipway.Duration(time.Minute) // the time that slipwayd is down counts
		env.Strategy = quick(slipway.Strategy{RedBlack: &slipway.RedBlack{}})
		s.Environments[prod.Environment], r.env = env, env
		for _, change := range more {
			change(s)
		}
	}
	r.Must(r.t, 0, "ship", "--file", r.HelloForTest(r.t, "v1", change), "--version", "v1", prod.Environment)
	r.Must(r.t, 0, "bake", "--file", r.HelloForTest(r.t, "v2", change), "--version", "v2")
	r.made = 1
	r.requests = load.Start(context.Background(), load.Options{URL: fmt.Sprintf("http://127.0.0.1:%d/", port), Rate: rate, Label: release})
	r.t.Cleanup(func() { r.requests.Stop() })
	if err := r.requests.Await(r.t.Context(), rate/2); err != nil {
		r.t.Fatal(err)
	}
}

// release finds v2 in "hello v2 from i-abc".
func release(body []byte) string {
	if words := strings.Fields(string(body)); len(words) > 1 {
		return words[1]
	}
	return "?"
}

// other returns the release that does not serve.
func (r *rig) other() string {
	if r.serving == "v1" {
		return "v2"
	}
	return "v1"
}

// deploy begins to deploy the release that does not serve, by the strategy.
func (r *rig) deploy(change func(*slipway.Environment)) slipway.Deployment {
	r.t.Helper()
	env := r.env
	change(&env)
	d, err := r.API.Deploy(r.t.Context(), slipway.DeployRequest{Cluster: prod, Image: r.other(), Environment: &env})
	if err != nil {
		r.t.Fatal(err)
	}
	r.made++
	return d
}

// await returns the deployment once done accepts it. It bears with a slipwayd that is down for a while.
func (r *rig) await(what, id string, done func(slipway.Deployment) bool) slipway.Deployment {
	r.t.Helper()
	d, err := r.poll(r.t.Context(), id, done)
	if err != nil {
		r.t.Fatalf("%s: %v", what, err)
	}
	return d
}

func (r *rig) poll(ctx context.Context, id string, done func(slipway.Deployment) bool) (slipway.Deployment, error) {
	d, err := until(ctx, func(ctx context.Context) (slipway.Deployment, error) { return r.API.Deployment(ctx, id) }, done)
	if err != nil {
		err = fmt.Errorf("waited in vain for deployment %s, which is %s, at %q: %w", id, d.State, d.Step, err)
	}
	return d, err
}

// until reads a record again and again until it is so. Slipwayd may be away meanwhile.
func until[T any](ctx context.Context, read func(context.Context) (T, error), so func(T) bool) (T, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		record, err := read(ctx)
		if err == nil && so(record) {
			return record, nil
		}
		select {
		case <-ctx.Done():
			return record, errors.Join(err, ctx.Err())
		case <-tick.C:
		}
	}
}

// ended accepts a deployment that is over.
func ended(d slipway.Deployment) bool { return d.State.Done() }

// at returns what accepts a deployment whose step begins so, or that is over.
func at(step string) func(slipway.Deployment) bool {
	return func(d slipway.Deployment) bool { return strings.HasPrefix(d.Step, step) || ended(d) }
}

// cluster returns the cluster as it is now.
func (r *rig) cluster() slipway.ClusterStatus {
	r.t.Helper()
	status, err := r.API.Cluster(r.t.Context(), prod)
	if err != nil {
		r.t.Fatal(err)
	}
	return status
}

// lift ends every veto, so that what was rolled back can be deployed again.
func (r *rig) lift() {
	r.t.Helper()
	restrictions, err := r.API.Restrictions(r.t.Context(), prod, true)
	if err != nil {
		r.t.Fatal(err)
	}
	for _, veto := range restrictions {
		if _, err := r.API.Lift(r.t.Context(), slipway.LiftRequest{ID: veto.ID, Reason: "the next test"}); err != nil {
			r.t.Fatal(err)
		}
	}
}

// quick returns the strategy with short times.
func quick(s slipway.Strategy) slipway.Strategy {
	short := slipway.Duration(300 * time.Millisecond)
	switch {
	case s.Highlander != nil:
		s.Highlander.Watch = short
	case s.RedBlack != nil:
		s.RedBlack.Watch = short
	case s.RollingRedBlack != nil:
		s.RollingRedBlack.Watch = short
	case s.Rolling != nil:
		s.Rolling.Watch = short
	case s.Canary != nil:
		s.Canary.Watch = short
	case s.Custom != nil:
		s.Custom.Watch = short
	}
	return s
}
