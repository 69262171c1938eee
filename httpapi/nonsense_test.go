package httpapi

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/test/pgtest"
)

// TestNonsenseChangesNothing sends to every route what looks right and is not: texts that no database keeps, tags of what is otherwise by now,
// cursors of nowhere. Each is refused with a code and its place, on either database, the audit log says who tried, and nothing is otherwise.
func TestNonsenseChangesNothing(t *testing.T) {
	t.Run("SQLite", func(t *testing.T) { nonsense(t, filepath.Join(t.TempDir(), "slipway.db")) })
	t.Run("PostgreSQL", func(t *testing.T) { nonsense(t, pgtest.ForTest(t).DatabaseForTest(t)) })
}

func nonsense(t *testing.T, address string) {
	s := serveOn(t, address)
	shelve(t, s)
	everything := func() map[string][]string {
		all := map[string][]string{}
		for _, r := range listRoutes() {
			if r.id != "listAudit" {
				all[r.id], _ = s.read(t, listPath(r), 1000)
			}
		}
		return all
	}
	before, tried := everything(), map[string]int{}
	d := describe(t)
	refused := func(r route, what, path, body string, status int, code slipway.Code, place string, header ...string) {
		t.Helper()
		got, text, _ := s.do(t, r.method, path, body, append(header, "Upgrade", "slipway-console")...)
		var p Problem
		_ = json.Unmarshal([]byte(text), &p)
		if got != status || p.Code != code || p.Place != place {
			t.Errorf("%s: %s: %d %.300s, want %d, %s at %q", r.id, what, got, text, status, code, place)
		}
		if r.changes() {
			tried[r.id]++
		}
	}
	for _, r := range (&api{}).routes() {
		path := examplePath(r, d.Paths[r.path].operation(r.method))
		if r.shows != "" {
			refused(r, "a stale tag", path, jsonOf(requestExample(r.id)), http.StatusPreconditionFailed, slipway.Stale, "If-Match", "If-Match", `"stale"`)
		}
		if slices.ContainsFunc(listRoutes(), func(l route) bool { return l.id == r.id }) {
			refused(r, "a cursor of nowhere", path+"?cursor=nowhere", "", http.StatusBadRequest, slipway.Invalid, "cursor")
		}
		example := exampleBody(d, r)
		for place, spoiled := range spoilTexts(example, "") {
			refused(r, "a NUL", path, jsonOf(spoiled), http.StatusBadRequest, slipway.Invalid, placeOf("body."+place))
		}
	}
	if after := everything(); !maps.EqualFunc(before, after, slices.Equal) {
		t.Errorf("something was changed: %.2000s\nbecame %.2000s", fmt.Sprint(before), fmt.Sprint(after))
	}
	for _, e := range s.entries(t) {
		if e.Phase == slipway.AuditRefused && e.By.Name == "root" && e.Code != "" {
			tried[e.Action]--
		}
	}
	for id, n := range tried {
		if n != 0 {
			t.Errorf("%s: of what was refused the audit log lacks %d", id, n)
		}
	}
	if log := s.log.String(); strings.Contains(log, "internal error") {
		t.Errorf("something was taken for an internal error: %.2000s", log)
	}
}

// examplePath is a route's path with the parameters that are shown in its description.
func examplePath(r route, op *operation) string {
	path := r.path
	for _, p := range op.Parameters {
		if p.In == "path" {
			path = strings.ReplaceAll(path, "{"+p.Name+"}", url.PathEscape(fmt.Sprint(p.Example)))
		}
	}
	return path
}

// exampleBody is the body of a route's request as the description shows it, nil if there is none.
func exampleBody(d *description, r route) any {
	op := d.Paths[r.path].operation(r.method)
	if op.RequestBody == nil || r.raw {
		return nil
	}
	return op.RequestBody.Content["application/json"].Example
}

func jsonOf(v any) string {
	if v == nil {
		return ""
	}
	text, _ := json.Marshal(v)
	return string(text)
}

// spoilTexts yields a body with a NUL in each of its texts, and in the name of each of its fields, by its place.
func spoilTexts(body any, at string) map[string]any {
	spoiled := map[string]any{}
	switch v := body.(type) {
	case string:
		spoiled[at] = v + "\x00"
	case []any:
		for i, item := range v {
			for place, other := range spoilTexts(item, fmt.Sprintf("%s[%d]", at, i)) {
				list := slices.Clone(v)
				list[i] = other
				spoiled[place] = list
			}
		}
	case map[string]any:
		for name, item := range v {
			for place, other := range spoilTexts(item, strings.TrimPrefix(at+"."+name, ".")) {
				fields := maps.Clone(v)
				fields[name] = other
				spoiled[place] = fields
			}
		}
		named := maps.Clone(v)
		named["a\x00"] = true
		spoiled[at] = named
	}
	return spoiled
}
