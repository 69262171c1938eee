package chaos

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/test/daemon"
)

// TestRecord goes every way that a deployment, and what holds several of them together, can go, and writes the histories down for
// test/histories. Without -chaos.record it does nothing.
func TestRecord(t *testing.T) {
	if *record == "" {
		t.Skip("-chaos.record says where to")
	}
	r := newRig(t)
	c := &recorder{rig: r, names: map[string]string{}}
	c.strategies()
	c.failures()
	c.commands()
	c.conflicts()
	c.workers()
	c.shipment()
	c.releases()
	c.promotions()
	c.write(*record, func(workflow string) bool { return workflow != "pipeline" })
}

// recorder knows by which names the histories of what it did are to be called.
type recorder struct {
	*rig
	names map[string]string // by the ID of what they carry out
}

// over waits for the end of a deployment, whose history is to be called so, and checks that it ended as it was to.
func (c *recorder) over(name, id string, want slipway.DeploymentState) slipway.Deployment {
	c.t.Helper()
	d := c.await(name, id, ended)
	if d.State != want {
		c.t.Fatalf("%s: %s is %s, not %s: %v", name, id, d.State, want, d.Error)
	}
	c.names[id] = name
	if d.State == succeeded && d.Environment.Strategy.Name() != slipway.StrategyNone && d.Cluster == prod {
		for _, image := range []string{"v1", "v2"} {
			if i, err := c.API.Image(c.t.Context(), prod.Application, image); err == nil && i.Digest == d.Image {
				c.serving = image
			}
		}
	}
	c.lift()
	return d
}

// by returns what makes an environment follow the strategy.
func by(s slipway.Strategy) func(*slipway.Environment) {
	return func(e *slipway.Environment) { e.Strategy = s }
}

func (c *recorder) strategies() {
	for _, w := range ways {
		if w.prepare != nil {
			w.prepare(c.rig)
		}
		d, err := w.start(c.rig)
		if err == nil && w.people != nil {
			err = w.people(c.t.Context(), c.rig, d.ID)
		}
		if err != nil {
			c.t.Fatal(err)
		}
		want := w.state
		if want == "" {
			want = succeeded
		}
		d = c.over(strings.ReplaceAll(w.name, " ", "-"), d.ID, want)
		if w.after != nil {
			w.after(c.rig, d)
		}
	}
}

func (c *recorder) failures() {
	broken := c.deploy(func(e *slipway.Environment) {
		e.Checks = []slipway.Check{{HTTP: &slipway.HTTPTest{Path: "/nowhere"}}}
	})
	c.over("fails-before-traffic", broken.ID, rolledBack)

	lost := c.deploy(by(watched()))
	c.await("watch", lost.ID, at("watching"))
	c.must(c.killMachines(c.await("", lost.ID, at("")).Target, 1))
	c.over("fails-under-traffic", lost.ID, rolledBack)
}

func (c *recorder) commands() {
	slow := slipway.Strategy{RedBlack: &slipway.RedBlack{Watch: slipway.Duration(time.Minute)}}
	d := c.deploy(by(slow))
	c.await("watch", d.ID, at("watching"))
	c.tell(d.ID, slipway.VerbPause)
	c.await("pause", d.ID, func(d slipway.Deployment) bool { return d.Paused != nil && d.Waiting != nil })
	c.tell(d.ID, slipway.VerbResume)
	c.await("resume", d.ID, func(d slipway.Deployment) bool { return d.Paused == nil })
	c.tell(d.ID, slipway.VerbPromote)
	c.over("pause-resume-promote", d.ID, succeeded)

	held := c.deploy(func(e *slipway.Environment) {
		e.Strategy, e.Policy.OnFailure = watched(), slipway.FailureHold
	})
	held = c.await("watch", held.ID, at("watching"))
	c.must(c.killMachines(held.Target, 1))
	c.await("hold", held.ID, func(d slipway.Deployment) bool { return d.State == slipway.DeploymentHeld && d.Waiting != nil })
	c.tell(held.ID, slipway.VerbRetry)
	c.over("held-retry", held.ID, succeeded)
}

func (c *recorder) conflicts() {
	watch := func(e *slipway.Environment) { e.Strategy = watched() }
	first := c.deploy(watch)
	second := c.deploy(func(e *slipway.Environment) { e.Policy.OnConflict = slipway.ConflictQueue })
	c.over("waited-for", first.ID, succeeded)
	c.over("queued", second.ID, succeeded)

	first = c.deploy(watch)
	c.await("watch", first.ID, at("watching"))
	second = c.deploy(func(e *slipway.Environment) { e.Policy.OnConflict = slipway.ConflictSupersede })
	c.over("superseded", first.ID, slipway.DeploymentAborted)
	c.over("supersedes", second.ID, succeeded)
}

// workers deploys a cluster that has no load balancer, and rolls it back.
func (c *recorder) workers() {
	batch := slipway.Cluster{Application: prod.Application, Environment: "batch"}
	env := c.env
	env.LoadBalancer, env.Strategy = nil, quick(redblack.strategy(c.rig))
	for i, image := range []string{"v1", "v2"} {
		d, err := c.API.Deploy(c.t.Context(), slipway.DeployRequest{Cluster: batch, Image: image, Environment: &env})
		c.must(err)
		c.over([]string{"first-of-workers", "workers"}[i], d.ID, succeeded)
	}
	d, err := c.API.Rollback(c.t.Context(), slipway.RollbackRequest{Cluster: batch})
	c.must(err)
	c.over("rollback-of-workers", d.ID, succeeded)
}

// shipment bakes and deploys another application, which is what a release needs too.
func (c *recorder) shipment() {
	port, err := daemon.FreePort()
	c.must(err)
	change := func(s *slipway.Spec) {
		env := c.env
		env.LoadBalancer = &slipway.LoadBalancerSpec{Port: port}
		s.Application, s.Environments = "other", map[string]slipway.Environment{prod.Environment: env}
	}
	c.Must(c.t, 0, "ship", "--file", c.HelloForTest(c.t, "v1", change), "--version", "v1", prod.Environment)
	c.Must(c.t, 0, "bake", "--file", c.HelloForTest(c.t, "v2", change), "--version", "v2")
	executions := map[string]bool{}
	for event, err := range c.API.Events(c.t.Context(), slipway.EventFilter{Application: "other"}) {
		c.must(err)
		if event.Bake != "" {
			c.names[event.Bake] = "baked"
		}
		if event.Execution != "" {
			c.names[event.Execution], executions[event.Execution] = "shipped", true
		}
		if event.Deployment != "" {
			c.names[event.Deployment] = "first"
		}
		if event.Kind == slipway.DeploymentFinished {
			break
		}
	}
}

// releases moves two applications as one: as it should, and with one of them failing.
func (c *recorder) releases() {
	move := func(name, image, other string, parallel bool, want slipway.ReleaseState) {
		release, err := c.API.Release(c.t.Context(), slipway.ReleaseRequest{
			Environment: prod.Environment, Parallel: parallel,
			Members: []slipway.ReleaseTarget{{Application: prod.Application, Image: image}, {Application: "other", Image: other}},
		})
		c.must(err)
		if want == slipway.ReleaseAborted {
			c.must(c.member(release.ID))
			c.must(c.API.Abort(c.t.Context(), release.ID))
		}
		ctx, cancel := context.WithTimeout(c.t.Context(), patience)
		defer cancel()
		for ; !release.State.Done(); time.Sleep(20 * time.Millisecond) {
			if release, err = c.API.GetRelease(ctx, release.ID); err != nil {
				c.t.Fatal(err)
			}
		}
		if release.State != want {
			c.t.Fatalf("release %s is %s: %v", name, release.State, release.Error)
		}
		c.names[release.ID] = name
		for _, m := range release.Members {
			if m.Deployment != "" {
				c.names[m.Deployment] = name + "-" + m.Application
			}
		}
	}
	move("release", c.other(), "v2", false, slipway.ReleaseSucceeded)
	c.serving = c.other()
	move("release-aborted", c.other(), "v1", true, slipway.ReleaseAborted)
}

// member waits until a member of the release is under way.
func (c *recorder) member(release string) error {
	ctx, cancel := context.WithTimeout(c.t.Context(), patience)
	defer cancel()
	for ; ; time.Sleep(10 * time.Millisecond) {
		r, err := c.API.GetRelease(ctx, release)
		if err != nil || r.State.Done() {
			return err
		}
		for _, m := range r.Members {
			if m.Deployment != "" {
				return nil
			}
		}
	}
}

func (c *recorder) tell(id string, verb slipway.Verb) {
	c.t.Helper()
	_, err := c.API.Command(c.t.Context(), id, slipway.Command{Verb: verb, By: "ann", Reason: "to see"})
	c.must(err)
}

func (c *recorder) must(err error) {
	c.t.Helper()
	if err != nil {
		c.t.Fatal(err)
	}
}

// write replaces the histories in the directory, of workflows of the types that are its own.
func (c *recorder) write(dir string, own func(workflow string) bool) {
	c.t.Helper()
	runs := c.histories()
	old, err := filepath.Glob(filepath.Join(dir, "*.json"))
	c.must(err)
	for _, file := range old {
		if parts := strings.Split(filepath.Base(file), "."); !own(parts[len(parts)-2]) {
			continue
		}
		c.must(os.Remove(file))
	}
	for _, run := range runs {
		name, ok := c.names[run.record]
		if !ok || !own(run.workflow) {
			continue // it prepared another
		}
		file := filepath.Join(dir, name+"."+run.workflow+".json")
		if _, err := os.Stat(file); err == nil {
			c.t.Errorf("there are two of %s", file)
		}
		c.must(os.WriteFile(file, text(c.t, run.events), 0o644))
	}
}

// text returns a history as Temporal's tools read it, one event a line, without the names of this host's processes, and without what activities
// were given: that is most of it, and a replay compares which activities a workflow wants and in which order, not with what.
func text(t *testing.T, events []*historypb.HistoryEvent) []byte {
	t.Helper()
	var b bytes.Buffer
	b.WriteString("{\"events\":[\n")
	for i, e := range events {
		anonymous(e.ProtoReflect())
		if q := e.GetWorkflowTaskScheduledEventAttributes().GetTaskQueue(); q.GetKind() == enums.TASK_QUEUE_KIND_STICKY {
			q.Name = ""
		}
		if a := e.GetActivityTaskScheduledEventAttributes(); a != nil {
			a.Input = nil
		}
		line, err := protojson.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Compact(&b, line); err != nil { // protojson varies its spaces on purpose
			t.Fatal(err)
		}
		if i < len(events)-1 {
			b.WriteByte(',')
		}
		b.WriteByte('\n')
	}
	b.WriteString("]}\n")
	return b.Bytes()
}

// anonymous empties every field of the message that says which process it was.
func anonymous(m protoreflect.Message) {
	m.Range(func(field protoreflect.FieldDescriptor, value protoreflect.Value) bool {
		switch {
		case field.Name() == "identity":
			m.Clear(field)
		case field.Kind() == protoreflect.MessageKind && !field.IsList() && !field.IsMap():
			anonymous(value.Message())
		}
		return true
	})
}
