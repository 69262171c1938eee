package sqlstore

import (
	"context"
	"time"

	"github.com/uptrace/bun"

	"github.com/slipway-sh/slipway"
)

type sampleRow struct {
	bun.BaseModel `bun:"table:samples"`
	Deployment    string `bun:"deployment,pk"`
	Time          int64  `bun:"time,pk"`
	Group         string `bun:"server_group,pk"`
	Requests      int64  `bun:"requests"`
	Errors        int64  `bun:"errors"`
	Latency       int64  `bun:"latency"`
}

// keptSamples is for how long samples are kept: longer than anybody looks back at a canary.
const keptSamples = 90 * 24 * time.Hour

// PutSamples implements [slipway.Store]. Those of any deployment that are 90 days older than the newest that is put are dropped.
func (s *Store) PutSamples(ctx context.Context, deployment string, samples []slipway.Sample) error {
	if len(samples) == 0 {
		return nil
	}
	rows := make([]sampleRow, len(samples))
	newest := samples[0].Time
	for i, m := range samples {
		rows[i] = sampleRow{
			Deployment: deployment, Time: m.Time.UnixNano(), Group: m.Group,
			Requests: m.Requests, Errors: m.Errors, Latency: int64(m.Latency),
		}
		if m.Time.After(newest) {
			newest = m.Time
		}
	}
	err := s.write.RunInTx(ctx, nil, func(ctx context.Context, tx bun.Tx) error {
		for _, row := range rows { // one by one: the same sample may be among them twice
			if err := upsert(ctx, tx, &row, "deployment, time, server_group"); err != nil {
				return err
			}
		}
		_, err := tx.NewDelete().Model((*sampleRow)(nil)).Where("time < ?", newest.Add(-keptSamples).UnixNano()).Exec(ctx)
		return err
	})
	return s.explain("store samples", err)
}

// Samples implements [slipway.Store]; those of one time by group.
func (s *Store) Samples(ctx context.Context, deployment string, from, to time.Time) ([]slipway.Sample, error) {
	var rows []sampleRow
	q := s.read.NewSelect().Model(&rows).Where("deployment = ?", deployment).Order("time", "server_group")
	if !from.IsZero() {
		q = q.Where("time >= ?", from.UnixNano())
	}
	if !to.IsZero() {
		q = q.Where("time < ?", to.UnixNano())
	}
	if err := q.Scan(ctx); err != nil {
		return nil, s.explain("read the samples of deployment "+quote(deployment), err)
	}
	samples := make([]slipway.Sample, len(rows))
	for i, row := range rows {
		samples[i] = slipway.Sample{
			Time: time.Unix(0, row.Time).UTC(), Group: row.Group,
			Requests: row.Requests, Errors: row.Errors, Latency: slipway.Duration(row.Latency),
		}
	}
	return samples, nil
}
