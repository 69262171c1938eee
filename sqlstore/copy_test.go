package sqlstore

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/slipway-sh/slipway"
)

// copied moves records to PostgreSQL and back: of every table there is, with values that are hard to quote.
func copied(t *testing.T, address, other string) {
	s, to := open(t, filepath.Join(t.TempDir(), "a.db")), open(t, address)
	tables, err := s.tables(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, table := range tables {
		if table.name == "audit" || table.seeded() {
			continue
		}
		for n := range 3 {
			stuff(t, s, table, n)
		}
	}
	for n := range 5 {
		if _, err := s.AppendAudit(t.Context(), slipway.AuditEntry{Action: fmt.Sprint("a", n), Reason: `it's "so"? \ $1 :x é`}); err != nil {
			t.Fatal(err)
		}
		if _, err := s.AppendEvent(t.Context(), slipway.Event{Kind: slipway.BakeOutput}); err != nil { // beside those that are there
			t.Fatal(err)
		}
	}
	check := func(from, to *Store, dry, same bool) {
		t.Helper()
		c, err := from.CopyTo(t.Context(), to, dry)
		if err != nil || c.Same != same || c.Audit.Entries != 5 || len(c.Tables) != len(tables) {
			t.Errorf("got %+v, %v, want same: %v", c, err, same)
		}
		for _, table := range c.Tables {
			if table.Rows == 0 {
				t.Errorf("table %s has nothing", table.Table)
			}
		}
	}
	check(s, to, true, false)
	check(s, to, true, false) // nothing was done
	check(s, to, false, false)
	check(s, to, false, true) // again
	check(s, to, true, true)
	check(to, s, false, true) // and the other way round
	check(to, open(t, filepath.Join(t.TempDir(), "b.db")), false, false)

	// What is there goes on from there.
	last, err := to.AppendEvent(t.Context(), slipway.Event{Kind: slipway.BakeOutput})
	if err != nil || last.Seq < 5 {
		t.Errorf("the next event is %d, %v", last.Seq, err)
	}
	if e, err := to.AppendAudit(t.Context(), slipway.AuditEntry{Action: "next"}); err != nil || e.Seq != 6 {
		t.Errorf("the next entry is %d, %v", e.Seq, err)
	}
	// Now it has records of its own.
	if _, err := s.CopyTo(t.Context(), to, false); slipway.CodeOf(err) != slipway.Conflict || !strings.Contains(err.Error(), "events") {
		t.Errorf("err = %v, want a conflict", err)
	}

	// What cannot be copied leaves nothing.
	if _, err := s.write.NewRaw("UPDATE triggers SET doc = 'a' || char(0) || 'b'").Exec(t.Context()); err != nil {
		t.Fatal(err)
	}
	empty := open(t, other)
	if _, err := s.CopyTo(t.Context(), empty, false); err == nil {
		t.Error("a NUL in text was taken")
	}
	events := -1
	if err := empty.read.NewRaw("SELECT count(*) FROM events").Scan(t.Context(), &events); err != nil || events != 0 {
		t.Errorf("there are %d events, %v", events, err)
	}

	// A log that was changed is not carried on as if nothing were.
	if _, err := s.write.NewRaw("DELETE FROM audit WHERE seq = 3").Exec(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := s.CopyTo(t.Context(), empty, true); slipway.CodeOf(err) != slipway.Corrupt {
		t.Errorf("err = %v, want Corrupt", err)
	}
}

// stuff inserts a row of whatever fits into the table.
func stuff(t *testing.T, s *Store, of table, n int) {
	t.Helper()
	var columns []struct {
		Name string `bun:"name"`
		Type string `bun:"type"`
	}
	if err := s.write.NewRaw("SELECT name, type FROM pragma_table_info(?)", of.name).Scan(t.Context(), &columns); err != nil {
		t.Fatal(err)
	}
	var values []any
	for i, c := range columns {
		switch c.Type {
		case "TEXT":
			values = append(values, fmt.Sprintf(`{"%d":"it's ?0 \ %% é $1 \u0000"}`, n+i))
		default:
			values = append(values, int64(n*1_000_000_007-n%2))
		}
	}
	places := strings.TrimSuffix(strings.Repeat("?, ", len(values)), ", ")
	if _, err := s.write.NewRaw(`INSERT INTO "`+of.name+`" (`+of.quoted()+`) VALUES (`+places+`)`, values...).Exec(t.Context()); err != nil {
		t.Fatalf("%s: %v", of.name, err)
	}
}
