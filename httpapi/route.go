package httpapi

import (
	"context"
	"net/http"
	"reflect"

	"github.com/danielgtaylor/huma/v2"

	"github.com/slipway-sh/slipway"
)

// maxBody bounds a JSON body. The context of a big application lists tens of thousands of files.
const maxBody = 64 << 20

// handler registers a function under an operation, and knows what is the same for all routes of its form.
type handler struct {
	register func(*api, huma.API, huma.Operation)
	status   int
	errors   []int
	types    []string     // of what is streamed
	item     reflect.Type // of a streamed body that is JSON
	raw      bool         // the body is bytes
}

// function answers a request. Its errors become problems.
type function[I, O any] func(context.Context, *I) (*O, error)

// get answers 200.
func get[I, O any](f function[I, O]) handler {
	return form(f, handler{status: http.StatusOK, errors: []int{http.StatusNotFound}})
}

// post answers 200 to a question that does not fit into a query.
func post[I, O any](f function[I, O]) handler { return form(f, handler{status: http.StatusOK}) }

// accept answers 202: the work is durably accepted, and goes on.
func accept[I, O any](f function[I, O]) handler {
	return form(f, handler{status: http.StatusAccepted, errors: []int{http.StatusForbidden, http.StatusNotFound, http.StatusConflict, http.StatusServiceUnavailable}})
}

// change answers 200 once something is otherwise than it was.
func change[I, O any](f function[I, O]) handler {
	return form(f, handler{status: http.StatusOK, errors: []int{http.StatusForbidden, http.StatusNotFound, http.StatusConflict}})
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

// stream answers 200 with text that ends when it ends.
func stream[I any](f function[I, huma.StreamResponse]) handler {
	return form(f, handler{status: http.StatusOK, errors: []int{http.StatusNotFound}, types: []string{"text/plain"}})
}

// follow answers 200 with a list of T, or a stream of them as the caller accepts.
func follow[T, I any](f function[I, huma.StreamResponse]) handler {
	return form(f, handler{status: http.StatusOK, types: []string{"application/json", "text/event-stream"}, item: reflect.TypeFor[list[T]]()})
}

func form[I, O any](f function[I, O], h handler) handler {
	h.register = func(a *api, to huma.API, op huma.Operation) {
		huma.Register(to, op, func(ctx context.Context, in *I) (*O, error) {
			out, err := f(ctx, in)
			if err == nil {
				return out, nil
			}
			if ctx.Err() != nil { // nobody reads this; it is no failure of ours
				return nil, newProblem(http.StatusServiceUnavailable, slipway.Unavailable, "cannot finish: the request was given up")
			}
			return nil, a.fail(op.OperationID, err)
		})
	}
	return h
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
		MaxBodyBytes:  maxBody,
		Extensions:    map[string]any{"x-access": string(r.access)},
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

// list is the form of every answer that lists something.
type list[T any] struct {
	Items []T `json:"items" nullable:"false"`
}

type listOutput[T any] struct{ Body list[T] }

type output[T any] struct{ Body T }

// listed answers with items, and [] where there are none.
func listed[T any](items []T, err error) (*listOutput[T], error) {
	if err != nil {
		return nil, err
	}
	if items == nil {
		items = []T{}
	}
	return &listOutput[T]{Body: list[T]{Items: items}}, nil
}

// found answers with one thing.
func found[T any](thing T, err error) (*output[T], error) {
	if err != nil {
		return nil, err
	}
	return &output[T]{Body: thing}, nil
}
