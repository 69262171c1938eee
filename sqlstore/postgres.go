package sqlstore

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect/pgdialect"
	"golang.org/x/sys/unix"

	"github.com/slipway-sh/slipway"
)

const (
	postgresReaders = 8
	// oldestPostgres is the oldest server that Slipway is tested with.
	oldestPostgres = 15
	// connectTimeout bounds how long a server may take to answer, unless the URL says another.
	connectTimeout = 5 * time.Second
	// silence is how long a server may leave what was sent to it unacknowledged before its connection is given up.
	silence = 10 * time.Second
	// stalled is how long a transaction may stand still before the server ends it. A slipwayd that is cut off, or stopped in the middle of
	// one, keeps the others from writing for no longer.
	stalled = 10 * time.Second
	// connectionAge is how old a connection gets, so that those to a server that others have taken over from come to an end.
	connectionAge = 30 * time.Minute
)

// The numbers of advisory locks, of which each schema has its own: whoever writes takes the one, who works on the database has the other.
const (
	writeLock = "29559, hashtext(current_schema())"
	holdLock  = "29560, hashtext(current_schema())"
)

// IsPostgres reports whether an address of a store is that of a PostgreSQL database, not the path of a SQLite file.
func IsPostgres(where string) bool {
	return strings.HasPrefix(where, "postgres://") || strings.HasPrefix(where, "postgresql://")
}

// postgres is the backend of a PostgreSQL database.
type postgres struct {
	config *pgx.ConnConfig
}

func openPostgres(ctx context.Context, address string) (_ *Store, err error) {
	config, err := parsePostgres(address)
	if err != nil {
		return nil, err
	}
	b := postgres{config}
	s := &Store{backend: b, patience: holdPatience, read: b.connect(postgresReaders, true), write: &writer{DB: b.connect(1, false), lock: fmt.Sprint("SELECT pg_advisory_xact_lock(", writeLock, ")")}}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.Close())
		}
	}()
	if err := b.prepare(ctx); err != nil {
		return nil, err
	}
	return s, nil
}

// parsePostgres reads a URL as libpq does, with what the environment and the password file have for what it does not say. It refuses a
// password in the URL: every user of a host sees the arguments of its processes.
func parsePostgres(address string) (*pgx.ConnConfig, error) {
	u, err := url.Parse(address)
	if err != nil {
		return nil, slipway.Errorf(slipway.Invalid, "cannot use the store: that is no postgres:// URL; want a form such as postgres://slipway@db.example.com/slipway")
	}
	if _, given := u.User.Password(); given || u.Query().Has("password") {
		return nil, slipway.Errorf(slipway.Invalid, "cannot use the store %s: its URL has a password, which everybody on this host could read; give it in $PGPASSWORD, or in the file that $PGPASSFILE names", publicURL(u))
	}
	config, err := pgx.ParseConfig(address)
	if err != nil { // its text never has the password
		return nil, slipway.Errorf(slipway.Invalid, "cannot use the store %s: %w", publicURL(u), err)
	}
	if !u.Query().Has("connect_timeout") {
		config.ConnectTimeout = connectTimeout
	}
	dialer := &net.Dialer{
		KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: silence / 2, Interval: silence / 4, Count: 2},
		Control:         giveUp,
	}
	config.DialFunc = dialer.DialContext
	for name, value := range map[string]string{
		"application_name":                    "slipwayd",
		"standard_conforming_strings":         "on",                                     // strings are quoted for it
		"tcp_keepalives_idle":                 strconv.Itoa(int(silence.Seconds()) / 2), // what a host that died had, the server is to let go of soon
		"tcp_keepalives_interval":             strconv.Itoa(int(silence.Seconds()) / 4),
		"tcp_keepalives_count":                "2",
		"idle_in_transaction_session_timeout": strconv.FormatInt(stalled.Milliseconds(), 10),
	} {
		config.RuntimeParams[name] = cmp.Or(config.RuntimeParams[name], value)
	}
	return config, nil
}

// giveUp has the kernel end a connection whose other end has been silent for too long, not only when it is idle.
func giveUp(network, _ string, c syscall.RawConn) error {
	if !strings.HasPrefix(network, "tcp") {
		return nil
	}
	var failed error
	err := c.Control(func(fd uintptr) {
		failed = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(silence.Milliseconds()))
	})
	return errors.Join(err, failed)
}

func publicURL(u *url.URL) string {
	return (&url.URL{Scheme: u.Scheme, User: url.User(u.User.Username()), Host: u.Host, Path: u.Path}).String()
}

func (b postgres) connect(connections int, readOnly bool) *bun.DB {
	config := b.config.Copy()
	if readOnly {
		config.RuntimeParams["default_transaction_read_only"] = "on"
	}
	db := stdlib.OpenDB(*config)
	db.SetMaxOpenConns(connections)
	db.SetMaxIdleConns(connections)
	db.SetConnMaxLifetime(connectionAge)
	return bun.NewDB(db, pgdialect.New())
}

// prepare brings the schema up to date, while no other slipwayd does.
func (b postgres) prepare(ctx context.Context) error {
	db := b.connect(2, false).DB // one has the lock, one works
	defer db.Close()
	lock, err := db.Conn(ctx)
	if err != nil {
		return explain(b, "open the store", err)
	}
	defer lock.Close()
	var version int
	if err := lock.QueryRowContext(ctx, "SELECT current_setting('server_version_num')::int / 10000").Scan(&version); err != nil {
		return explain(b, "open the store", err)
	}
	if version < oldestPostgres {
		return slipway.Errorf(slipway.Unprepared, "cannot open the store: %s is PostgreSQL %d; want %d or later", b, version, oldestPostgres)
	}
	if _, err := lock.ExecContext(ctx, fmt.Sprint("SELECT pg_advisory_lock(", writeLock, ")")); err != nil {
		return explain(b, "open the store", err)
	}
	if err := migrate(ctx, b, db, goose.DialectPostgres); err != nil {
		return err
	}
	return explain(b, "have the store order text by its bytes", orderByBytes(ctx, lock))
}

// orderByBytes has every column of text compared by its bytes, as SQLite does, whatever the language of the database.
func orderByBytes(ctx context.Context, conn *sql.Conn) error {
	rows, err := conn.QueryContext(ctx, `SELECT quote_ident(c.table_name),
		string_agg('ALTER COLUMN ' || quote_ident(c.column_name) || ' TYPE TEXT COLLATE "C"', ', ' ORDER BY c.ordinal_position)
		FROM information_schema.columns c JOIN information_schema.tables t USING (table_schema, table_name)
		WHERE c.table_schema = current_schema() AND t.table_type = 'BASE TABLE' AND c.data_type = 'text' AND c.collation_name IS NULL
		GROUP BY c.table_name`)
	if err != nil {
		return err
	}
	var statements []string
	for rows.Next() {
		var table, columns string
		if err := rows.Scan(&table, &columns); err != nil {
			return errors.Join(err, rows.Close())
		}
		statements = append(statements, "ALTER TABLE "+table+" "+columns)
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return err
	}
	for _, statement := range statements {
		if _, err := conn.ExecContext(ctx, statement); err != nil {
			return err
		}
	}
	return nil
}

// String implements [backend].
func (b postgres) String() string {
	return fmt.Sprintf("PostgreSQL database %s on %s", b.config.Database, net.JoinHostPort(b.config.Host, strconv.Itoa(int(b.config.Port))))
}
