package httpapi

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/slipway-sh/slipway/auth"
	"github.com/slipway-sh/slipway/redact"
)

// maxObject is how much of an object is read for the audit log, bytes.
const maxObject = 4 << 20

// objectOf returns what a route changes as it is now, decoded and without secrets: what the API itself answers to a GET of the path or of
// its beginning. nil if there is no such thing, or if it cannot be read.
func (a *api) objectOf(ctx context.Context, r route, at *url.URL) any {
	parts := strings.Split(r.path, "/")
	actual := strings.Split(at.EscapedPath(), "/")
	if len(actual) != len(parts) {
		return nil
	}
	for n := len(parts); n > 2; n-- {
		pattern := strings.Join(parts[:n], "/")
		if !strings.Contains(pattern, "{") {
			return nil
		}
		if a.views[pattern] {
			return a.peek(ctx, strings.Join(actual[:n], "/"))
		}
	}
	return nil
}

// peek asks the API itself, in slipwayd's own name.
func (a *api) peek(ctx context.Context, path string) (object any) {
	defer func() { // what cannot be shown can be changed all the same
		if p := recover(); p != nil {
			a.Log.Error("cannot read for the audit log what is changed", "path", path, "error", p)
			object = nil
		}
	}()
	ctx = auth.With(context.WithValue(ctx, attemptKey{}, nil), auth.Itself())
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, path, nil)
	if err != nil {
		return nil
	}
	answer := &copied{header: http.Header{}, status: http.StatusOK}
	a.mux.ServeHTTP(answer, req)
	if answer.status != http.StatusOK || answer.cut || !strings.HasPrefix(answer.header.Get("Content-Type"), "application/json") || !json.Valid(answer.text) {
		return nil
	}
	tree, err := redact.Decode(answer.text)
	if err != nil {
		return nil
	}
	return redact.Value(tree)
}

// copied is an answer that goes nowhere.
type copied struct {
	header http.Header
	status int
	text   []byte
	cut    bool
}

func (c *copied) Header() http.Header    { return c.header }
func (c *copied) WriteHeader(status int) { c.status = status }
func (c *copied) Write(b []byte) (int, error) {
	if len(c.text)+len(b) > maxObject {
		c.cut = true
		return len(b), nil
	}
	c.text = append(c.text, b...)
	return len(b), nil
}

// viewable are the paths of routes that show one thing.
func viewable(routes []route) map[string]bool {
	views := map[string]bool{}
	for _, r := range routes {
		if r.method == http.MethodGet && len(r.types) == 0 && strings.HasSuffix(r.path, "}") {
			views[r.path] = true
		}
	}
	return views
}

// pathValues returns the values of a pattern's parameters.
func pathValues(pattern string, at *url.URL) map[string]string {
	values := map[string]string{}
	parts, actual := strings.Split(pattern, "/"), strings.Split(at.EscapedPath(), "/")
	for i, part := range parts {
		if name, ok := strings.CutPrefix(part, "{"); ok && i < len(actual) {
			value, err := url.PathUnescape(actual[i])
			if err != nil {
				value = actual[i]
			}
			values[strings.TrimSuffix(name, "}")] = value
		}
	}
	return values
}

// object returns the value in the path that says what is changed.
func (t *attempt) object() string {
	parts := strings.Split(t.route.path, "/")
	for _, part := range slices.Backward(parts) {
		name := strings.Trim(part, "{}")
		if name != part && name != "application" && name != "environment" {
			return t.values[name]
		}
	}
	return ""
}
