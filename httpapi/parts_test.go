package httpapi

import (
	"encoding/json"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/sqlstore"
)

// TestServerOfAStoreAlone asks every route of a server that has nothing but its records: what needs more says what is missing, all else is
// answered as ever, and nothing ends in an internal error.
func TestServerOfAStoreAlone(t *testing.T) {
	store, err := sqlstore.Open(t.Context(), filepath.Join(t.TempDir(), "slipway.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	a := newAPI(Config{Store: store, Limits: Limits{Rate: -1, Each: -1}})
	s := &server{url: serveHandler(t, asRoot(a.handler()))}
	missing := 0
	for _, r := range a.routes() {
		path, body := samplePath(t, r, samples[r.id])
		status, text, _ := s.do(t, r.method, path, body, "Upgrade", "slipway-console")
		if status == http.StatusInternalServerError {
			t.Errorf("%s: %s", r.id, text)
		}
		var p Problem
		_ = json.Unmarshal([]byte(text), &p)
		if a.lacks[r.id] == nil {
			continue
		}
		missing++
		if status != http.StatusServiceUnavailable || p.Code != slipway.Unprepared || !strings.Contains(p.Detail, "this server has no ") {
			t.Errorf("%s: %d %s", r.id, status, text)
		}
	}
	if missing == 0 {
		t.Error("nothing is missing")
	}
	for id := range a.lacks {
		if !slices.ContainsFunc(a.routes(), func(r route) bool { return r.id == id }) {
			t.Errorf("there is no route %s to need anything", id)
		}
	}
}
