package ha

import (
	"fmt"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/test/daemon"
	"github.com/slipway-sh/slipway/test/pgtest"
)

// TestBackupAndRestore does what docs/operations.md says: backs up, destroys all there is, restores, and finds all of it again, traffic too.
func TestBackupAndRestore(t *testing.T) {
	for _, c := range []struct {
		name     string
		database bool
	}{{"SQLite", false}, {"PostgreSQL", true}} {
		t.Run(c.name, func(t *testing.T) {
			d := daemon.NewForTest(t)
			dump, archive := filepath.Join(t.TempDir(), "slipway.dump"), filepath.Join(t.TempDir(), "slipway.tar")
			var server *pgtest.Server
			if c.database {
				server = pgtest.ForTest(t)
				if _, err := server.CreateDatabase(t.Context(), "slipway"); err != nil {
					t.Fatal(err)
				}
				d.Args = append(d.Args, "--store", server.URL("slipway", "slipway"))
			}
			must := func(err error) {
				t.Helper()
				if err != nil {
					t.Fatal(err)
				}
			}
			tar := func(args ...string) {
				t.Helper()
				if out, err := exec.CommandContext(t.Context(), "tar", args...).CombinedOutput(); err != nil {
					t.Fatalf("tar %v: %v\n%s", args, err, out)
				}
			}
			pg := func(program string, args ...string) {
				t.Helper()
				_, err := server.Run(t.Context(), program, args...)
				must(err)
			}
			must(d.Start(t.Context()))
			port, err := daemon.FreePort()
			must(err)
			d.Must(t, 0, "ship", "--file", d.HelloForTest(t, "v1", func(s *slipway.Spec) {
				env := s.Environments[prod.Environment]
				env.LoadBalancer.Port, env.Size = port, slipway.Size{Min: 1, Desired: 1, Max: 1}
				s.Environments[prod.Environment] = env
			}), "--version", "v1", prod.Environment)
			events, err := d.LastEvent(t.Context())
			must(err)

			// Back up: the records first, so that no image is without its blobs.
			must(d.Stop())
			if c.database {
				pg("pg_dump", "--format", "custom", "--file", dump, "slipway")
			}
			tar("--create", "--file", archive, "--directory", d.Data, "--exclude", "./mounts", "--exclude", "./cache", "--exclude", "*.sock", ".")

			// Destroy.
			must(d.Destroy())
			if c.database {
				pg("dropdb", "slipway")
			}

			// Restore.
			if out, err := exec.CommandContext(t.Context(), "install", "-d", "-m", "0700", d.Data).CombinedOutput(); err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			tar("--extract", "--file", archive, "--directory", d.Data)
			if c.database {
				pg("createdb", "--owner", "slipway", "--template", "template0", "slipway")
				pg("pg_restore", "--dbname", "slipway", "--exit-on-error", dump)
			}
			must(d.Start(t.Context()))

			if again, err := d.LastEvent(t.Context()); err != nil || again < events {
				t.Errorf("the last event is %d, %v, want %d or later", again, err, events)
			}
			for _, args := range [][]string{{"images", "hello"}, {"deployments", "hello"}} {
				if r := d.Must(t, 0, args...); !strings.Contains(r.Stdout, "hello") && !strings.Contains(r.Stdout, "v1") {
					t.Errorf("slipway %v: %s", args, r.Stdout)
				}
			}
			for deadline := time.Now().Add(patience); ; time.Sleep(50 * time.Millisecond) { // the server group is filled again
				res, err := http.Get(fmt.Sprintf("http://127.0.0.1:%d/", port))
				if err == nil {
					res.Body.Close()
					if res.StatusCode == http.StatusOK {
						break
					}
				}
				if time.Now().After(deadline) {
					t.Fatalf("nothing serves: %v", err)
				}
			}
			d.Must(t, 0, "deploy", "hello", prod.Environment, "v1")
			if !c.database {
				moveRecords(t, d)
			}
		})
	}
}

// moveRecords moves the records from SQLite to PostgreSQL, as docs/operations.md says, and finds all of them again.
func moveRecords(t *testing.T, d *daemon.Daemon) {
	server := pgtest.ForTest(t)
	address := server.DatabaseForTest(t)
	move := func(says string, args ...string) string {
		t.Helper()
		out, err := exec.CommandContext(t.Context(), d.Programs.Slipwayd(), append([]string{"move-records", "--data", d.Data, "--to", address}, args...)...).CombinedOutput()
		if says == "" != (err != nil) || !strings.Contains(string(out), says) {
			t.Errorf("move-records %v: %v, %s, want it to say %q", args, err, out, says)
		}
		t.Logf("move-records %v:\n%s", args, out)
		return string(out)
	}
	if out := move(""); !strings.Contains(out, "another slipwayd (process") {
		t.Errorf("while slipwayd runs: %s", out)
	}
	seen := map[string]string{}
	all := [][]string{{"images", "hello", "--json"}, {"deployments", "hello", "--json"}, {"events", "--application", "hello", "--json"}}
	for _, args := range all {
		seen[args[0]] = d.Must(t, 0, args...).Stdout
	}
	if err := d.Stop(); err != nil {
		t.Fatal(err)
	}
	move("nothing was changed")
	move("moved and compared", "--yes")
	move("has the very same already", "--yes")
	d.Args = append(d.Args, "--store", address)
	if err := d.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, args := range all {
		if now := d.Must(t, 0, args...).Stdout; now != seen[args[0]] {
			t.Errorf("slipway %v: it was\n%s\nand is\n%s", args, seen[args[0]], now)
		}
	}
	d.Must(t, 0, "audit", "verify")
	d.Must(t, 0, "deploy", "hello", prod.Environment, "v1")
	if err := d.Stop(); err != nil {
		t.Fatal(err)
	}
	if out := move(""); !strings.Contains(out, "has records of its own") { // they have come on since
		t.Error(out)
	}
}
