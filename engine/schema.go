package engine

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"time"

	"github.com/blang/semver/v4"
	"go.temporal.io/server/common/log"
	sqliteschema "go.temporal.io/server/schema/sqlite"
	"go.temporal.io/server/tools/common/schema"
	_ "modernc.org/sqlite" // the driver
)

// prepareMain makes the database of workflows, or brings an older one up to this server's schema. It refuses one that a newer
// server has changed.
func prepareMain(path string, logger log.Logger) error {
	have, err := prepare(path, "sqlite/v3/temporal", sqliteschema.Version, true, logger)
	if err != nil {
		return fmt.Errorf("cannot prepare %s: %w", path, err)
	}
	if have.GT(semver.MustParse(sqliteschema.Version + ".0")) {
		return fmt.Errorf("cannot use %s: its schema %s was made by a newer version of Slipway, this one knows %s", path, have, sqliteschema.Version)
	}
	return nil
}

// prepareVisibility makes the database that answers searches for workflows. Nothing depends on its content, so one that is
// damaged or of another version is made anew.
func prepareVisibility(path string, logger log.Logger) error {
	have, err := prepare(path, "sqlite/v3/visibility", sqliteschema.VisibilityVersion, false, logger)
	if err == nil && have.EQ(semver.MustParse(sqliteschema.VisibilityVersion+".0")) {
		return nil
	}
	for _, suffix := range []string{"", "-wal", "-shm"} {
		if err := os.Remove(path + suffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	if _, err := prepare(path, "sqlite/v3/visibility", sqliteschema.VisibilityVersion, false, logger); err != nil {
		return fmt.Errorf("cannot prepare %s: %w", path, err)
	}
	return nil
}

// prepare sets up the named schema in an empty database, stamps its version, and if asked runs the updates that have come
// since. It returns the version the database has then. All of it is one transaction: a process killed half way leaves nothing.
func prepare(path, name, version string, update bool, logger log.Logger) (semver.Version, error) {
	dsn := "file:" + (&url.URL{Path: path}).EscapedPath() + "?_pragma=journal_mode(WAL)&_pragma=busy_timeout(5000)&_txlock=immediate"
	db, err := sql.Open("sqlite", dsn)
	if err != nil {
		return semver.Version{}, err
	}
	defer db.Close()
	tx, err := db.BeginTx(context.Background(), nil)
	if err != nil {
		return semver.Version{}, err
	}
	defer func() { _ = tx.Rollback() }() // does nothing after Commit
	target := &schemaTx{tx: tx}
	var tables int
	if err := tx.QueryRow(`SELECT count(*) FROM sqlite_master WHERE name = 'schema_version'`).Scan(&tables); err != nil {
		return semver.Version{}, err
	}
	if tables == 0 {
		if err := schema.NewSetupSchemaTask(target, &schema.SetupConfig{SchemaName: name, InitialVersion: version}, logger).Run(); err != nil {
			return semver.Version{}, err
		}
	}
	if update {
		if err := schema.NewUpdateSchemaTask(target, &schema.UpdateConfig{SchemaName: name}, logger).Run(); err != nil {
			return semver.Version{}, err
		}
	}
	have, err := target.ReadSchemaVersion()
	if err != nil {
		return semver.Version{}, err
	}
	if err := tx.Commit(); err != nil {
		return semver.Version{}, err
	}
	return semver.ParseTolerant(have)
}

// schemaTx lets Temporal's schema tasks work inside one transaction. It stamps the version under a name of its own: Temporal's
// SQLite plugin would use the file's path, which changes when the data directory is moved.
type schemaTx struct{ tx *sql.Tx }

const schemaName = "slipway"

var _ schema.DB = (*schemaTx)(nil)

func (s *schemaTx) Exec(stmt string, args ...any) error {
	_, err := s.tx.Exec(stmt, args...)
	return err
}

func (s *schemaTx) DropAllTables() error { return errors.New("cannot drop tables: never wanted") }

func (s *schemaTx) CreateSchemaVersionTables() error {
	return s.Exec(`CREATE TABLE schema_version (db_name TEXT PRIMARY KEY, curr_version TEXT NOT NULL, min_compatible_version TEXT NOT NULL);
		CREATE TABLE schema_update_history (update_time TEXT NOT NULL, old_version TEXT NOT NULL, new_version TEXT NOT NULL, manifest_md5 TEXT NOT NULL, description TEXT NOT NULL)`)
}

func (s *schemaTx) ReadSchemaVersion() (version string, err error) {
	err = s.tx.QueryRow(`SELECT curr_version FROM schema_version WHERE db_name = ?`, schemaName).Scan(&version)
	return version, err
}

func (s *schemaTx) UpdateSchemaVersion(version, minCompatible string) error {
	return s.Exec(`REPLACE INTO schema_version (db_name, curr_version, min_compatible_version) VALUES (?, ?, ?)`, schemaName, version, minCompatible)
}

func (s *schemaTx) WriteSchemaUpdateLog(from, to, manifestMD5, description string) error {
	return s.Exec(`INSERT INTO schema_update_history (update_time, old_version, new_version, manifest_md5, description) VALUES (?, ?, ?, ?, ?)`,
		time.Now().UTC().Format(time.RFC3339), from, to, manifestMD5, description)
}

func (s *schemaTx) Close() {}

func (s *schemaTx) Type() string { return "sqlite" }
