package chaos

import (
	"context"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/slipway-sh/slipway"
)

// spread is how many of redblack's boundaries are tried where not all of all strategies are.
const spread = 8

// TestKilled kills slipwayd with SIGKILL before and after every step of a deployment, one step a deployment, and starts it again. The
// deployment must end as it does undisturbed, no request may fail, and nothing may be left over.
func TestKilled(t *testing.T) {
	if *record != "" {
		t.Skip("histories are recorded")
	}
	t.Parallel()
	some := ways
	if !*all {
		some = []way{redblack}
	}
	for _, w := range some {
		t.Run(w.name, func(t *testing.T) {
			t.Parallel()
			w.kill(newRig(t))
		})
	}
}

// kill goes the way once undisturbed, and then once for every boundary of its steps.
func (w way) kill(r *rig) {
	undisturbed := w.run(r, "")
	points := w.points(r, undisturbed)
	if !*all {
		points = thinned(points, spread)
	}
	killed := map[string]string{} // points by deployment
	var runs []killing
	for _, point := range points {
		if r.t.Failed() {
			break // what comes would stumble over what is left
		}
		k := w.run(r, point)
		runs = append(runs, k)
		if k.died {
			killed[k.deployment] = point
		}
	}
	if !r.t.Failed() {
		w.verify(r, killed)
	}
	found.killed(w.name, undisturbed, len(points), runs)
}

// points returns the boundaries of the steps that the undisturbed deployment took, as its history has them.
func (w way) points(r *rig, undisturbed killing) []string {
	r.t.Helper()
	var points []string
	for _, run := range r.histories() {
		if run.record != undisturbed.deployment {
			continue
		}
		for _, s := range run.steps() {
			if !w.undoing || s.undoing {
				points = append(points, s.name+"/before")
			}
			if !w.undoing || s.undoing || s.cancelled {
				points = append(points, s.name+"/after")
			}
		}
	}
	if len(points) == 0 {
		r.t.Fatalf("deployment %s has no history", undisturbed.deployment)
	}
	return points
}

// thinned returns n points, the first and the last among them.
func thinned(points []string, n int) []string {
	var some []string
	for i := range n {
		some = append(some, points[i*(len(points)-1)/(n-1)])
	}
	return slices.Compact(some)
}

// verify holds the histories of all deployments against what was done to them: one workflow each, and each step that was killed was
// tried again.
func (w way) verify(r *rig, killed map[string]string) {
	runs := map[string]int{}
	for _, run := range r.histories() {
		if run.workflow != "deploy" {
			continue
		}
		runs[run.record]++
		point, ok := killed[run.record]
		for _, s := range run.steps() {
			if ok && (s.name+"/before" == point || s.name+"/after" == point) && s.tries < 2 && !s.cancelled && !s.decided {
				r.t.Errorf("%s: %s was tried %d times", point, s.name, s.tries)
			}
		}
	}
	if len(runs) != r.made {
		r.t.Errorf("2: there are workflows of %d deployments, and %d were begun", len(runs), r.made)
	}
	for id, n := range runs {
		if n != 1 {
			r.t.Errorf("2: deployment %s had %d workflows", id, n)
		}
	}
}

// killing is one deployment in which slipwayd was killed, or was to be.
type killing struct {
	deployment   string
	point        string
	died         bool          // otherwise it ended without reaching the point
	took         time.Duration // from the kill, or its beginning, to the end of the deployment
	sent, failed int64
	well         bool // all held
}

// run goes the way, with slipwayd killed at the point, if there is one, and checks what came of it.
func (w way) run(r *rig, point string) killing {
	r.t.Helper()
	name := w.name + ", " + point
	if point == "" {
		name = w.name + ", undisturbed"
	}
	if w.prepare != nil {
		w.prepare(r)
	}
	served, before, sofar := r.cluster(), r.requests.Counts(), r.ids()
	if point != "" {
		if err := os.WriteFile(r.killFile(), []byte("deploy:"+point), 0o600); err != nil {
			r.t.Fatal(err)
		}
	}
	began := time.Now()
	d, err := w.start(r)
	r.made++
	k := killing{point: point, deployment: d.ID}
	if err != nil {
		// Slipwayd may have died before it could answer: whether it has begun is seen when it is back.
		select {
		case <-r.Exited():
		case <-time.After(5 * time.Second):
			r.t.Fatalf("%s: %v", name, err)
		}
	}

	ctx, cancel := context.WithCancel(r.t.Context())
	defer cancel()
	people := make(chan error, 1)
	ask := func() {
		if w.people == nil {
			people <- nil
			return
		}
		go func() { people <- w.people(ctx, r, k.deployment) }()
	}
	if k.deployment != "" {
		ask()
	}
	if point != "" && r.dies(k.deployment) {
		k.died, began = true, time.Now()
		if err := r.Start(r.t.Context()); err != nil {
			r.t.Fatalf("%s: %v", name, err)
		}
	}
	if k.deployment == "" {
		k.deployment = r.newest(sofar)
		ask()
	}
	d = r.await(name, k.deployment, ended)
	k.took = time.Since(began)
	if err := <-people; err != nil {
		r.t.Errorf("%s: %v", name, err)
	}
	_ = os.Remove(r.killFile()) // of a point that was not reached

	amiss := r.amiss(d, w.end(r, served, d))
	for _, wrong := range amiss {
		r.t.Errorf("%s: %s", name, wrong)
	}
	counts, why := r.failed(before)
	if k.sent, k.failed = counts.Sent, counts.Failed; k.failed > 0 {
		r.t.Errorf("%s: 1: %d of %d requests failed: %v", name, k.failed, k.sent, why)
	}
	k.well = len(amiss) == 0 && k.failed == 0
	if w.after != nil {
		w.after(r, d)
	}
	switch {
	case k.died:
		r.t.Logf("%s: over %s after the kill", name, k.took.Round(time.Millisecond))
	case point != "":
		r.t.Logf("%s: not reached", name)
	default:
		r.t.Logf("%s: over after %s", name, k.took.Round(time.Millisecond))
	}
	return k
}

func (w way) start(r *rig) (slipway.Deployment, error) {
	if w.begin != nil {
		return w.begin(r)
	}
	env := r.env
	env.Strategy = quick(w.strategy(r))
	return r.API.Deploy(r.t.Context(), slipway.DeployRequest{Cluster: prod, Image: r.other(), Environment: &env})
}

// end returns what must be found afterwards, and notes which release serves then.
func (w way) end(r *rig, served slipway.ClusterStatus, d slipway.Deployment) end {
	want := end{states: []slipway.DeploymentState{slipway.DeploymentSucceeded}, serving: served.Serving, groups: 1 + w.kept}
	if w.state != "" {
		want.states[0] = w.state
		want.groups = len(served.Groups)
	}
	if !w.stays {
		r.serving, want.serving = r.other(), d.Target
	}
	want.release = r.serving
	return want
}

// dies reports whether slipwayd dies before the deployment is over. The ID is empty if it died already.
func (r *rig) dies(id string) bool {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	over := time.Time{}
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		select {
		case <-r.Exited():
			return true
		case <-tick.C:
		}
		if over.IsZero() {
			if d, err := r.API.Deployment(r.t.Context(), id); err == nil && ended(d) {
				over = time.Now()
			}
		} else if time.Since(over) > time.Second { // the end is on record a moment before the workflow is over
			return false
		}
	}
	r.t.Fatalf("slipwayd does not die, nor does deployment %s end", id)
	return false
}

// ids returns the IDs of all deployments there are.
func (r *rig) ids() []string {
	r.t.Helper()
	deployments, err := r.API.Deployments(r.t.Context(), prod, 1000)
	if err != nil {
		r.t.Fatal(err)
	}
	var ids []string
	for _, d := range deployments {
		ids = append(ids, d.ID)
	}
	return ids
}

// newest waits for a deployment that is not among those, and returns its ID.
func (r *rig) newest(known []string) string {
	r.t.Helper()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		for _, id := range r.ids() {
			if !slices.Contains(known, id) {
				return id
			}
		}
	}
	r.t.Fatal("a deployment that was begun, and not answered, has left nothing")
	return ""
}
