package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/uptrace/bun"

	"github.com/slipway-sh/slipway"
)

var (
	_ slipway.StageLogs     = (*Store)(nil)
	_ slipway.PipelineTurns = (*Store)(nil)
)

type turnRow struct {
	bun.BaseModel `bun:"table:pipeline_turns"`
	Execution     string `bun:"execution,pk"`
	Application   string `bun:"application"`
	Pipeline      string `bun:"pipeline"`
	Place         int64  `bun:"place"`
	Since         int64  `bun:"since"`
}

type stageLogRow struct {
	bun.BaseModel `bun:"table:stage_logs"`
	Execution     string `bun:"execution,pk"`
	Stage         string `bun:"stage,pk"`
	Log           string `bun:"log"`
}

// PutStageLog implements [slipway.StageLogs].
func (s *Store) PutStageLog(ctx context.Context, execution, stage, text string) error {
	row := &stageLogRow{Execution: execution, Stage: stage, Log: slipway.LastOfLog(text)}
	return s.put(ctx, "the log of a stage", row, "execution, stage")
}

// StageLog implements [slipway.StageLogs].
func (s *Store) StageLog(ctx context.Context, execution, stage string) (string, error) {
	var row stageLogRow
	err := s.read.NewSelect().Model(&row).Where("execution = ? AND stage = ?", execution, stage).Scan(ctx)
	if errors.Is(err, sql.ErrNoRows) {
		return "", slipway.Errorf(slipway.NotFound, "cannot find a log of stage %s of %s", quote(stage), execution)
	}
	return row.Log, s.explain("read the log of a stage", err)
}

// joinTries is how often a place at the end of a line is tried for that somebody else may take at the same time.
const joinTries = 20

// JoinTurn implements [slipway.PipelineTurns].
func (s *Store) JoinTurn(ctx context.Context, application, pipeline, execution string, now time.Time) error {
	var err error
	for range joinTries {
		// Two who would get the same place exclude each other, and the one that comes too late tries the next.
		_, err = s.write.NewRaw(`INSERT INTO pipeline_turns (execution, application, pipeline, place, since)
			SELECT ?, ?, ?, COALESCE(MAX(place), 0) + 1, ? FROM pipeline_turns WHERE application = ? AND pipeline = ?
			ON CONFLICT DO NOTHING`, execution, application, pipeline, now.UnixNano(), application, pipeline).Exec(ctx)
		if err != nil {
			break
		}
		var there bool
		if there, err = s.write.NewSelect().Model((*turnRow)(nil)).Where("execution = ?", execution).Exists(ctx); err != nil || there {
			break
		}
	}
	return s.explain("join the line of a pipeline", err)
}

// Turns implements [slipway.PipelineTurns].
func (s *Store) Turns(ctx context.Context, application, pipeline string) ([]slipway.Turn, error) {
	var rows []turnRow
	err := s.write.NewSelect().Model(&rows).Where("application = ? AND pipeline = ?", application, pipeline).Order("place").Scan(ctx)
	if err != nil {
		return nil, s.explain("read the line of a pipeline", err)
	}
	turns := make([]slipway.Turn, len(rows))
	for i, r := range rows {
		turns[i] = slipway.Turn{Execution: r.Execution, Since: time.Unix(0, r.Since).UTC()}
	}
	return turns, nil
}

// LeaveTurn implements [slipway.PipelineTurns].
func (s *Store) LeaveTurn(ctx context.Context, execution string) error {
	_, err := s.write.NewDelete().Model((*turnRow)(nil)).Where("execution = ?", execution).Exec(ctx)
	return s.explain("leave the line of a pipeline", err)
}
