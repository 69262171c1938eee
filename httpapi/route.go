package httpapi

import (
	"cmp"
	"context"
	"net/http"
	"reflect"

	"github.com/danielgtaylor/huma/v2"

	"github.com/slipway-sh/slipway/webhook"
)

// maxBody bounds a JSON body; maxContext one that lists the files of a build context, which are tens of thousands in a big application.
const (
	maxBody    = 1 << 20
	maxContext = 64 << 20
)

// handler registers a function under an operation, and knows what is the same for all routes of its form.
type handler struct {
	register func(*api, huma.API, huma.Operation)
	status   int
	errors   []int
	types    []string     // of what is streamed
	item     reflect.Type // of a streamed body that is JSON
	takes    reflect.Type // the body of a request; nil if it has none
	answers  reflect.Type // the body of a success; nil if it has none
	raw      bool         // the body is bytes
	bound    int64        // bytes that a body may have, if it is not maxBody
	large    bool         // the body lists files
	keyed    bool         // a POST with an Idempotency-Key is carried out once
	tag      bool         // the answer has an entity tag
	lax      bool         // what is not known of a query is left out, and nothing of it is looked at here
	question bool         // it changes nothing, whatever its method is
	tells    bool         // as tag, but the handler sees to it itself
	shows    string       // the path of the GET whose tag If-Match speaks of, as in the table
}

// withContext is a handler whose body lists the files of a build context.
func (h handler) withContext() handler {
	h.large = true
	return h
}

// unkeyed is a handler whose answer must not be kept, such as one with a secret that is shown once.
func (h handler) unkeyed() handler {
	h.keyed = false
	return h
}

// of is a handler that replaces or removes what path shows: If-Match keeps it from what is not what the caller has read.
func (h handler) of(path string) handler {
	h.shows = path
	return h
}

// function answers a request. Its errors become problems.
type function[I, O any] func(context.Context, *I) (*O, error)

// get answers 200.
func get[I, O any](f function[I, O]) handler {
	return form(f, handler{status: http.StatusOK, errors: []int{http.StatusNotFound}, tag: true})
}

// post answers 200 to a question that does not fit into a query.
func post[I, O any](f function[I, O]) handler {
	return form(f, handler{status: http.StatusOK, question: true})
}

// accept answers 202: the work is durably accepted, and goes on.
func accept[I, O any](f function[I, O]) handler {
	return form(f, handler{status: http.StatusAccepted, keyed: true, errors: []int{http.StatusForbidden, http.StatusNotFound, http.StatusConflict, http.StatusServiceUnavailable}})
}

// change answers 200 once something is otherwise than it was.
func change[I, O any](f function[I, O]) handler {
	return form(f, handler{status: http.StatusOK, keyed: true, errors: []int{http.StatusForbidden, http.StatusNotFound, http.StatusConflict}})
}

// remove answers 204.
func remove[I any](f function[I, struct{}]) handler {
	return form(f, handler{status: http.StatusNoContent, errors: []int{http.StatusNotFound}})
}

// discard answers 204 once something is gone that may be needed.
func discard[I any](f function[I, struct{}]) handler {
	return form(f, handler{status: http.StatusNoContent, errors: []int{http.StatusForbidden, http.StatusNotFound, http.StatusConflict}})
}

// upload answers 204 to a body of bytes.
func upload[I any](f function[I, struct{}]) handler {
	return form(f, handler{status: http.StatusNoContent, errors: []int{http.StatusServiceUnavailable}, raw: true})
}

// receive answers 200, once a body of bytes has changed something.
func receive[I, O any](f function[I, O]) handler {
	h := change(f)
	h.raw = true
	return h
}

// hook answers 202 or 200 to a body of anything, which is bounded more tightly: who sends it is not known before it was read.
func hook[I, O any](f function[I, O]) handler {
	return form(f, handler{status: http.StatusAccepted, raw: true, bound: webhook.MaxBody, errors: []int{
		http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound, http.StatusConflict, http.StatusRequestEntityTooLarge, http.StatusServiceUnavailable,
	}})
}

// stream answers 200 with text that ends when it ends.
func stream[I any](f function[I, huma.StreamResponse]) handler {
	return form(f, handler{status: http.StatusOK, errors: []int{http.StatusNotFound}, types: []string{"text/plain"}})
}

// follow answers 200 with a list of T, or a stream of them as the caller accepts.
func follow[T, I any](f function[I, huma.StreamResponse]) handler {
	return form(f, handler{status: http.StatusOK, types: []string{"application/json", "text/event-stream"}, item: reflect.TypeFor[list[T]]()})
}

func form[I, O any](f function[I, O], h handler) handler {
	h.takes, h.answers = bodyType(reflect.TypeFor[I]()), bodyType(reflect.TypeFor[O]())
	h.register = func(a *api, to huma.API, op huma.Operation) {
		huma.Register(to, op, func(ctx context.Context, in *I) (*O, error) {
			if err := a.lacks[op.OperationID]; err != nil {
				return nil, a.problemOf(ctx, op.OperationID, err)
			}
			if err := a.decide(ctx, in); err != nil {
				return nil, a.problemOf(ctx, op.OperationID, err)
			}
			sign(ctx, in)
			return recorded(ctx, a, op.OperationID, in, f)
		})
	}
	return h
}

// bodyType returns the type of the field Body of an input or output, nil if it has none.
func bodyType(t reflect.Type) reflect.Type {
	if t.Kind() == reflect.Struct && t != reflect.TypeFor[huma.StreamResponse]() {
		if f, ok := t.FieldByName("Body"); ok {
			return f.Type
		}
	}
	return nil
}

// operation describes the route in OpenAPI's words.
func (r route) operation(schemas huma.Registry) huma.Operation {
	op := huma.Operation{
		Method:        r.method,
		Path:          r.path,
		OperationID:   r.id,
		Summary:       r.summary,
		Description:   r.about,
		DefaultStatus: r.status,
		Errors:        r.errors,
		MaxBodyBytes:  cmp.Or(r.bound, maxBody),

		SkipValidateParams: r.lax,

		BodyReadTimeout: -1, // see Limits
		Parameters:      r.headers(),
		Extensions:      map[string]any{"x-access": r.access.String()},
	}
	if r.large {
		op.MaxBodyBytes = maxContext
	}
	if r.shows != "" {
		op.Errors = append(op.Errors, http.StatusPreconditionFailed)
	}
	if r.raw {
		bytes := &huma.Schema{Type: huma.TypeString, Format: "binary"}
		op.RequestBody = &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{"application/octet-stream": {Schema: bytes}}}
	}
	if len(r.types) > 0 {
		content := make(map[string]*huma.MediaType)
		for _, t := range r.types {
			content[t] = &huma.MediaType{Schema: &huma.Schema{Type: huma.TypeString}}
			if t == "application/json" {
				content[t].Schema = schemas.Schema(r.item, true, "")
			}
		}
		op.Responses = map[string]*huma.Response{"200": {Description: "OK", Content: content}}
	}
	return op
}

// headers describes the headers that a route of its form understands.
func (r route) headers() []*huma.Param {
	text := &huma.Schema{Type: huma.TypeString}
	var all []*huma.Param
	if r.once() {
		all = append(all, &huma.Param{Name: keyHeader, In: "header", Schema: text, Example: "6f1c1d3e-8a53-4c7b-9a5e-0d5a3c1f7b2a",
			Description: "Makes it safe to send the request again: within 24 hours the same key and request get the first answer, or what the first has begun, if slipwayd died before it answered."})
	}
	if r.tag || r.tells {
		all = append(all, &huma.Param{Name: "If-None-Match", In: "header", Schema: text, Description: "An ETag that was answered before: 304 if it still is what the answer would have."})
	}
	if r.shows != "" {
		all = append(all, &huma.Param{Name: "If-Match", In: "header", Schema: text,
			Description: "The ETag of GET " + r.shows + ": 412 if that is otherwise by now."})
	}
	return all
}

// once reports whether the route understands keys.
func (r route) once() bool { return r.keyed && r.method == http.MethodPost }

// middlewares are what is round the route's handler, the outermost first.
func (r route) middlewares(a *api) huma.Middlewares {
	all := huma.Middlewares{a.enter(&r)}
	if r.once() {
		all = append(all, a.once)
	}
	if r.tag {
		all = append(all, tagged)
	}
	if r.shows != "" {
		all = append(all, a.matched(r.shows))
	}
	return all
}

// list is the form of every answer that lists something.
type list[T any] struct {
	Items []T    `json:"items" nullable:"false"`
	Next  string `json:"next,omitempty" doc:"The cursor of the next page; absent on the last."`
}

type listOutput[T any] struct {
	Link string `header:"Link" doc:"The address of the next page, as rel=\"next\"."`
	Body list[T]
}

type output[T any] struct{ Body T }

// found answers with one thing.
func found[T any](thing T, err error) (*output[T], error) {
	if err != nil {
		return nil, err
	}
	return &output[T]{Body: thing}, nil
}
