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
	b, err := json.MarshalIndent(top, "", "  ")
	if err != nil {
		panic("manifest: the schema is made of strings, lists and maps only: " + err.Error())
	}
	return append(b, '\n')
}

// unions lists the types of which exactly one key is written.
var unions = []reflect.Type{reflect.TypeFor[slipway.Layer](), reflect.TypeFor[slipway.Test]()}

// details adds to the schema of a type's field what its Go type does not say.
var details = map[reflect.Type]map[string]object{
	reflect.TypeFor[slipway.Spec](): {
		"application":  nameSchema(),
		"environments": {"propertyNames": nameSchema()},
	},
	reflect.TypeFor[slipway.ImageSpec]():        {"from": {"pattern": `^(scratch|debian:[a-z][a-z0-9.-]*|rootfs:.+\.(tar|tar\.gz|tgz))$`}},
	reflect.TypeFor[slipway.CopyLayer]():        {"to": {"pattern": "^/"}, "owner": {"pattern": "^[0-9]+:[0-9]+$"}, "mode": {"pattern": "^0?[0-7]{3,4}$"}},
	reflect.TypeFor[slipway.TemplateLayer]():    {"to": {"pattern": "^/."}, "owner": {"pattern": "^[0-9]+:[0-9]+$"}, "mode": {"pattern": "^0?[0-7]{3,4}$"}},
	reflect.TypeFor[slipway.Layer]():            {"packages": {"minItems": 1}},
	reflect.TypeFor[slipway.Service]():          {"command": {"minItems": 1}, "directory": {"pattern": "^/"}, "port": portSchema(0)},
	reflect.TypeFor[slipway.Health]():           {"http": {"pattern": "^/"}, "failures": {"minimum": 0}},
	reflect.TypeFor[slipway.HTTPTest]():         {"path": {"pattern": "^/"}, "port": portSchema(0), "status": {"minimum": 100, "maximum": 599}},
	reflect.TypeFor[slipway.TCPTest]():          {"port": portSchema(0)},
	reflect.TypeFor[slipway.CommandTest]():      {"run": {"minItems": 1}, "exit": {"minimum": 0, "maximum": 255}},
	reflect.TypeFor[slipway.LoadBalancerSpec](): {"port": portSchema(1)},
	reflect.TypeFor[slipway.RedBlack]():         {"keep": {"minimum": 0}},
	reflect.TypeFor[slipway.Limits]():           {"cpu": {"minimum": 0}, "memory": {"minimum": 0}, "pids": {"minimum": 0}},
	reflect.TypeFor[slipway.Size]():             {"min": {"minimum": 0}, "desired": {"minimum": 0}, "max": {"minimum": 1}},
}

func nameSchema() object { return object{"pattern": "^[a-z]([a-z0-9-]{0,30}[a-z0-9])?$"} }

func portSchema(least int) object { return object{"minimum": least, "maximum": 65535} }

func schemaOf(t reflect.Type) object {
	switch t {
	case reflect.TypeFor[slipway.Duration]():
		return object{"type": "string", "pattern": `^([0-9]+(\.[0-9]+)?(ns|us|µs|ms|s|m|h))+$|^0$`, "examples": []string{"10s", "1m30s"}}
	case reflect.TypeFor[slipway.Size]():
		return object{"oneOf": []object{{"type": "integer", "minimum": 1}, structSchema(t)}}
	case reflect.TypeFor[slipway.Strategy]():
		s := structSchema(t)
		s["minProperties"], s["maxProperties"] = 1, 1
		return object{"oneOf": []object{{"enum": slipway.Strategies}, s}}
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
	case reflect.Int:
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
	for f := range t.Fields() {
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
	switch {
	case slices.Contains(unions, t):
		s["minProperties"], s["maxProperties"] = 1, 1
	case len(required) > 0:
		s["required"] = required
	default:
		s["type"] = []string{"object", "null"} // "dev:" with nothing behind it takes every default
	}
	return s
}
