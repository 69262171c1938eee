package httpapi

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// TestExamples: every schema of an object, every request and every answer has an example, and each is what its schema wants.
func TestExamples(t *testing.T) {
	text := document(t)
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	compiler := jsonschema.NewCompiler()
	compiler.DefaultDraft(jsonschema.Draft2020)
	if err := compiler.AddResource("https://slipway.test/openapi.json", doc); err != nil {
		t.Fatal(err)
	}
	check := func(pointer string, example any) {
		t.Helper()
		s, err := compiler.Compile("https://slipway.test/openapi.json#" + pointer)
		if err != nil {
			t.Errorf("%s: %v", pointer, err)
			return
		}
		if err := s.Validate(example); err != nil {
			t.Errorf("%s: the example is not what the schema wants: %v", pointer, err)
		}
	}
	root := doc.(map[string]any)
	for name, s := range root["components"].(map[string]any)["schemas"].(map[string]any) {
		s := s.(map[string]any)
		pointer := "/components/schemas/" + name
		examples, _ := s["examples"].([]any)
		if s["type"] == "object" && len(examples) == 0 {
			t.Errorf("%s has no example", pointer)
		}
		for _, e := range examples {
			check(pointer, e)
		}
	}
	operations := 0
	for path, item := range root["paths"].(map[string]any) {
		for method, op := range item.(map[string]any) {
			op := op.(map[string]any)
			operations++
			at := "/paths/" + strings.ReplaceAll(strings.ReplaceAll(path, "~", "~0"), "/", "~1") + "/" + method
			if body, ok := op["requestBody"].(map[string]any); ok {
				checkContent(t, at+"/requestBody", body, check)
			}
			responses := op["responses"].(map[string]any)
			if len(responses) < 2 {
				t.Errorf("%s %s: only %d answers are described", method, path, len(responses))
			}
			for status, response := range responses {
				checkContent(t, at+"/responses/"+status, response.(map[string]any), check)
			}
			for i, p := range asList(op["parameters"]) {
				p := p.(map[string]any)
				if example, ok := p["example"]; ok {
					check(fmt.Sprintf("%s/parameters/%d/schema", at, i), example)
				} else if p["in"] == "path" {
					t.Errorf("%s %s: parameter %v has no example", method, path, p["name"])
				}
			}
		}
	}
	if operations != len((&api{}).routes()) {
		t.Errorf("%d operations are described, there are %d routes", operations, len((&api{}).routes()))
	}
}

func checkContent(t *testing.T, at string, of map[string]any, check func(string, any)) {
	t.Helper()
	content, _ := of["content"].(map[string]any)
	for kind, media := range content {
		media := media.(map[string]any)
		if kind != "application/json" && kind != "application/problem+json" {
			continue
		}
		example, ok := media["example"]
		if !ok {
			t.Errorf("%s: %s has no example", at, kind)
			continue
		}
		check(at+"/content/"+strings.ReplaceAll(kind, "/", "~1")+"/schema", example)
	}
}

func asList(v any) []any {
	l, _ := v.([]any)
	return l
}

// TestRequestExamplesAreTaken sends to every route what the documentation shows, its path and query included: the API takes it, at most the
// things it names do not exist, or nobody is there to do the work.
func TestRequestExamplesAreTaken(t *testing.T) {
	s := serve(t)
	d := describe(t)
	for id := range requestExamples {
		if at := slices.IndexFunc((&api{}).routes(), func(r route) bool { return r.id == id }); at < 0 || requestExample(id) == nil {
			t.Errorf("%s: there is no such route, or its example is no JSON", id)
		}
	}
	for _, r := range (&api{}).routes() {
		op := d.Paths[r.path].operation(r.method)
		if r.raw {
			continue // its body is bytes
		}
		path, query := r.path, url.Values{}
		for _, p := range op.Parameters {
			switch {
			case p.In == "path":
				path = strings.ReplaceAll(path, "{"+p.Name+"}", url.PathEscape(fmt.Sprint(p.Example)))
			case p.In == "query" && len(p.Schema.Examples) > 0:
				query.Set(p.Name, fmt.Sprint(p.Schema.Examples[0]))
			}
		}
		body := ""
		if op.RequestBody != nil {
			example, err := json.Marshal(op.RequestBody.Content["application/json"].Example)
			if err != nil || len(example) < 3 {
				t.Errorf("%s: example %s, %v", r.id, example, err)
			}
			body = string(example)
		}
		if len(query) > 0 {
			path += "?" + query.Encode()
		}
		status, text, _ := s.do(t, r.method, path, body, "Upgrade", "slipway-console")
		if status == http.StatusBadRequest || status == http.StatusUnprocessableEntity || status >= 500 && !strings.Contains(text, errIdle.Message) {
			t.Errorf("%s: %s %s %s\nis answered with %d %s", r.id, r.method, path, body, status, text)
		}
	}
}
