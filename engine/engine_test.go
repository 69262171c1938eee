package engine

import (
	"bufio"
	"context"
	"crypto/tls"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health/grpc_health_v1"

	"github.com/slipway-sh/slipway"
)

const queue = "test"

// childDir, when set, makes this test binary a process that starts a workflow in that directory and waits to be killed.
const childDir = "ENGINE_TEST_CHILD_DIR"

func TestMain(m *testing.M) {
	if dir := os.Getenv(childDir); dir != "" {
		if err := child(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		select {}
	}
	os.Exit(m.Run())
}

// steps runs five activities one after the other. gate is a file without which the third does not end.
func steps(ctx workflow.Context, gate string) ([]int, error) {
	ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		StartToCloseTimeout: time.Minute,
		HeartbeatTimeout:    time.Second,
		RetryPolicy:         &temporal.RetryPolicy{InitialInterval: time.Millisecond},
	})
	var done []int
	for n := 1; n <= 5; n++ {
		var got int
		if err := workflow.ExecuteActivity(ctx, "step", n, gate).Get(ctx, &got); err != nil {
			return nil, err
		}
		done = append(done, got)
	}
	return done, nil
}

// stepper returns the activity; it reports on begun when the third begins.
func stepper(begun chan<- int) func(context.Context, int, string) (int, error) {
	return func(ctx context.Context, n int, gate string) (int, error) {
		if n != 3 || gate == "" {
			return n, nil
		}
		if begun != nil {
			begun <- n
		}
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for {
			if _, err := os.Stat(gate); err == nil {
				return n, nil
			}
			activity.RecordHeartbeat(ctx)
			select {
			case <-tick.C:
			case <-ctx.Done():
				return 0, ctx.Err()
			}
		}
	}
}

func work(e *Engine, begun chan<- int) error {
	return e.StartWorker(queue, worker.Options{}, func(r worker.Registry) {
		r.RegisterWorkflowWithOptions(steps, workflow.RegisterOptions{Name: "steps"})
		r.RegisterActivityWithOptions(stepper(begun), activity.RegisterOptions{Name: "step"})
	})
}

func child(dir string) error {
	e, err := Start(context.Background(), Config{Dir: dir})
	if err != nil {
		return err
	}
	begun := make(chan int, 10)
	if err := work(e, begun); err != nil {
		return err
	}
	if _, err := e.Client().ExecuteWorkflow(context.Background(), client.StartWorkflowOptions{ID: "w", TaskQueue: queue}, "steps", filepath.Join(dir, "gate")); err != nil {
		return err
	}
	<-begun
	fmt.Println("begun")
	return nil
}

func start(t testing.TB, dir string) *Engine {
	t.Helper()
	from := time.Now()
	e, err := Start(t.Context(), Config{Dir: dir, Log: slog.New(slog.NewTextHandler(t.Output(), nil))})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("ready in %s", time.Since(from))
	t.Cleanup(func() {
		if err := e.Stop(); err != nil {
			t.Error(err)
		}
	})
	return e
}

func wantSteps(t *testing.T, run client.WorkflowRun) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	var got []int
	if err := run.Get(ctx, &got); err != nil {
		t.Fatal(err)
	}
	if fmt.Sprint(got) != "[1 2 3 4 5]" {
		t.Fatalf("steps done: %v", got)
	}
}

func TestWorkflowSurvivesRestart(t *testing.T) {
	dir := t.TempDir()
	gate := filepath.Join(dir, "gate")
	e := start(t, dir)
	begun := make(chan int, 10)
	if err := work(e, begun); err != nil {
		t.Fatal(err)
	}
	run, err := e.Client().ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{ID: "quick", TaskQueue: queue}, "steps", "")
	if err != nil {
		t.Fatal(err)
	}
	wantSteps(t, run)
	if _, err := e.Client().ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{ID: "slow", TaskQueue: queue}, "steps", gate); err != nil {
		t.Fatal(err)
	}
	<-begun
	from := time.Now()
	if err := e.Stop(); err != nil {
		t.Fatal(err)
	}
	t.Logf("stopped in %s", time.Since(from))
	if err := e.Stop(); err != nil {
		t.Fatalf("stopping again: %v", err)
	}
	if err := os.WriteFile(gate, nil, 0o600); err != nil {
		t.Fatal(err)
	}

	e = start(t, dir)
	if err := work(e, nil); err != nil {
		t.Fatal(err)
	}
	wantSteps(t, e.Client().GetWorkflow(t.Context(), "slow", ""))
	wantSteps(t, e.Client().GetWorkflow(t.Context(), "quick", ""))
}

func TestWorkflowSurvivesKill(t *testing.T) {
	dir := t.TempDir()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), childDir+"="+dir)
	cmd.Stderr = t.Output()
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	if err != nil || line != "begun\n" {
		t.Fatalf("child said %q, %v", line, err)
	}
	if err := os.WriteFile(filepath.Join(dir, "gate"), nil, 0o600); err != nil {
		t.Fatal(err)
	}

	from := time.Now()
	e := start(t, dir)
	if err := work(e, nil); err != nil {
		t.Fatal(err)
	}
	wantSteps(t, e.Client().GetWorkflow(t.Context(), "w", ""))
	t.Logf("resumed and finished in %s", time.Since(from))
}

func TestFullDiskOnlyDelays(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root to mount a small file system")
	}
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=8m"); err != nil {
		t.Fatal(err)
	}
	// Temporal's SQLite plugin keeps its files open until the process ends.
	t.Cleanup(func() { _ = syscall.Unmount(dir, syscall.MNT_DETACH) })
	e, err := Start(t.Context(), Config{Dir: dir, LogFile: filepath.Join(t.TempDir(), "temporal.log")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = e.Stop() })
	begun := make(chan int, 100)
	if err := work(e, begun); err != nil {
		t.Fatal(err)
	}
	gate := filepath.Join(t.TempDir(), "gate")
	run, err := e.Client().ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{TaskQueue: queue}, "steps", gate)
	if err != nil {
		t.Fatal(err)
	}
	<-begun
	ballast, err := os.Create(filepath.Join(dir, "ballast"))
	if err != nil {
		t.Fatal(err)
	}
	defer ballast.Close()
	for err == nil {
		_, err = ballast.Write(make([]byte, 4<<10))
	}
	// Nothing can be written any more: a new workflow is refused, and the step that ends now cannot be recorded.
	if err := os.WriteFile(gate, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for big := strings.Repeat("x", 64<<10); err == nil || !isDeadline(err); {
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		_, err = e.Client().ExecuteWorkflow(ctx, client.StartWorkflowOptions{TaskQueue: "nobody"}, "steps", big)
		cancel()
	}
	if err := os.Remove(ballast.Name()); err != nil {
		t.Fatal(err)
	}
	if err := ballast.Close(); err != nil {
		t.Fatal(err)
	}
	wantSteps(t, run)
}

// isDeadline reports whether a call was retried until its deadline.
func isDeadline(err error) bool {
	return errors.Is(err, context.DeadlineExceeded) || strings.Contains(fmt.Sprint(err), "deadline")
}

// Timers and the waits between an activity's tries must not be rounded up to Temporal's default of a second.
func TestShortTimersAreShort(t *testing.T) {
	e := start(t, t.TempDir())
	nap := func(ctx workflow.Context) error { return workflow.Sleep(ctx, 20*time.Millisecond) }
	if err := e.StartWorker(queue, worker.Options{}, func(r worker.Registry) {
		r.RegisterWorkflowWithOptions(nap, workflow.RegisterOptions{Name: "nap"})
	}); err != nil {
		t.Fatal(err)
	}
	best := time.Hour
	for range 5 {
		from := time.Now()
		run, err := e.Client().ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{TaskQueue: queue}, "nap")
		if err != nil {
			t.Fatal(err)
		}
		if err := run.Get(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
		best = min(best, time.Since(from))
	}
	if best > 700*time.Millisecond { // untuned it is never less than a second
		t.Errorf("a timer of 20 ms took %s at best", best)
	}
}

// Anyone on the host can connect to a loopback port, and an activity runs with slipwayd's privileges.
func TestStrangersAreTurnedAway(t *testing.T) {
	e := start(t, t.TempDir())
	stranger, err := newIdentity()
	if err != nil {
		t.Fatal(err)
	}
	creds := map[string]credentials.TransportCredentials{
		"in clear":                  insecure.NewCredentials(),
		"without a certificate":     credentials.NewTLS(&tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS13}),
		"with another certificate":  credentials.NewTLS(&tls.Config{InsecureSkipVerify: true, Certificates: stranger.client.Certificates, MinVersion: tls.VersionTLS13}),
		"with the right one (sane)": credentials.NewTLS(e.server.tls.client),
	}
	for name, c := range creds {
		t.Run(name, func(t *testing.T) {
			for _, address := range e.server.addresses {
				conn, err := grpc.NewClient(address, grpc.WithTransportCredentials(c))
				if err != nil {
					t.Fatal(err)
				}
				defer conn.Close()
				_, err = grpc_health_v1.NewHealthClient(conn).Check(t.Context(), &grpc_health_v1.HealthCheckRequest{})
				got := strings.Contains(fmt.Sprint(err), "Unavailable")
				if want := !strings.Contains(name, "sane"); got != want {
					t.Errorf("%s: turned away is %v, want %v: %v", address, got, want, err)
				}
			}
		})
	}
}

func TestDatabases(t *testing.T) {
	t.Run("a damaged visibility database is made anew", func(t *testing.T) {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "temporal-visibility.db"), []byte(strings.Repeat("not a database. ", 500)), 0o600); err != nil {
			t.Fatal(err)
		}
		start(t, dir)
	})
	t.Run("a newer main database is refused", func(t *testing.T) {
		dir := t.TempDir()
		if err := start(t, dir).Stop(); err != nil {
			t.Fatal(err)
		}
		db, err := sql.Open("sqlite", filepath.Join(dir, "temporal.db"))
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		if _, err := db.Exec(`UPDATE schema_version SET curr_version = '99.0'`); err != nil {
			t.Fatal(err)
		}
		_, err = Start(t.Context(), Config{Dir: dir})
		if err == nil || !strings.Contains(err.Error(), "newer version of Slipway") {
			t.Fatalf("started on a newer database: %v", err)
		}
	})
}

func TestExternalCluster(t *testing.T) {
	e := start(t, t.TempDir())
	// The embedded server stands in for a cluster; it takes no strangers, and says so within the deadline.
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if _, err := Start(ctx, Config{Address: e.server.address}); err == nil || !strings.Contains(err.Error(), e.server.address) {
		t.Fatalf("err = %v", err)
	}
}

// TestExternalClusterDoesTheWork has an engine work on a server that is not its own, in a namespace of its own.
func TestExternalClusterDoesTheWork(t *testing.T) {
	dir := t.TempDir()
	s, err := startServer(Config{Dir: dir, LogFile: filepath.Join(dir, "logs", "temporal.log")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.stop(); err != nil {
			t.Error(err)
		}
	})
	cfg := Config{Address: s.address, Namespace: "elsewhere", TLS: s.tls.client}
	for _, when := range []string{"when it has no such namespace", "when it has"} {
		e, err := Start(t.Context(), cfg)
		if err != nil {
			t.Fatal(when, err)
		}
		t.Cleanup(func() {
			if err := e.Stop(); err != nil {
				t.Error(err)
			}
		})
		if err := work(e, nil); err != nil {
			t.Fatal(err)
		}
		run, err := e.Client().ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{ID: "w", TaskQueue: queue}, "steps", "")
		if err != nil {
			t.Fatal(when, err)
		}
		var done []int
		if err := run.Get(t.Context(), &done); err != nil || len(done) != 5 {
			t.Errorf("%s: %v, %v", when, done, err)
		}
	}
	plain := cfg
	plain.TLS = nil
	if _, err := Start(t.Context(), plain); slipway.CodeOf(err) != slipway.Unavailable || !strings.Contains(err.Error(), s.address) {
		t.Errorf("without its TLS: %v, want Unavailable", err)
	}
}

func TestLogFileIsBounded(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.log")
	l, err := openLogFile(path)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	line := []byte(strings.Repeat("x", 1<<20-1) + "\n")
	for range 30 {
		if _, err := l.Write(line); err != nil {
			t.Fatal(err)
		}
	}
	for _, p := range []string{path, path + ".1"} {
		info, err := os.Stat(p)
		if err != nil {
			t.Fatal(err)
		}
		if info.Size() > maxLogSize {
			t.Errorf("%s has %d bytes", p, info.Size())
		}
	}
}

func BenchmarkWorkflowOfFiveActivities(b *testing.B) {
	e := start(b, b.TempDir())
	if err := work(e, nil); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		run, err := e.Client().ExecuteWorkflow(b.Context(), client.StartWorkflowOptions{TaskQueue: queue}, "steps", "")
		if err != nil {
			b.Fatal(err)
		}
		if err := run.Get(b.Context(), nil); err != nil {
			b.Fatal(err)
		}
	}
}
