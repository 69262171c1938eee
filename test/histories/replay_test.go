package histories

import (
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/deploy"
	"github.com/slipway-sh/slipway/execute"
	"github.com/slipway-sh/slipway/promote"
	"github.com/slipway-sh/slipway/ship"
)

// Every history goes on as it went. Files are called "what happened.type-of-the-workflow.json".
func TestReplay(t *testing.T) {
	for _, file := range recorded(t) {
		t.Run(strings.TrimSuffix(strings.TrimPrefix(file, "testdata/"), ".json"), func(t *testing.T) {
			if err := newReplayer(t).ReplayWorkflowHistoryFromJSONFile(quiet, file); err != nil {
				t.Errorf("a workflow that began with an older slipwayd would not go on:\n%v\nsee CONTRIBUTING.md, \"Workflows\"", err)
			}
		})
	}
}

// There is a history of every workflow and of every strategy: one that is new, or lost, is missed.
func TestAllAreRecorded(t *testing.T) {
	have := map[string]bool{}
	for _, file := range recorded(t) {
		what, workflow, _ := strings.Cut(strings.TrimSuffix(filepath.Base(file), ".json"), ".")
		have[what], have["workflow "+workflow] = true, true
	}
	for _, s := range slipway.Strategies {
		if !have[string(s)] {
			t.Errorf("there is no history of strategy %s", s)
		}
	}
	for name := range newReplayer(t).workflows {
		if !have["workflow "+name] {
			t.Errorf("there is no history of a workflow of type %s", name)
		}
	}
}

// The replayer does notice when a workflow does its steps in another order.
func TestAnotherOrderIsNoticed(t *testing.T) {
	text, err := os.ReadFile("testdata/redblack.deploy.json")
	if err != nil {
		t.Fatal(err)
	}
	swapped := strings.NewReplacer(`"ProveTraffic"`, `"WatchTarget"`, `"WatchTarget"`, `"ProveTraffic"`).Replace(string(text))
	history, err := client.HistoryFromJSON(strings.NewReader(swapped), client.HistoryJSONOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if err := newReplayer(t).ReplayWorkflowHistory(quiet, history); err == nil || !strings.Contains(err.Error(), "nondeterministic") {
		t.Errorf("a history with two steps swapped was replayed: %v", err)
	}
}

func recorded(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob("testdata/*.json")
	if err != nil || len(files) == 0 {
		t.Fatalf("there are no histories: %v", err)
	}
	old, err := filepath.Glob("testdata/*/*.json") // by workflows as they were once
	if err != nil {
		t.Fatal(err)
	}
	return append(files, old...)
}

var quiet = log.NewStructuredLogger(slog.New(slog.DiscardHandler))

// replayer has slipwayd's workflows.
type replayer struct {
	worker.Registry // activities are not executed in a replay
	worker.WorkflowReplayer
	workflows map[string]bool
}

func newReplayer(t *testing.T) *replayer {
	t.Helper()
	r := &replayer{WorkflowReplayer: worker.NewWorkflowReplayer(), workflows: map[string]bool{}}
	deploy.Register(r, &deploy.Activities{})
	ship.Register(r, &ship.Activities{})
	execute.Register(r, &execute.Activities{})
	promote.Register(r, &promote.Activities{})
	if len(r.workflows) == 0 {
		t.Fatalf("no workflows are registered: %v", slices.Collect(maps.Keys(r.workflows)))
	}
	return r
}

func (r *replayer) RegisterWorkflow(w any) { r.WorkflowReplayer.RegisterWorkflow(w) }

func (r *replayer) RegisterWorkflowWithOptions(w any, o workflow.RegisterOptions) {
	r.workflows[o.Name] = true
	r.WorkflowReplayer.RegisterWorkflowWithOptions(w, o)
}

func (r *replayer) RegisterDynamicWorkflow(w any, o workflow.DynamicRegisterOptions) {
	r.WorkflowReplayer.RegisterDynamicWorkflow(w, o)
}

func (r *replayer) RegisterActivity(any)                                         {}
func (r *replayer) RegisterActivityWithOptions(any, activity.RegisterOptions)    {}
func (r *replayer) RegisterDynamicActivity(any, activity.DynamicRegisterOptions) {}
