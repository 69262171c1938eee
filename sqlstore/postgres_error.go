package sqlstore

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"io"
	"net"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/slipway-sh/slipway"
)

// mend implements [backend]. The codes are PostgreSQL's; https://www.postgresql.org/docs/current/errcodes-appendix.html has them all.
func (b postgres) mend(doing string, err error) *slipway.Error {
	e, told := errors.AsType[*pgconn.PgError](err)
	if !told {
		if lost(err) {
			return slipway.Errorf(slipway.Unavailable, "cannot %s: %s does not answer; what is asked for works again when it does: %w", doing, b, cause(err))
		}
		return nil
	}
	switch class := e.Code[:2]; {
	case class == "28":
		return slipway.Errorf(slipway.Unprepared, "cannot %s: %s does not let %s in; check the user, $PGPASSWORD or the file that $PGPASSFILE names, and the server's pg_hba.conf: %w",
			doing, b, b.config.User, e)
	case e.Code == "3D000":
		return slipway.Errorf(slipway.Unprepared, "cannot %s: there is no %s; make it with: createdb --owner %s %s: %w", doing, b, b.config.User, b.config.Database, e)
	case e.Code == "3F000", e.Code == "42501":
		return slipway.Errorf(slipway.Unprepared, "cannot %s: %s may not do that in %s; it wants to own the database: %w", doing, b.config.User, b, e)
	case e.Code == "53100":
		return slipway.Errorf(slipway.Unprepared, "cannot %s: the disk of %s is full; free some space and try again: %w", doing, b, e)
	case e.Code == "25006":
		return slipway.Errorf(slipway.Unavailable, "cannot %s: %s is a standby and takes no changes; name all servers, and target_session_attrs=read-write, in the URL: %w", doing, b, e)
	case e.Code == "25P03", e.Code == "57014", class == "08", class == "53", class == "57", class == "40":
		return slipway.Errorf(slipway.Unavailable, "cannot %s: %s has no time for it now; try again: %w", doing, b, e)
	case e.Code == "XX001", e.Code == "XX002", class == "58":
		return slipway.Errorf(slipway.Corrupt, "cannot %s: %s is damaged; put back a backup of it: %w", doing, b, e)
	case e.Code == "22021":
		return slipway.Errorf(slipway.Invalid, "cannot %s: it has characters that cannot be stored: %w", doing, e)
	}
	return nil
}

// lost reports whether err says that the server could not be reached, or that its connection broke, rather than who asked gave up.
func lost(err error) bool {
	if errors.Is(err, context.Canceled) {
		return false
	}
	if _, ok := errors.AsType[*pgconn.ConnectError](err); ok {
		return true
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return false
	}
	if _, ok := errors.AsType[net.Error](err); ok {
		return true
	}
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, driver.ErrBadConn) || errors.Is(err, sql.ErrConnDone) || errors.Is(err, net.ErrClosed) ||
		strings.HasSuffix(err.Error(), "conn closed")
}

// cause returns the innermost error, which is what happened: pgx tells of every address that it tried on a line of its own.
func cause(err error) error {
	for {
		inner := errors.Unwrap(err)
		if joined, ok := err.(interface{ Unwrap() []error }); ok && len(joined.Unwrap()) > 0 {
			inner = joined.Unwrap()[len(joined.Unwrap())-1]
		}
		if inner == nil {
			return err
		}
		err = inner
	}
}
