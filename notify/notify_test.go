package notify

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/seal"
	"github.com/slipway-sh/slipway/sqlstore"
	"github.com/slipway-sh/slipway/webhook"
)

type bus struct{}

func (bus) Publish(context.Context, slipway.Event) error            { return nil }
func (bus) Subscribe(context.Context) (<-chan slipway.Event, error) { return nil, nil }

// pigeon is a notifier whose destinations answer as a test says.
type pigeon struct {
	mu     sync.Mutex
	answer func(n slipway.Notification) error
	got    []slipway.Notification
}

func (p *pigeon) Validate(string) error { return nil }
func (p *pigeon) Notify(_ context.Context, _ string, n slipway.Notification) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.got = append(p.got, n)
	if p.answer == nil {
		return nil
	}
	return p.answer(n)
}

type world struct {
	t      *testing.T
	store  *sqlstore.Store
	box    *seal.Box
	pigeon *pigeon
	mu     sync.Mutex
	now    time.Time
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
	return &world{t: t, store: store, box: box, pigeon: &pigeon{}, now: time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)}
}

func (w *world) service() *Service {
	return New(Config{
		Store: w.store, Bus: bus{}, Sealer: w.box, Log: slog.New(slog.DiscardHandler), Now: w.clock, Jitter: func(time.Duration) time.Duration { return 0 },
		Notifiers: map[string]slipway.Notifier{"pigeon": w.pigeon, slipway.NotifyWebhook: Webhook{Client: http.DefaultClient, Version: "1"}},
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

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) event(e slipway.Event) {
	w.t.Helper()
	e.Time = w.clock()
	_, err := w.store.AppendEvent(w.t.Context(), e)
	w.must(err)
}

func (w *world) add(s *Service, spec slipway.SubscriptionSpec) slipway.NewSubscription {
	w.t.Helper()
	if spec.Kind == "" {
		spec.Kind, spec.To = "pigeon", "ann"
	}
	if spec.Name == "" {
		spec.Name = "s"
	}
	made, err := s.AddSubscription(w.t.Context(), spec)
	w.must(err)
	return made
}

func finished(application, environment, state string) slipway.Event {
	return slipway.Event{
		Kind: slipway.DeploymentFinished, Application: application, Environment: environment, Message: "deployment ended", Data: json.RawMessage(`{"state":"` + state + `"}`),
	}
}

func TestWhoIsToldOfWhat(t *testing.T) {
	good, bad := finished("hello", "prod", "succeeded"), finished("hello", "prod", "rolled_back")
	for _, c := range []struct {
		name string
		spec slipway.SubscriptionSpec
		e    slipway.Event
		want bool
	}{
		{"what matters", slipway.SubscriptionSpec{}, good, true},
		{"what does not", slipway.SubscriptionSpec{}, slipway.Event{Kind: slipway.BakeOutput}, false},
		{"what was asked for", slipway.SubscriptionSpec{Events: []string{"bake.*"}}, slipway.Event{Kind: slipway.BakeOutput}, true},
		{"one application", slipway.SubscriptionSpec{Applications: []string{"hel*"}}, good, true},
		{"another", slipway.SubscriptionSpec{Applications: []string{"shop"}}, good, false},
		{"one environment", slipway.SubscriptionSpec{Environments: []string{"prod"}}, good, true},
		{"another environment", slipway.SubscriptionSpec{Environments: []string{"dev"}}, good, false},
		{"what is of none", slipway.SubscriptionSpec{Environments: []string{"*"}, Events: []string{"*"}}, slipway.Event{Kind: slipway.BakeFinished}, false},
		{"only failures: none", slipway.SubscriptionSpec{Failures: true}, good, false},
		{"only failures: one", slipway.SubscriptionSpec{Failures: true}, bad, true},
		{"a machine", slipway.SubscriptionSpec{Failures: true}, slipway.Event{Kind: slipway.InstanceLost}, true},
		{"a test that failed", slipway.SubscriptionSpec{Failures: true, Events: []string{"bake.test"}}, slipway.Event{Kind: slipway.BakeTest, Data: json.RawMessage(`{"passed":false}`)}, true},
		{"what a person ended", slipway.SubscriptionSpec{Failures: true}, finished("hello", "prod", "aborted"), false},
	} {
		if got := about(c.spec, c.e); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}

func TestEachEventIsToldOnceWhoeverReads(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	a := w.service()
	a.Step(ctx)
	w.event(finished("hello", "prod", "succeeded")) // before anybody had subscribed
	w.add(a, slipway.SubscriptionSpec{})
	for range 20 {
		w.event(finished("hello", "prod", "succeeded"))
	}
	services := []*Service{a, w.service(), w.service()}
	var wg sync.WaitGroup
	for i := range 12 {
		wg.Go(func() { services[i%3].Step(ctx) })
	}
	wg.Wait()
	w.service().Step(ctx)
	seen := map[int64]int{}
	for _, n := range w.pigeon.got {
		seen[n.Event.Seq]++
	}
	if len(seen) != 20 || len(w.pigeon.got) != 20 {
		t.Errorf("%d notifications of %d events", len(w.pigeon.got), len(seen))
	}
}

func TestWhatDoesNotGetThroughIsTriedForADay(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	s := w.service()
	s.Step(ctx)
	w.add(s, slipway.SubscriptionSpec{Events: []string{"deployment.*"}})
	w.pigeon.answer = func(slipway.Notification) error { return errors.New("no answer") }
	w.event(finished("hello", "prod", "succeeded"))
	began := w.clock()
	var pauses []time.Duration
	for range 40 {
		s = w.service() // another slipwayd each time
		s.Step(ctx)
		all, err := w.store.Deliveries(ctx, slipway.DeliveryFilter{}, 1)
		w.must(err)
		if all[0].State != slipway.DeliveryPending {
			break
		}
		pause := all[0].Due.Sub(w.clock())
		pauses = append(pauses, pause)
		w.pass(pause - time.Second)
		s.Step(ctx) // not before
		w.pass(time.Second)
	}
	all, err := w.store.Deliveries(ctx, slipway.DeliveryFilter{State: slipway.DeliveryDead}, 0)
	w.must(err)
	if len(all) != 1 || all[0].Tries != maxTries || len(w.pigeon.got) != maxTries || all[0].Error != "no answer" {
		t.Fatalf("%d tries of %+v, after %v", len(w.pigeon.got), all, pauses)
	}
	if took := w.clock().Sub(began); took < 16*time.Hour || took > 30*time.Hour {
		t.Errorf("it was given up after %s", took)
	}
	for i := 1; i < len(pauses); i++ {
		if pauses[i] < pauses[i-1] {
			t.Errorf("pauses shrink: %v", pauses)
		}
	}
	ids := map[string]bool{}
	for _, n := range w.pigeon.got {
		ids[n.ID] = true
	}
	if len(ids) != 1 {
		t.Errorf("the ID changes: %v", ids)
	}
	// A person tries it again, and it gets through.
	w.pigeon.answer = nil
	if _, err := s.RetryDelivery(ctx, all[0].ID); err != nil {
		t.Fatal(err)
	}
	s.Step(ctx)
	d, err := w.store.Delivery(ctx, all[0].ID)
	if err != nil || d.State != slipway.DeliveryDelivered || d.Error != "" {
		t.Errorf("%+v, %v", d, err)
	}
	sub, err := w.store.Subscriptions(ctx)
	if err != nil || !sub[0].Failing.IsZero() {
		t.Errorf("%+v, %v", sub, err)
	}
	if _, err := s.RetryDelivery(ctx, d.ID); slipway.CodeOf(err) != slipway.Conflict {
		t.Errorf("what was delivered is not tried again: %v", err)
	}
}

func TestADestinationThatIsGoneIsToldNothingMore(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	s := w.service()
	s.Step(ctx)
	made := w.add(s, slipway.SubscriptionSpec{Events: []string{"deployment.*"}})
	w.add(s, slipway.SubscriptionSpec{Name: "other", Events: []string{string(slipway.SubscriptionDisabled), string(slipway.DeliveryGivenUp)}})
	w.pigeon.answer = func(n slipway.Notification) error {
		if n.Event.Kind == slipway.DeploymentFinished {
			return slipway.Errorf(slipway.NotFound, "cannot deliver: gone")
		}
		return nil
	}
	w.event(finished("hello", "prod", "succeeded"))
	s.Step(ctx)
	sub, err := w.store.Subscription(ctx, made.ID)
	if err != nil || sub.Disabled == nil {
		t.Fatalf("%+v, %v", sub, err)
	}
	s.Step(ctx)
	if n := len(w.pigeon.got); n != 3 { // the deployment, that it was given up, and that it is told nothing more
		t.Errorf("%d notifications", n)
	}
	w.event(finished("hello", "prod", "succeeded"))
	s.Step(ctx)
	if _, err = s.EnableSubscription(ctx, made.ID, true, ""); err != nil {
		t.Fatal(err)
	}
	w.pigeon.answer = nil
	s.Step(ctx)
	if n := len(w.pigeon.got); n != 3 {
		t.Errorf("what happened while it was disabled was made up for: %d", n)
	}
}

// reporter is a notifier that is a function.
type reporter func(ctx context.Context, to string, n slipway.Notification) error

func (reporter) Validate(string) error { return nil }
func (r reporter) Notify(ctx context.Context, to string, n slipway.Notification) error {
	return r(ctx, to, n)
}

func TestWhoDoesNotAnswerHoldsUpNobodyElse(t *testing.T) {
	w := newWorld(t)
	const events = 5 * atOnce
	heard, silent := make(chan struct{}, events), make(chan struct{})
	var mu sync.Mutex
	fails, asked := true, 0
	s := w.service()
	s.Notifiers["pigeon"] = reporter(func(_ context.Context, to string, _ slipway.Notification) error {
		if to == "bob" {
			heard <- struct{}{}
			return nil
		}
		mu.Lock()
		asked++
		first := fails
		fails = false
		mu.Unlock()
		if !first {
			<-silent
		}
		return errors.New("no answer")
	})
	w.add(s, slipway.SubscriptionSpec{Name: "ann", Kind: "pigeon", To: "ann"})
	s.Step(t.Context())
	w.event(finished("hello", "prod", "failed"))
	s.Step(t.Context()) // nothing gets through to ann
	w.add(s, slipway.SubscriptionSpec{Name: "bob", Kind: "pigeon", To: "bob"})
	for range events {
		w.event(finished("hello", "prod", "failed"))
	}
	var stepping sync.WaitGroup
	stepping.Go(func() { s.Step(t.Context()) })
	for range events {
		select {
		case <-heard:
		case <-time.After(time.Minute):
			t.Fatal("bob is not told of everything while ann does not answer")
		}
	}
	if mu.Lock(); asked > 2 {
		t.Errorf("ann was asked %d times, want once, and once more to see whether she is back", asked)
	}
	mu.Unlock()
	close(silent)
	stepping.Wait()
	pending, err := s.ListDeliveries(t.Context(), slipway.DeliveryFilter{State: slipway.DeliveryPending}, 100)
	w.must(err)
	if len(pending) != events+1 {
		t.Errorf("%d deliveries are pending, want all of ann's: %d", len(pending), events+1)
	}
	for _, d := range pending {
		if d.Tries > 1 {
			t.Errorf("%s has %d tries: to be put off is none", d.ID, d.Tries)
		}
	}
}

func TestNothingGetsThroughForDays(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	s := w.service()
	s.Step(ctx)
	made := w.add(s, slipway.SubscriptionSpec{Events: []string{"deployment.*"}})
	w.pigeon.answer = func(slipway.Notification) error { return errors.New("no answer") }
	for range 200 {
		w.event(finished("hello", "prod", "succeeded"))
		w.pass(time.Hour)
		s.Step(ctx)
		if sub, err := w.store.Subscription(ctx, made.ID); err != nil || sub.Disabled != nil {
			if down := w.clock().Sub(sub.Failing); down < longFailure || down > longFailure+8*time.Hour { // what is put off comes an hour later here
				t.Errorf("disabled after %s", down)
			}
			return
		}
	}
	t.Error("it was never disabled")
}

func TestADestinationSaysWhenToComeAgain(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	s := w.service()
	s.Step(ctx)
	w.add(s, slipway.SubscriptionSpec{Events: []string{"deployment.*"}})
	w.pigeon.answer = func(slipway.Notification) error {
		return &slipway.LaterError{After: time.Hour, Err: slipway.Errorf(slipway.Unavailable, "cannot deliver: busy")}
	}
	w.event(finished("hello", "prod", "succeeded"))
	s.Step(ctx)
	all, err := w.store.Deliveries(ctx, slipway.DeliveryFilter{}, 1)
	if err != nil || all[0].Due.Sub(w.clock()) != time.Hour {
		t.Errorf("%+v, %v", all, err)
	}
}

func TestWebhooksAreSignedAndVerified(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	type request struct {
		header http.Header
		body   []byte
	}
	got := make(chan request, 10)
	status := http.StatusNoContent
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got <- request{r.Header, body}
		rw.WriteHeader(status)
	}))
	defer server.Close()
	s := w.service()
	s.Step(ctx)
	made := w.add(s, slipway.SubscriptionSpec{Kind: slipway.NotifyWebhook, To: server.URL + "/hook"})
	w.event(finished("hello", "prod", "succeeded"))
	s.Step(ctx)
	r := <-got
	if ids, err := webhook.Verify(slipway.TriggerWebhook, r.header, r.body, []string{made.Secret}, w.clock()); err != nil || !strings.HasPrefix(ids[0], "id:m-") {
		t.Errorf("%v, %v", ids, err)
	}
	var body struct {
		Type      string
		Timestamp time.Time
		Data      slipway.Event
	}
	if err := json.Unmarshal(r.body, &body); err != nil || body.Type != "deployment.finished" || body.Data.Application != "hello" || !body.Timestamp.Equal(w.clock()) {
		t.Errorf("%s: %v", r.body, err)
	}
	// In the overlap of a rotation either secret verifies it; then the new one alone.
	next, err := s.RotateSubscription(ctx, made.ID, time.Hour)
	w.must(err)
	w.event(finished("hello", "prod", "succeeded"))
	s.Step(ctx)
	r = <-got
	for _, secret := range []string{made.Secret, next.Secret} {
		if _, err := webhook.Verify(slipway.TriggerWebhook, r.header, r.body, []string{secret}, w.clock()); err != nil {
			t.Error(err)
		}
	}
	w.pass(time.Hour)
	w.event(finished("hello", "prod", "succeeded"))
	s.Step(ctx)
	r = <-got
	if _, err := webhook.Verify(slipway.TriggerWebhook, r.header, r.body, []string{made.Secret}, w.clock()); err == nil {
		t.Error("it is signed with the old secret still")
	}
	// A test is sent at once, and says what came of it.
	if d, err := s.TestSubscription(ctx, made.ID); err != nil || d.State != slipway.DeliveryDelivered {
		t.Errorf("%+v, %v", d, err)
	}
	status = http.StatusTeapot
	if d, err := s.TestSubscription(ctx, made.ID); err != nil || d.State != slipway.DeliveryDead || !strings.Contains(d.Error, "418") {
		t.Errorf("%+v, %v", d, err)
	}
}

func TestWhatAnswersMean(t *testing.T) {
	for _, c := range []struct {
		status int
		after  string
		code   slipway.Code
		later  time.Duration
	}{
		{200, "", "", 0}, {202, "", "", 0}, {204, "", "", 0},
		{301, "", slipway.Unavailable, 0}, {400, "", slipway.Unavailable, 0}, {404, "", slipway.Unavailable, 0}, {500, "", slipway.Unavailable, 0},
		{410, "", slipway.NotFound, 0},
		{429, "120", slipway.Unavailable, 2 * time.Minute}, {503, "-5", slipway.Unavailable, 0}, {429, "soon", slipway.Unavailable, 0}, {500, "120", slipway.Unavailable, 0},
	} {
		t.Run(fmt.Sprint(c.status, c.after), func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Retry-After", c.after)
				w.Header().Set("Location", "https://elsewhere.example.com/")
				w.WriteHeader(c.status)
			}))
			defer server.Close()
			client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
			err := Webhook{Client: client}.Notify(t.Context(), server.URL, slipway.Notification{ID: "m-1", At: time.Now()})
			if slipway.CodeOf(err) != c.code {
				t.Errorf("%v", err)
			}
			later, ok := errors.AsType[*slipway.LaterError](err)
			if ok != (c.later > 0) || ok && later.After != c.later {
				t.Errorf("%v", err)
			}
		})
	}
}

func TestSubscriptionsThatMakeNoSense(t *testing.T) {
	w := newWorld(t)
	s := w.service()
	for name, spec := range map[string]slipway.SubscriptionSpec{
		"no kind there is":     {Name: "s", Kind: "fax", To: "1"},
		"no name":              {Kind: "pigeon", To: "ann"},
		"nobody":               {Name: "s", Kind: "pigeon"},
		"a glob that is none":  {Name: "s", Kind: "pigeon", To: "ann", Events: []string{"[a"}},
		"no URL":               {Name: "s", Kind: slipway.NotifyWebhook, To: "example.com"},
		"another protocol":     {Name: "s", Kind: slipway.NotifyWebhook, To: "file:///etc/passwd"},
		"a password in it":     {Name: "s", Kind: slipway.NotifyWebhook, To: "https://u:hunter2@example.com"},
		"a line break":         {Name: "s", Kind: "pigeon", To: "ann\r\nbob"},
		"a URL without a host": {Name: "s", Kind: slipway.NotifyWebhook, To: "https:///x"},
	} {
		if _, err := s.AddSubscription(t.Context(), spec); slipway.CodeOf(err) != slipway.Invalid || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestTexts(t *testing.T) {
	e := slipway.Event{
		Kind: slipway.DeploymentFinished, Application: "hello", Environment: "prod", Deployment: "d-1", Message: "deployment ended\r\nas rolled_back " + strings.Repeat("ä", 300),
		Data: json.RawMessage(`{"error":{"code":"failed","message":"cannot go on: unhealthy"},"cause":{"commit":"c0ffee","author":"Ann"}}`),
	}
	if got := subject(e); !strings.HasPrefix(got, "hello prod: deployment ended as rolled_back ä") || strings.ContainsAny(got, "\r\n") || len([]rune(got)) != 200 {
		t.Errorf("%q", got)
	}
	for _, want := range []string{"because      cannot go on: unhealthy, c0ffee, Ann", "slipway deployment show d-1", "environment  prod"} {
		if !strings.Contains(text(e), want) {
			t.Errorf("there is no %q in\n%s", want, text(e))
		}
	}
}
