// Package sqlstore keeps Slipway's records in an SQL database: today a SQLite file. It implements [slipway.Store].
package sqlstore

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"net/url"

	"github.com/pressly/goose/v3"
	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect/sqlitedialect"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/slipway-sh/slipway"
)

//go:embed migrations/*.sql
var migrations embed.FS

// readers is how many queries run at once; they never wait for the writer.
const readers = 4

// Store is a [slipway.Store] on one SQLite file. What it has written is on disk when a method returns.
type Store struct {
	path  string
	read  *bun.DB
	write *bun.DB // one connection: writers wait their turn here, in order, instead of polling for SQLite's lock
}

var _ slipway.Store = (*Store)(nil)

// Open opens the database file at path, makes it if it is missing, and brings its schema up to date. A file that is no
// database is Corrupt.
func Open(ctx context.Context, path string) (*Store, error) {
	s := &Store{path: path}
	var err error
	if s.write, err = connect(path, 1, "&_txlock=immediate"); err != nil {
		return nil, err
	}
	if err := migrate(ctx, s.write.DB); err != nil {
		return nil, errors.Join(s.explain("open the store", err), s.write.Close())
	}
	if s.read, err = connect(path, readers, "&_pragma=query_only(1)"); err != nil {
		return nil, errors.Join(err, s.write.Close())
	}
	return s, nil
}

// Close ends all use of the database.
func (s *Store) Close() error { return errors.Join(s.read.Close(), s.write.Close()) }

func connect(path string, connections int, options string) (*bun.DB, error) {
	dsn := "file:" + (&url.URL{Path: path}).EscapedPath() +
		"?_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_pragma=busy_timeout(5000)&_pragma=foreign_keys(1)" + options
	db, err := sql.Open("sqlite", dsn)
	if err != nil {
		return nil, fmt.Errorf("cannot open %s: %w", path, err)
	}
	db.SetMaxOpenConns(connections)
	db.SetMaxIdleConns(connections)
	return bun.NewDB(db, sqlitedialect.New()), nil
}

func migrate(ctx context.Context, db *sql.DB) error {
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return err
	}
	provider, err := goose.NewProvider(goose.DialectSQLite3, db, files)
	if err != nil {
		return err
	}
	_, err = provider.Up(ctx)
	return err
}

// explain turns what a person can act on into a [slipway.Error], and says of all else what it stopped.
func (s *Store) explain(doing string, err error) error {
	if err == nil || slipway.CodeOf(err) != slipway.Internal {
		return err
	}
	if e, ok := errors.AsType[*sqlite.Error](err); ok {
		switch e.Code() {
		case sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_SHMSIZE:
			return slipway.Errorf(slipway.Unprepared, "cannot %s: the disk that holds %s is full; free some space and try again: %w", doing, s.path, err)
		case sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT:
			return slipway.Errorf(slipway.Corrupt, "cannot %s: %s is damaged; put back a backup of it: %w", doing, s.path, err)
		}
	}
	return fmt.Errorf("cannot %s: %w", doing, err)
}
