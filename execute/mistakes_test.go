package execute

import (
	"encoding/json"
	"errors"
	"path/filepath"
	"strings"
	"testing"

	_ "time/tzdata"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/ship"
	"github.com/slipway-sh/slipway/sqlstore"
)

// A pipeline that makes no sense is refused before anything is done, with the place in slipway.yaml, and nothing is stored.
func TestMistakes(t *testing.T) {
	store, err := sqlstore.Open(t.Context(), filepath.Join(t.TempDir(), "slipway.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	o := New(Config{Parts: ship.Parts{Store: store}, Turns: store, Logs: store})
	for _, c := range []struct{ name, stages, place, says string }{
		{"a circle", `["bake", {"id": "a", "wait": "1s", "needs": ["b"]}, {"id": "b", "wait": "1s", "needs": ["a"]}]`, "stages[1].needs", "a -> b -> a"},
		{"itself", `[{"id": "a", "wait": "1s", "needs": ["a"]}]`, "stages[0].needs[0]", "cannot need itself"},
		{"needs what is not there", `["bake", {"wait": "1s", "needs": ["nope"]}]`, "stages[1].needs[0]", `cannot need "nope": the stages are bake, wait`},
		{"no expression", `["bake", "test", {"wait": "1s", "when": "params.suite =="}]`, "stages[2].when", "cannot read the expression"},
		{"kinds that do not go together", `["bake", "test", {"wait": "1s", "when": "params.suite + 1 == 2"}]`, "stages[2].when", "no matching overload"},
		{"no condition", `["bake", "test", {"wait": "1s", "when": "1 + 1"}]`, "stages[2].when", "it is a number, want true or false"},
		{"a stage that is not there", `["bake", {"wait": "1s", "when": "stages.nope.state == 'x'"}]`, "stages[1].when", "the stages are bake, wait"},
		{"a stage that may not be over", `["bake", {"id": "a", "wait": "1s", "when": "stages.b.state == 'x'"}, {"id": "b", "wait": "1s"}]`, "stages[1].when", "add it to needs"},
		{"a parameter that is not there", `[{"run": {"command": ["a", "${{ params.nope }}"]}}]`, "stages[0].run.command[1]", "the pipeline has suite"},
		{"within what is done on failure", `["bake", {"test": {}, "on_failure": [{"wait": "1s", "when": "1"}]}]`, "stages[1].on_failure[0].when", "it is a number"},
		{"without end", `["bake", {"test": {}, "retries": 100000}]`, "stages[1].retries", "want 0 to 20"},
		{"twice", `[{"id": "a", "wait": "1s"}, {"id": "a", "wait": "2s"}]`, "stages[1].id", "cannot have two stages"},
		{"no such zone", `[{"wait": {"until": "10:00", "zone": "Mars/Olympus"}}]`, "stages[0].wait.zone", "Mars/Olympus"},
		{"one person twice", `[{"approve": {"by": ["ann", "Ann"], "needed": 2}}]`, "stages[0].approve.by[1]", "cannot ask Ann twice"},
		{"itself as a child", `[{"pipeline": "release"}]`, "stages[0].pipeline.name", "cannot run release in itself"},
		{"nothing", `[]`, "stages", "without stages"},
	} {
		t.Run(c.name, func(t *testing.T) {
			req := slipway.PipelineRequest{Application: "hello", Pipeline: "release", Bake: &slipway.BakeRequest{}}
			spec := `{"application": "hello", "image": {"from": "scratch", "service": {"command": ["/hello"]}}, "environments": {"dev": {}},
				"pipelines": {"release": {"parameters": {"suite": "smoke"}, "stages": ` + c.stages + `}}}`
			if err := json.Unmarshal([]byte(spec), &req.Bake.Spec); err != nil {
				t.Fatal(err)
			}
			_, err := o.RunPipeline(t.Context(), req)
			var e *slipway.Error
			if !errors.As(err, &e) || e.Code != slipway.Invalid || e.Place != "pipelines.release."+c.place || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%v", err)
			}
			if all, err := store.Executions(t.Context(), "", 0); err != nil || len(all) > 0 {
				t.Errorf("stored %v, %v", all, err)
			}
			if line, err := store.Turns(t.Context(), "hello", "release"); err != nil || len(line) > 0 {
				t.Errorf("%v stands in line, %v", line, err)
			}
		})
	}
}
