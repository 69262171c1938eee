package sqlstore

import (
	"context"
	"database/sql"
	"errors"

	"github.com/uptrace/bun"

	"github.com/slipway-sh/slipway"
)

type cursorRow struct {
	bun.BaseModel `bun:"table:cursors"`
	Name          string `bun:"name,pk"`
	Place         int64  `bun:"place"`
}

// StartCursor implements [slipway.Cursors].
func (s *Store) StartCursor(ctx context.Context, name string, at int64) (int64, error) {
	place, err := cursor(ctx, s.read, name)
	if err == nil || !errors.Is(err, sql.ErrNoRows) {
		return place, s.explain("read a cursor", err)
	}
	err = s.write.RunInTx(ctx, nil, func(ctx context.Context, tx bun.Tx) (err error) {
		if place, err = cursor(ctx, tx, name); !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		place = at
		_, err = tx.NewInsert().Model(&cursorRow{Name: name, Place: at}).Exec(ctx)
		return err
	})
	return place, s.explain("start a cursor", err)
}

func cursor(ctx context.Context, db bun.IDB, name string) (int64, error) {
	var r cursorRow
	err := db.NewSelect().Model(&r).Where("name = ?", name).Scan(ctx)
	return r.Place, err
}

// advance moves a cursor, and returns false if it is not where the move begins.
func advance(ctx context.Context, tx bun.Tx, move slipway.CursorMove) (bool, error) {
	moved, err := tx.NewUpdate().Model((*cursorRow)(nil)).Set("place = ?", move.To).Where("name = ? AND place = ?", move.Name, move.From).Exec(ctx)
	if err != nil {
		return false, err
	}
	n, err := moved.RowsAffected()
	return n == 1, err
}
