package memstore

import (
	"context"
	"slices"
	"time"

	"github.com/slipway-sh/slipway"
)

var (
	_ slipway.StageLogs     = (*Store)(nil)
	_ slipway.PipelineTurns = (*Store)(nil)
)

// turn is a place in the line of a pipeline.
type turn struct {
	application, pipeline string
	slipway.Turn
}

// PutStageLog implements [slipway.StageLogs].
func (s *Store) PutStageLog(_ context.Context, execution, stage, text string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stageLogs[[2]string{execution, stage}] = slipway.LastOfLog(text)
	return nil
}

// StageLog implements [slipway.StageLogs].
func (s *Store) StageLog(_ context.Context, execution, stage string) (string, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	text, ok := s.stageLogs[[2]string{execution, stage}]
	if !ok {
		return "", slipway.Errorf(slipway.NotFound, "cannot find a log of stage %s of %s", quote(stage), execution)
	}
	return text, nil
}

// JoinTurn implements [slipway.PipelineTurns].
func (s *Store) JoinTurn(_ context.Context, application, pipeline, execution string, now time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !slices.ContainsFunc(s.turns, func(t turn) bool { return t.Execution == execution }) {
		s.turns = append(s.turns, turn{application, pipeline, slipway.Turn{Execution: execution, Since: now.UTC()}})
	}
	return nil
}

// Turns implements [slipway.PipelineTurns].
func (s *Store) Turns(_ context.Context, application, pipeline string) ([]slipway.Turn, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	turns := []slipway.Turn{}
	for _, t := range s.turns {
		if t.application == application && t.pipeline == pipeline {
			turns = append(turns, t.Turn)
		}
	}
	return turns, nil
}

// LeaveTurn implements [slipway.PipelineTurns].
func (s *Store) LeaveTurn(_ context.Context, execution string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.turns = slices.DeleteFunc(s.turns, func(t turn) bool { return t.Execution == execution })
	return nil
}
