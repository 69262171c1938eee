package chaos

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/test/daemon"
)

// work is something beside a single deployment that a workflow carries out.
type work struct {
	name, workflow string
	prepare        func(r *rig) // what comes before it; may be nil
	begin          func(r *rig) (id string, err error)
	known          func(r *rig) []string // IDs of all of its kind that there are
	look           func(ctx context.Context, r *rig, id string) (outcome, error)
	moves          bool // another release serves in prod afterwards
	lifts          bool // what was rolled back is vetoed
}

// outcome is how work stands.
type outcome struct {
	over bool
	says string // how it ended, in all that must be the same whatever happened meanwhile
}

var works = []work{
	{name: "pipeline", workflow: "pipeline", prepare: reconfigure, begin: runPipeline("whole"), known: executions, look: execution, moves: true},
	{name: "pipeline that is rolled back", workflow: "pipeline", begin: runPipeline("undone"), known: executions, look: execution, lifts: true},
	{name: "promotion", workflow: "promote", prepare: toDev, begin: promote, known: promotions, look: promotion, moves: true},
	{name: "queued deployment", workflow: "queue", prepare: busy, begin: queue, known: (*rig).ids, look: deployment},
	{name: "release", workflow: "release", begin: releaseBoth, known: releases, look: releaseOf, moves: true},
}

// worksSpread is how many of a pipeline's boundaries are tried where not all of all work are.
const worksSpread = 3

// TestWorkKilled kills slipwayd with SIGKILL before and after every step of what is more than a deployment, one step a run, and starts it
// again. All must end as it does undisturbed, with each part of it done once, no request may fail, and nothing may be left over.
func TestWorkKilled(t *testing.T) {
	if *record != "" {
		t.Skip("histories are recorded")
	}
	t.Parallel()
	some := works
	if !*all {
		some = works[:1]
	}
	for _, w := range some {
		t.Run(w.name, func(t *testing.T) {
			t.Parallel()
			w.kill(newWorks(t))
		})
	}
}

// newWorks returns a rig whose applications have pipelines and a policy of promotion, and a second application beside the first.
func newWorks(t *testing.T) *rig {
	t.Helper()
	r := newDaemon(t)
	if err := r.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	judge := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(map[string]string{"result": "pass"})
	}))
	t.Cleanup(judge.Close)
	r.serve(func(s *slipway.Spec) { withPipelines(s, judge.URL) })
	other := func(s *slipway.Spec) {
		env := r.env
		env.LoadBalancer, env.Checks, env.Policy.Promotion, env.Size = nil, nil, nil, slipway.Size{Min: 1, Desired: 1, Max: 1}
		s.Application, s.Environments = "other", map[string]slipway.Environment{prod.Environment: env}
	}
	r.Must(t, 0, "ship", "--file", r.HelloForTest(t, "v1", other), "--version", "v1", prod.Environment)
	r.Must(t, 0, "bake", "--file", r.HelloForTest(t, "v2", other), "--version", "v2")
	return r
}

// withPipelines has the application be promoted from dev to prod, and gives it pipelines with a stage of every kind that needs no metrics.
func withPipelines(s *slipway.Spec, judge string) {
	dev, to := s.Environments["dev"], s.Environments[prod.Environment]
	dev.LoadBalancer, dev.Strategy, dev.Size = nil, slipway.Strategy{Highlander: &slipway.Highlander{}}, slipway.Size{Min: 1, Desired: 1, Max: 1}
	to.Policy.Promotion = &slipway.PromotionPolicy{From: "dev", Approvals: &slipway.ApprovalPolicy{Needed: 1}}
	s.Environments["dev"], s.Environments[prod.Environment] = dev, to
	stage := func(step slipway.Step) slipway.Stage { return slipway.Stage{Step: step} }
	bad := &slipway.RunStage{Command: []string{"/hello"}, Env: map[string]string{"PORT": "none"}, NoService: true} // it cannot serve there, and ends
	soon := slipway.Duration(20 * time.Millisecond)
	s.Pipelines = map[string]slipway.Pipeline{
		"whole": {Stages: []slipway.Stage{
			stage(slipway.Step{Test: &slipway.TestStage{Again: true}}),
			{Step: slipway.Step{ID: "fails", Run: bad, Retries: 1, Backoff: soon}, OnFailure: &slipway.OnFailure{Do: slipway.FailureContinue}},
			stage(slipway.Step{Deploy: &slipway.DeployStage{Environment: "dev"}}),
			stage(slipway.Step{Check: &slipway.CheckStage{Environment: "dev", Check: slipway.Check{HTTP: &slipway.HTTPTest{Path: "/"}, Interval: soon, Count: 2}}}),
			stage(slipway.Step{Webhook: &slipway.WebhookStage{WebhookCheck: slipway.WebhookCheck{URL: judge}}}),
			stage(slipway.Step{Approve: &slipway.ApproveStage{Environment: prod.Environment}}),
			stage(slipway.Step{Wait: &slipway.WaitStage{For: soon}}),
			stage(slipway.Step{Promote: &slipway.PromoteStage{To: prod.Environment}}),
			stage(slipway.Step{Pipeline: &slipway.PipelineStage{Name: "child"}}),
		}},
		"child": {Stages: []slipway.Stage{stage(slipway.Step{Wait: &slipway.WaitStage{For: soon}})}},
		"undone": {
			OnFailure: &slipway.OnFailure{Do: slipway.FailureUndo, Stages: []slipway.Step{{ID: "told", Wait: &slipway.WaitStage{For: soon}}}},
			Stages: []slipway.Stage{
				stage(slipway.Step{Deploy: &slipway.DeployStage{Environment: prod.Environment}}),
				stage(slipway.Step{ID: "fails", Run: bad}),
			},
		},
	}
}

// kill does the work once undisturbed, and then once for every boundary of its workflow's steps.
func (w work) kill(r *rig) {
	undisturbed, want, tally := w.run(r, "", "", nil)
	points := w.points(r, undisturbed.deployment)
	if !*all {
		points = thinned(points, worksSpread)
	}
	var runs []killing
	for _, point := range points {
		if r.t.Failed() {
			break // what comes would stumble over what is left
		}
		k, _, _ := w.run(r, point, want, tally)
		runs = append(runs, k)
	}
	found.worked(w.name, undisturbed, len(points), runs)
}

// points returns the boundaries of the steps that the undisturbed workflow took, as its history has them.
func (w work) points(r *rig, id string) []string {
	r.t.Helper()
	var points []string
	for _, run := range r.histories() {
		if run.record != id || run.workflow != w.workflow {
			continue
		}
		for _, s := range run.steps() {
			points = append(points, s.name+"/before", s.name+"/after")
		}
	}
	if len(points) == 0 {
		r.t.Fatalf("%s has no history", id)
	}
	return points
}

// run does the work, with slipwayd killed at the point, if there is one, and checks what came of it. It returns how it ended, and how many
// records of each kind it has left.
func (w work) run(r *rig, point, want string, tally map[string]int) (killing, string, map[string]int) {
	r.t.Helper()
	name := w.name + ", " + point
	if point == "" {
		name = w.name + ", undisturbed"
	}
	if w.prepare != nil {
		w.prepare(r)
	}
	sofar, before, requests := w.known(r), r.tally(), r.requests.Counts()
	if point != "" {
		if err := os.WriteFile(r.killFile(), []byte(w.workflow+":"+point), 0o600); err != nil {
			r.t.Fatal(err)
		}
	}
	ctx, cancel := context.WithCancel(r.t.Context())
	defer cancel()
	people := make(chan struct{})
	go func() { defer close(people); r.agree(ctx) }()

	k := killing{point: point}
	began := time.Now()
	var err error
	k.deployment, err = w.begin(r)
	if err != nil { // slipwayd may have died before it could answer
		select {
		case <-r.Exited():
		case <-time.After(5 * time.Second):
			r.t.Fatalf("%s: %v", name, err)
		}
	}
	if point != "" && w.dies(r, k.deployment) {
		k.died, began = true, time.Now()
		if err := r.Start(r.t.Context()); err != nil {
			r.t.Fatalf("%s: %v", name, err)
		}
	}
	if k.deployment == "" {
		k.deployment = w.newest(r, sofar)
	}
	got := w.await(r, name, k.deployment)
	k.took = time.Since(began)
	cancel()
	<-people
	_ = os.Remove(r.killFile()) // of a point that was not reached
	if w.moves {
		r.serving = r.other()
	}

	var wrong []string
	say := func(format string, args ...any) { wrong = append(wrong, fmt.Sprintf(format, args...)) }
	if want != "" && got != want {
		say("it ended as\n%s, not as\n%s", got, want)
	}
	made := r.tally()
	for kind := range made {
		made[kind] -= before[kind]
		if tally != nil && made[kind] != tally[kind] {
			say("2: it has made %d %s, and undisturbed it makes %d", made[kind], kind, tally[kind])
		}
	}
	r.answers(r.serving, say)
	wrong = append(wrong, r.untidy()...)
	counts, why := r.failed(requests)
	if k.sent, k.failed = counts.Sent, counts.Failed; k.failed > 0 {
		say("1: %d of %d requests failed: %v", k.failed, k.sent, why)
	}
	for _, text := range wrong {
		r.t.Errorf("%s: %s", name, text)
	}
	k.well = len(wrong) == 0
	if w.lifts {
		r.lift()
	}
	r.t.Logf("%s: killed %v, over after %s", name, k.died, k.took.Round(time.Millisecond))
	return k, got, made
}

// dies reports whether slipwayd dies before the work is over. The ID is empty if it died already.
func (w work) dies(r *rig, id string) bool {
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
			if o, err := w.look(r.t.Context(), r, id); err == nil && o.over {
				over = time.Now()
			}
		} else if time.Since(over) > time.Second { // the end is on record a moment before the workflow is over
			return false
		}
	}
	r.t.Fatalf("slipwayd does not die, nor does %s end", id)
	return false
}

// await returns how the work ended.
func (w work) await(r *rig, name, id string) string {
	r.t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(patience); ; <-tick.C {
		o, err := w.look(r.t.Context(), r, id)
		if err == nil && o.over {
			return o.says
		}
		if time.Now().After(deadline) {
			r.t.Fatalf("%s: waited in vain for %s: %+v, %v", name, id, o, err)
		}
	}
}

// newest waits for work that is not among those, and returns its ID.
func (w work) newest(r *rig, known []string) string {
	r.t.Helper()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		for _, id := range w.known(r) {
			if !slices.Contains(known, id) {
				return id
			}
		}
	}
	r.t.Fatal("work that was begun, and not answered, has left nothing")
	return ""
}

// agree has ann approve whatever is asked, until ctx ends.
func (r *rig) agree(ctx context.Context) {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		asked, _ := r.API.Approvals(ctx, slipway.ApprovalFilter{Pending: true}, 20)
		for _, a := range asked {
			_, _ = r.API.Vote(ctx, a.ID, slipway.VoteRequest{Approve: true, By: "ann"})
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// tally counts the records there are, of everything that must be done once.
func (r *rig) tally() map[string]int {
	r.t.Helper()
	count := map[string]int{}
	must := func(kind string, n int, err error) {
		if err != nil {
			r.t.Fatal(err)
		}
		count[kind] = n
	}
	deployments, err := r.API.Deployments(r.t.Context(), slipway.Cluster{}, 1000)
	must("deployments", len(deployments), err)
	all, err := r.API.Executions(r.t.Context(), "", 1000)
	must("executions", len(all), err)
	promoted, err := r.API.Promotions(r.t.Context(), slipway.Cluster{}, 1000)
	must("promotions", len(promoted), err)
	asked, err := r.API.Approvals(r.t.Context(), slipway.ApprovalFilter{}, 1000)
	must("questions", len(asked), err)
	released, err := r.API.Releases(r.t.Context(), "", 1000)
	must("releases", len(released), err)
	for _, d := range deployments {
		if !d.State.Done() {
			count["deployments under way"]++
		}
	}
	for _, a := range asked {
		if !a.State.Done() {
			count["questions still asked"]++
		}
	}
	return count
}

// untidy returns what is nobody's, and should be gone. What is about to go has the time to.
func (r *rig) untidy() (wrong []string) {
	r.t.Helper()
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		wrong = nil
		r.tidy(func(format string, args ...any) { wrong = append(wrong, fmt.Sprintf(format, args...)) })
		if len(wrong) == 0 || time.Now().After(deadline) {
			return wrong
		}
	}
}

// tidy looks for machines and mounts that are nobody's, and for groups that should be gone.
func (r *rig) tidy(say func(string, ...any)) {
	r.t.Helper()
	clusters, err := r.API.Clusters(r.t.Context())
	if err != nil {
		r.t.Fatal(err)
	}
	known := map[string]bool{}
	for _, c := range clusters {
		if len(c.Groups) > 2 {
			say("6: there are %d groups of %s, want at most what serves and what is kept", len(c.Groups), c.Cluster)
		}
		for _, g := range c.Groups {
			if g.Healthy() != g.Size.Desired || len(g.Instances) != g.Size.Desired {
				say("1: %s has %d machines, %d of them healthy, want %d", g.Name, len(g.Instances), g.Healthy(), g.Size.Desired)
			}
			for _, i := range g.Instances {
				known[i.ID] = true
			}
		}
	}
	instances, err := r.API.Instances(r.t.Context())
	if err != nil {
		r.t.Fatal(err)
	}
	for _, i := range instances {
		if !known[i.ID] {
			say("6: machine %s is nobody's: %+v", i.ID, i)
		}
	}
	if n := daemon.Overlays(r.Data); n != len(known) {
		say("6: %d root file systems are mounted for %d machines", n, len(known))
	}
}

func runPipeline(name string) func(r *rig) (string, error) {
	return func(r *rig) (string, error) {
		x, err := r.API.RunPipeline(r.t.Context(), slipway.PipelineRequest{
			Application: prod.Application, Pipeline: name, Image: r.other(), Cause: slipway.Cause{By: "bob"},
		})
		return x.ID, err
	}
}

func executions(r *rig) (ids []string) {
	all, err := r.API.Executions(r.t.Context(), prod.Application, 1000)
	if err != nil {
		r.t.Fatal(err)
	}
	for _, x := range all {
		if x.Cause.Parent == "" {
			ids = append(ids, x.ID)
		}
	}
	return ids
}

// execution says of each stage what became of it, and how often it was tried.
func execution(ctx context.Context, r *rig, id string) (outcome, error) {
	x, err := r.API.Execution(ctx, id)
	lines := []string{string(x.State)}
	for _, s := range x.Stages {
		lines = append(lines, fmt.Sprintf("%s %s, tried %d times, %d deployments", s.ID, s.State, s.Attempt, len(s.Deployments)))
	}
	return outcome{x.State.Done(), strings.Join(lines, "\n")}, err
}

// reconfigure has prod's machines be told something else from the next deployment on, so that what was approved is another change, and people
// are asked anew.
func reconfigure(r *rig) {
	r.made++
	change := slipway.ConfigChange{Cluster: prod, Set: []slipway.ConfigSetting{{Key: "RUN", Value: fmt.Sprint(r.made)}}}
	if _, err := r.API.ChangeConfig(r.t.Context(), change); err != nil {
		r.t.Fatal(err)
	}
}

// toDev brings the other release to dev.
func toDev(r *rig) {
	reconfigure(r)
	d, err := r.API.Deploy(r.t.Context(), slipway.DeployRequest{Cluster: slipway.Cluster{Application: prod.Application, Environment: "dev"}, Image: r.other()})
	if err != nil {
		r.t.Fatal(err)
	}
	if d = r.await("deploy what is to be promoted", d.ID, ended); d.State != succeeded {
		r.t.Fatalf("cannot deploy what is to be promoted: %v", d.Error)
	}
}

func promote(r *rig) (string, error) {
	m, err := r.API.Promote(r.t.Context(), slipway.PromoteRequest{Application: prod.Application, To: prod.Environment, By: "bob"})
	return m.ID, err
}

func promotions(r *rig) (ids []string) {
	all, err := r.API.Promotions(r.t.Context(), slipway.Cluster{}, 1000)
	if err != nil {
		r.t.Fatal(err)
	}
	for _, m := range all {
		ids = append(ids, m.ID)
	}
	return ids
}

func promotion(ctx context.Context, r *rig, id string) (outcome, error) {
	m, err := r.API.Promotion(ctx, id)
	return outcome{m.State.Done(), fmt.Sprintf("%s, its deployment has begun: %v", m.State, m.Deployment != "")}, err
}

// busy has a deployment of the other release be under way.
func busy(r *rig) {
	first := r.deploy(func(e *slipway.Environment) {
		e.Strategy = slipway.Strategy{RedBlack: &slipway.RedBlack{Watch: slipway.Duration(2 * time.Second)}}
	})
	r.await("watch", first.ID, at("watching"))
}

// queue begins a deployment behind it, that brings the old release back.
func queue(r *rig) (string, error) {
	env := r.env
	env.Policy.OnConflict = slipway.ConflictQueue
	d, err := r.API.Deploy(r.t.Context(), slipway.DeployRequest{Cluster: prod, Image: r.serving, Environment: &env})
	return d.ID, err
}

func deployment(ctx context.Context, r *rig, id string) (outcome, error) {
	d, err := r.API.Deployment(ctx, id)
	return outcome{ended(d), string(d.State)}, err
}

// releaseBoth moves both applications as one.
func releaseBoth(r *rig) (string, error) {
	release, err := r.API.Release(r.t.Context(), slipway.ReleaseRequest{Environment: prod.Environment, Members: []slipway.ReleaseTarget{
		{Application: prod.Application, Image: r.other()}, {Application: "other", Image: r.other()},
	}})
	return release.ID, err
}

func releases(r *rig) (ids []string) {
	all, err := r.API.Releases(r.t.Context(), "", 1000)
	if err != nil {
		r.t.Fatal(err)
	}
	for _, one := range all {
		ids = append(ids, one.ID)
	}
	return ids
}

func releaseOf(ctx context.Context, r *rig, id string) (outcome, error) {
	release, err := r.API.GetRelease(ctx, id)
	says := string(release.State)
	for _, m := range release.Members {
		says += fmt.Sprintf(", %s %s", m.Application, m.State)
	}
	return outcome{release.State.Done(), says}, err
}
