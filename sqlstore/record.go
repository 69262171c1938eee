package sqlstore

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/uptrace/bun"

	"github.com/slipway-sh/slipway"
)

// row is a table's row: the columns a record is found by, and the record itself.
type row interface{ document() string }

type doc struct {
	Doc string `bun:"doc"`
}

func (d doc) document() string { return d.Doc }

// encode returns record as a row's document.
func encode(record any) (doc, error) {
	b, err := json.Marshal(record)
	if err != nil {
		return doc{}, fmt.Errorf("cannot encode a record: %w", err)
	}
	return doc{string(b)}, nil
}

// put inserts a row, or replaces the one with the same key.
func (s *Store) put(ctx context.Context, what string, r any, key string) error {
	err := s.write.RunInTx(ctx, nil, func(ctx context.Context, tx bun.Tx) error { return upsert(ctx, tx, r, key) })
	return s.explain("store "+what, err)
}

// upsert is put as part of something larger, which explains its error.
func upsert(ctx context.Context, db bun.IDB, r any, key string) error {
	_, err := db.NewInsert().Model(r).On("CONFLICT (" + key + ") DO UPDATE").Exec(ctx)
	return err
}

// get returns the record of R's table that where selects, or a NotFound error that says it is the one named by what.
func get[R row, T any](ctx context.Context, s *Store, db bun.IDB, what string, where func(*bun.SelectQuery) *bun.SelectQuery) (T, error) {
	var record T
	var r R
	err := db.NewSelect().Model(&r).Apply(where).Limit(1).Scan(ctx)
	if errors.Is(err, sql.ErrNoRows) {
		return record, slipway.Errorf(slipway.NotFound, "cannot find %s", what)
	}
	if err != nil {
		return record, s.explain("read "+what, err)
	}
	return record, decode(r, what, &record)
}

// list returns the records of R's table that where selects, in its order.
func list[R row, T any](ctx context.Context, s *Store, db bun.IDB, what string, where func(*bun.SelectQuery) *bun.SelectQuery) ([]T, error) {
	var rows []R
	if err := db.NewSelect().Model(&rows).Apply(where).Scan(ctx); err != nil {
		return nil, s.explain("read "+what, err)
	}
	records := make([]T, len(rows))
	for i, r := range rows {
		if err := decode(r, what, &records[i]); err != nil {
			return nil, err
		}
	}
	return records, nil
}

func decode(r row, what string, record any) error {
	if err := json.Unmarshal([]byte(r.document()), record); err != nil {
		return fmt.Errorf("cannot decode %s: %w", what, err)
	}
	return nil
}

// newest orders by the column and bounds the number of rows; no bound for a limit below 1. key makes the order of equals certain.
func newest(q *bun.SelectQuery, column, key string, limit int) *bun.SelectQuery {
	q = q.OrderExpr("? DESC, ? DESC", bun.Ident(column), bun.Ident(key))
	if limit > 0 {
		q = q.Limit(limit)
	}
	return q
}

// is narrows q to rows whose column has the value, unless that is empty.
func is(q *bun.SelectQuery, column, value string) *bun.SelectQuery {
	if value == "" {
		return q
	}
	return q.Where("? = ?", bun.Ident(column), value)
}
