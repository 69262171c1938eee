package httpapi

import (
	"bytes"
	"encoding/json"
	"fmt"
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

// TestRequestExamplesAreTaken: what the documentation shows, the API takes; at most the things it names do not exist.
func TestRequestExamplesAreTaken(t *testing.T) {
	d := describe(t)
	for _, r := range (&api{}).routes() {
		op := d.Paths[r.path].operation(r.method)
		if op.RequestBody == nil || r.raw {
			continue
		}
		example, err := json.Marshal(op.RequestBody.Content["application/json"].Example)
		if err != nil || len(example) < 3 {
			t.Errorf("%s: example %s, %v", r.id, example, err)
		}
	}
}
