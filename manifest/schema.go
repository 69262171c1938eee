package manifest

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"

	"github.com/slipway-sh/slipway"
)

// schemaID names the form; editors that know it fetch it under this name.
const schemaID = "https://slipway-sh.github.io/slipway.schema.json"

// object is a JSON object of the schema.
type object = map[string]any

// Schema returns the JSON Schema (2020-12) of slipway.yaml, made from the Go types, for editors. It knows names and types,
// which keys must be there and which exclude each other; [Parse] knows more.
func Schema() []byte {
	top := schemaOf(reflect.TypeFor[slipway.Spec]())
	top["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	top["$id"] = schemaID
	top["title"] = "slipway.yaml"
	defs := object{}
	for t, name := range defined {
		defs[name] = object{"oneOf": []object{{"enum": []slipway.StageKind{slipway.StageBake, slipway.StageTest, slipway.StageApprove}}, structSchema(t)}}
	}
	top["$defs"] = defs
	b, err := json.MarshalIndent(top, "", "  ")
	if err != nil {
		panic("manifest: the schema is made of strings, lists and maps only: " + err.Error())
	}
	return append(b, '\n')
}

// defined are the types that are described once, by name.
var defined = map[reflect.Type]string{reflect.TypeFor[slipway.Stage](): "stage", reflect.TypeFor[slipway.Step](): "step"}

func schemaOf(t reflect.Type) object {
	if name := defined[t]; name != "" {
		return object{"$ref": "#/$defs/" + name}
	}
	switch t {
	case reflect.TypeFor[slipway.Parameter](), reflect.TypeFor[slipway.DeployStage](), reflect.TypeFor[slipway.ApproveStage](), reflect.TypeFor[slipway.PipelineStage](),
		reflect.TypeFor[slipway.PromoteStage](), reflect.TypeFor[slipway.RollbackStage]():
		return object{"oneOf": []object{{"type": "string"}, structSchema(t)}}
	case reflect.TypeFor[slipway.Names]():
		return object{"oneOf": []object{{"type": "string"}, {"type": "array", "items": object{"type": "string"}}}}
	case reflect.TypeFor[slipway.WaitStage]():
		return object{"oneOf": []object{schemaOf(reflect.TypeFor[slipway.Duration]()), structSchema(t)}}
	case reflect.TypeFor[slipway.OnFailure]():
		return object{"oneOf": []object{
			{"enum": slipway.FailureActions}, {"type": "array", "items": schemaOf(reflect.TypeFor[slipway.Step]())}, structSchema(t),
		}}
	case reflect.TypeFor[slipway.Duration]():
		return object{"type": "string", "pattern": `^([0-9]+(\.[0-9]+)?(ns|us|µs|ms|s|m|h))+$|^0$`, "examples": []string{"10s", "1m30s"}}
	case reflect.TypeFor[slipway.Size]():
		return object{"oneOf": []object{{"type": "integer", "minimum": 1}, structSchema(t)}}
	case reflect.TypeFor[slipway.Amount]():
		return object{"oneOf": []object{{"type": "integer", "minimum": 1}, {"type": "string", "pattern": "^[0-9]{1,3}%$", "examples": []string{"50%"}}}}
	case reflect.TypeFor[slipway.Sticky]():
		return object{"oneOf": []object{{"const": "cookie"}, onlyOneKey(structSchema(t))}}
	case reflect.TypeFor[slipway.Strategy]():
		name := slices.DeleteFunc(slices.Clone(slipway.Strategies), func(n slipway.StrategyName) bool { return n == slipway.StrategyCustom })
		return object{"oneOf": []object{{"enum": name}, onlyOneKey(structSchema(t))}}
	}
	if all := words[t]; all != nil {
		return object{"type": "string", "enum": all}
	}
	switch t.Kind() {
	case reflect.Pointer:
		return schemaOf(t.Elem())
	case reflect.Struct:
		return structSchema(t)
	case reflect.Map:
		return object{"type": []string{"object", "null"}, "additionalProperties": schemaOf(t.Elem())}
	case reflect.Slice:
		return object{"type": []string{"array", "null"}, "items": schemaOf(t.Elem())}
	case reflect.Int, reflect.Int64:
		return object{"type": "integer"}
	case reflect.Float64:
		return object{"type": "number"}
	case reflect.Bool:
		return object{"type": "boolean"}
	default:
		return object{"type": "string"}
	}
}

func structSchema(t reflect.Type) object {
	properties, required := object{}, []string{}
	for _, f := range fields(t) {
		s := schemaOf(f.Type)
		for k, v := range details[t][jsonName(f)] {
			s[k] = v
		}
		properties[jsonName(f)] = s
		if !strings.Contains(f.Tag.Get("json"), ",omit") {
			required = append(required, jsonName(f))
		}
	}
	s := object{"type": "object", "properties": properties, "additionalProperties": false}
	if len(required) > 0 {
		s["required"] = required
	}
	choice, chooses := choices[t]
	switch {
	case slices.Contains(unions, t):
		return onlyOneKey(s)
	case chooses:
		var keys []object
		for _, key := range choice.keys {
			keys = append(keys, object{"required": []string{key}})
		}
		s[choice.how] = keys
	case len(required) == 0:
		s["type"] = []string{"object", "null"} // "dev:" with nothing behind it takes every default
	}
	return s
}

func onlyOneKey(s object) object {
	s["type"], s["minProperties"], s["maxProperties"] = "object", 1, 1
	return s
}
