package sqlstore

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/uptrace/bun"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/test/pgtest"
)

func TestPostgres(t *testing.T) {
	server := pgtest.ForTest(t)
	ready := server.DatabaseForTest(t) // so that its schema is made once, not for every test
	if s, err := Open(t.Context(), ready); err != nil {
		t.Fatal(err)
	} else if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	conforms(t, func(t *testing.T) string { return server.CopyForTest(t, ready) })
	t.Run("two stores on one database are one", func(t *testing.T) { twoStores(t, server.CopyForTest(t, ready)) })
	t.Run("twenty open a new database at once", func(t *testing.T) { openedAtOnce(t, server.DatabaseForTest(t)) })
	t.Run("text is ordered by its bytes", func(t *testing.T) { orderedByBytes(t, server.CopyForTest(t, ready)) })
	t.Run("one that stands still keeps nobody from writing", func(t *testing.T) { standsStill(t, server.CopyForTest(t, ready)) })
	t.Run("records belong to one data directory", func(t *testing.T) { claimed(t, server.CopyForTest(t, ready)) })
	t.Run("one works on a database at a time", func(t *testing.T) { held(t, server.CopyForTest(t, ready)) })
	t.Run("a database that cannot be used says why", func(t *testing.T) { unusable(t, server) })
	t.Run("what a newer slipwayd has changed is left alone", func(t *testing.T) { newerSchema(t, server.CopyForTest(t, ready)) })
	t.Run("records are copied from and to SQLite", func(t *testing.T) { copied(t, server.CopyForTest(t, ready), server.CopyForTest(t, ready)) })
	t.Run("a server that was away is there again", func(t *testing.T) { away(t, server) }) // the last: all connections break
}

// twoStores has two processes' worth of stores write at once, and reads beside them.
func twoStores(t *testing.T, address string) {
	const writers, each = 20, 5
	stores := []*Store{open(t, address), open(t, address)}
	image := slipway.Image{Digest: slipway.DigestOf(nil), Application: "a", State: slipway.ImageReady}
	if err := stores[0].PutImage(t.Context(), image); err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for n := range writers {
		all.Go(func() {
			s := stores[n%2]
			for range each {
				if _, err := s.AppendEvent(t.Context(), slipway.Event{Kind: slipway.BakeOutput}); err != nil {
					t.Error(err)
				}
			}
			d := slipway.Deployment{ID: fmt.Sprint("d-", n/2), Cluster: slipway.Cluster{Application: "a", Environment: "e"}, Image: image.Digest}
			if _, err := s.CreateDeployment(t.Context(), d); err != nil {
				t.Error(err)
			}
		})
	}
	done := make(chan struct{})
	go func() { all.Wait(); close(done) }()
	last := int64(0)
	for finished := false; !finished; {
		select {
		case <-done:
			finished = true
		default:
		}
		events, err := stores[1].Events(t.Context(), slipway.EventFilter{After: last}, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range events {
			if last++; e.Seq != last {
				t.Fatalf("read event %d, want %d", e.Seq, last)
			}
		}
	}
	if last != writers*each {
		t.Errorf("read %d events, want %d", last, writers*each)
	}
	groups := map[string]bool{}
	deployments, err := stores[0].Deployments(t.Context(), slipway.Cluster{}, 0)
	for _, d := range deployments {
		groups[d.Target] = true
	}
	if err != nil || len(deployments) != writers/2 || len(groups) != writers/2 || !groups["a-e-v010"] {
		t.Errorf("%d deployments with groups %v, %v, want 10 of one group each", len(deployments), groups, err)
	}
}

func openedAtOnce(t *testing.T, address string) {
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			s, err := Open(t.Context(), address)
			if err != nil {
				t.Error(err)
				return
			}
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
}

func orderedByBytes(t *testing.T, address string) {
	s := open(t, address)
	var columns []string
	if err := s.read.NewRaw(`SELECT table_name || '.' || column_name FROM information_schema.columns
		WHERE table_schema = 'public' AND data_type = 'text' AND collation_name IS DISTINCT FROM 'C'`).Scan(t.Context(), &columns); err != nil || len(columns) > 0 {
		t.Errorf("%v, %v are compared otherwise", columns, err)
	}
	want := []string{"Shop", "a-b", "a_b", "ab", "shop"} // in English a-b, a_b, ab, shop, Shop
	for _, name := range want {
		if err := s.PutApplication(t.Context(), slipway.Spec{Application: name}); err != nil {
			t.Fatal(err)
		}
	}
	all, err := s.Applications(t.Context())
	if err != nil || len(all) != len(want) {
		t.Fatal(all, err)
	}
	for n, a := range all {
		if a.Application != want[n] {
			t.Errorf("application %d is %s, want %s", n, a.Application, want[n])
		}
	}
}

func standsStill(t *testing.T, address string) {
	still, busy := open(t, address+"&idle_in_transaction_session_timeout=200"), open(t, address)
	err := still.write.RunInTx(t.Context(), nil, func(context.Context, bun.Tx) error {
		return busy.PutBake(t.Context(), slipway.Bake{ID: "b-1"})
	})
	if err := still.explain("end", err); slipway.CodeOf(err) != slipway.Unavailable {
		t.Errorf("who stood still: %v, want Unavailable", err)
	}
	if err := still.PutBake(t.Context(), slipway.Bake{ID: "b-2"}); err != nil {
		t.Errorf("who stood still, later: %v", err)
	}
}

func unusable(t *testing.T, server *pgtest.Server) {
	address := server.DatabaseForTest(t)
	wrong := filepath.Join(t.TempDir(), "pgpass")
	if err := os.WriteFile(wrong, []byte("*:*:*:*:hunter2\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody := l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	silent, err := net.Listen("tcp", "127.0.0.1:0") // takes connections, and says nothing
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	poor := server.URL("postgres", "postgres")
	if s, err := Open(t.Context(), poor); err != nil { // so that a stranger finds its tables, and may not read them
		t.Fatal(err)
	} else if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	here, file, _ := strings.Cut(address, "?")
	user := here[len("postgres://"):strings.Index(here, "@")]
	for _, c := range []struct {
		why, address string
		code         slipway.Code
		says         string
	}{
		{"nobody listens", "postgres://slipway@" + nobody + "/slipway", slipway.Unavailable, "connection refused"},
		{"no such host", "postgres://slipway@db.invalid/slipway", slipway.Unavailable, "db.invalid"},
		{"no answer", "postgres://slipway@" + silent.Addr().String() + "/slipway?connect_timeout=1", slipway.Unavailable, "does not answer"},
		{"wrong password", here + "?passfile=" + wrong, slipway.Unprepared, "does not let " + user + " in"},
		{"no password", here + "?passfile=/dev/null", slipway.Unprepared, "PGPASSWORD"},
		{"no such database", strings.TrimSuffix(here, user) + "other?" + file, slipway.Unprepared, "createdb --owner " + user + " other"},
		{"somebody else's database", strings.TrimSuffix(here, user) + "postgres?" + file, slipway.Unprepared, "wants to own the database"},
		{"a password for all to see", "postgres://slipway:hunter2@" + nobody + "/slipway", slipway.Invalid, "PGPASSWORD"},
		{"a password behind a question mark", "postgres://slipway@" + nobody + "/slipway?password=hunter2", slipway.Invalid, "PGPASSWORD"},
		{"no URL", "postgres://[::1/slipway:hunter2@", slipway.Invalid, "postgres://slipway@db.example.com/slipway"},
		{"no port", "postgres://localhost:http/slipway", slipway.Invalid, "cannot use the store"},
		{"an unknown mode of TLS", "postgres://localhost/slipway?sslmode=perhaps", slipway.Invalid, "sslmode"},
	} {
		t.Run(c.why, func(t *testing.T) {
			s, err := Open(t.Context(), c.address)
			if err == nil {
				t.Fatal("it was opened", s.Close())
			}
			if slipway.CodeOf(err) != c.code || !strings.Contains(err.Error(), c.says) {
				t.Errorf("err = %v (%s), want %s, with %q", err, slipway.CodeOf(err), c.code, c.says)
			}
			if strings.Contains(err.Error(), "hunter2") {
				t.Errorf("the error has the password: %v", err)
			}
		})
	}
}

func newerSchema(t *testing.T, where string) {
	s := open(t, where)
	if _, err := s.write.NewRaw("INSERT INTO goose_db_version (version_id, is_applied) VALUES (99999, TRUE)").Exec(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), where); slipway.CodeOf(err) != slipway.Unprepared || !strings.Contains(err.Error(), "schema 99999") {
		t.Errorf("err = %v", err)
	}
}

func TestNewerSchema(t *testing.T) { newerSchema(t, filepath.Join(t.TempDir(), "slipway.db")) }

// away takes the server away and gives it back: what is asked meanwhile fails with a code that says so, and later works.
func away(t *testing.T, server *pgtest.Server) {
	s := open(t, server.DatabaseForTest(t))
	e, err := s.AppendEvent(t.Context(), slipway.Event{Kind: slipway.BakeStarted})
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Stop(); err != nil {
		t.Fatal(err)
	}
	if err := s.PutBake(t.Context(), slipway.Bake{ID: "b-1"}); slipway.CodeOf(err) != slipway.Unavailable {
		t.Errorf("writing: %v, want Unavailable", err)
	}
	if _, err := s.Applications(t.Context()); slipway.CodeOf(err) != slipway.Unavailable {
		t.Errorf("reading: %v, want Unavailable", err)
	}
	if err := server.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if events, err := s.Events(t.Context(), slipway.EventFilter{}, 0); err != nil || len(events) != 1 {
		t.Errorf("%d events, %v, want 1", len(events), err)
	}
	next, err := s.AppendEvent(t.Context(), slipway.Event{Time: time.Now(), Kind: slipway.BakeFinished})
	if err != nil || next.Seq != e.Seq+1 {
		t.Errorf("seq %d, %v, want %d", next.Seq, err, e.Seq+1)
	}
}
