package haproxy_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/router/haproxy"
	"github.com/slipway-sh/slipway/router/routertest"
	"github.com/slipway-sh/slipway/test/load"
)

// serviceEnv makes the test binary a service that answers with its value.
const serviceEnv = "HAPROXY_TEST_SERVICE"

func TestMain(m *testing.M) {
	if name := os.Getenv(serviceEnv); name != "" {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			panic(err)
		}
		fmt.Println(l.Addr().(*net.TCPAddr).Port)
		panic(http.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			time.Sleep(20 * time.Millisecond) // its work: under load some requests are always under way
			io.WriteString(w, name)
		})))
	}
	os.Exit(m.Run())
}

// service starts a process that serves, and returns it as an active target.
func service(t *testing.T, group, instance string) (slipway.Target, *os.Process) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), serviceEnv+"="+group)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	port, _ := strconv.Atoi(strings.TrimSpace(line))
	return slipway.Target{Instance: instance, Group: group, Address: "127.0.0.1", Port: port, Mode: slipway.Active, Weight: 1}, cmd.Process
}

func poolOf(port int, targets ...slipway.Target) slipway.Pool {
	return slipway.Pool{LoadBalancer: "hello-prod", Address: "127.0.0.1", Port: port, Health: slipway.Health{HTTP: "/"}, Targets: targets}
}

func TestAllActiveProcessesAreKilledUnderLoad(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	dir := t.TempDir()
	t.Cleanup(func() { stop(t, dir) })
	r := open(t, dir)
	defer r.Close()
	var targets []slipway.Target
	var doomed []*os.Process
	for i := range 3 {
		bad, process := service(t, "v2", fmt.Sprintf("i-bad-%d", i))
		good, _ := service(t, "v1", fmt.Sprintf("i-good-%d", i))
		good.Mode = slipway.Standby
		targets, doomed = append(targets, bad, good), append(doomed, process)
	}
	port := routertest.FreePort(t)
	if err := r.SetPool(ctx, poolOf(port, targets...)); err != nil {
		t.Fatal(err)
	}
	g := load.Start(ctx, load.Options{URL: fmt.Sprintf("http://127.0.0.1:%d/", port), Rate: 1000, Label: func(b []byte) string { return string(b) }})
	await(t, ctx, g, 500)
	for _, p := range doomed {
		if err := p.Kill(); err != nil {
			t.Fatal(err)
		}
	}
	await(t, ctx, g, 1000)
	c := g.Stop()
	t.Logf("%d requests, %d failed, slowest %v, by group %v", c.Sent, c.Failed, c.Slow, c.Labels)
	if c.Failed > 0 || c.Labels["v1"] == 0 {
		t.Errorf("failures: %v", g.Failures())
	}
}

func TestComesBackWhenKilled(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	dir := t.TempDir()
	t.Cleanup(func() { stop(t, dir) })
	b := routertest.NewBackend(t, "v1", "i-1")
	other := routertest.NewBackend(t, "v1", "i-2")
	r := open(t, dir)
	port := routertest.FreePort(t)
	if err := r.SetPool(ctx, poolOf(port, b.Target)); err != nil {
		t.Fatal(err)
	}
	if err := r.SetPool(ctx, poolOf(port, b.Target, other.Target)); err != nil { // one that only the running HAProxy was told of
		t.Fatal(err)
	}
	for round, victim := range []string{"master", "worker", "adopted master"} {
		if victim == "adopted master" {
			r.Close()
			r = open(t, dir)
		}
		before, err := r.Pool(ctx, "hello-prod")
		if err != nil {
			t.Fatal(err)
		}
		pid, _ := strconv.Atoi(before.Epoch) // the worker's
		if victim != "worker" {
			pid = parent(t, pid)
		}
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		begin := time.Now()
		for {
			now, err := r.Pool(ctx, "hello-prod")
			if err == nil && now.Epoch != before.Epoch && len(now.Targets) == 2 && now.Targets[1].Up {
				break
			}
			if ctx.Err() != nil {
				t.Fatalf("round %d: after its %s was killed HAProxy did not come back: %v", round, victim, err)
			}
		}
		t.Logf("%s killed: back after %v", victim, time.Since(begin))
		for range 2 {
			res, err := http.Get(fmt.Sprintf("http://127.0.0.1:%d/", port))
			if err != nil {
				t.Fatal(err)
			}
			res.Body.Close()
			if res.StatusCode != http.StatusOK {
				t.Errorf("after its %s was killed: %s", victim, res.Status)
			}
		}
	}
	r.Close()
}

func TestNotInstalled(t *testing.T) {
	r, err := haproxy.New(haproxy.Config{Dir: t.TempDir(), Program: "haproxy-that-is-not-there", Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	err = r.SetPool(t.Context(), poolOf(routertest.FreePort(t)))
	want := "cannot start the load balancer: haproxy is not installed; install it with: apt-get install haproxy"
	if slipway.CodeOf(err) != slipway.Unprepared || slipway.MessageOf(err) != want {
		t.Errorf("%v, want %q", err, want)
	}
}

func TestLongDirectory(t *testing.T) {
	dir := filepath.Join(t.TempDir(), strings.Repeat("long/", 40))
	t.Cleanup(func() { stop(t, dir) })
	r := open(t, dir)
	defer r.Close()
	if err := r.SetPool(t.Context(), poolOf(routertest.FreePort(t), routertest.NewBackend(t, "v1", "i-1").Target)); err != nil {
		t.Error(err)
	}
}

func await(t *testing.T, ctx context.Context, g *load.Generator, n int64) {
	t.Helper()
	if err := g.Await(ctx, n); err != nil {
		t.Fatalf("%v; failures: %v", err, g.Failures())
	}
}

func parent(t *testing.T, pid int) int {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(b), ") ")
	ppid, err := strconv.Atoi(strings.Fields(rest)[1])
	if err != nil {
		t.Fatal(err)
	}
	return ppid
}
