package httpapi

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/audit"
	"github.com/slipway-sh/slipway/redact"
)

// auditTime is how long a request waits for the audit log.
const auditTime = 10 * time.Second

// How much of what a caller chose is recorded, letters.
const (
	maxAuditText = 500
	maxAuditName = 200
)

// attempt is a request that would change something, on its way into the audit log.
type attempt struct {
	a       *api
	route   route
	request *http.Request
	values  map[string]string // of the path
	entry   slipway.AuditEntry
	before  any // the object as it was, decoded
	asked   bool
	ended   bool
	failure *Problem // of a stream that had begun
}

type attemptKey struct{}

// attemptOf returns the attempt that ctx is of; nil if it is of a request that changes nothing.
func attemptOf(ctx context.Context) *attempt {
	t, _ := ctx.Value(attemptKey{}).(*attempt)
	return t
}

// tried notes who makes a request, as soon as that is known: if it goes no further, the audit log says who tried.
func tried(ctx context.Context, by slipway.Principal) {
	if t := attemptOf(ctx); t != nil {
		t.entry.By = t.who(by)
	}
}

// audited records every request of a route that changes something. This is the one place: a route is such a one unless it is a GET or
// made by [get], [post], [stream] or [follow]. What is about to be done is recorded before, or is not done; the functions in [form] see to
// that. What never gets that far is recorded here.
func (a *api) audited(mux *http.ServeMux, next http.Handler) http.Handler {
	routes := map[string]route{}
	for _, r := range a.routes() {
		routes[r.method+" "+r.path] = r
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, pattern := mux.Handler(r)
		route, ok := routes[pattern]
		switch {
		case !ok:
			next.ServeHTTP(w, r)
			return
		case !route.changes():
			a.questioned(route, next, w, r)
			return
		}
		t := a.attempt(route, r)
		seen := &witness{ResponseWriter: w}
		defer func() {
			if p := recover(); p != nil {
				t.end(http.StatusInternalServerError, newProblem(http.StatusInternalServerError, slipway.Internal, "it panicked"), nil)
				panic(p)
			}
		}()
		next.ServeHTTP(seen, r.WithContext(context.WithValue(r.Context(), attemptKey{}, t)))
		if !t.asked && !t.ended {
			t.refused(seen)
		}
	})
}

// changes reports whether requests of the route may change something.
func (r route) changes() bool { return r.method != http.MethodGet && !r.question }

func (a *api) attempt(route route, r *http.Request) *attempt {
	t := &attempt{a: a, route: route, request: r, values: pathValues(route.path, r.URL)}
	by := slipway.PrincipalOf(r.Context())
	if by.Name == "" { // nobody who is known
		by.Kind, by.Name = unknownKind, "unknown"
	}
	t.entry = slipway.AuditEntry{
		By: t.who(by), Client: brief(r.UserAgent(), maxAuditName),
		Action: route.id, Method: r.Method, Path: brief(r.URL.Path, maxAuditText),
		Application: brief(t.values["application"], maxAuditName), Environment: brief(t.values["environment"], maxAuditName),
		Object: brief(t.object(), maxAuditName), Reason: brief(r.URL.Query().Get("reason"), maxAuditText),
	}
	return t
}

// who returns a principal with the address that the request came from.
func (t *attempt) who(p slipway.Principal) slipway.Principal {
	p.Name = brief(p.Name, maxAuditName)
	if p.Address == "" {
		if host, _, err := net.SplitHostPort(t.request.RemoteAddr); err == nil {
			p.Address = host
		}
	}
	return p
}

// ask records that something is about to be done, and refuses it if that cannot be recorded. in is what huma made of the request.
func (t *attempt) ask(ctx context.Context, in any) error {
	t.entry.By = t.who(slipway.PrincipalOf(ctx))
	t.input(in)
	if t.route.raw { // content under its digest changes nothing that has a name: what came of it is enough
		t.asked = true
		return nil
	}
	t.before = t.a.objectOf(ctx, t.route, t.request.URL)
	e := t.entry
	e.Phase, e.Before = slipway.AuditAsked, audit.Document(t.before)
	e, err := t.append(ctx, e)
	if err != nil {
		t.a.Log.Error("cannot write the audit log; what is asked for is refused until it can be", "action", e.Action, "error", err)
		return slipway.Errorf(slipway.Unavailable, "cannot do what is not recorded: the audit log cannot be written; slipwayd's log has the details")
	}
	t.asked = true
	t.entry.Asked = e.Seq
	return nil
}

// input notes what is asked for, with what it is about and why as far as the body says so.
func (t *attempt) input(in any) {
	var tree map[string]any
	if r, ok := in.(interface{ recordable() any }); ok { // a request whose names do not say what in it is secret
		tree, _ = audit.Tree(r.recordable()).(map[string]any)
	} else if body := reflect.Indirect(reflect.ValueOf(in)).FieldByName("Body"); body.IsValid() {
		tree, _ = audit.Tree(shown(body.Interface())).(map[string]any)
	}
	if tree == nil {
		return
	}
	t.entry.Input = audit.Document(tree)
	fill := func(to *string, limit int, paths ...string) {
		for _, path := range paths {
			if *to == "" {
				*to = brief(text(tree, path), limit)
			}
		}
	}
	fill(&t.entry.Application, maxAuditName, "application", "cluster.application", "spec.application", "scope.application")
	fill(&t.entry.Environment, maxAuditName, "environment", "cluster.environment", "scope.environment", "to")
	fill(&t.entry.Reason, maxAuditText, "reason", "comment", "message", "why")
}

// shown returns what of a request may be recorded where names do not say what is secret.
func shown(body any) any {
	if c, ok := body.(slipway.ConfigChange); ok { // a key that has a type is not told it again: its value may be a secret
		c.Set = slices.Clone(c.Set)
		for i := range c.Set {
			c.Set[i].Value = redact.Hidden // what is no secret is in the version that is made
		}
		return c
	}
	return body
}

// done records what came of it: what out has of the object, or the problem.
func (t *attempt) done(ctx context.Context, out any, p *Problem) {
	status := t.route.status
	if p != nil {
		status = p.Status
	}
	var answered any
	if v := reflect.Indirect(reflect.ValueOf(out)); v.IsValid() && v.Kind() == reflect.Struct {
		if body := v.FieldByName("Body"); body.IsValid() && body.Kind() != reflect.Func {
			answered = audit.Tree(body.Interface())
		}
	}
	var after any
	if p == nil && !t.route.raw {
		after = t.a.objectOf(ctx, t.route, t.request.URL)
		switch {
		case after != nil:
		case t.request.Method != http.MethodDelete:
			after = answered
		case t.before == nil: // what was removed is answered as it was
			t.before = answered
			t.entry.Before = audit.Document(answered)
		}
	}
	if tree, ok := answered.(map[string]any); ok {
		for _, name := range []string{"id", "digest", "name", "handle"} {
			if t.entry.Object == "" {
				t.entry.Object = brief(text(tree, name), maxAuditName)
			}
		}
		for to, path := range map[*string]string{&t.entry.Application: "cluster.application", &t.entry.Environment: "cluster.environment"} {
			if *to == "" {
				*to = brief(text(tree, path), maxAuditName)
			}
		}
	}
	t.entry.After, t.entry.Changes = audit.Document(after), audit.Changes(t.before, after)
	t.end(status, p, nil)
}

// end records the outcome. What was done cannot be undone for want of a line: that is said as loudly as possible.
func (t *attempt) end(status int, p *Problem, e *slipway.AuditEntry) {
	if t.ended {
		return
	}
	t.ended = true
	if e == nil {
		e = &t.entry
		e.Phase = slipway.AuditDone
	}
	e.Status = status
	if p != nil {
		e.Code, e.Message, e.Place = p.Code, brief(p.Detail, maxAuditText), brief(p.Place, maxAuditName)
	}
	if t.entry.Asked != 0 { // the entry of the beginning has it
		e.Input = nil
	}
	if stranger(*e) && status >= http.StatusBadRequest && t.entry.Asked == 0 {
		t.a.strangers.add(callerOf(t.request), *e)
		return
	}
	if _, err := t.append(context.WithoutCancel(t.request.Context()), *e); err != nil {
		t.a.Log.Error("cannot write the audit log: this is not in it", "action", e.Action, "by", e.By.Name, "object", e.Object,
			"asked", e.Asked, "status", status, "code", e.Code, "error", err)
	}
}

// refused records a request that was turned away before anything was begun.
func (t *attempt) refused(seen *witness) {
	if seen.status < http.StatusBadRequest {
		if seen.status != 0 { // something answered in a route's place, and well: a redirection, say
			return
		}
		seen.status = http.StatusInternalServerError
	}
	var p Problem
	if json.Unmarshal(seen.text, &p) != nil || p.Code == "" {
		p.Code, p.Detail = slipway.Invalid, http.StatusText(seen.status)
	}
	e := t.entry
	e.Phase = slipway.AuditRefused
	t.end(seen.status, &p, &e)
}

func (t *attempt) append(ctx context.Context, e slipway.AuditEntry) (slipway.AuditEntry, error) {
	if t.a.Audit == nil {
		return e, slipway.Errorf(slipway.Unprepared, "there is no audit log")
	}
	ctx, cancel := context.WithTimeout(ctx, auditTime)
	defer cancel()
	done, err := t.a.Audit.AppendAudit(ctx, e)
	if err != nil {
		return e, err
	}
	return done, nil
}

// recorded runs f between the two entries of its attempt.
func recorded[I, O any](ctx context.Context, a *api, operation string, in *I, f function[I, O]) (*O, error) {
	t := attemptOf(ctx)
	if t == nil || t.route.id != operation { // a question; or one that is asked on the way to a change
		out, err := f(ctx, in)
		if p := a.problemOf(ctx, operation, err); p != nil {
			return nil, p
		}
		return out, nil
	}
	if err := t.ask(ctx, in); err != nil {
		return nil, a.fail(operation, err)
	}
	out, err := f(ctx, in)
	p := a.problemOf(ctx, operation, err)
	if stream, ok := any(out).(*huma.StreamResponse); ok && p == nil && stream != nil {
		body := stream.Body
		stream.Body = func(c huma.Context) { // it is done when the stream has ended
			body(c)
			t.done(context.WithoutCancel(ctx), nil, t.failure)
		}
		return out, nil
	}
	t.done(context.WithoutCancel(ctx), out, p)
	if p != nil {
		return nil, p
	}
	return out, nil
}

// problemOf is what an error of a handler is shown as; nil for nil.
func (a *api) problemOf(ctx context.Context, operation string, err error) *Problem {
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil: // nobody reads this; it is no failure of ours
		return newProblem(http.StatusServiceUnavailable, slipway.Unavailable, "cannot finish: the request was given up")
	}
	return a.fail(operation, err)
}

// witness remembers the status of an answer, and the text of one that says what went wrong.
type witness struct {
	http.ResponseWriter
	status int
	text   []byte
}

// Unwrap lets [http.ResponseController] at what is below.
func (w *witness) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// WriteHeader implements [http.ResponseWriter].
func (w *witness) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

// Write implements [http.ResponseWriter].
func (w *witness) Write(b []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	if w.status >= http.StatusBadRequest && len(w.text)+len(b) <= 64<<10 {
		w.text = append(w.text, b...)
	}
	return w.ResponseWriter.Write(b)
}

// brief returns text as it may be recorded: without secrets, on one line, with so many letters.
func brief(text string, letters int) string {
	text = redact.Text(strings.ToValidUTF8(text, "�"))
	text = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, text)
	if runes := []rune(text); len(runes) > letters {
		return string(runes[:letters-1]) + "…"
	}
	return text
}

// text returns the text at a path of a tree, "" if there is none.
func text(tree map[string]any, path string) string {
	name, rest, deeper := strings.Cut(path, ".")
	if !deeper {
		s, _ := tree[name].(string)
		return s
	}
	below, _ := tree[name].(map[string]any)
	return text(below, rest)
}
