// Package ha kills one of two slipwayds, and what they work with, while a rollout is under way and its cluster is under load: clients find the
// other, the rollout goes on, and no request fails. The programs are the real ones, and so are PostgreSQL, Temporal and NATS.
package ha

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"go.temporal.io/server/temporaltest"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/client"
	"github.com/slipway-sh/slipway/test/daemon"
	"github.com/slipway-sh/slipway/test/load"
	"github.com/slipway-sh/slipway/test/pgtest"
)

var prod = slipway.Cluster{Application: "hello", Environment: "prod"}

const (
	rate     = 100 // requests per second
	patience = 2 * time.Minute
)

// pair is two slipwayds of one data directory, of which one works and the other stands by, and a cluster of theirs that is under load.
type pair struct {
	t        *testing.T
	active   *daemon.Daemon
	standby  *daemon.Daemon
	database *pgtest.Server
	api      *client.Client // of the one that stands by at first, alone: who asks there need not know of the other
	both     *client.Client
	requests *load.Generator
	env      slipway.Environment
}

// newPair returns a pair whose records are in PostgreSQL, with arguments beside.
func newPair(t *testing.T, args ...string) *pair {
	t.Helper()
	host := daemon.NewForTest(t) // is never started, and clears up
	p := &pair{t: t, database: pgtest.ForTest(t)}
	host.Args = slices.Concat(host.Args, []string{"--standby", "--store", p.database.DatabaseForTest(t)}, args)
	for name, d := range map[string]**daemon.Daemon{"a": &p.active, "b": &p.standby} {
		partner, err := host.Partner(name)
		if err != nil {
			t.Fatal(err)
		}
		*d = partner
		t.Cleanup(func() { // before the host's
			partner.Kill()
			if t.Failed() {
				t.Logf("the last lines of the log of slipwayd %s:\n%s", name, partner.LogTail(40))
			}
		})
	}
	var err error
	p.both, err = client.New(p.active.Address() + "," + p.standby.Address())
	p.must(err)
	p.api = p.standby.API
	p.must(p.active.Start(t.Context()))
	p.must(p.standby.Start(t.Context())) // it is ready as well: it passes on what it is asked
	p.roles()
	p.serve()
	return p
}

func (p *pair) must(err error) {
	p.t.Helper()
	if err != nil {
		p.t.Fatal(err)
	}
}

// serve ships v1, begins to send requests, and bakes v2.
func (p *pair) serve() {
	p.t.Helper()
	port, err := daemon.FreePort()
	p.must(err)
	change := func(s *slipway.Spec) {
		s.Image.Service.Health.Interval = slipway.Duration(100 * time.Millisecond)
		s.Image.Service.Drain = slipway.Duration(time.Second)
		env := s.Environments[prod.Environment]
		env.Size = slipway.Size{Min: 2, Desired: 2, Max: 2}
		env.LoadBalancer.Port = port
		env.Healthy = slipway.Duration(time.Minute) // the time without a slipwayd counts
		env.Strategy = slipway.Strategy{RedBlack: &slipway.RedBlack{Watch: slipway.Duration(2 * time.Second)}}
		s.Environments[prod.Environment], s.Environments["staging"], p.env = env, env, env
	}
	p.slipway("ship", "--file", p.active.HelloForTest(p.t, "v1", change), "--version", "v1", prod.Environment)
	p.slipway("bake", "--file", p.active.HelloForTest(p.t, "v2", change), "--version", "v2")
	p.requests = load.Start(context.Background(), load.Options{URL: fmt.Sprintf("http://127.0.0.1:%d/", port), Rate: rate})
	p.t.Cleanup(func() { p.requests.Stop() })
	p.must(p.requests.Await(p.t.Context(), rate/2))
}

// slipway runs the command line, which knows both servers.
func (p *pair) slipway(args ...string) daemon.Result {
	p.t.Helper()
	both := p.active.Address() + "," + p.standby.Address()
	return p.active.Must(p.t, 0, append(args, "--server", both)...)
}

// deploy begins to deploy an image and returns once it is at a step that begins so.
func (p *pair) deploy(image, step string) slipway.Deployment {
	p.t.Helper()
	d, err := p.api.Deploy(p.t.Context(), slipway.DeployRequest{Cluster: prod, Image: image, Environment: &p.env})
	p.must(err)
	return p.await(d.ID, func(d slipway.Deployment) bool { return strings.HasPrefix(d.Step, step) })
}

// newest waits for a deployment of the image that somebody else begins, and until it is at a step that begins so.
func (p *pair) newest(image, step string) slipway.Deployment {
	p.t.Helper()
	want, err := p.api.Image(p.t.Context(), prod.Application, image)
	p.must(err)
	for deadline := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		all, err := p.api.Deployments(p.t.Context(), prod, 1)
		p.must(err)
		if len(all) == 1 && all[0].Image == want.Digest {
			return p.await(all[0].ID, func(d slipway.Deployment) bool { return strings.HasPrefix(d.Step, step) })
		}
		if time.Now().After(deadline) {
			p.t.Fatalf("no deployment of %s begins", image)
		}
	}
}

// await returns the deployment once done accepts it. The client bears with the change from one server to the other.
func (p *pair) await(id string, done func(slipway.Deployment) bool) slipway.Deployment {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), patience)
	defer cancel()
	for tick := time.NewTicker(20 * time.Millisecond); ; {
		d, err := p.api.Deployment(ctx, id)
		if err == nil && done(d) {
			return d
		}
		if err == nil && d.State.Done() {
			p.t.Fatalf("deployment %s is over: %s, %v", id, d.State, d.Error)
		}
		if err != nil && slipway.CodeOf(err) != slipway.Unavailable {
			p.t.Fatalf("deployment %s: %v", id, err)
		}
		select {
		case <-ctx.Done():
			p.t.Fatalf("deployment %s does not get on: state %q, step %q, %v", id, d.State, d.Step, err)
		case <-tick.C:
		}
	}
}

// succeeds waits until the deployment has, and checks that no request has failed.
func (p *pair) succeeds(id string) {
	p.t.Helper()
	d := p.await(id, func(d slipway.Deployment) bool { return d.State.Done() })
	if d.State != slipway.DeploymentSucceeded {
		p.t.Errorf("deployment %s: %s, %v", id, d.State, d.Error)
	}
	if counts := p.requests.Counts(); counts.Failed > 0 {
		p.t.Errorf("%d of %d requests failed: %v", counts.Failed, counts.Sent, p.requests.Failures())
	}
}

// roles checks what each of the two says that it does.
func (p *pair) roles() {
	p.t.Helper()
	for d, want := range map[*daemon.Daemon]string{p.active: "active", p.standby: "standby"} {
		if h, err := d.API.Health(p.t.Context()); err != nil || !h.Ready || h.Role != want {
			p.t.Errorf("slipwayd at %s: %+v, %v, want %s", d.Address(), h, err, want)
		}
	}
}

// killActive kills the slipwayd that works, and starts it again, to stand by for the other.
func (p *pair) killActive() {
	p.t.Helper()
	p.active.Kill()
	p.active, p.standby = p.standby, p.active
	p.must(p.active.Ready(p.t.Context()))
	p.must(p.standby.Start(p.t.Context()))
	p.roles()
}

// follow follows the events of the deployment until it has finished, and reports whether it saw each once and in order.
func (p *pair) follow(by *client.Client, id string) <-chan error {
	done := make(chan error, 1)
	of := slipway.EventFilter{Deployment: id}
	go func() {
		var seen []int64
		for e, err := range by.Events(p.t.Context(), of) {
			if err != nil {
				done <- err
				return
			}
			if seen = append(seen, e.Seq); e.Kind == slipway.DeploymentFinished {
				break
			}
		}
		stored, err := by.EventList(p.t.Context(), of, 1000)
		var all []int64
		for _, e := range stored[:min(len(stored), len(seen))] {
			all = append(all, e.Seq)
		}
		if err == nil && !slices.Equal(seen, all) {
			err = fmt.Errorf("saw events %v, there are %v", seen, all)
		}
		done <- err
	}()
	return done
}

func TestEitherOfTwoMayBeKilled(t *testing.T) {
	for _, c := range []struct {
		name string
		args func(t *testing.T) []string
	}{
		{"all but the records embedded", func(*testing.T) []string { return nil }},
		{"with external Temporal and NATS", outside},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := newPair(t, c.args(t)...)
			first, second := p.active, p.standby

			// The command line waits for its deployment, and two follow it, of whom one knows the slipwayd alone that stands by when it begins.
			deploys := make(chan daemon.Result, 1)
			go func() {
				r, err := second.Slipway(t.Context(), "deploy", "hello", prod.Environment, "v2")
				if err != nil {
					t.Error(err)
				}
				deploys <- r
			}()
			d := p.newest("v2", "watch")
			alone, either := p.follow(p.api, d.ID), p.follow(p.both, d.ID)
			p.killActive()
			p.succeeds(d.ID)
			p.must(<-alone)
			p.must(<-either)
			if r := <-deploys; r.Wanted(0) != nil || !strings.Contains(r.Stdout+r.Stderr, "v2") {
				t.Error(r.Wanted(0), r.Stdout, r.Stderr)
			}

			d = p.deploy("v1", "wait")
			p.standby.Kill()
			p.must(p.standby.Start(t.Context()))
			p.succeeds(d.ID)

			d = p.deploy("v2", "watch")
			alone, either = p.follow(p.api, d.ID), p.follow(p.both, d.ID)
			p.killActive()
			p.succeeds(d.ID)
			p.must(<-alone)
			p.must(<-either)
			if p.active != first || p.standby != second {
				t.Error("the first does not work again")
			}
			// In order the change takes place as well.
			if err := p.active.Stop(); err != nil {
				t.Error(err)
			}
			p.must(p.standby.Ready(t.Context()))
			p.slipway("status", "hello", "prod")
		})
	}
}

// outside starts a Temporal server and a NATS server, and returns the arguments that name them.
func outside(t *testing.T) []string {
	temporal := temporaltest.NewServer(temporaltest.WithT(t))
	bus := startBus(t, -1)
	return []string{"--temporal", temporal.GetFrontendHostPort(), "--temporal-namespace", "shop", "--nats", bus.ClientURL()}
}

// startBus starts a NATS server; on any port for -1.
func startBus(t *testing.T, port int) *server.Server {
	t.Helper()
	bus, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: port, NoSigs: true})
	if err != nil {
		t.Fatal(err)
	}
	bus.Start()
	t.Cleanup(func() { bus.Shutdown(); bus.WaitForShutdown() })
	if !bus.ReadyForConnections(patience) {
		t.Fatal("NATS does not get ready")
	}
	return bus
}

// says waits until slipwayd says that a part is away, or there again.
func (p *pair) says(part string, ok bool) {
	p.t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(50 * time.Millisecond) {
		h, err := p.api.Health(p.t.Context())
		p.must(err)
		if !h.Ready || len(h.Parts) != 3 {
			p.t.Fatalf("slipwayd says of itself %+v", h)
		}
		if i := slices.IndexFunc(h.Parts, func(of client.Part) bool { return of.Name == part }); h.Parts[i].OK == ok {
			return
		}
		if time.Now().After(deadline) {
			p.t.Fatalf("slipwayd says of itself %+v, want %s: %v", h, part, ok)
		}
	}
}

// TestPartsGoAwayForAWhile takes Temporal, NATS and PostgreSQL away while rollouts are under way: slipwayd says so, traffic is served, and all
// goes on when they are back.
func TestPartsGoAwayForAWhile(t *testing.T) {
	temporal := newCable(t, temporaltest.NewServer(temporaltest.WithT(t)).GetFrontendHostPort())
	bus := startBus(t, -1)
	p := newPair(t, "--temporal", temporal.address, "--nats", bus.ClientURL())
	refused := func(what string, args ...string) {
		t.Helper()
		if r, err := p.active.Slipway(t.Context(), args...); err != nil || r.Exit == 0 || !strings.Contains(r.Stderr, "does not answer") {
			t.Errorf("slipway %v while %s is away: %v, exit status %d, %s", args, what, err, r.Exit, r.Stderr)
		}
	}
	served := func() {
		t.Helper()
		before := p.requests.Counts().Sent
		p.must(p.requests.Await(t.Context(), before+4*rate)) // four seconds of it
	}

	d := p.deploy("v2", "watch")
	temporal.pull()
	p.says("temporal", false)
	refused("Temporal", "deploy", "hello", "staging", "v2")
	served()
	temporal.plug()
	p.says("temporal", true)
	p.succeeds(d.ID)

	d = p.deploy("v1", "watch")
	events := p.follow(p.both, d.ID)
	address := bus.Addr().(*net.TCPAddr)
	bus.Shutdown()
	bus.WaitForShutdown()
	p.says("nats", false)
	p.succeeds(d.ID) // it does without
	p.must(<-events)
	startBus(t, address.Port)
	p.says("nats", true)

	d = p.deploy("v2", "watch")
	p.must(p.database.Stop())
	p.says("postgresql", false)
	if _, err := p.active.API.Deployment(t.Context(), d.ID); slipway.CodeOf(err) != slipway.Unavailable {
		t.Errorf("asked meanwhile: %v, want Unavailable", err)
	}
	refused("PostgreSQL", "images", "hello")
	served()
	p.must(p.database.Start(t.Context()))
	p.says("postgresql", true)
	p.succeeds(d.ID)
}
