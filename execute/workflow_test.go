package execute

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/worker"
	"pgregory.net/rapid"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/deploy/durable"
)

// world stands in for the activities: a stage that runs a command does what the world says of it, and all else is as it is. Each method has
// the name of an activity.
type world struct {
	Activities

	mu      sync.Mutex
	fails   map[string]int  // how often the command of a stage fails, by its ID; -1: always
	log     []string        // "begin a", "end a"
	halt    func(id string) // called when the command of a stage begins
	records []slipway.Execution
	place   Place
}

func (w *world) TakeTurn(context.Context, string, string, string, slipway.ConcurrencyPolicy) (Place, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.place, nil
}

func (w *world) RecordStages(_ context.Context, x slipway.Execution) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.records = append(w.records, x)
	return nil
}

func (w *world) FinishStages(_ context.Context, x slipway.Execution) (slipway.Execution, error) {
	return x, nil
}

func (w *world) EndMachine(context.Context, string) error { return nil }

func (w *world) RunInMachine(_ context.Context, s Subject, _ slipway.RunStage, _ time.Duration) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.log = append(w.log, "begin "+s.Stage)
	if w.halt != nil {
		w.halt(s.Stage)
	}
	defer func() { w.log = append(w.log, "end "+s.Stage) }()
	if n := w.fails[s.Stage]; n != 0 {
		w.fails[s.Stage] = n - 1
		return 1, nil
	}
	return 0, nil
}

// lines returns what began and ended until now.
func (w *world) lines() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.log)
}

// begun returns how often the command of a stage began.
func (w *world) begun(id string) int {
	n := 0
	for _, line := range w.lines() {
		if line == "begin "+id {
			n++
		}
	}
	return n
}

// stageNamed is a stage whose command the world decides about.
func stageNamed(id string, needs ...string) slipway.Stage {
	if needs == nil {
		needs = []string{}
	}
	return slipway.Stage{Step: slipway.Step{ID: id, Needs: needs, Run: &slipway.RunStage{Command: []string{id}}}}
}

type fataler interface {
	Helper()
	Fatal(args ...any)
}

// execute runs the pipeline in Temporal's test environment.
func execute(t fataler, w *world, p slipway.Pipeline, change ...func(*testsuite.TestWorkflowEnvironment, *slipway.Execution)) slipway.Execution {
	t.Helper()
	var suite testsuite.WorkflowTestSuite
	suite.SetLogger(slog.New(slog.DiscardHandler))
	env := suite.NewTestWorkflowEnvironment()
	env.SetWorkerOptions(worker.Options{Interceptors: []interceptor.WorkerInterceptor{durable.Guard(slog.New(slog.DiscardHandler))}})
	env.RegisterActivity(w)
	env.SetTestTimeout(30 * time.Second)
	x := slipway.Execution{
		ID: "x-1", Application: "hello", Pipeline: "default", State: slipway.ExecutionRunning, Image: slipway.DigestOf(nil), Definition: &p, Attempt: 1,
		Parameters: map[string]string{"suite": "smoke"},
	}
	for _, s := range p.Graph().Stages {
		x.Stages = append(x.Stages, recordOf(s.Step, false))
	}
	for _, f := range change {
		f(env, &x)
	}
	if w.place == (Place{}) {
		w.place.Turn = true
	}
	env.ExecuteWorkflow(Execute, Input{Execution: x})
	if err := env.GetWorkflowError(); err != nil {
		t.Fatal(err)
	}
	var done slipway.Execution
	if err := env.GetWorkflowResult(&done); err != nil {
		t.Fatal(err)
	}
	return done
}

// states returns what became of the stages: "a succeeded, b failed".
func states(x slipway.Execution) string {
	var all []string
	for _, s := range x.Stages {
		all = append(all, s.ID+" "+string(s.State))
	}
	return strings.Join(all, ", ")
}

func with(s slipway.Stage, f func(*slipway.Stage)) slipway.Stage { f(&s); return s }

func TestExecute(t *testing.T) {
	on := func(f slipway.OnFailure) func(*slipway.Stage) { return func(s *slipway.Stage) { s.OnFailure = &f } }
	when := func(text string) func(*slipway.Stage) { return func(s *slipway.Stage) { s.When = text } }
	retries := func(n int) func(*slipway.Stage) { return func(s *slipway.Stage) { s.Retries = n } }
	for _, c := range []struct {
		name   string
		p      slipway.Pipeline
		fails  map[string]int
		state  slipway.ExecutionState
		stages string
		why    string
	}{
		{"one after the other", slipway.Pipeline{Stages: []slipway.Stage{stageNamed("a"), stageNamed("b", "a")}}, nil,
			slipway.ExecutionSucceeded, "a succeeded, b succeeded", ""},
		{"a failure stops what comes after it", slipway.Pipeline{Stages: []slipway.Stage{stageNamed("a"), stageNamed("b", "a"), stageNamed("c", "b")}}, map[string]int{"a": -1},
			slipway.ExecutionFailed, "a failed, b skipped, c skipped", "stage a failed: a ended with exit status 1"},
		{"a failure that is borne with", slipway.Pipeline{Stages: []slipway.Stage{
			with(stageNamed("a"), on(slipway.OnFailure{Do: slipway.FailureContinue})), stageNamed("b", "a"),
			with(stageNamed("c", "a"), when(`stages.a.state == "succeeded"`)), with(stageNamed("d", "a"), when(`stages.a.state == "failed"`)),
		}}, map[string]int{"a": -1}, slipway.ExecutionSucceeded, "a failed, b succeeded, c skipped, d succeeded", ""},
		{"a retry that helps", slipway.Pipeline{Stages: []slipway.Stage{with(stageNamed("a"), retries(2))}}, map[string]int{"a": 2},
			slipway.ExecutionSucceeded, "a succeeded", ""},
		{"too few retries", slipway.Pipeline{Stages: []slipway.Stage{with(stageNamed("a"), retries(2))}}, map[string]int{"a": 3},
			slipway.ExecutionFailed, "a failed", "stage a failed"},
		{"what is skipped is over", slipway.Pipeline{Stages: []slipway.Stage{with(stageNamed("a"), when(`params.suite == "full"`)), stageNamed("b", "a")}}, nil,
			slipway.ExecutionSucceeded, "a skipped, b succeeded", ""},
		{"a condition without a value", slipway.Pipeline{Stages: []slipway.Stage{with(stageNamed("a"), when(`int(params.suite) > 1`))}}, nil,
			slipway.ExecutionFailed, "a failed", "cannot evaluate"},
		{"stages for a failure", slipway.Pipeline{Stages: []slipway.Stage{stageNamed("a"), stageNamed("b", "a")}, OnFailure: &slipway.OnFailure{Stages: []slipway.Step{
			{ID: "tell", When: `failed == "a" && stages.a.state == "failed"`, Run: &slipway.RunStage{Command: []string{"tell"}}},
			{ID: "sweep", Run: &slipway.RunStage{Command: []string{"sweep"}}},
		}}}, map[string]int{"a": -1}, slipway.ExecutionFailed, "a failed, b skipped, tell succeeded, sweep succeeded", "stage a failed"},
		{"a stage for a failure that fails", slipway.Pipeline{Stages: []slipway.Stage{with(stageNamed("a"), on(slipway.OnFailure{Stages: []slipway.Step{
			{ID: "tell", Run: &slipway.RunStage{Command: []string{"tell"}}}, {ID: "sweep", Run: &slipway.RunStage{Command: []string{"sweep"}}},
		}}))}}, map[string]int{"a": -1, "tell": -1}, slipway.ExecutionFailed, "a failed, tell failed, sweep skipped", "and stage tell, which was to run then, failed"},
		{"another branch goes on to its end", slipway.Pipeline{Stages: []slipway.Stage{stageNamed("a"), {Step: slipway.Step{ID: "w", Needs: []string{}, Wait: &slipway.WaitStage{For: slipway.Duration(time.Hour)}}}, stageNamed("b", "w")}},
			map[string]int{"a": -1}, slipway.ExecutionFailed, "a failed, w succeeded, b skipped", "stage a failed"},
		{"unless all is taken back", slipway.Pipeline{Stages: []slipway.Stage{with(stageNamed("a"), on(slipway.OnFailure{Do: slipway.FailureUndo})), {Step: slipway.Step{ID: "w", Needs: []string{}, Wait: &slipway.WaitStage{For: slipway.Duration(time.Hour)}}}}},
			map[string]int{"a": -1}, slipway.ExecutionFailed, "a failed, w aborted", "stage a failed"},
		{"too late", slipway.Pipeline{Stages: []slipway.Stage{{Step: slipway.Step{ID: "w", Wait: &slipway.WaitStage{For: slipway.Duration(time.Hour)}, Timeout: slipway.Duration(time.Minute)}}}}, nil,
			slipway.ExecutionFailed, "w failed", "not done within 1m0s"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := &world{fails: c.fails}
			x := execute(t, w, c.p)
			why := ""
			if x.Error != nil {
				why = x.Error.Message
			}
			if x.State != c.state || states(x) != c.stages || !strings.Contains(why, c.why) || c.why == "" && why != "" {
				t.Errorf("%s: %s, %q", x.State, states(x), why)
			}
		})
	}
}

// An execution does what its pipeline was when it began.
func TestBegunOver(t *testing.T) {
	w := &world{}
	p := slipway.Pipeline{Stages: []slipway.Stage{stageNamed("a"), stageNamed("b", "a"), stageNamed("c", "b")}}
	x := execute(t, w, p, func(_ *testsuite.TestWorkflowEnvironment, x *slipway.Execution) { // a restart from b
		x.Attempt = 2
		x.Stages[0].State, x.Stages[0].Started = slipway.StageSucceeded, time.Unix(1, 0)
	})
	if states(x) != "a succeeded, b succeeded, c succeeded" || w.begun("a") != 0 || w.begun("c") != 1 {
		t.Errorf("%s after %v", states(x), w.log)
	}
}

func TestAbort(t *testing.T) {
	w := &world{}
	var abort func()
	w.halt = func(id string) {
		if id == "b" {
			abort()
		}
	}
	p := slipway.Pipeline{OnFailure: &slipway.OnFailure{Stages: []slipway.Step{{ID: "tell", Run: &slipway.RunStage{Command: []string{"tell"}}}}},
		Stages: []slipway.Stage{stageNamed("a"), stageNamed("b", "a"), {Step: slipway.Step{ID: "w", Needs: []string{"a"}, Wait: &slipway.WaitStage{For: slipway.Duration(time.Hour)}}}, stageNamed("c", "b", "w")}}
	x := execute(t, w, p, func(env *testsuite.TestWorkflowEnvironment, _ *slipway.Execution) {
		abort = func() { env.CancelWorkflow() }
	})
	if x.State != slipway.ExecutionAborted || x.Error.Code != slipway.ClosedByAbort || x.Stage("w").State != slipway.StageAborted ||
		x.Stage("c").State != slipway.StageSkipped || x.Stage("tell") != nil {
		t.Errorf("%s: %s, %v", x.State, states(x), x.Error)
	}
}

func TestTurn(t *testing.T) {
	w := &world{place: Place{Behind: "x-0"}}
	p := slipway.Pipeline{Stages: []slipway.Stage{stageNamed("a")}}
	x := execute(t, w, p, func(env *testsuite.TestWorkflowEnvironment, _ *slipway.Execution) {
		env.RegisterDelayedCallback(func() {
			w.mu.Lock()
			w.place = Place{Turn: true}
			w.mu.Unlock()
			env.SignalWorkflow(signalTurn, nil)
		}, time.Second)
	})
	if x.State != slipway.ExecutionSucceeded || !slices.ContainsFunc(w.records, func(x slipway.Execution) bool {
		return x.State == slipway.ExecutionQueued && x.Behind == "x-0"
	}) {
		t.Errorf("%s, %+v", x.State, w.records)
	}
	superseded := &world{place: Place{Behind: "x-0"}}
	x = execute(t, superseded, p, func(env *testsuite.TestWorkflowEnvironment, _ *slipway.Execution) {
		env.RegisterDelayedCallback(func() {
			env.SignalWorkflow(signalSuperseded, "x-9")
			env.CancelWorkflow()
		}, time.Second)
	})
	if x.State != slipway.ExecutionAborted || !strings.Contains(x.Error.Message, "superseded by x-9") || superseded.begun("a") != 0 {
		t.Errorf("%s, %v", x.State, x.Error)
	}
}

// Whatever a pipeline looks like and whatever fails: no stage begins before what it needs is over, none is tried more often than it says, what is not
// run is explained, and the execution ends as its stages did.
func TestRules(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 7).Draw(t, "stages")
		w := &world{fails: map[string]int{}}
		var p slipway.Pipeline
		for i := range n {
			id := fmt.Sprint("s", i)
			s := stageNamed(id)
			for j := range i { // needs what is written before it: so there is no circle
				if rapid.IntRange(0, 2).Draw(t, "need") == 0 {
					s.Needs = append(s.Needs, fmt.Sprint("s", j))
				}
			}
			s.Retries = rapid.IntRange(0, 2).Draw(t, "retries")
			s.When = rapid.SampledFrom([]string{"", "true", `params.suite == "full"`}).Draw(t, "when")
			if rapid.Bool().Draw(t, "says") {
				s.OnFailure = &slipway.OnFailure{Do: rapid.SampledFrom(slipway.FailureActions).Draw(t, "on failure")}
			}
			w.fails[id] = rapid.SampledFrom([]int{0, 0, 0, 1, 2, -1}).Draw(t, "fails")
			p.Stages = append(p.Stages, s)
		}
		if rapid.Bool().Draw(t, "recovers") {
			p.OnFailure = &slipway.OnFailure{Stages: []slipway.Step{{ID: "tell", Run: &slipway.RunStage{Command: []string{"tell"}}}}}
		}
		x := execute(t, w, p)
		log := w.lines() // stages that were aborted may end later
		if !x.State.Done() {
			t.Fatalf("it is %s", x.State)
		}
		failed := 0
		for _, s := range p.Graph().Stages {
			rec := x.Stage(s.ID)
			if !rec.State.Done() {
				t.Fatalf("%s is %s", s.ID, rec.State)
			}
			if tries := w.begun(s.ID); tries > s.Retries+1 {
				t.Fatalf("%s was tried %d times, with %d retries", s.ID, tries, s.Retries)
			}
			if rec.State == slipway.StageSkipped && (rec.Reason == "" || w.begun(s.ID) > 0) {
				t.Fatalf("%s is skipped: %q, and began %d times", s.ID, rec.Reason, w.begun(s.ID))
			}
			if rec.State == slipway.StageFailed && !rec.Ignored {
				failed++
			}
			first := slices.Index(log, "begin "+s.ID)
			for _, need := range s.Needs {
				last := len(log) - 1
				for ; last >= 0 && !strings.HasSuffix(log[last], " "+need); last-- {
				}
				if first >= 0 && last > first {
					t.Fatalf("%s began before %s was over: %v", s.ID, need, log)
				}
			}
		}
		if (failed > 0) != (x.State == slipway.ExecutionFailed) {
			t.Fatalf("%d stages failed, and the execution %s", failed, x.State)
		}
		if tell := x.Stage("tell"); tell != nil && failed == 0 {
			t.Fatalf("tell is %s, and nothing failed", tell.State)
		}
	})
}
