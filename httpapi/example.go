package httpapi

import (
	"encoding/json"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/slipway-sh/slipway"
)

// exampleTime is when all examples happen.
var exampleTime = time.Date(2026, 3, 4, 9, 30, 0, 0, time.UTC)

// storyOf are values of fields, by their name in JSON: one story of an application called hello.
var storyOf = map[string]any{
	"application": "hello", "environment": "prod", "name": "hello", "channel": "stable", "version": "v42", "label": "v42", "ref": "stable",
	"by": "ann@example.com", "requester": "ann@example.com", "author": "ann@example.com", "reason": "the new search", "comment": "looks good",
	"message": "hello v42 serves all of prod", "detail": "200 OK", "summary": "all is well", "about": "hello in prod", "for": "a person",
	"group": "hello-prod-v042", "target": "hello-prod-v042", "serving": "hello-prod-v042", "source": "hello-prod-v041", "baseline": "hello-prod-v043",
	"instance": "i-7f3kq2mxap", "deployment": "d-4q7zk2vbnm", "execution": "x-2m5vtr8wqa", "bake": "b-9w3hkd6psx", "release": "r-6c2ynj4tlf",
	"image": "sha256:9f64a747e1b97f131fabb6b447296c9b6f0201e79fb3c5356e6c77e89b6a806a", "digest": "sha256:9f64a747e1b97f131fabb6b447296c9b6f0201e79fb3c5356e6c77e89b6a806a",
	"commit": "5c81e34f0b7d4a5c", "branch": "main", "repository": "https://git.example.com/acme/hello", "build": "1871", "build_url": "https://ci.example.com/hello/1871",
	"address": "127.0.0.1", "port": 8443, "host": "node-1", "account": "local", "provider": "local", "load_balancer": "hello-prod",
	"healthy": 3, "machines": 3, "min": 2, "desired": 3, "max": 10, "weight": 100, "needed": 2, "step": "shift", "from": "debian:bookworm",
	"health": "/healthz", "path": "/", "to": "/opt/hello", "user": "1000", "memory": 512, "cpus": 8, "cpu": 1.5, "epoch": "4711", "key": "greeting",
	"subject": "d-4q7zk2vbnm", "place": "image.layers[2].copy.from", "handle": "s-k3xw5wbgq2vvmzd7tqkd4dcyxa", "next": "eyJsIjoieHkxMmFiM2QiLCJ0IjoxNzcyNjE2NjAwMDAwMDAwMDAwLCJpIjoiZC00cTd6azJ2Ym5tIn0",
	"pipeline": "default", "stage": "deploy-prod", "trigger": "ship", "url": "https://hooks.example.com/slipway", "title": "Unprocessable Entity",
}

// storyOfType are values of fields that mean something else in a type than in others, by the type's name and their own.
var storyOfType = map[string]string{
	"Promotion.from": "staging", "Promotion.to": "prod", "PromotionPlan.from": "staging", "PromotionPlan.to": "prod", "PromoteRequest.from": "staging", "PromoteRequest.to": "prod",
	"TriggerSpec.from": "", "TriggerSpec.deploy": "prod", "TriggerSpec.name": "main", "TriggerSpec.channel": "", "TriggerSpec.image": "", "TriggerSpec.path": "",
	"TriggerSpec.schedule": "", "TriggerSpec.time_zone": "", "SubscriptionSpec.to": "https://hooks.example.com/slipway", "SubscriptionSpec.kind": "webhook",
	"SubscriptionSpec.name": "ops", "Binding.subject": "group:ops", "BindingRequest.subject": "group:ops", "AccessCheck.subject": "ann@example.com", "AccessCheck.verb": "deploy",
	"Approval.subject": "m-3k8vyn5qzd", "Whoami.name": "ann@example.com", "Principal.name": "ann@example.com", "Principal.kind": "user", "AccessRule.name": "office-hours",
	"AccessRule.text": "forbid (principal, action, resource in Environment::\"prod\") when { context.hour >= 17 };", "AccessRule.time_zone": "Europe/Berlin",
	"TrustRule.name": "github", "TrustRule.issuer": "https://token.actions.githubusercontent.com", "TrustRule.audience": "slipway",
	"TrustRequest.issuer": "https://token.actions.githubusercontent.com", "TrustRequest.audience": "slipway", "Token.name": "ci-hello",
	"Channel.name": "stable", "ConfigEntry.key": "GREETING", "ConfigSetting.key": "GREETING", "EnvironmentInfo.name": "prod", "Account.name": "local",
	"ServerGroup.name": "hello-prod-v042", "ServerGroupSpec.name": "hello-prod-v042", "GroupState.name": "hello-prod-v042", "LoadBalancer.name": "hello-prod",
}

// ids are the IDs of things, by the name of their type.
var ids = map[string]string{
	"Bake": "b-9w3hkd6psx", "Deployment": "d-4q7zk2vbnm", "Execution": "x-2m5vtr8wqa", "Release": "r-6c2ynj4tlf", "Restriction": "f-8d3mzk5rvh",
	"Instance": "i-7f3kq2mxap", "Approval": "a-5t9wqc3xjn", "Promotion": "m-3k8vyn5qzd", "Trigger": "t-2x6jmq8wlc", "Firing": "tf-4b7rkz9vsn",
	"Artifact": "af-6d1pwx3ghy", "Subscription": "n-7m5cqt2vkb", "Delivery": "m-9s4hfz6nrw", "Binding": "g-8v2lkd4xpj", "Token": "t-5g9rmb7wqz",
	"Hook": "t-2x6jmq8wlc",
}

// wholes are examples of types that a walk over their fields cannot find: of several fields only one is set, or their JSON is of another form.
var wholes = map[reflect.Type]any{
	reflect.TypeFor[slipway.Spec]():        exampleSpec,
	reflect.TypeFor[slipway.Environment](): exampleSpec.Environments["prod"],
	reflect.TypeFor[slipway.ImageSpec]():   exampleSpec.Image,
	reflect.TypeFor[slipway.Service]():     exampleSpec.Image.Service,
	reflect.TypeFor[slipway.Strategy]():    slipway.Strategy{RedBlack: &slipway.RedBlack{}},
	reflect.TypeFor[slipway.Layer]():       exampleSpec.Image.Layers[0],
	reflect.TypeFor[slipway.Test]():        exampleSpec.Image.Tests[0],
	reflect.TypeFor[slipway.Health]():      exampleSpec.Image.Service.Health,
	reflect.TypeFor[slipway.Size]():        slipway.Size{Min: 2, Desired: 3, Max: 10},
	reflect.TypeFor[slipway.Sticky]():      slipway.Sticky{Cookie: slipway.DefaultCookie},
	reflect.TypeFor[slipway.Duration]():    slipway.Duration(90 * time.Second),
	reflect.TypeFor[time.Duration]():       90 * time.Second,
	reflect.TypeFor[slipway.Digest]():      slipway.Digest(storyOf["digest"].(string)),
	reflect.TypeFor[time.Time]():           exampleTime,
	reflect.TypeFor[slipway.Error]():       slipway.Error{Code: slipway.Failed, Message: "cannot deploy hello to prod: 2 of 3 machines answered /healthz with 500"},
	reflect.TypeFor[slipway.Code]():        slipway.Invalid,
}

var exampleSpec = slipway.Spec{
	Application: "hello",
	Image: slipway.ImageSpec{
		From:   "debian:bookworm",
		Layers: []slipway.Layer{{Copy: &slipway.CopyLayer{From: "dist/hello", To: "/opt/hello", Mode: "0755"}}},
		Service: slipway.Service{
			Command: []string{"/opt/hello"}, User: "1000", Port: 8080, Health: slipway.Health{HTTP: "/healthz"}, Drain: slipway.Duration(10 * time.Second),
		},
		Tests: []slipway.Test{{HTTP: &slipway.HTTPTest{Path: "/"}}},
	},
	Environments: map[string]slipway.Environment{"prod": {
		Size: slipway.Size{Min: 2, Desired: 3, Max: 10}, LoadBalancer: &slipway.LoadBalancerSpec{Port: 8443}, Strategy: slipway.Strategy{RedBlack: &slipway.RedBlack{}},
	}},
}

// exampleDepth is how deep an example goes into what is optional.
const exampleDepth = 3

// exampleOf returns an example of a type as it is in JSON: made from a Go value, so that it has the form that the API's own answers have.
func exampleOf(t reflect.Type, schemas huma.Registry) any {
	v := reflect.New(t).Elem()
	fillExample(v, "", 0, schemas)
	text, err := json.Marshal(v.Interface())
	if err != nil {
		return nil
	}
	var example any
	if json.Unmarshal(text, &example) != nil {
		return nil
	}
	return example
}

// fillExample sets v, the value of the field of that name in JSON.
func fillExample(v reflect.Value, name string, depth int, schemas huma.Registry) {
	t := v.Type()
	if whole, ok := wholes[t]; ok {
		if sample, isText := storyOf[name].(string); !isText || t.Kind() != reflect.String || t == reflect.TypeFor[slipway.Digest]() {
			v.Set(reflect.ValueOf(whole))
			return
		} else {
			v.SetString(sample)
			return
		}
	}
	switch t.Kind() {
	case reflect.Pointer:
		if depth > exampleDepth {
			return
		}
		v.Set(reflect.New(t.Elem()))
		fillExample(v.Elem(), name, depth, schemas)
	case reflect.Struct:
		fillFields(v, depth, schemas)
	case reflect.Slice:
		if t == reflect.TypeFor[json.RawMessage]() {
			v.SetBytes([]byte(`{}`))
			return
		}
		if t.Elem().Kind() == reflect.Uint8 {
			v.SetBytes([]byte("hello"))
			return
		}
		if depth > exampleDepth {
			return
		}
		v.Set(reflect.MakeSlice(t, 1, 1))
		fillExample(v.Index(0), strings.TrimSuffix(name, "s"), depth+1, schemas)
	case reflect.Map:
		v.Set(reflect.MakeMap(t))
		if depth > exampleDepth || t.Key().Kind() != reflect.String {
			return
		}
		item := reflect.New(t.Elem()).Elem()
		fillExample(item, name, depth+1, schemas)
		v.SetMapIndex(reflect.ValueOf("greeting").Convert(t.Key()), item)
	case reflect.String:
		v.SetString(exampleText(t, name, schemas))
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		n, ok := storyOf[name].(int)
		if !ok {
			n = 1
		}
		v.SetInt(int64(n))
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		v.SetUint(1)
	case reflect.Float32, reflect.Float64:
		v.SetFloat(1.5)
	case reflect.Interface:
		if t.NumMethod() == 0 {
			v.Set(reflect.ValueOf("hello"))
		}
	}
}

func fillFields(v reflect.Value, depth int, schemas huma.Registry) {
	for f := range v.Type().Fields() {
		if !f.IsExported() {
			continue
		}
		tag, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case tag == "-":
			continue
		case f.Anonymous && tag == "":
			fillExample(v.FieldByIndex(f.Index), "", depth, schemas)
			continue
		case depth >= exampleDepth && strings.Contains(options, "omit"):
			continue
		case slices.Contains([]string{"error", "errors", "paused", "failed", "revoked", "undo"}, tag) && strings.Contains(options, "omit"):
			continue // the story goes well
		case tag == "error" || tag == "errors":
			continue
		}
		field := v.FieldByIndex(f.Index)
		if sample, ok := storyOfType[v.Type().Name()+"."+tag]; ok && field.Kind() == reflect.String {
			field.SetString(sample)
			continue
		}
		if example := f.Tag.Get("example"); example != "" && field.Kind() == reflect.String {
			field.SetString(example)
			continue
		}
		if tag == "id" && field.Kind() == reflect.String {
			if id := ids[v.Type().Name()]; id != "" {
				field.SetString(id)
				continue
			}
		}
		fillExample(field, tag, depth+1, schemas)
	}
}

// exampleText returns a text for a field: one of those that are allowed if there are few.
func exampleText(t reflect.Type, name string, schemas huma.Registry) string {
	if t != reflect.TypeFor[string]() {
		if s := deref(schemas.Schema(t, true, ""), schemas); s != nil && len(s.Enum) > 0 {
			for _, value := range s.Enum { // the good end of the story
				if slices.Contains([]any{"succeeded", "ready", "healthy", "granted", "pass"}, value) {
					return value.(string)
				}
			}
			first, _ := s.Enum[0].(string)
			return first
		}
	}
	if sample, ok := storyOf[name].(string); ok {
		return sample
	}
	return "hello"
}

// deref returns the schema that a reference means.
func deref(s *huma.Schema, schemas huma.Registry) *huma.Schema {
	for s != nil && s.Ref != "" {
		s = schemas.SchemaFromRef(s.Ref)
	}
	return s
}

// exemplify gives every schema, request and answer of the description an example.
func (a *api) exemplify(doc *huma.OpenAPI) {
	schemas := doc.Components.Schemas
	for name, s := range schemas.Map() {
		if t := schemas.TypeFromRef("#/components/schemas/" + name); t != nil && len(s.Examples) == 0 && s.Type == huma.TypeObject {
			if example := exampleOf(t, schemas); example != nil {
				s.Examples = []any{example}
			}
		}
	}
	for _, r := range a.routes() {
		op := operationOf(doc, r)
		if op == nil {
			continue
		}
		for _, p := range op.Parameters {
			if p.Example == nil && p.In == "path" {
				if p.Example = pathExample(r, p.Name); p.Schema != nil && p.Schema.Type == huma.TypeInteger {
					p.Example = 1
				}
			}
		}
		if r.takes != nil && op.RequestBody != nil {
			if media := op.RequestBody.Content["application/json"]; media != nil {
				if media.Example = requestExample(r.id); media.Example == nil {
					media.Example = exampleOf(r.takes, schemas)
				}
			}
		}
		for status, response := range op.Responses {
			if media := response.Content["application/problem+json"]; media != nil {
				media.Example = exampleProblem(status)
			}
			t := r.answers
			if r.item != nil {
				t = r.item
			}
			if media := response.Content["application/json"]; media != nil && t != nil {
				media.Example = exampleOf(t, schemas)
			}
		}
	}
}

func operationOf(doc *huma.OpenAPI, r route) *huma.Operation {
	p := doc.Paths[r.path]
	if p == nil {
		return nil
	}
	return map[string]*huma.Operation{"GET": p.Get, "POST": p.Post, "PUT": p.Put, "DELETE": p.Delete, "PATCH": p.Patch}[r.method]
}

// pathExample returns an example of a parameter in a route's path.
func pathExample(r route, name string) string {
	switch {
	case name == "name" && strings.Contains(r.path, "/groups/"):
		return storyOf["group"].(string)
	case name == "name" && strings.Contains(r.path, "/load-balancers/"):
		return storyOf["load_balancer"].(string)
	case name == "kind":
		return "provenance"
	case name != "id":
		sample, ok := storyOf[name].(string)
		if !ok {
			sample = "hello"
		}
		return sample
	}
	noun := strings.Split(r.path, "/")[2]
	for thing, id := range ids {
		if one := strings.TrimSuffix(noun, "s"); strings.EqualFold(thing, one) || thing == "Delivery" && noun == "deliveries" || thing == "Binding" && noun == "access" {
			return id
		}
	}
	return ids["Deployment"]
}

// exampleProblem returns a problem as it is answered with a status.
func exampleProblem(status string) *Problem {
	code, detail, place := slipway.Internal, "internal error k3xw5wbg; slipwayd's log has the details", ""
	switch status {
	case "400":
		code, detail, place = slipway.Invalid, "cannot go on at the cursor: it is none of this API's; leave it out to begin anew", "cursor"
	case "403":
		code, detail = slipway.Refused, "cannot deploy hello to prod: hello in prod is frozen: the sale"
	case "404":
		code, detail = slipway.NotFound, `cannot find image "v43" of application "hello"`
	case "409":
		code, detail = slipway.Conflict, "cannot deploy hello to prod: d-4q7zk2vbnm is under way; abort it with `slipway abort d-4q7zk2vbnm` or wait"
	case "412":
		code, detail, place = slipway.Stale, "cannot change /v1/channels/hello/stable: it is not what it was when it was read; read it again", "If-Match"
	case "422":
		code, detail, place = slipway.Invalid, `cannot use "Shop" as name of the application: want 1 to 32 lower-case letters, digits and dashes, starting with a letter`, "cluster.application"
	case "503":
		code, detail = slipway.Unavailable, "cannot reach the registry: connection refused"
	}
	number, _ := strconv.Atoi(status)
	p := newProblem(number, code, detail)
	p.Place = place
	return p
}
