package httpapi

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/slipway-sh/slipway"
)

// isRaw reports whether the route's handler takes the body as it comes: the bytes of a blob or an artifact; what somebody else's webhook sends,
// of which a signature decides before anything is read.
func isRaw(r route) bool { return r.raw || r.takes == nil }

// TestBadInputOnEveryRoute sends to every route of the table what no route may take: each answers 4xx with a code, and names the place, and
// nothing is done. A route that is added is tested by being in the table.
func TestBadInputOnEveryRoute(t *testing.T) {
	s := serve(t, func(c *Config) { c.Limits.Rate = -1 })
	handler := asRoot(New(s.Config))
	described := describe(t)
	for _, r := range (&api{}).routes() {
		op := described.Paths[r.path].operation(r.method)
		path := regexp.MustCompile(`\{[^}]+\}`).ReplaceAllString(r.path, "nothing")
		body := ""
		if op.RequestBody != nil && !isRaw(r) {
			body = "json"
		}
		send := func(query, contentType string, content []byte, chunked bool) (int, Problem) {
			t.Helper()
			var reader io.Reader = bytes.NewReader(content)
			if chunked {
				reader = io.MultiReader(reader) // of a length that is not announced
			}
			req := httptest.NewRequest(r.method, path+query, reader)
			req.Host = "localhost"
			if contentType != "" {
				req.Header.Set("Content-Type", contentType)
			}
			w := httptest.NewRecorder()
			handler.ServeHTTP(w, req)
			var p Problem
			if w.Header().Get("Content-Type") == "application/problem+json" {
				if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil {
					t.Errorf("%s: %v", r.id, err)
				}
			}
			return w.Code, p
		}
		refused := func(what string, status int, p Problem, place string) {
			t.Helper()
			if status < 400 || status >= 500 || p.Status != status || p.Code == "" || p.Detail == "" {
				t.Errorf("%s (%s %s): %s: %d %+v", r.id, r.method, r.path, what, status, p)
			}
			if place != "" && p.Place != place {
				t.Errorf("%s (%s %s): %s: place %q, want %q", r.id, r.method, r.path, what, p.Place, place)
			}
		}
		raw := isRaw(r) && op.RequestBody != nil
		valid, kind := []byte(nil), ""
		if body != "" {
			valid, kind = []byte(`{}`), "application/json"
		}
		if !raw && !r.lax {
			status, p := send("?no-such-parameter=1", kind, valid, false)
			refused("an unknown parameter", status, p, "query.no-such-parameter")
		}
		for name, q := range map[string]string{"a NUL": "?reason=%00", "no UTF-8": "?reason=%ff"} {
			status, p := send(q, kind, valid, false)
			refused(name+" in the query", status, p, "query")
		}
		if body == "" {
			continue
		}
		for what, c := range map[string]struct {
			kind string
			body string
		}{
			"no JSON":             {"application/json", `{"`},
			"nothing":             {"application/json", ``},
			"a list":              {"application/json", `[]`},
			"a text":              {"application/json", `"x"`},
			"a number":            {"application/json", `1e999`},
			"null":                {"application/json", `null`},
			"an unknown field":    {"application/json", `{"no-such-field": 1}`},
			"more than one value": {"application/json", `{} {}`},
			"a form":              {"application/x-www-form-urlencoded", `a=b`},
			"XML":                 {"application/xml", `<a/>`},
			"deep nesting":        {"application/json", strings.Repeat(`{"a":`, 20_000) + `1` + strings.Repeat(`}`, 20_000)},
		} {
			status, p := send("", c.kind, []byte(c.body), false)
			refused(what, status, p, "")
			if status, p := send("", c.kind, []byte(c.body), true); status < 400 || status >= 500 || p.Code == "" {
				t.Errorf("%s: %s, in pieces: %d %+v", r.id, what, status, p)
			}
		}
		wrongTypes(t, r, op, send)
		large := maxBody
		if r.large {
			large = maxContext
		}
		if r.large && testing.Short() {
			continue
		}
		status, p := send("", "application/json", append([]byte(`{"a":"`), bytes.Repeat([]byte("x"), large)...), true)
		if status != http.StatusRequestEntityTooLarge || p.Code != slipway.Invalid {
			t.Errorf("%s: %d bytes: %d %+v, want 413", r.id, large, status, p)
		}
	}
	if log := s.log.String(); strings.Contains(log, "internal error") {
		t.Errorf("something was taken for an internal error: %.2000s", log)
	}
}

// wrongTypes sends each field of the body alone with a value of another type, and wants its place.
func wrongTypes(t *testing.T, r route, op *operation, send func(string, string, []byte, bool) (int, Problem)) {
	t.Helper()
	schema := op.RequestBody.Content["application/json"].Schema
	for name, property := range schema.resolve(op.root).Properties {
		value := map[string]string{"string": `{"x":1}`, "integer": `"x"`, "number": `"x"`, "boolean": `"x"`, "array": `"x"`, "object": `"x"`}[property.resolve(op.root).kind()]
		if value == "" {
			continue
		}
		status, p := send("", "application/json", []byte(`{"`+name+`":`+value+`}`), false)
		places := []string{p.Place}
		for _, e := range p.Errors {
			places = append(places, e.Place)
		}
		if status < 400 || status >= 500 || p.Code == "" || !slices.ContainsFunc(places, func(place string) bool {
			return place == name || strings.HasPrefix(place, name+".") || place == "" // a type that reads itself says what is wrong, not where
		}) {
			t.Errorf("%s: %q of another type: %d %+v", r.id, name, status, p)
		}
	}
}

// description is as much of an OpenAPI document as these tests read.
type description struct {
	Paths      map[string]pathItem `json:"paths"`
	Components struct {
		Schemas map[string]*schema `json:"schemas"`
	} `json:"components"`
}

type pathItem map[string]*operation

func (p pathItem) operation(method string) *operation { return p[strings.ToLower(method)] }

type operation struct {
	root       *description
	Parameters []struct {
		Name    string `json:"name"`
		In      string `json:"in"`
		Example any    `json:"example"`
		Schema  struct {
			Examples []any `json:"examples"`
		} `json:"schema"`
	} `json:"parameters"`
	RequestBody *struct {
		Content map[string]struct {
			Schema  *schema `json:"schema"`
			Example any     `json:"example"`
		} `json:"content"`
	} `json:"requestBody"`
}

type schema struct {
	Ref        string             `json:"$ref"`
	Type       any                `json:"type"`
	Properties map[string]*schema `json:"properties"`
}

func (s *schema) resolve(d *description) *schema {
	for s.Ref != "" {
		s = d.Components.Schemas[strings.TrimPrefix(s.Ref, "#/components/schemas/")]
	}
	return s
}

func (s *schema) kind() string {
	if all, ok := s.Type.([]any); ok && len(all) > 0 {
		kind, _ := all[0].(string)
		return kind
	}
	kind, _ := s.Type.(string)
	return kind
}

func describe(t testing.TB) *description {
	t.Helper()
	var d description
	if err := json.Unmarshal(document(t), &d); err != nil {
		t.Fatal(err)
	}
	for _, p := range d.Paths {
		for _, op := range p {
			op.root = &d
		}
	}
	return &d
}

// document is the API's OpenAPI document.
func document(t testing.TB) []byte {
	t.Helper()
	a := &api{Config: Config{Version: "1.2.3"}}
	h := humago.New(http.NewServeMux(), a.description())
	a.mount(h)
	text, err := h.OpenAPI().MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	return text
}
