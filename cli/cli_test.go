package cli

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/slipway-sh/slipway"
)

// fake is a slipwayd that answers from what a test puts into it. Its events are streamed as they are added.
type fake struct {
	mu         sync.Mutex
	changed    chan struct{} // closed and replaced when anything changes
	bake       slipway.Bake
	execution  slipway.Execution
	deployment slipway.Deployment
	release    slipway.Release
	accepted   func(*fake) // what happens as soon as a retry or a release is
	events     []slipway.Event
	posted     map[string]string // body by path
	aborted    func(*fake, string)
	down       bool // every request is answered 503
}

func newFake() *fake {
	began := time.Now()
	return &fake{
		changed:   make(chan struct{}),
		posted:    map[string]string{},
		bake:      slipway.Bake{ID: "b-1", Application: "hello", Version: "v2", State: slipway.BakeRunning, Started: began},
		execution: slipway.Execution{ID: "x-1", Application: "hello", Environments: []string{"prod"}, State: slipway.ExecutionRunning, Started: began},
		release: slipway.Release{ID: "r-1", Environment: "prod", State: slipway.ReleaseRunning, Started: began, Members: []slipway.ReleaseMember{
			{Application: "hello", Image: slipway.DigestOf(nil)}, {Application: "web", Image: slipway.DigestOf(nil)},
		}},
		deployment: slipway.Deployment{ID: "d-1", Cluster: slipway.Cluster{Application: "hello", Environment: "prod"}, State: slipway.DeploymentRunning, Source: "hello-prod-v001", Target: "hello-prod-v002", Started: began},
	}
}

// change changes the fake and wakes who waits for that.
func (s *fake) change(f func(*fake)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f(s)
	close(s.changed)
	s.changed = make(chan struct{})
}

// tell adds an event. The caller holds the lock.
func (s *fake) tell(kind slipway.EventKind, message string) {
	e := slipway.Event{Seq: int64(len(s.events) + 1), Time: time.Now(), Kind: kind, Message: message, Application: "hello", Environment: "prod"}
	switch kind {
	case slipway.ReleaseStarted, slipway.ReleaseFinished:
		e.Application = ""
	case slipway.BakeStarted, slipway.BakeLayer, slipway.BakeOutput, slipway.BakeTest, slipway.BakeFinished:
		e.Bake = "b-1"
	default:
		e.Deployment = "d-1"
	}
	s.events = append(s.events, e)
}

func (s *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.down {
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	s.posted[r.Method+" "+r.URL.Path] = string(body)
	var answer any
	switch r.Method + " " + r.URL.Path {
	case "POST /v1/blobs/missing":
		answer = json.RawMessage(strings.Replace(string(body), "digests", "missing", 1))
	case "POST /v1/bakes", "GET /v1/bakes/b-1":
		answer = s.bake
	case "POST /v1/executions", "GET /v1/executions/x-1":
		answer = s.execution
	case "POST /v1/deployments", "POST /v1/rollbacks", "GET /v1/deployments/d-1":
		answer = s.deployment
	case "GET /v1/images/hello/" + string(s.deployment.Image):
		answer = slipway.Image{Version: "v2"}
	case "POST /v1/deployments/d-1/retry":
		s.accepted(s)
		answer = s.deployment
	case "POST /v1/releases":
		s.accepted(s)
		answer = s.release
	case "GET /v1/releases/r-1":
		answer = s.release
	case "GET /v1/images":
		answer = map[string]any{"items": []slipway.Image{}}
	case "GET /v1/clusters/hello/prod":
		answer = slipway.ClusterStatus{Cluster: s.deployment.Cluster, Deployment: &s.deployment}
	case "GET /v1/events":
		if r.Header.Get("Accept") == "text/event-stream" {
			s.stream(w, r)
			return
		}
		answer = map[string]any{"items": s.events[max(0, len(s.events)-1):]} // the newest
	default:
		id, abort := strings.CutPrefix(r.URL.Path, "/v1/abort/")
		switch {
		case abort && s.aborted != nil:
			s.aborted(s, id)
			close(s.changed)
			s.changed = make(chan struct{})
		case strings.HasPrefix(r.URL.Path, "/v1/blobs/"):
		default:
			w.WriteHeader(http.StatusNotFound)
			answer = map[string]string{"code": "not_found", "detail": "cannot find " + r.URL.Path}
		}
	}
	if answer != nil {
		json.NewEncoder(w).Encode(answer)
	}
}

// stream sends what the filter selects until the client goes or the fake is down. It holds the lock but while it waits.
func (s *fake) stream(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/event-stream")
	q := r.URL.Query()
	f := slipway.EventFilter{Bake: q.Get("bake"), Deployment: q.Get("deployment"), Environment: q.Get("environment")}
	fmt.Sscan(q.Get("after"), &f.After)
	for !s.down {
		for _, e := range s.events {
			if f.Matches(e) {
				b, _ := json.Marshal(e)
				fmt.Fprintf(w, "data: %s\n\n", b)
				f.After = e.Seq
			}
		}
		w.(http.Flusher).Flush()
		changed := s.changed
		s.mu.Unlock()
		select {
		case <-changed:
		case <-r.Context().Done():
		}
		s.mu.Lock()
		if r.Context().Err() != nil {
			return
		}
	}
}

// finishBake and finishDeployment end the work as the fake's caller, who holds the lock, wants.
func (s *fake) finishBake(state slipway.BakeState) {
	s.bake.State, s.bake.Image, s.bake.Finished = state, slipway.DigestOf(nil), time.Now()
	s.bake.Layers = []slipway.LayerBake{{LayerInfo: slipway.LayerInfo{Size: 2_500_000}, Cached: true}}
	s.tell(slipway.BakeFinished, "bake "+string(state))
	s.events[len(s.events)-1].Data, _ = json.Marshal(s.bake)
}

func (s *fake) finishDeployment(state slipway.DeploymentState) {
	s.deployment.State, s.deployment.Finished = state, time.Now()
	s.deployment.Image = slipway.DigestOf(nil)
	if state == slipway.DeploymentSucceeded {
		s.deployment.Shifted = s.deployment.Started.Add(900 * time.Millisecond)
	}
	s.tell(slipway.DeploymentFinished, "deployment "+string(state))
	s.events[len(s.events)-1].Data, _ = json.Marshal(s.deployment)
}

// run is one run of the command line.
type run struct {
	f           *Factory
	out, errOut *buffer
	signals     chan os.Signal
}

func newRun(t *testing.T, s http.Handler) *run {
	t.Helper()
	server := httptest.NewServer(s)
	t.Cleanup(server.CloseClientConnections)
	t.Cleanup(func() { go server.Close() })
	r := &run{out: newBuffer(), errOut: newBuffer(), signals: make(chan os.Signal, 2)}
	r.f = &Factory{
		In: strings.NewReader(""), Out: r.out, Err: r.errOut, Width: func() int { return 80 }, Signals: r.signals, Version: "v0",
		Env: func(name string) string {
			return map[string]string{"SLIPWAY_SERVER": server.URL, "NO_COLOR": "1"}[name]
		},
	}
	return r
}

func (r *run) main(t *testing.T, args ...string) int { return Main(t.Context(), r.f, args) }

// buffer is a bytes.Buffer that can be read while it is written, and waited for.
type buffer struct {
	mu      sync.Mutex
	b       bytes.Buffer
	written *sync.Cond
}

func newBuffer() *buffer {
	b := &buffer{}
	b.written = sync.NewCond(&b.mu)
	return b
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.written.Broadcast()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// await returns when text was written.
func (b *buffer) await(text string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for !strings.Contains(b.b.String(), text) {
		b.written.Wait()
	}
}

// app writes an application that needs one file, and returns its slipway.yaml.
func app(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range map[string]string{
		"slipway.yaml": "application: hello\nimage:\n  from: scratch\n  layers:\n    - copy: {from: hello, to: /hello}\n  service: {command: [/hello]}\nenvironments:\n  prod:\n",
		"hello":        "program",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(dir, "slipway.yaml")
}

func wantIn(t *testing.T, text string, wants ...string) {
	t.Helper()
	for _, want := range wants {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing in\n%s", want, text)
		}
	}
}

// shipping lets a ship go from one stage to the next when the one before it was printed.
func shipping(s *fake, r *run, end func(*fake)) {
	s.change(func(s *fake) { s.execution.Bake = "b-1"; s.tell(slipway.BakeStarted, "bake hello v2") })
	r.out.await("bake hello v2")
	s.change(func(s *fake) { s.tell(slipway.BakeLayer, "layer 1: copy hello"); s.finishBake(slipway.BakeSucceeded) })
	r.out.await("copy hello")
	s.change(func(s *fake) {
		s.execution.Deployments = []string{"d-1"}
		s.tell(slipway.DeploymentStep, "wait for 3 instances")
	})
	r.out.await("wait for 3")
	s.change(end)
}

func TestShip(t *testing.T) {
	s := newFake()
	r := newRun(t, s)
	go shipping(s, r, func(s *fake) {
		s.finishDeployment(slipway.DeploymentSucceeded)
		s.execution.State = slipway.ExecutionSucceeded
	})
	if exit := r.main(t, "ship", "-f", app(t), "--version", "v2", "--on-conflict", "supersede", "--hotfix", "--reason", "on fire"); exit != exitGood {
		t.Errorf("exit status %d: %s", exit, r.errOut)
	}
	wantIn(t, r.out.String(), " uploaded 1 file, 7 B\n", " bake b-1: layer 1: copy hello\n", " deploy d-1: wait for 3 instances\n", "hello: baked v2 (e3b0c44298fc), 2.5 MB in 1 layer (1 cached), after 0.",
		"hello prod: v2 serves 100 % of traffic after 0.90 s\n")
	wantIn(t, s.posted["POST /v1/executions"], `"version":"v2"`, `"environments":["prod"]`, `"path":"hello"`, `"deploy":{"on_conflict":"supersede","hotfix":true,"reason":"on fire"}`)
}

func TestShipOnTerminal(t *testing.T) {
	s := newFake()
	r := newRun(t, s)
	r.f.Terminal = true
	go shipping(s, r, func(s *fake) {
		s.tell(slipway.DeploymentShifted, "all traffic is on hello-prod-v002")
		s.finishDeployment(slipway.DeploymentSucceeded)
		s.execution.State = slipway.ExecutionSucceeded
	})
	if exit := r.main(t, "ship", "-f", app(t)); exit != exitGood {
		t.Errorf("exit status %d: %s", exit, r.errOut)
	}
	wantIn(t, r.out.String(), "  ✓ uploaded 1 file, 7 B  0.", "  ✓ layer 1: copy hello\n", "⠋ wait for 3 instances", "  · wait for 3 instances  0.", "  ✓ all traffic is on hello-prod-v002", "\x1b[Khello: baked", "hello prod: v2 serves 100 %")
	if strings.Contains(r.out.String(), green) {
		t.Error("coloured in spite of NO_COLOR")
	}
}

func TestFailureOnTerminal(t *testing.T) {
	s := newFake()
	s.tell(slipway.DeploymentStep, "wait for 3 instances")
	s.tell(slipway.InstanceLost, "i-7 ended")
	s.finishDeployment(slipway.DeploymentRolledBack)
	r := newRun(t, s)
	r.f.Terminal = true
	if exit := r.main(t, "deploy", "hello", "prod", "v2"); exit != exitRolledBack {
		t.Errorf("exit status %d: %s", exit, r.errOut)
	}
	wantIn(t, r.out.String(), "  ! i-7 ended\n", "  · wait for 3 instances  0.")
}

// TestShipThroughRestart takes the fake down in the middle, and sees that nothing is lost or shown twice.
func TestShipThroughRestart(t *testing.T) {
	s := newFake()
	r := newRun(t, s)
	go shipping(s, r, func(s *fake) {
		s.down = true
		go s.change(func(s *fake) {
			s.down = false
			s.finishDeployment(slipway.DeploymentSucceeded)
			s.execution.State = slipway.ExecutionSucceeded
		})
	})
	if exit := r.main(t, "ship", "-f", app(t)); exit != exitGood {
		t.Errorf("exit status %d: %s", exit, r.errOut)
	}
	if n := strings.Count(r.out.String(), "wait for 3 instances"); n != 1 {
		t.Errorf("shown %d times:\n%s", n, r.out)
	}
}

func TestShipFailures(t *testing.T) {
	for name, test := range map[string]struct {
		end  func(*fake)
		exit int
		want []string
	}{
		"rolled back": {func(s *fake) {
			s.deployment.Error = slipway.Errorf(slipway.Failed, "cannot get 3 healthy instances: exit status 1")
			s.finishDeployment(slipway.DeploymentRolledBack)
			s.execution.State = slipway.ExecutionFailed
		}, exitRolledBack, []string{"slipway: hello prod: d-1 failed and was rolled back; hello-prod-v001 serves as before\n  cannot get 3 healthy instances: exit status 1\n"}},
		"aborted": {func(s *fake) {
			s.finishDeployment(slipway.DeploymentAborted)
			s.execution.State = slipway.ExecutionAborted
		}, exitAborted, []string{"slipway: hello prod: d-1 was aborted; hello-prod-v001 serves"}},
		"needs attention": {func(s *fake) {
			s.deployment.Undo = []slipway.Undo{{Kind: slipway.UndoDestroyGroup, Group: "hello-prod-v002"}}
			s.finishDeployment(slipway.DeploymentNeedsAttention)
			s.execution.State = slipway.ExecutionFailed
		}, exitAttention, []string{"could not be undone; look at it now", "with slipway deployment show d-1\n  still to undo: destroy hello-prod-v002\n"}},
		"for another reason": {func(s *fake) {
			s.finishDeployment(slipway.DeploymentSucceeded)
			s.execution.State, s.execution.Error = slipway.ExecutionFailed, slipway.Errorf(slipway.Conflict, "cannot deploy: d-0 is under way")
		}, exitConflict, []string{"slipway: cannot deploy: d-0 is under way\n"}},
	} {
		t.Run(name, func(t *testing.T) {
			s := newFake()
			r := newRun(t, s)
			go shipping(s, r, test.end)
			if exit := r.main(t, "ship", "-f", app(t)); exit != test.exit {
				t.Errorf("exit status %d, want %d", exit, test.exit)
			}
			wantIn(t, r.errOut.String(), test.want...)
		})
	}
}

func TestBakeFailures(t *testing.T) {
	for name, test := range map[string]struct {
		end  func(*fake)
		exit int
		want []string
	}{
		"bad layer": {func(s *fake) {
			s.bake.Error = slipway.Errorf(slipway.Invalid, "cannot unpack hello: entry ../x leaves it").At("image.layers[0].copy.from")
			s.finishBake(slipway.BakeFailed)
		}, exitBakeFailed, []string{"slipway: bake b-1 failed: ", "slipway.yaml:5:20: cannot unpack hello: entry ../x leaves it\n"}},
		"failed test": {func(s *fake) {
			s.bake.Tests = &slipway.TestReport{Results: []slipway.TestResult{{Name: "http /", Detail: "got 500"}, {Name: "tcp", Passed: true}}, Log: "panic: no\nexit\n"}
			s.finishBake(slipway.BakeFailed)
		}, exitBakeFailed, []string{"\n  test http /: got 500\n  the service's last lines:\n    panic: no\n    exit\n"}},
		"aborted": {func(s *fake) { s.finishBake(slipway.BakeAborted) }, exitAborted, []string{"slipway: aborted: bake b-1\n"}},
	} {
		t.Run(name, func(t *testing.T) {
			s := newFake()
			test.end(s)
			r := newRun(t, s)
			if exit := r.main(t, "bake", "-f", app(t)); exit != test.exit {
				t.Errorf("exit status %d, want %d", exit, test.exit)
			}
			wantIn(t, r.errOut.String(), test.want...)
		})
	}
}

// TestEndWithoutEvent sees that work whose last event was lost ends all the same.
func TestEndWithoutEvent(t *testing.T) {
	s := newFake()
	s.finishDeployment(slipway.DeploymentSucceeded)
	s.events = nil
	r := newRun(t, s)
	if exit := r.main(t, "deploy", "hello", "prod", "v2"); exit != exitGood {
		t.Errorf("exit status %d: %s", exit, r.errOut)
	}
}

func TestInterrupt(t *testing.T) {
	abort := func(s *fake, id string) {
		s.tell(slipway.AbortRequested, "abort "+id)
		s.finishDeployment(slipway.DeploymentAborted)
	}
	succeed := func(s *fake) { s.finishDeployment(slipway.DeploymentSucceeded) }
	for name, test := range map[string]struct {
		terminal bool
		signal   os.Signal // default SIGINT
		typed    string
		args     []string
		after    func(*fake, *run) // after the first signal
		exit     int
		want     string
	}{
		"detaches in CI":      {signal: syscall.SIGTERM, exit: exitDetached, want: "detached from d-1, which goes on; abort it with: slipway abort d-1"},
		"aborts if told to":   {args: []string{"--on-interrupt=abort"}, exit: exitAborted, want: "d-1 was aborted"},
		"asks, detach":        {terminal: true, typed: "d\n", exit: exitDetached, want: "detached from d-1"},
		"asks, abort":         {terminal: true, typed: "Abort\n", exit: exitAborted, want: "d-1 was aborted"},
		"asks, keep on":       {terminal: true, typed: "\n", exit: exitGood, after: func(s *fake, r *run) { r.out.await("keep watching"); s.change(succeed) }},
		"detaches if told":    {terminal: true, args: []string{"--on-interrupt=detach"}, exit: exitDetached, want: "detached"},
		"SIGTERM asks nobody": {terminal: true, signal: syscall.SIGTERM, typed: "wait", exit: exitDetached, want: "detached"},
		"twice while asking":  {terminal: true, typed: "wait", exit: exitDetached, want: "detached", after: func(_ *fake, r *run) { r.out.await("keep watching"); r.signals <- os.Interrupt }},
	} {
		t.Run(name, func(t *testing.T) {
			s := newFake()
			s.aborted = abort
			s.tell(slipway.DeploymentStep, "wait for 3 instances")
			r := newRun(t, s)
			r.f.Terminal = test.terminal
			r.f.In = strings.NewReader(test.typed)
			if test.typed == "wait" {
				in, w := io.Pipe()
				t.Cleanup(func() { w.Close() })
				r.f.In = in
			}
			go func() {
				r.out.await("wait for 3")
				r.signals <- cmp.Or[os.Signal](test.signal, os.Interrupt)
				if test.after != nil {
					test.after(s, r)
				}
			}()
			if exit := r.main(t, append([]string{"deploy", "hello", "prod", "v2"}, test.args...)...); exit != test.exit {
				t.Errorf("exit status %d, want %d: %s", exit, test.exit, r.errOut)
			}
			wantIn(t, r.errOut.String(), test.want)
		})
	}
}

func TestNoWait(t *testing.T) {
	for want, args := range map[string][]string{
		"x-1\n": {"ship", "-f", app(t)},
		"b-1\n": {"bake", "-f", app(t)},
		"d-1\n": {"deploy", "hello", "prod", "v2"},
	} {
		r := newRun(t, newFake())
		if exit := r.main(t, append(args, "--no-wait")...); exit != exitGood || !strings.HasSuffix(r.out.String(), want) {
			t.Errorf("%v: exit status %d, printed %q%s", args, exit, r.out, r.errOut)
		}
	}
	r := newRun(t, newFake())
	var d slipway.Deployment
	if exit := r.main(t, "rollback", "hello", "prod", "--no-wait", "--json"); exit != exitGood || json.Unmarshal([]byte(r.out.String()), &d) != nil || d.ID != "d-1" {
		t.Errorf("exit status %d, printed %s", exit, r.out)
	}
}

func TestJSON(t *testing.T) {
	s := newFake()
	s.deployment.Error = slipway.Errorf(slipway.Failed, "cannot")
	s.finishDeployment(slipway.DeploymentRolledBack)
	r := newRun(t, s)
	if exit := r.main(t, "deploy", "hello", "prod", "v2", "--json"); exit != exitRolledBack {
		t.Errorf("exit status %d", exit)
	}
	var d slipway.Deployment
	if err := json.Unmarshal([]byte(r.out.String()), &d); err != nil || d.State != slipway.DeploymentRolledBack {
		t.Errorf("printed %s: %v", r.out, err)
	}
	var e struct{ Error slipway.Error }
	if err := json.Unmarshal([]byte(r.errOut.String()), &e); err != nil || e.Error.Code != slipway.Failed {
		t.Errorf("printed %s: %v", r.errOut, err)
	}
}

func TestExitOf(t *testing.T) {
	for want, errs := range map[int][]error{
		exitGood:        {nil},
		exitError:       {errors.New("x"), slipway.Errorf(slipway.Internal, "x"), slipway.Errorf(slipway.Corrupt, "x"), slipway.Errorf(slipway.Unprepared, "x"), slipway.Errorf(slipway.DeadlinePast, "x")},
		exitUsage:       {usageError{errors.New("x")}, slipway.Errorf(slipway.Invalid, "x"), errors.Join(slipway.Errorf(slipway.Invalid, "x"), errors.New("y"))},
		exitNotFound:    {fmt.Errorf("x: %w", slipway.Errorf(slipway.NotFound, "x"))},
		exitConflict:    {slipway.Errorf(slipway.Conflict, "x"), slipway.Errorf(slipway.Refused, "x")},
		exitAborted:     {slipway.Errorf(slipway.ClosedByAbort, "x")},
		exitBakeFailed:  {slipway.Errorf(slipway.Failed, "x")},
		exitUnreachable: {slipway.Errorf(slipway.Unavailable, "x")},
		exitDetached:    {errInterrupted, &outcome{exitDetached, "x"}},
		exitAttention:   {&outcome{exitAttention, "x"}},
	} {
		for _, err := range errs {
			if got := exitOf(err); got != want {
				t.Errorf("%v: %d, want %d", err, got, want)
			}
		}
		if !strings.Contains(exitHelp, fmt.Sprintf("\n  %d ", want)) {
			t.Errorf("exit status %d is not documented", want)
		}
	}
}

func TestCut(t *testing.T) {
	for text, want := range map[string]string{"": "", "hello": "hello", "hello world": "hello w…", "a\x1b[2Jb": "a [2Jb", "äöüäöüäö": "äöüäöüäö"} {
		if got := cut(text, 8); got != want {
			t.Errorf("%q became %q, want %q", text, got, want)
		}
	}
}

func TestWords(t *testing.T) {
	for got, want := range map[string]string{
		seconds(350 * time.Millisecond): "0.35 s", seconds(12400 * time.Millisecond): "12.4 s", seconds(192 * time.Second): "3m12s",
		sizeText(999): "999 B", sizeText(1000): "1.0 kB", sizeText(20_000_000): "20.0 MB", sizeText(3_100_000_000): "3.1 GB",
		age(time.Time{}): "-", age(time.Now().Add(-time.Minute)): "60s", age(time.Now().Add(-90 * time.Minute)): "90m", age(time.Now().Add(-30 * time.Hour)): "30h", age(time.Now().Add(-100 * time.Hour)): "4d",
	} {
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// Whoever asks for work and gets no answer is told that it may go on, and how to find out.
func TestUnanswered(t *testing.T) {
	for _, c := range []struct {
		args []string
		see  string
	}{
		{[]string{"bake", "-f", app(t)}, "slipway events --application hello"},
		{[]string{"ship", "-f", app(t)}, "slipway events --application hello"},
		{[]string{"deploy", "hello", "prod", "v2"}, "slipway deployments hello prod"},
		{[]string{"rollback", "hello", "prod"}, "slipway deployments hello prod"},
	} {
		t.Run(c.args[0], func(t *testing.T) {
			s := newFake()
			r := newRun(t, http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
				if strings.HasPrefix(req.URL.Path, "/v1/blobs/") {
					s.ServeHTTP(w, req)
					return
				}
				panic(http.ErrAbortHandler) // dies before it answers
			}))
			r.f.RetryFor = time.Nanosecond
			if exit := r.main(t, c.args...); exit != exitUnreachable {
				t.Errorf("exit status %d", exit)
			}
			wantIn(t, r.errOut.String(), "it went away before it answered", "it is not known whether slipwayd accepted the work", c.see)
		})
	}
	r := newRun(t, newFake())
	env := r.f.Env
	r.f.Env = func(name string) string {
		if name == "SLIPWAY_SERVER" {
			return "unix:" + filepath.Join(t.TempDir(), "none.sock")
		}
		return env(name)
	}
	if exit := r.main(t, "rollback", "hello", "prod"); exit != exitUnreachable || strings.Contains(r.errOut.String(), "not known") {
		t.Errorf("exit status %d, %s", exit, r.errOut)
	}
}
