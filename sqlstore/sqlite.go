package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"

	"github.com/pressly/goose/v3"
	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect/sqlitedialect"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/slipway-sh/slipway"
)

// sqliteReaders is how many queries run at once; they never wait for the writer.
const sqliteReaders = 4

// sqliteCache is how many KiB of the file each of them keeps in memory: the default of 2,000 has it read pages again and again where there are
// thousands of deployments.
const sqliteCache = 16 << 10

// sqliteFile is the backend of a SQLite file, by its path.
type sqliteFile string

func openSQLite(ctx context.Context, path string) (*Store, error) {
	b := sqliteFile(path)
	write, err := b.connect(1, "&_txlock=immediate")
	if err != nil {
		return nil, err
	}
	if err := migrate(ctx, b, write.DB, goose.DialectSQLite3); err != nil {
		return nil, errors.Join(err, write.Close())
	}
	read, err := b.connect(sqliteReaders, fmt.Sprintf("&_pragma=query_only(1)&_pragma=cache_size(-%d)", sqliteCache))
	if err != nil {
		return nil, errors.Join(err, write.Close())
	}
	return &Store{backend: b, read: read, write: &writer{DB: write}}, nil
}

func (b sqliteFile) connect(connections int, options string) (*bun.DB, error) {
	dsn := "file:" + (&url.URL{Path: string(b)}).EscapedPath() +
		"?_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_pragma=busy_timeout(5000)&_pragma=foreign_keys(1)" + options
	db, err := sql.Open("sqlite", dsn)
	if err != nil {
		return nil, fmt.Errorf("cannot open %s: %w", b, err)
	}
	db.SetMaxOpenConns(connections)
	db.SetMaxIdleConns(connections)
	return bun.NewDB(db, sqlitedialect.New()), nil
}

// String implements [backend].
func (b sqliteFile) String() string { return string(b) }

func (b sqliteFile) mend(doing string, err error) *slipway.Error {
	e, ok := errors.AsType[*sqlite.Error](err)
	if !ok {
		return nil
	}
	switch e.Code() {
	case sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_SHMSIZE:
		return slipway.Errorf(slipway.Unprepared, "cannot %s: the disk that holds %s is full; free some space and try again: %w", doing, b, err)
	case sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT:
		return slipway.Errorf(slipway.Corrupt, "cannot %s: %s is damaged; put back a backup of it: %w", doing, b, err)
	}
	return nil
}
