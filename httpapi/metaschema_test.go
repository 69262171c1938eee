package httpapi

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v4"
)

// metaSchema is the schema of OpenAPI 3.1 documents, with that of the schemas in them.
func metaSchema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	c := jsonschema.NewCompiler()
	ids := map[string]string{}
	for _, name := range []string{"meta", "dialect", "schema", "schema-base"} {
		text, err := os.ReadFile(filepath.Join("testdata", "openapi", name+".yaml"))
		if err != nil {
			t.Fatal(err)
		}
		var tree map[string]any
		if err := yaml.Unmarshal(text, &tree); err != nil {
			t.Fatal(err)
		}
		asJSON, err := json.Marshal(tree)
		if err != nil {
			t.Fatal(err)
		}
		schema, err := jsonschema.UnmarshalJSON(bytes.NewReader(asJSON))
		if err != nil {
			t.Fatal(err)
		}
		ids[name], _ = tree["$id"].(string)
		if err := c.AddResource(ids[name], schema); err != nil {
			t.Fatal(err)
		}
	}
	s, err := c.Compile(ids["schema-base"])
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestDocumentIsOpenAPI holds what /openapi.json serves against the meta-schema of OpenAPI 3.1, and what is no such document, too.
func TestDocumentIsOpenAPI(t *testing.T) {
	meta := metaSchema(t)
	var served any
	serve(t).get(t, "/openapi.json", &served)
	if err := meta.Validate(served); err != nil {
		t.Errorf("/openapi.json is no OpenAPI 3.1: %v", err)
	}
	text, err := json.Marshal(served)
	if err != nil {
		t.Fatal(err)
	}
	for name, spoil := range map[string]func(deploy, schema map[string]any){
		"a status that is none": func(deploy, _ map[string]any) {
			deploy["responses"] = map[string]any{"2000": map[string]any{"description": "?"}}
		},
		"an answer without words":  func(deploy, _ map[string]any) { deploy["responses"] = map[string]any{"200": map[string]any{}} },
		"a type that is none":      func(_, schema map[string]any) { schema["type"] = "text" },
		"parameters that are none": func(deploy, _ map[string]any) { deploy["parameters"] = "none" },
	} {
		var spoiled map[string]any
		if err := json.Unmarshal(text, &spoiled); err != nil {
			t.Fatal(err)
		}
		deploy := spoiled["paths"].(map[string]any)["/v1/deployments"].(map[string]any)["post"].(map[string]any)
		spoil(deploy, spoiled["components"].(map[string]any)["schemas"].(map[string]any)["DeployRequest"].(map[string]any))
		if meta.Validate(spoiled) == nil {
			t.Errorf("%s: the meta-schema sees nothing", name)
		}
	}
}
