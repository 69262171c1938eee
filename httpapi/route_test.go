package httpapi

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// Every name in a route's path is one of its parameters: huma leaves out, without a word, those it cannot see.
func TestPathParameters(t *testing.T) {
	s := serve(t)
	_, text, _ := s.do(t, http.MethodGet, "/openapi.json", "")
	var document struct {
		Paths map[string]map[string]struct {
			OperationID string `json:"operationId"`
			Parameters  []struct{ Name, In string }
		}
	}
	if err := json.Unmarshal([]byte(text), &document); err != nil || len(document.Paths) == 0 {
		t.Fatalf("%v in %.200s", err, text)
	}
	for path, operations := range document.Paths {
		for part := range strings.SplitSeq(path, "/") {
			name, ok := strings.CutPrefix(part, "{")
			if !ok {
				continue
			}
			for _, o := range operations {
				if !slices.ContainsFunc(o.Parameters, func(p struct{ Name, In string }) bool {
					return p.In == "path" && p.Name == strings.TrimSuffix(name, "}")
				}) {
					t.Errorf("%s %s: %s is no parameter", o.OperationID, path, part)
				}
			}
		}
	}
}
