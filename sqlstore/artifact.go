package sqlstore

import (
	"context"

	"github.com/uptrace/bun"

	"github.com/slipway-sh/slipway"
)

type artifactRow struct {
	bun.BaseModel `bun:"table:artifacts"`
	ID            string `bun:"id,pk"`
	Application   string `bun:"application"`
	Pushed        int64  `bun:"pushed"`
	doc
}

// PutArtifact implements [slipway.TriggerStore].
func (s *Store) PutArtifact(ctx context.Context, a slipway.Artifact) error {
	d, err := encode(a)
	if err != nil {
		return err
	}
	return s.put(ctx, "an artifact", &artifactRow{ID: a.ID, Application: a.Application, Pushed: a.Pushed.UnixNano(), doc: d}, "id")
}

// Artifact implements [slipway.TriggerStore].
func (s *Store) Artifact(ctx context.Context, id string) (slipway.Artifact, error) {
	return get[artifactRow, slipway.Artifact](ctx, s, s.read, "artifact "+quote(id), func(q *bun.SelectQuery) *bun.SelectQuery {
		return q.Where("id = ?", id)
	})
}

// Artifacts implements [slipway.TriggerStore].
func (s *Store) Artifacts(ctx context.Context, filter slipway.ArtifactFilter, limit int) ([]slipway.Artifact, error) {
	return list[artifactRow, slipway.Artifact](ctx, s, s.read, "the artifacts", func(q *bun.SelectQuery) *bun.SelectQuery {
		return newest(beyond(is(q, "application", filter.Application), "pushed", "id", filter.After), "pushed", "id", limit)
	})
}
