package sqlstore

import (
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/slipway-sh/slipway"
)

func claimed(t *testing.T, address string) {
	s := open(t, address)
	for _, c := range []struct {
		why, directory, place string
		takeOver              bool
		code                  slipway.Code
	}{
		{"nobody's", "one", "/a on host", false, ""},
		{"its own", "one", "/a on host", false, ""},
		{"its own, moved", "one", "/b on host", false, ""},
		{"another's", "two", "/c on host", false, slipway.Refused},
		{"still the first one's", "one", "/b on host", false, ""},
		{"taken over", "two", "/c on host", true, ""},
		{"another's now", "one", "/b on host", false, slipway.Refused},
	} {
		err := s.Claim(t.Context(), c.directory, c.place, c.takeOver)
		if slipway.CodeOf(err) != c.code {
			t.Errorf("%s: %v, want %q", c.why, err, c.code)
		}
		if c.code == slipway.Refused && !strings.Contains(err.Error(), " on host") {
			t.Errorf("%s: %v does not say whose", c.why, err)
		}
	}
}

func held(t *testing.T, address string) {
	log := slog.New(slog.NewTextHandler(t.Output(), nil))
	first, second := open(t, address), open(t, address)
	first.patience, second.patience = holdEvery, holdEvery
	lost, release, err := first.Hold(t.Context(), false, log)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := second.Hold(t.Context(), false, log); slipway.CodeOf(err) != slipway.Conflict {
		t.Errorf("held twice: %v, want a Conflict", err)
	}

	// Its connection breaks: it has it again soon, if nobody else is there.
	breakHold := func() {
		t.Helper()
		var broken []bool
		if err := second.read.NewRaw("SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND classid = 29560 AND granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database())").
			Scan(t.Context(), &broken); err != nil || len(broken) != 1 {
			t.Fatalf("%v, %v, want one that holds the database", broken, err)
		}
	}
	breakHold()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(holdEvery / 10) {
		var n int
		if err := second.read.NewRaw("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND classid = 29560 AND granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database())").Scan(t.Context(), &n); err != nil {
			t.Fatal(err)
		}
		if n == 1 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the database is not held again")
		}
	}
	select {
	case err := <-lost:
		t.Fatalf("it was lost: %v", err)
	default:
	}

	// One that waits has it when the first lets go.
	taken := make(chan func())
	go func() {
		_, release, err := second.Hold(t.Context(), true, log)
		if err != nil {
			t.Error(err)
			release = func() {}
		}
		taken <- release
	}()
	release()
	release2 := <-taken

	// One that is held by another when the server is back is lost.
	third := open(t, address)
	third.patience = holdEvery
	if _, _, err := third.Hold(t.Context(), false, log); slipway.CodeOf(err) != slipway.Conflict {
		t.Errorf("held twice: %v, want a Conflict", err)
	}
	release2()
	lost, release, err = third.Hold(t.Context(), false, log)
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	conn, err := second.write.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	waiting := make(chan error)
	go func() {
		_, err := conn.ExecContext(t.Context(), "SELECT pg_advisory_lock(29560, hashtext(current_schema()))") // is next when the connection breaks
		waiting <- err
	}()
	for n := 0; n == 0; { // until it waits
		if err := third.read.NewRaw("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND classid = 29560 AND NOT granted").Scan(t.Context(), &n); err != nil {
			t.Fatal(err)
		}
	}
	breakHold()
	if err := <-waiting; err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-lost:
		if slipway.CodeOf(err) != slipway.Conflict {
			t.Errorf("it was lost with %v, want a Conflict", err)
		}
	case <-time.After(time.Minute):
		t.Error("it does not notice that another holds the database")
	}
}

// TestFileNeedsNoHold has a SQLite file claimed and held: its data directory has a lock.
func TestFileNeedsNoHold(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "slipway.db"))
	for _, directory := range []string{"one", "two"} {
		if err := s.Claim(t.Context(), directory, "/a on host", false); err != nil {
			t.Error(err)
		}
		_, release, err := s.Hold(t.Context(), false, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		defer release()
	}
}
