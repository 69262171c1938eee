package storetest

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/slipway-sh/slipway"
)

// PipelineStore is what pipelines keep beside the records of their executions.
type PipelineStore interface {
	slipway.StageLogs
	slipway.PipelineTurns
}

// ExercisePipelines runs the suite of a [PipelineStore]. open returns an empty one each time.
func ExercisePipelines(t *testing.T, open func(t *testing.T) PipelineStore) {
	for _, c := range []struct {
		name string
		run  func(*testing.T, PipelineStore)
	}{
		{"who comes first is first in a pipeline's line", turns},
		{"fifty who join a line at once stand in it one behind the other", concurrentJoins},
		{"a stage's log is its last try's, and bounded", stageLogs},
	} {
		t.Run(c.name, func(t *testing.T) { c.run(t, open(t)) })
	}
}

func turns(t *testing.T, s PipelineStore) {
	ctx := t.Context()
	line := func(pipeline string, want ...string) {
		t.Helper()
		all, err := s.Turns(ctx, "shop", pipeline)
		if err != nil || len(all) != len(want) {
			t.Fatalf("%v, %v; want %v", all, err, want)
		}
		for i, turn := range all {
			if turn.Execution != want[i] || turn.Since.IsZero() {
				t.Errorf("place %d: %v, want %s", i, turn, want[i])
			}
		}
	}
	line("default")
	for i, id := range []string{"x-2", "x-1", "x-3"} {
		must(t, s.JoinTurn(ctx, "shop", "default", id, at(10-i))) // whatever their clocks say
	}
	must(t, s.JoinTurn(ctx, "shop", "load", "x-4", at(1)))
	must(t, s.JoinTurn(ctx, "shop", "default", "x-2", at(20)))
	line("default", "x-2", "x-1", "x-3")
	line("load", "x-4")
	must(t, s.LeaveTurn(ctx, "x-2"))
	must(t, s.LeaveTurn(ctx, "x-2"))
	line("default", "x-1", "x-3")
	must(t, s.JoinTurn(ctx, "shop", "default", "x-2", at(30)))
	line("default", "x-1", "x-3", "x-2")
	for _, id := range []string{"x-1", "x-2", "x-3"} {
		must(t, s.LeaveTurn(ctx, id))
	}
	line("default")
}

func concurrentJoins(t *testing.T, s PipelineStore) {
	const many = 50
	var all sync.WaitGroup
	for i := range many {
		all.Go(func() {
			if err := s.JoinTurn(t.Context(), "shop", "default", fmt.Sprint("x-", i), at(i)); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	line, err := s.Turns(t.Context(), "shop", "default")
	if err != nil || len(line) != many {
		t.Errorf("%d in the line, %v", len(line), err)
	}
}

func stageLogs(t *testing.T, s PipelineStore) {
	ctx := t.Context()
	if _, err := s.StageLog(ctx, "x-1", "qa"); slipway.CodeOf(err) != slipway.NotFound {
		t.Errorf("no log: %v", err)
	}
	must(t, s.PutStageLog(ctx, "x-1", "qa", "first\n"))
	must(t, s.PutStageLog(ctx, "x-1", "qa", "second\xff\n"))
	must(t, s.PutStageLog(ctx, "x-1", "load", "another\n"))
	same(t, "second\uFFFD\n")(s.StageLog(ctx, "x-1", "qa"))
	must(t, s.PutStageLog(ctx, "x-1", "qa", strings.Repeat("a line\n", slipway.MaxStageLog)+"the end"))
	text, err := s.StageLog(ctx, "x-1", "qa")
	if err != nil || len(text) > slipway.MaxStageLog || !strings.HasPrefix(text, "a line\n") || !strings.HasSuffix(text, "the end") {
		t.Errorf("%d bytes of a long log, %v", len(text), err)
	}
}
