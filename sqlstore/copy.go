package sqlstore

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/bits"
	"slices"
	"strings"

	"github.com/uptrace/bun"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/audit"
)

// Rows of a table are copied so many at a time, or when they have as many bytes.
const (
	copyRows  = 500
	copyBytes = 4 << 20
)

// Copy is what [Store.CopyTo] has copied, or would.
type Copy struct {
	Tables []TableRows
	Audit  audit.Summary // of the log, which was verified
	Same   bool          // the other database has exactly these records already
}

// TableRows is how many rows a table has.
type TableRows struct {
	Table string
	Rows  int64
}

// CopyTo copies all records to another database, which must have none, in one transaction: all of them are there afterwards, and are what they
// are here, row by row and as a chain of the audit log, or none is. Nobody may write here meanwhile. Copying again changes nothing. Conflict if
// the other database has records of its own, Corrupt if the audit log here is broken; dry only says what would be copied.
func (s *Store) CopyTo(ctx context.Context, to *Store, dry bool) (c Copy, err error) {
	doing := fmt.Sprintf("copy the records of %s to %s", s, to)
	if c.Audit, err = s.verifyAudit(ctx); err != nil {
		return c, fmt.Errorf("cannot %s: its audit log is broken: %w", doing, err)
	}
	tables, err := s.tables(ctx)
	if err != nil {
		return c, s.explain(doing, err)
	}
	have := map[string]content{}
	for _, t := range tables {
		if have[t.name], err = t.content(ctx, s.read, nil); err != nil {
			return c, s.explain(doing, err)
		}
		c.Tables = append(c.Tables, TableRows{t.name, have[t.name].rows})
	}
	run := to.write.RunInTx
	if dry {
		run = to.read.RunInTx
	}
	err = run(ctx, nil, func(ctx context.Context, tx bun.Tx) error {
		var others []string
		c.Same = true
		for _, t := range tables {
			there, err := t.content(ctx, tx, nil)
			if err != nil {
				return err
			}
			c.Same = c.Same && there == have[t.name]
			if there.rows > 0 && !t.seeded() {
				others = append(others, t.name)
			}
		}
		if c.Same || dry && len(others) == 0 {
			return nil
		}
		if len(others) > 0 {
			return slipway.Errorf(slipway.Conflict, "cannot %s: that has records of its own, in %s; give an empty database", doing, strings.Join(others, ", "))
		}
		for _, t := range tables {
			if err := t.copy(ctx, s.read, tx); err != nil {
				return fmt.Errorf("table %s: %w", t.name, err)
			}
			if there, err := t.content(ctx, tx, nil); err != nil || there != have[t.name] {
				return fmt.Errorf("table %s is otherwise there than here: %d rows of %d: %w", t.name, there.rows, have[t.name].rows, errors.Join(err))
			}
		}
		return nil
	})
	return c, to.explain(doing, err)
}

// verifyAudit verifies the whole audit log.
func (s *Store) verifyAudit(ctx context.Context) (audit.Summary, error) {
	var chain audit.Chain
	for after := int64(0); ; {
		lines, err := s.AuditLines(ctx, after, copyRows)
		if err != nil {
			return audit.Summary{}, err
		}
		for _, line := range lines {
			e, err := chain.Add(line)
			if err != nil {
				return audit.Summary{}, err
			}
			after = e.Seq
		}
		if len(lines) < copyRows {
			return chain.End()
		}
	}
}

// table is one that has records.
type table struct {
	name    string
	columns []string
}

// seeded reports whether a new database has a row in it: a counter.
func (t table) seeded() bool { return t.name == "event_seq" || t.name == "audit_head" }

// tables returns those that have records, by name: not the database's own, not goose's, and not whose data directory's they are.
func (s *Store) tables(ctx context.Context) ([]table, error) {
	query := "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%'"
	if _, ok := s.backend.(postgres); ok {
		query = "SELECT table_name FROM information_schema.tables WHERE table_schema = current_schema() AND table_type = 'BASE TABLE'"
	}
	var names []string
	if err := s.read.NewRaw(query).Scan(ctx, &names); err != nil {
		return nil, err
	}
	slices.Sort(names)
	var all []table
	for _, name := range names {
		if name == "goose_db_version" || name == "owner" {
			continue
		}
		rows, err := s.read.QueryContext(ctx, `SELECT * FROM "`+name+`" LIMIT 0`)
		if err != nil {
			return nil, err
		}
		columns, err := rows.Columns()
		if err = errors.Join(err, rows.Close()); err != nil {
			return nil, err
		}
		all = append(all, table{name, columns})
	}
	return all, nil
}

// querier is a database, or a transaction.
type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// content tells whether two tables have the same rows, in whatever order.
type content struct {
	rows int64
	sum  [4]uint64 // of the rows' hashes
}

func (c *content) add(values []any) error {
	h := sha256.New()
	for _, v := range values {
		var text []byte
		kind := byte('t')
		switch v := v.(type) {
		case nil:
			kind = 'n'
		case int64:
			kind, text = 'i', binary.BigEndian.AppendUint64(nil, uint64(v))
		case float64:
			kind, text = 'f', binary.BigEndian.AppendUint64(nil, math.Float64bits(v))
		case string:
			text = []byte(v)
		case []byte:
			text = v
		default:
			return fmt.Errorf("a value of type %T cannot be copied", v)
		}
		h.Write(binary.BigEndian.AppendUint64([]byte{kind}, uint64(len(text))))
		h.Write(text)
	}
	sum, carry := h.Sum(nil), uint64(0)
	for i := range c.sum {
		c.sum[i], carry = bits.Add64(c.sum[i], binary.LittleEndian.Uint64(sum[8*i:]), carry)
	}
	c.rows++
	return nil
}

func (t table) quoted() string { return `"` + strings.Join(t.columns, `", "`) + `"` }

// content reads the whole table, and calls row, unless that is nil, with the values of each row.
func (t table) content(ctx context.Context, db querier, row func([]any) error) (c content, err error) {
	rows, err := db.QueryContext(ctx, "SELECT "+t.quoted()+` FROM "`+t.name+`"`)
	if err != nil {
		return c, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		values, into := make([]any, len(t.columns)), make([]any, len(t.columns))
		for i := range values {
			into[i] = &values[i]
		}
		if err := rows.Scan(into...); err != nil {
			return c, err
		}
		if err := c.add(values); err != nil {
			return c, err
		}
		if row != nil {
			if err := row(values); err != nil {
				return c, err
			}
		}
	}
	return c, rows.Err()
}

// copy replaces the table by that of another database.
func (t table) copy(ctx context.Context, from querier, to bun.Tx) error {
	if _, err := to.ExecContext(ctx, `DELETE FROM "`+t.name+`"`); err != nil {
		return err
	}
	place := "(" + strings.TrimSuffix(strings.Repeat("?, ", len(t.columns)), ", ") + ")"
	var values []any
	rows, size := 0, 0
	flush := func() error {
		if rows == 0 {
			return nil
		}
		places := strings.TrimSuffix(strings.Repeat(place+", ", rows), ", ")
		_, err := to.NewRaw(`INSERT INTO "`+t.name+`" (`+t.quoted()+`) VALUES `+places, values...).Exec(ctx)
		values, rows, size = nil, 0, 0
		return err
	}
	_, err := t.content(ctx, from, func(row []any) error {
		for _, v := range row {
			switch v := v.(type) {
			case string:
				size += len(v)
			case []byte:
				size += len(v)
			}
		}
		values, rows = append(values, row...), rows+1
		if rows < copyRows && size < copyBytes {
			return nil
		}
		return flush()
	})
	if err != nil {
		return err
	}
	return flush()
}
