package sqlstore

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/pressly/goose/v3"

	"github.com/slipway-sh/slipway"
)

func open(t testing.TB, path string) *Store {
	t.Helper()
	s, err := Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func TestReopen(t *testing.T) {
	path := filepath.Join(t.TempDir(), "odd ?%# name.db")
	s := open(t, path)
	cluster, image := slipway.Cluster{Application: "a", Environment: "e"}, slipway.DigestOf(nil)
	if err := s.PutImage(t.Context(), slipway.Image{Digest: image}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.CreateDeployment(t.Context(), slipway.Deployment{ID: "d-1", Cluster: cluster, Image: image}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.AppendEvent(t.Context(), slipway.Event{Kind: slipway.BakeStarted}); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); err != nil {
		t.Fatalf("the database is not where it was asked for: %v", err)
	}
	s = open(t, path)
	d, err := s.CreateDeployment(t.Context(), slipway.Deployment{ID: "d-2", Cluster: cluster, Image: image})
	if err != nil || d.Target != "a-e-v002" {
		t.Errorf("after reopening: %q, %v", d.Target, err)
	}
	e, err := s.AppendEvent(t.Context(), slipway.Event{Kind: slipway.BakeFinished})
	if err != nil || e.Seq != 2 {
		t.Errorf("after reopening: seq %d, %v", e.Seq, err)
	}
}

// TestUpgrade opens a database of the first schema: what decides whether an image is needed is read from the records there are.
func TestUpgrade(t *testing.T) {
	path := filepath.Join(t.TempDir(), "slipway.db")
	db, err := sqliteFile(path).connect(1, "")
	if err != nil {
		t.Fatal(err)
	}
	first, err := goose.NewProvider(goose.DialectSQLite3, db.DB, migrationsOf(goose.DialectSQLite3))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := first.UpTo(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	deployed, shipped := slipway.DigestOf([]byte("deployed")), slipway.DigestOf([]byte("shipped"))
	for statement, record := range map[string]any{
		"INSERT INTO deployments (id, application, environment, started, doc) VALUES ('d-1', 'a', 'e', 1, ?)": slipway.Deployment{ID: "d-1", Image: deployed, State: slipway.DeploymentRunning},
		"INSERT INTO executions (id, doc) VALUES ('x-1', ?)":                                                  slipway.Execution{ID: "x-1", Application: "a", Image: shipped, State: slipway.ExecutionRunning, Started: time.Unix(2, 0)},
		"INSERT INTO executions (id, doc) VALUES ('x-2', ?)":                                                  slipway.Execution{ID: "x-2", Application: "a", State: slipway.ExecutionFailed, Started: time.Unix(1, 0)},
	} {
		d, err := encode(record)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := db.ExecContext(t.Context(), statement, d.Doc); err != nil {
			t.Fatal(err)
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	s := open(t, path)
	for _, image := range []slipway.Digest{deployed, shipped} {
		if err := s.PutImage(t.Context(), slipway.Image{Digest: image, Application: "a"}); err != nil {
			t.Fatal(err)
		}
		if err := s.DeleteImage(t.Context(), image, time.Now()); slipway.CodeOf(err) != slipway.Conflict {
			t.Errorf("removing an image that is needed: %v, want a Conflict", err)
		}
	}
	running := slipway.DeploymentFilter{States: []slipway.DeploymentState{slipway.DeploymentRunning}}
	if all, err := s.ListDeployments(t.Context(), running, slipway.Mark{}, 0); err != nil || len(all) != 1 || all[0].ID != "d-1" {
		t.Errorf("%+v, %v, want d-1", all, err)
	}
	if all, err := s.Executions(t.Context(), "a", 0); err != nil || len(all) != 2 || all[0].ID != "x-1" {
		t.Errorf("%+v, %v, want x-1 and x-2", all, err)
	}
}

func TestOldEventsGo(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "slipway.db"))
	jump := func(seq int64) {
		t.Helper()
		if _, err := s.write.NewRaw("UPDATE event_seq SET seq = ?", seq-1).Exec(t.Context()); err != nil {
			t.Fatal(err)
		}
		if _, err := s.AppendEvent(t.Context(), slipway.Event{Kind: slipway.BakeStarted}); err != nil {
			t.Fatal(err)
		}
	}
	for _, seq := range []int64{1, dropEvery, dropEvery + 1, keptEvents + dropEvery - 1} {
		jump(seq)
	}
	if events, err := s.Events(t.Context(), slipway.EventFilter{}, 0); err != nil || len(events) != 4 {
		t.Errorf("%d events, %v, want all 4", len(events), err)
	}
	jump(keptEvents + dropEvery)
	if events, err := s.Events(t.Context(), slipway.EventFilter{}, 0); err != nil || len(events) != 3 || events[0].Seq != dropEvery+1 {
		t.Errorf("%+v, %v, want the 3 newest", events, err)
	}
}

func TestOldSamplesGo(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "slipway.db"))
	now := time.Unix(0, 0).UTC()
	put := func(deployment string, at time.Time) {
		t.Helper()
		if err := s.PutSamples(t.Context(), deployment, []slipway.Sample{{Time: at, Group: "a-e-v001"}}); err != nil {
			t.Fatal(err)
		}
	}
	put("d-1", now)
	put("d-1", now.Add(time.Hour))
	put("d-2", now.Add(keptSamples))
	if all, err := s.Samples(t.Context(), "d-1", time.Time{}, time.Time{}); err != nil || len(all) != 2 {
		t.Errorf("%+v, %v, want both", all, err)
	}
	put("d-2", now.Add(keptSamples+1))
	if left, err := s.Samples(t.Context(), "d-1", time.Time{}, time.Time{}); err != nil || len(left) != 1 || !left[0].Time.Equal(now.Add(time.Hour)) {
		t.Errorf("%+v, %v, want the later one", left, err)
	}
}

func TestFullDisk(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root to mount a small file system")
	}
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=2m"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { // after the store is closed
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	s := open(t, filepath.Join(dir, "slipway.db"))
	ballast := filepath.Join(dir, "ballast")
	if err := os.WriteFile(ballast, make([]byte, 1<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	big := slipway.Event{Time: time.Now(), Kind: slipway.BakeOutput, Message: strings.Repeat("x", 20<<10)}
	var last int64
	for {
		e, err := s.AppendEvent(t.Context(), big)
		if err != nil {
			if slipway.CodeOf(err) != slipway.Unprepared {
				t.Fatalf("full disk: %v", err)
			}
			break
		}
		last = e.Seq
	}
	if got, err := s.Events(t.Context(), slipway.EventFilter{After: last - 1}, 2); err != nil || len(got) != 1 {
		t.Fatalf("reading while full: %d events, %v", len(got), err)
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	e, err := s.AppendEvent(t.Context(), big)
	if err != nil || e.Seq != last+1 {
		t.Fatalf("with space again: seq %d after %d, %v", e.Seq, last, err)
	}
}

func TestDamagedFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "slipway.db")
	if err := os.WriteFile(path, []byte(strings.Repeat("not a database. ", 500)), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), path); slipway.CodeOf(err) != slipway.Corrupt {
		t.Errorf("err = %v", err)
	}
}

func BenchmarkAppendEvent(b *testing.B) {
	s := open(b, filepath.Join(b.TempDir(), "slipway.db"))
	for b.Loop() {
		if _, err := s.AppendEvent(b.Context(), slipway.Event{Time: time.Now(), Kind: slipway.BakeOutput, Message: "line"}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkOpen(b *testing.B) {
	for b.Loop() {
		open(b, filepath.Join(b.TempDir(), "slipway.db"))
	}
}
