package trigger

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/seal"
	"github.com/slipway-sh/slipway/sqlstore"
	"github.com/slipway-sh/slipway/webhook"
)

// world is one or more services over one real store, with whoever runs pipelines and deployments watched.
type world struct {
	t     *testing.T
	store *sqlstore.Store
	box   *seal.Box
	blobs blobs

	mu        sync.Mutex
	now       time.Time
	pipelines []slipway.PipelineRequest
	deploys   []slipway.DeployRequest
	bakes     []slipway.BakeRequest
	fail      error
}

func newWorld(t *testing.T) *world {
	t.Helper()
	store, err := sqlstore.Open(t.Context(), filepath.Join(t.TempDir(), "slipway.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	box, err := seal.Open(filepath.Join(t.TempDir(), "key"))
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, store: store, box: box, blobs: blobs{}, now: time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)}
	w.must(store.PutApplication(t.Context(), slipway.Spec{Application: "hello", Environments: map[string]slipway.Environment{"prod": {}}}))
	return w
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// service returns another slipwayd's triggers over the same store.
func (w *world) service() *Service {
	return New(Config{
		Store: w.store, Bus: bus{}, Blobs: w.blobs, Operator: w, Pipelines: w, Sealer: w.box, Audit: w.store, Dir: filepath.Join(w.t.TempDir(), "pushed"),
		Log: slog.New(slog.DiscardHandler), Now: w.clock,
	})
}

func (w *world) clock() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now
}

func (w *world) pass(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = w.now.Add(d)
}

// RunPipeline implements slipway.PipelineRunner: the same key again is the same execution.
func (w *world) RunPipeline(_ context.Context, req slipway.PipelineRequest) (slipway.Execution, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.fail != nil {
		return slipway.Execution{}, w.fail
	}
	for _, r := range w.pipelines {
		if r.Key == req.Key {
			return slipway.Execution{ID: "x-" + req.Key}, nil
		}
	}
	w.pipelines = append(w.pipelines, req)
	return slipway.Execution{ID: "x-" + req.Key}, nil
}

func (w *world) Deploy(_ context.Context, req slipway.DeployRequest) (slipway.Deployment, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.fail != nil {
		return slipway.Deployment{}, w.fail
	}
	w.deploys = append(w.deploys, req)
	return slipway.Deployment{ID: fmt.Sprintf("d-%d", len(w.deploys))}, nil
}

func (w *world) Bake(ctx context.Context, req slipway.BakeRequest) (slipway.Bake, error) {
	w.mu.Lock()
	w.bakes = append(w.bakes, req)
	w.mu.Unlock()
	b := slipway.Bake{ID: "b-pushed", Application: "hello", State: slipway.BakeRunning, Started: w.clock()}
	return b, w.store.PutBake(ctx, b)
}

func (w *world) event(kind slipway.EventKind, application string, about any) {
	w.t.Helper()
	data, err := json.Marshal(about)
	w.must(err)
	_, err = w.store.AppendEvent(w.t.Context(), slipway.Event{Kind: kind, Application: application, Data: data, Time: w.clock()})
	w.must(err)
}

func (w *world) add(s *Service, spec slipway.TriggerSpec) slipway.NewTrigger {
	w.t.Helper()
	spec.Application = "hello"
	if spec.Name == "" {
		spec.Name = "t"
	}
	made, err := s.AddTrigger(w.t.Context(), spec, "")
	w.must(err)
	return made
}

func (w *world) time(text string) time.Time {
	w.t.Helper()
	at, err := time.Parse(time.RFC3339, text)
	w.must(err)
	return at
}

type bus struct{}

func (bus) Publish(context.Context, slipway.Event) error            { return nil }
func (bus) Subscribe(context.Context) (<-chan slipway.Event, error) { return nil, nil }

type blobs map[slipway.Digest][]byte

func (b blobs) Missing(context.Context, []slipway.Digest) ([]slipway.Digest, error) { return nil, nil }
func (b blobs) PutBlob(_ context.Context, d slipway.Digest, _ int64, r io.Reader) error {
	content, err := io.ReadAll(r)
	if err == nil && slipway.DigestOf(content) != d {
		return slipway.Errorf(slipway.Invalid, "cannot store it: it has another digest")
	}
	b[d] = content
	return err
}
func (b blobs) OpenBlob(_ context.Context, d slipway.Digest) (io.ReadCloser, error) {
	content, ok := b[d]
	if !ok {
		return nil, slipway.Errorf(slipway.NotFound, "cannot find the blob")
	}
	return io.NopCloser(bytes.NewReader(content)), nil
}

const push = `{"ref":"refs/heads/main","after":"c0ffee","head_commit":{"id":"c0ffee","author":{"name":"Ann"}},"commits":[{"id":"c0ffee","modified":["src/main.go"]}],"compare":"https://github.com/acme/hello/compare/1"}`

func github(secret, body, delivery string) http.Header {
	m := hmac.New(sha256.New, []byte(secret))
	m.Write([]byte(body))
	h := http.Header{}
	h.Set("X-Hub-Signature-256", "sha256="+hex.EncodeToString(m.Sum(nil)))
	h.Set("X-GitHub-Event", "push")
	h.Set("X-GitHub-Delivery", delivery)
	return h
}

func TestAWebhookStartsItsPipelineOnce(t *testing.T) {
	w := newWorld(t)
	s := w.service()
	made := w.add(s, slipway.TriggerSpec{Kind: slipway.TriggerGitHub, Branches: []string{"main"}, Parameters: map[string]string{"mode": "fast"}})
	f, err := s.Receive(t.Context(), made.ID, github(made.Secret, push, "1"), []byte(push))
	w.must(err)
	if f.State != slipway.FiringStarted || f.Execution == "" {
		t.Fatalf("%+v", f)
	}
	want := slipway.Cause{
		Trigger: "webhook", Name: "t", By: "trigger:hello/t", Build: "https://github.com/acme/hello/compare/1", Commit: "c0ffee", Branch: "main", Author: "Ann", Event: "push",
	}
	if len(w.pipelines) != 1 || w.pipelines[0].Cause != want || w.pipelines[0].Parameters["mode"] != "fast" || w.pipelines[0].Key != f.ID {
		t.Fatalf("%+v", w.pipelines)
	}
	for name, c := range map[string]struct {
		id, body string
		header   http.Header
		code     slipway.Code
	}{
		"the same again":                 {made.ID, push, github(made.Secret, push, "1"), slipway.Conflict},
		"the same body under another id": {made.ID, push, github(made.Secret, push, "2"), slipway.Conflict},
		"another body under its id":      {made.ID, push + " ", github(made.Secret, push+" ", "1"), slipway.Conflict},
		"a forged one":                   {made.ID, push, github("guess", push, "3"), slipway.Unauthenticated},
		"one without signature":          {made.ID, push, http.Header{}, slipway.Unauthenticated},
		"one that cannot be read":        {made.ID, "{", github(made.Secret, "{", "4"), slipway.Invalid},
		"one for a trigger that is none": {"t-none", push, github(made.Secret, push, "5"), slipway.NotFound},
	} {
		if f, err := s.Receive(t.Context(), c.id, c.header, []byte(c.body)); slipway.CodeOf(err) != c.code {
			t.Errorf("%s: %+v, %v", name, f, err)
		}
	}
	if all, err := w.store.Firings(t.Context(), made.ID, 0); err != nil || len(all) != 1 || len(w.pipelines) != 1 {
		t.Errorf("what was refused has left something: %v, %v", all, err)
	}
	// Strangers do not fill the records: of six that were refused within the minute one is told.
	events, err := w.store.Events(t.Context(), slipway.EventFilter{}, 0)
	w.must(err)
	told := 0
	for _, e := range events {
		if e.Kind == slipway.TriggerRejected {
			told++
		}
		if strings.Contains(string(e.Data)+e.Message, made.Secret) {
			t.Error("an event has the secret")
		}
	}
	if told != 1 {
		t.Errorf("%d were told", told)
	}
}

func TestWhatIsStartedIsOnRecordOnceAndSaysWhy(t *testing.T) {
	w := newWorld(t)
	s := w.service()
	made := w.add(s, slipway.TriggerSpec{Name: "push", Kind: slipway.TriggerGitHub, Deploy: "prod"})
	entries := func() []slipway.AuditEntry {
		t.Helper()
		all, err := w.store.AuditEntries(t.Context(), slipway.AuditFilter{Application: "hello", Action: "trigger.start"}, 0)
		w.must(err)
		return all
	}
	w.fail = slipway.Errorf(slipway.Unavailable, "no engine")
	_, err := s.Receive(t.Context(), made.ID, github(made.Secret, push, "1"), []byte(push))
	w.must(err)
	if all := entries(); len(all) > 0 {
		t.Errorf("nothing was started, and it is on record: %+v", all)
	}
	w.fail = nil
	for range 3 {
		w.pass(time.Hour)
		w.service().Step(t.Context())
	}
	all := entries()
	if len(all) != 1 {
		t.Fatalf("%d entries, want one", len(all))
	}
	e := all[0]
	if e.Phase != slipway.AuditDecided || e.Environment != "prod" || e.Object != "d-1" || e.Reason != "trigger push (push, main, c0ffee, Ann)" {
		t.Errorf("on record: %+v", e)
	}
	for _, want := range []string{`"trigger":"` + made.ID + `"`, `"firing":"tf-`, `"event":"push"`, `"commit":"c0ffee"`} {
		if !strings.Contains(string(e.Input), want) {
			t.Errorf("it does not say %s: %s", want, e.Input)
		}
	}
	if strings.Contains(string(e.Input), made.Secret) {
		t.Errorf("the secret is on record: %s", e.Input)
	}
}

func TestFiftyOfTheSameWebhookAtOnceAreOne(t *testing.T) {
	w := newWorld(t)
	a, b := w.service(), w.service()
	made := w.add(a, slipway.TriggerSpec{Kind: slipway.TriggerGitHub})
	var wg sync.WaitGroup
	for i := range 50 {
		s := []*Service{a, b}[i%2]
		wg.Go(func() { _, _ = s.Receive(t.Context(), made.ID, github(made.Secret, push, "1"), []byte(push)) })
	}
	wg.Wait()
	if len(w.pipelines) != 1 {
		t.Errorf("%d pipelines", len(w.pipelines))
	}
}

func TestFilters(t *testing.T) {
	for _, c := range []struct {
		name   string
		spec   slipway.TriggerSpec
		m      webhook.Message
		reason string
	}{
		{"any push", slipway.TriggerSpec{Kind: slipway.TriggerGitHub}, webhook.Message{Event: "push", Branch: "x"}, ""},
		{"an event that nobody waits for", slipway.TriggerSpec{Kind: slipway.TriggerGitHub}, webhook.Message{Event: "issues"}, `the event "issues" is none of push`},
		{"an event by a glob", slipway.TriggerSpec{Kind: slipway.TriggerWebhook, Events: []string{"build.*"}}, webhook.Message{Event: "build.done"}, ""},
		{"a branch", slipway.TriggerSpec{Kind: slipway.TriggerGitHub, Branches: []string{"main", "release/**"}}, webhook.Message{Event: "push", Branch: "release/1/2"}, ""},
		{"one star stands for no slash", slipway.TriggerSpec{Kind: slipway.TriggerGitHub, Branches: []string{"*"}}, webhook.Message{Event: "push", Branch: "a/b"}, `the branch "a/b" is none of *`},
		{"another branch", slipway.TriggerSpec{Kind: slipway.TriggerGitHub, Branches: []string{"main"}}, webhook.Message{Event: "push", Branch: "dev"}, `the branch "dev" is none of main`},
		{"a tag where branches are meant", slipway.TriggerSpec{Kind: slipway.TriggerGitHub, Branches: []string{"main"}}, webhook.Message{Event: "push", Tag: "v1"}, "waits for branches"},
		{"a branch where tags are meant", slipway.TriggerSpec{Kind: slipway.TriggerGitLab, Tags: []string{"v*"}}, webhook.Message{Event: "push", Branch: "main"}, "waits for tags"},
		{"a tag", slipway.TriggerSpec{Kind: slipway.TriggerGitLab, Tags: []string{"v*"}}, webhook.Message{Event: "tag_push", Tag: "v1.2"}, ""},
		{"another tag", slipway.TriggerSpec{Kind: slipway.TriggerGitLab, Tags: []string{"v*"}, Branches: []string{"main"}}, webhook.Message{Event: "tag_push", Tag: "w"}, `the tag "w" is none of v*`},
		{"a file that changed", slipway.TriggerSpec{Kind: slipway.TriggerGitHub, Paths: []string{"src/**"}}, webhook.Message{Event: "push", Branch: "m", Changes: true, Paths: []string{"README", "src/a/b.go"}}, ""},
		{"no file that matters", slipway.TriggerSpec{Kind: slipway.TriggerGitHub, Paths: []string{"src/**"}}, webhook.Message{Event: "push", Branch: "m", Changes: true, Paths: []string{"README"}}, "no file that changed is one of src/**"},
		{"files that are not known", slipway.TriggerSpec{Kind: slipway.TriggerGitHub, Paths: []string{"src/**"}}, webhook.Message{Event: "push", Branch: "m"}, ""},
		{"a workflow", slipway.TriggerSpec{Kind: slipway.TriggerGitHub, Events: []string{"workflow_run"}, Workflows: []string{"CI"}}, webhook.Message{Event: "workflow_run", Workflow: "CI"}, ""},
		{"another workflow", slipway.TriggerSpec{Kind: slipway.TriggerGitHub, Events: []string{"workflow_run"}, Workflows: []string{"CI"}}, webhook.Message{Event: "workflow_run", Workflow: "Docs"}, `the workflow "Docs" is none of CI`},
		{"what is no work", slipway.TriggerSpec{Kind: slipway.TriggerGitHub}, webhook.Message{Event: "push", Branch: "m", Skip: "the branch was deleted"}, "the branch was deleted"},
	} {
		if got := mismatch(c.spec, c.m); got != c.reason && (c.reason == "" || !strings.Contains(got, c.reason)) {
			t.Errorf("%s: %q, want %q", c.name, got, c.reason)
		}
	}
}

func TestSecretsRotate(t *testing.T) {
	w := newWorld(t)
	s := w.service()
	old := w.add(s, slipway.TriggerSpec{Kind: slipway.TriggerGitHub})
	next, err := s.RotateTrigger(t.Context(), old.ID, "", time.Hour)
	w.must(err)
	if next.Secret == old.Secret {
		t.Fatal("it is the same")
	}
	n := 0
	taken := func(secret string) bool {
		n++
		body := push + strings.Repeat(" ", n)
		_, err := s.Receive(t.Context(), old.ID, github(secret, body, fmt.Sprint(n)), []byte(body))
		return err == nil
	}
	if !taken(old.Secret) || !taken(next.Secret) {
		t.Error("in the overlap both are taken")
	}
	w.pass(time.Hour)
	if taken(old.Secret) || !taken(next.Secret) {
		t.Error("after it the new one alone is")
	}
	last, err := s.RotateTrigger(t.Context(), old.ID, "a secret-of-our-own"[2:], 0)
	w.must(err)
	if last.Secret != "secret-of-our-own" || taken(next.Secret) || !taken(last.Secret) {
		t.Error("without overlap the old one is out at once")
	}
	stored, err := w.store.Trigger(t.Context(), old.ID)
	w.must(err)
	text, _ := json.Marshal(stored)
	if strings.Contains(fmt.Sprint(stored.Keys), last.Secret) || strings.Contains(string(text), "Keys") {
		t.Error("the secret is stored, or shown, in the clear")
	}
}

func TestAChannelThatMovesFiresOnceAcrossRestarts(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	image := slipway.DigestOf([]byte("image"))
	moved := func() {
		w.event(slipway.ChannelMoved, "hello", slipway.Channel{Application: "hello", Name: "stable", Image: image, By: "ann"})
	}
	first := w.service()
	moved() // before there was a trigger
	w.add(first, slipway.TriggerSpec{Kind: slipway.TriggerChannel, Channel: "stable", Deploy: "prod"})
	first.Step(ctx)
	moved()
	w.event(slipway.ChannelMoved, "hello", slipway.Channel{Application: "hello", Name: "other", Image: image})
	w.event(slipway.ChannelMoved, "hello", slipway.Channel{Application: "hello", Name: "stable", Previous: image}) // removed
	w.event(slipway.ChannelMoved, "world", slipway.Channel{Application: "world", Name: "stable", Image: image})
	second := w.service()
	var wg sync.WaitGroup
	for _, s := range []*Service{first, second, first, second} {
		wg.Go(func() { s.Step(ctx) })
	}
	wg.Wait()
	third := w.service()
	third.Step(ctx)
	if len(w.deploys) != 1 {
		t.Fatalf("%d deployments: %+v", len(w.deploys), w.deploys)
	}
	if d := w.deploys[0]; d.Image != string(image) || d.Cluster.Environment != "prod" || d.By != "trigger:hello/t" || d.OnConflict != slipway.ConflictQueue {
		t.Errorf("%+v", d)
	}
}

func TestWhatHappensWhileATriggerIsDisabledIsNotMadeUpFor(t *testing.T) {
	w := newWorld(t)
	s := w.service()
	s.Step(t.Context())
	made := w.add(s, slipway.TriggerSpec{Kind: slipway.TriggerChannel, Channel: "stable"})
	_, err := s.EnableTrigger(t.Context(), made.ID, false)
	w.must(err)
	w.event(slipway.ChannelMoved, "hello", slipway.Channel{Name: "stable", Image: "sha256:x"})
	_, err = s.EnableTrigger(t.Context(), made.ID, true)
	w.must(err)
	s.Step(t.Context())
	if len(w.pipelines) != 0 {
		t.Errorf("%+v", w.pipelines)
	}
}

func TestATimeOfDayComesOnce(t *testing.T) {
	w := newWorld(t) // 05:06:07
	ctx := t.Context()
	a, b := w.service(), w.service()
	made := w.add(a, slipway.TriggerSpec{Kind: slipway.TriggerCron, Schedule: "30 5 * * *"})
	both := func() {
		var wg sync.WaitGroup
		for _, s := range []*Service{a, b, a, b} {
			wg.Go(func() { s.Step(ctx) })
		}
		wg.Wait()
	}
	both()
	if len(w.pipelines) != 0 {
		t.Fatal("it is not its time yet")
	}
	w.pass(24 * time.Minute)
	both()
	both()
	if len(w.pipelines) != 1 || w.pipelines[0].Cause.Event != "2026-03-04T05:30:00Z" || w.pipelines[0].Cause.Trigger != "schedule" {
		t.Fatalf("%+v", w.pipelines)
	}
	// Nobody is there for a week, and then another slipwayd: it makes up for the last time alone.
	w.pass(7 * 24 * time.Hour)
	w.service().Step(ctx)
	both()
	if len(w.pipelines) != 2 || w.pipelines[1].Cause.Event != "2026-03-11T05:30:00Z" {
		t.Fatalf("%+v", w.pipelines)
	}
	latest, err := w.store.Firings(ctx, made.ID, 1)
	w.must(err)
	if latest[0].Reason != "it makes up for 6 times that were missed" {
		t.Error(latest[0].Reason)
	}
}

func TestSchedulesHaveTimeZones(t *testing.T) {
	w := newWorld(t)
	s := w.service()
	for _, c := range []struct{ schedule, zone, next string }{
		{"30 2 * * *", "Europe/Berlin", "2026-03-05T02:30:00+01:00"},
		{"@every 6h", "", "2026-03-04T11:06:07Z"},
		{"0 0 29 2 *", "", "2028-02-29T00:00:00Z"},
	} {
		at := s.upcoming(slipway.TriggerSpec{Kind: slipway.TriggerCron, Schedule: c.schedule, TimeZone: c.zone}, 1)
		if len(at) != 1 || !at[0].Equal(w.time(c.next)) {
			t.Errorf("%s %s: %v", c.schedule, c.zone, at)
		}
	}
	for _, bad := range []slipway.TriggerSpec{
		{Schedule: "* * *"}, {Schedule: "61 * * * *"}, {Schedule: "0 0 30 2 *"}, {Schedule: "TZ="}, {Schedule: "CRON_TZ=UTC 0 0 * * *"}, {Schedule: "@every 1s"}, {Schedule: "@every -1h"},
		{Schedule: "soon"}, {Schedule: ""}, {Schedule: "@daily", TimeZone: "Mars/Olympus"}, {Schedule: "@daily", TimeZone: "../../etc/passwd"}, {Schedule: "@daily", Channel: "stable"},
	} {
		bad.Application, bad.Name, bad.Kind = "hello", "t", slipway.TriggerCron
		if _, err := s.AddTrigger(t.Context(), bad, ""); slipway.CodeOf(err) != slipway.Invalid {
			t.Errorf("%+v: %v", bad, err)
		}
	}
}

func TestPipelinesFollowEachOtherAndNeverGoRound(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	s := w.service()
	made := w.add(s, slipway.TriggerSpec{Kind: slipway.TriggerPipeline, Pipelines: []string{"build"}, Pipeline: "after"})
	image := slipway.DigestOf([]byte("image"))
	end := func(id, pipeline string, state slipway.ExecutionState, cause slipway.Cause) {
		w.pass(time.Second)
		x := slipway.Execution{ID: id, Application: "hello", Pipeline: pipeline, State: state, Image: image, Cause: cause, Started: w.clock()}
		w.must(w.store.PutExecution(ctx, x))
		w.event(slipway.ExecutionFinished, "hello", x)
		s.Step(ctx)
	}
	s.Step(ctx)
	end("x-1", "build", slipway.ExecutionFailed, slipway.Cause{})
	end("x-2", "other", slipway.ExecutionSucceeded, slipway.Cause{})
	if len(w.pipelines) != 0 {
		t.Fatalf("%+v", w.pipelines)
	}
	end("x-3", "build", slipway.ExecutionSucceeded, slipway.Cause{Commit: "c0ffee", Author: "Ann"})
	if len(w.pipelines) != 1 || w.pipelines[0].Image != string(image) || w.pipelines[0].Cause.Parent != "x-3" || w.pipelines[0].Cause.Commit != "c0ffee" || w.pipelines[0].Pipeline != "after" {
		t.Fatalf("%+v", w.pipelines)
	}
	// What this trigger started starts, by a detour, a build.
	end("x-4", "after", slipway.ExecutionSucceeded, w.pipelines[0].Cause)
	end("x-5", "build", slipway.ExecutionSucceeded, slipway.Cause{Trigger: "pipeline", Name: "another", Parent: "x-4"})
	if len(w.pipelines) != 1 {
		t.Fatalf("it goes round: %+v", w.pipelines)
	}
	latest, err := w.store.Firings(ctx, made.ID, 1)
	w.must(err)
	if latest[0].State != slipway.FiringFiltered || !strings.Contains(latest[0].Reason, "it would go round") {
		t.Errorf("%+v", latest[0])
	}
}

// baked records a bake of hello whose context has some files.
func (w *world) baked(files ...string) {
	req := slipway.BakeRequest{Spec: slipway.Spec{Application: "hello"}, Version: "v1", NoCache: []string{"all"}, Secrets: "s-1"}
	for _, name := range files {
		req.Context = append(req.Context, slipway.ContextEntry{Path: name, Mode: 0o755, Digest: slipway.DigestOf([]byte(name)), Size: 3})
	}
	text, err := json.Marshal(req)
	w.must(err)
	w.blobs[slipway.DigestOf(text)] = text
	w.must(w.store.PutBake(w.t.Context(), slipway.Bake{ID: "b-1", Application: "hello", State: slipway.BakeSucceeded, Request: slipway.DigestOf(text), Started: w.now}))
}

func TestAnArtifactIsBakedIn(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	w.baked("etc/hello.conf", "dist/hello")
	s := w.service()
	s.Step(ctx)
	w.add(s, slipway.TriggerSpec{Kind: slipway.TriggerArtifact, Artifacts: []string{"hello"}})
	pushed, err := s.PushArtifact(ctx, slipway.Artifact{Application: "hello", Name: "hello", Version: "v2", Source: &slipway.Source{Commit: "c0ffee", Repository: "https://u:p@example.com/x"}}, strings.NewReader("new"))
	w.must(err)
	if len(pushed.Firings) != 1 || pushed.Digest != slipway.DigestOf([]byte("new")) || pushed.Size != 3 {
		t.Fatalf("%+v", pushed)
	}
	other, err := s.PushArtifact(ctx, slipway.Artifact{Application: "hello", Name: "other", Digest: slipway.DigestOf([]byte("x"))}, strings.NewReader("x"))
	if err != nil || len(other.Firings) != 0 || other.Size != 1 {
		t.Errorf("%+v, %v", other, err)
	}
	if _, err := s.PushArtifact(ctx, slipway.Artifact{Application: "hello", Name: "hello", Digest: slipway.DigestOf([]byte("x"))}, strings.NewReader("y")); slipway.CodeOf(err) != slipway.Invalid {
		t.Errorf("another digest: %v", err)
	}
	s.Step(ctx)
	if len(w.pipelines) != 1 {
		t.Fatalf("%+v", w.pipelines)
	}
	req := w.pipelines[0]
	if b := req.Bake; b == nil || b.Context[1].Digest != pushed.Digest || b.Context[1].Size != 3 || b.Context[1].Mode != 0o755 || b.Context[0].Digest != slipway.DigestOf([]byte("etc/hello.conf")) ||
		b.Version != "v2" || b.NoCache != nil || b.Secrets != "" || b.Source.Repository != "https://example.com/x" {
		t.Errorf("%+v", b)
	}
	if req.Cause.Trigger != "artifact" || req.Cause.BuildKey != "v2" || req.Cause.Commit != "c0ffee" {
		t.Errorf("%+v", req.Cause)
	}
}

func TestAnArtifactIsDeployedWhenItIsBaked(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	w.baked("dist/hello")
	s := w.service()
	s.Step(ctx)
	w.add(s, slipway.TriggerSpec{Kind: slipway.TriggerArtifact, Path: "dist/hello", Deploy: "prod"})
	_, err := s.PushArtifact(ctx, slipway.Artifact{Application: "hello", Name: "anything"}, strings.NewReader("new"))
	w.must(err)
	s.Step(ctx)
	w.pass(10 * time.Second)
	w.service().Step(ctx) // another one goes on
	if len(w.bakes) != 1 || len(w.deploys) != 0 {
		t.Fatalf("%d bakes, %d deployments", len(w.bakes), len(w.deploys))
	}
	image := slipway.DigestOf([]byte("image"))
	w.must(w.store.PutBake(ctx, slipway.Bake{ID: "b-pushed", Application: "hello", State: slipway.BakeSucceeded, Image: image, Started: w.clock()}))
	w.pass(10 * time.Second)
	s.Step(ctx)
	if len(w.deploys) != 1 || w.deploys[0].Image != string(image) {
		t.Fatalf("%+v", w.deploys)
	}
}

func TestAnArtifactIsDeployedTheMomentItsBakeIsOver(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	w.baked("dist/hello")
	s := w.service()
	s.Step(ctx)
	w.add(s, slipway.TriggerSpec{Kind: slipway.TriggerArtifact, Path: "dist/hello", Deploy: "prod"})
	_, err := s.PushArtifact(ctx, slipway.Artifact{Application: "hello", Name: "anything"}, strings.NewReader("new"))
	w.must(err)
	if next := s.Step(ctx); next.After(w.clock().Add(bakeLook)) {
		t.Errorf("it is looked again after %s, in case nothing tells that the bake is over", next.Sub(w.clock()))
	}
	w.must(w.store.PutBake(ctx, slipway.Bake{ID: "b-pushed", Application: "hello", State: slipway.BakeSucceeded, Image: slipway.DigestOf([]byte("image")), Started: w.clock()}))
	s.Step(ctx)
	if len(w.deploys) != 0 {
		t.Error("nothing has told that the bake is over")
	}
	if s.wakes(slipway.Event{Kind: slipway.BakeFinished, Bake: "b-other"}); len(s.baking.waiting) != 1 {
		t.Errorf("another bake is over, and these wait: %v", s.baking.waiting)
	}
	if !s.wakes(slipway.Event{Kind: slipway.BakeFinished, Bake: "b-pushed"}) {
		t.Error("the end of a bake wakes nobody")
	}
	for range 3 {
		s.Step(ctx)
	}
	if len(w.deploys) != 1 || len(s.baking.waiting) != 0 {
		t.Errorf("%d deployments, and these wait: %v", len(w.deploys), s.baking.waiting)
	}
}

func TestSchedulesWhenClocksAreChanged(t *testing.T) {
	for _, c := range []struct {
		name, schedule, from string
		want                 []string
	}{
		// On 2026-03-29 it is 03:00 right after 01:59 in Berlin: half past two is an hour later that day.
		{"a time that is skipped", "30 2 * * *", "2026-03-27T12:00:00Z", []string{"2026-03-28T01:30:00Z", "2026-03-29T01:30:00Z", "2026-03-30T00:30:00Z"}},
		// On 2026-10-25 it is 02:00 right after 02:59: half past two is there twice, and comes the first time.
		{"a time that is there twice", "30 2 * * *", "2026-10-24T12:00:00Z", []string{"2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"}},
		{"a time that is there twice, from between", "30 2 * * *", "2026-10-25T00:45:00Z", []string{"2026-10-26T01:30:00Z"}},
		{"every other hour", "0 */2 * * *", "2026-03-28T23:30:00Z", []string{"2026-03-29T01:00:00Z", "2026-03-29T02:00:00Z", "2026-03-29T04:00:00Z"}},
		// Every hour is every hour, whatever clocks show.
		{"every hour, when clocks are put back", "0 * * * *", "2026-10-24T23:30:00Z", []string{"2026-10-25T00:00:00Z", "2026-10-25T01:00:00Z", "2026-10-25T02:00:00Z"}},
		{"every hour, when they are put forward", "0 * * * *", "2026-03-28T23:30:00Z", []string{"2026-03-29T00:00:00Z", "2026-03-29T01:00:00Z", "2026-03-29T02:00:00Z"}},
		{"another time of day", "0 9 * * *", "2026-03-28T12:00:00Z", []string{"2026-03-29T07:00:00Z", "2026-03-30T07:00:00Z"}},
		{"the last day of a short month", "0 12 29 2 *", "2026-03-01T00:00:00Z", []string{"2028-02-29T11:00:00Z"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			schedule, err := scheduleOf(slipway.TriggerSpec{Kind: slipway.TriggerCron, Schedule: c.schedule, TimeZone: "Europe/Berlin"})
			w.must(err)
			at := w.time(c.from)
			var got []string
			for range c.want {
				at = schedule.Next(at)
				got = append(got, at.UTC().Format(time.RFC3339))
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("%v, want %v", got, c.want)
			}
		})
	}
}

func TestWhereAnArtifactGoes(t *testing.T) {
	entries := []slipway.ContextEntry{{Path: "bin", Dir: true}, {Path: "bin/hello"}, {Path: "hello", Link: "bin/hello"}, {Path: "a/x"}, {Path: "b/x"}}
	for _, c := range []struct {
		at, name string
		want     int
		code     slipway.Code
	}{
		{"", "hello", 1, ""}, {"b/x", "anything", 4, ""}, {"", "x", 0, slipway.Invalid}, {"", "none", 0, slipway.NotFound}, {"c/x", "x", 0, slipway.NotFound}, {"bin", "bin", 0, slipway.NotFound},
	} {
		if i, err := placeOf(entries, c.at, c.name); slipway.CodeOf(err) != c.code || err == nil && i != c.want {
			t.Errorf("%+v: %d, %v", c, i, err)
		}
	}
}

func TestWhatCannotBeStartedNowIsTriedAgain(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	s := w.service()
	made := w.add(s, slipway.TriggerSpec{Kind: slipway.TriggerGitHub})
	w.fail = errors.New("the database is away")
	f, err := s.Receive(ctx, made.ID, github(made.Secret, push, "1"), []byte(push))
	if err != nil || f.State != slipway.FiringPending || f.Error.Code != slipway.Internal || strings.Contains(f.Error.Message, "database") {
		t.Fatalf("%+v, %v", f, err)
	}
	w.fail = nil
	s.Step(ctx)
	if len(w.pipelines) != 0 {
		t.Error("it was tried at once")
	}
	w.pass(time.Minute)
	w.service().Step(ctx) // this slipwayd was killed meanwhile
	if len(w.pipelines) != 1 {
		t.Errorf("%+v", w.pipelines)
	}
}

func TestWhatNeverCanBeStartedFailsAtOnce(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	s := w.service()
	made := w.add(s, slipway.TriggerSpec{Kind: slipway.TriggerGitHub, Pipeline: "none"})
	w.fail = slipway.Errorf(slipway.NotFound, "cannot find pipeline \"none\"")
	f, err := s.Receive(ctx, made.ID, github(made.Secret, push, "1"), []byte(push))
	if err != nil || f.State != slipway.FiringFailed || f.Error.Code != slipway.NotFound {
		t.Fatalf("%+v, %v", f, err)
	}
}

// TestADeploymentIsStartedOnce kills slipwayd between the start of a deployment and its note of it.
func TestADeploymentIsStartedOnce(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	s := w.service()
	made := w.add(s, slipway.TriggerSpec{Kind: slipway.TriggerChannel, Channel: "stable", Deploy: "prod"})
	f := s.firing(made.Trigger, slipway.Cause{Trigger: "channel"})
	f.Tries = 1
	w.must(w.store.AddFiring(ctx, f))
	image := slipway.DigestOf([]byte("image"))
	w.must(w.store.PutImage(ctx, slipway.Image{Digest: image, Application: "hello", State: slipway.ImageReady}))
	_, err := w.store.CreateDeployment(ctx, slipway.Deployment{
		ID: "d-before", Cluster: slipway.Cluster{Application: "hello", Environment: "prod"}, Image: image, Reason: "trigger t, firing " + f.ID,
	})
	w.must(err)
	s.Step(ctx)
	got, err := w.store.Firing(ctx, f.ID)
	if err != nil || got.Deployment != "d-before" || len(w.deploys) != 0 {
		t.Errorf("%+v, %v; %d were started", got, err, len(w.deploys))
	}
}

func TestTestingATriggerDoesNothing(t *testing.T) {
	w := newWorld(t)
	s := w.service()
	made := w.add(s, slipway.TriggerSpec{Kind: slipway.TriggerGitHub, Branches: []string{"main"}})
	got, err := s.TestTrigger(t.Context(), made.ID, "push", []byte(push))
	if err != nil || !got.Fires || got.Starts != "pipeline default" || got.Cause.Commit != "c0ffee" {
		t.Errorf("%+v, %v", got, err)
	}
	got, err = s.TestTrigger(t.Context(), made.ID, "push", []byte(strings.ReplaceAll(push, "main", "dev")))
	if err != nil || got.Fires || got.Reason != `the branch "dev" is none of main` {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err := s.TestTrigger(t.Context(), made.ID, "push", []byte("x")); slipway.CodeOf(err) != slipway.Invalid {
		t.Error(err)
	}
	if all, err := w.store.Firings(t.Context(), "", 0); err != nil || len(all) != 0 || len(w.pipelines) != 0 {
		t.Errorf("%v, %v", all, err)
	}
}

func TestTriggersThatMakeNoSense(t *testing.T) {
	w := newWorld(t)
	s := w.service()
	for name, c := range map[string]struct {
		spec   slipway.TriggerSpec
		secret string
		code   slipway.Code
	}{
		"no kind":                     {slipway.TriggerSpec{Kind: "smoke"}, "", slipway.Invalid},
		"a glob that is none":         {slipway.TriggerSpec{Kind: slipway.TriggerGitHub, Branches: []string{"[a"}}, "", slipway.Invalid},
		"a field of another kind":     {slipway.TriggerSpec{Kind: slipway.TriggerGitHub, Schedule: "@daily"}, "", slipway.Invalid},
		"a pipeline and a deployment": {slipway.TriggerSpec{Kind: slipway.TriggerGitHub, Pipeline: "a", Deploy: "b"}, "", slipway.Invalid},
		"parameters of a deployment":  {slipway.TriggerSpec{Kind: slipway.TriggerGitHub, Deploy: "prod", Parameters: map[string]string{"a": "b"}}, "", slipway.Invalid},
		"a channel without a name":    {slipway.TriggerSpec{Kind: slipway.TriggerChannel}, "", slipway.Invalid},
		"a state that is no end":      {slipway.TriggerSpec{Kind: slipway.TriggerPipeline, States: []slipway.ExecutionState{slipway.ExecutionRunning}}, "", slipway.Invalid},
		"a path that leads out":       {slipway.TriggerSpec{Kind: slipway.TriggerArtifact, Path: "../x"}, "", slipway.Invalid},
		"a short secret":              {slipway.TriggerSpec{Kind: slipway.TriggerGitHub}, "hunter2", slipway.Invalid},
		"a secret that is no base64":  {slipway.TriggerSpec{Kind: slipway.TriggerWebhook}, "whsec_???????????????????", slipway.Invalid},
		"a secret for no webhook":     {slipway.TriggerSpec{Kind: slipway.TriggerCron, Schedule: "@daily"}, "0123456789abcdef", slipway.Invalid},
		"no such application":         {slipway.TriggerSpec{Kind: slipway.TriggerGitHub, Application: "none"}, "", slipway.NotFound},
	} {
		if c.spec.Application == "" {
			c.spec.Application = "hello"
		}
		c.spec.Name = "t"
		_, err := s.AddTrigger(t.Context(), c.spec, c.secret)
		if slipway.CodeOf(err) != c.code || c.secret != "" && strings.Contains(err.Error(), c.secret) {
			t.Errorf("%s: %v", name, err)
		}
	}
	w.add(s, slipway.TriggerSpec{Kind: slipway.TriggerGitHub})
	if _, err := s.AddTrigger(t.Context(), slipway.TriggerSpec{Application: "hello", Name: "t", Kind: slipway.TriggerGitLab}, ""); slipway.CodeOf(err) != slipway.Conflict {
		t.Errorf("the name is taken: %v", err)
	}
}
