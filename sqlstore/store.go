// Package sqlstore keeps Slipway's records in an SQL database: a SQLite file, or a PostgreSQL database that several hosts reach. It
// implements [slipway.Store].
package sqlstore

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/uptrace/bun"

	"github.com/slipway-sh/slipway"
)

// Store is a [slipway.Store]. What it has written is on disk when a method returns.
type Store struct {
	backend  backend
	read     *bun.DB
	write    *writer
	audit    auditQueue
	memos    memos
	patience time.Duration // with another's hold on the database, when it should be over
}

var _ slipway.Store = (*Store)(nil)

// backend is what differs between databases.
type backend interface {
	// String names the database to people, without secrets.
	String() string
	// mend returns what a person can act on for an error of the database, nil for any other.
	mend(doing string, err error) *slipway.Error
}

// Open opens a database and brings its schema up to date: that of a postgres:// URL, or the SQLite file at a path, which is made if it is
// missing. Corrupt if the file is no database, Invalid if the URL is none, Unavailable or Unprepared if the server cannot be used, and
// Unprepared if a newer slipwayd has changed the schema.
func Open(ctx context.Context, where string) (*Store, error) {
	open := openSQLite
	if IsPostgres(where) {
		open = openPostgres
	}
	s, err := open(ctx, where)
	if err != nil {
		return nil, err
	}
	if err := s.fill(ctx); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// Close ends all use of the database.
func (s *Store) Close() error { return errors.Join(s.read.Close(), s.write.Close()) }

// Ping returns an error if the database does not answer.
func (s *Store) Ping(ctx context.Context) error {
	_, err := s.read.ExecContext(ctx, "SELECT 1")
	return s.explain("ask the store whether it is well", err)
}

// String names the database to people, without secrets.
func (s *Store) String() string { return s.backend.String() }

// explain turns what a person can act on into a [slipway.Error], and says of all else what it stopped.
func (s *Store) explain(doing string, err error) error { return explain(s.backend, doing, err) }

func explain(b backend, doing string, err error) error {
	if err == nil || slipway.CodeOf(err) != slipway.Internal {
		return err
	}
	if mended := b.mend(doing, err); mended != nil {
		return mended
	}
	return fmt.Errorf("cannot %s: %w", doing, err)
}
