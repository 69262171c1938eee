package sqlstore

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"io/fs"

	"github.com/pressly/goose/v3"

	"github.com/slipway-sh/slipway"
)

// Migrations are SQL that SQLite and PostgreSQL both take. Where that cannot be, the directory named after a database has its own.
//
//go:embed migrations
var migrations embed.FS

// migrate brings the schema up to date. It refuses one that a newer slipwayd has changed.
func migrate(ctx context.Context, b backend, db *sql.DB, dialect goose.Dialect) error {
	provider, err := goose.NewProvider(dialect, db, migrationsOf(dialect))
	if err != nil {
		return err
	}
	have, know, err := provider.GetVersions(ctx)
	switch {
	case err != nil:
		return explain(b, "open the store", err)
	case have > know:
		return slipway.Errorf(slipway.Unprepared, "cannot open the store: a newer slipwayd has brought %s to schema %d, and this one knows %d; start the newer one, or put back the backup that was made before the upgrade",
			b, have, know)
	}
	_, err = provider.Up(ctx)
	return explain(b, "bring the store's schema up to date", err)
}

// migrationsOf returns the migrations as the database takes them.
func migrationsOf(dialect goose.Dialect) fs.FS {
	return dialected{string(dialect)}
}

type dialected struct{ dialect string }

// Open implements [fs.FS].
func (d dialected) Open(name string) (fs.File, error) {
	f, err := migrations.Open("migrations/" + d.dialect + "/" + name)
	if name == "." || errors.Is(err, fs.ErrNotExist) {
		return migrations.Open("migrations/" + name)
	}
	return f, err
}

// ReadDir implements [fs.ReadDirFS].
func (d dialected) ReadDir(string) ([]fs.DirEntry, error) { return migrations.ReadDir("migrations") }
