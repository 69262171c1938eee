package httpapi

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/redact"
)

// Problem is the body of every answer that is not a success: RFC 9457, with Slipway's code and place.
type Problem struct {
	Type   string       `json:"type" example:"about:blank"`
	Title  string       `json:"title" example:"Unprocessable Entity"`
	Status int          `json:"status" example:"422"`
	Detail string       `json:"detail" doc:"What went wrong, for people." example:"cannot use \"Shop\" as name of the application: want 1 to 32 lower-case letters, digits and dashes, starting with a letter"`
	Code   slipway.Code `json:"code" doc:"What kind of failure it is, for programs."`
	Place  string       `json:"place,omitempty" doc:"Where in the input." example:"image.layers[2].copy.from"`
	// Errors lists all mistakes of an input that has several; the first is the problem itself.
	Errors []slipway.Error `json:"errors,omitempty" doc:"All mistakes, if there are several." nullable:"false"`
}

// statuses are the HTTP statuses of codes.
var statuses = map[slipway.Code]int{
	slipway.Invalid:         http.StatusUnprocessableEntity,
	slipway.NotFound:        http.StatusNotFound,
	slipway.Conflict:        http.StatusConflict,
	slipway.Refused:         http.StatusForbidden,
	slipway.Unauthenticated: http.StatusUnauthorized,
	slipway.Forbidden:       http.StatusForbidden,
	slipway.Unprepared:      http.StatusServiceUnavailable,
	slipway.Corrupt:         http.StatusInternalServerError,
	slipway.Failed:          http.StatusUnprocessableEntity,
	slipway.DeadlinePast:    http.StatusGatewayTimeout,
	slipway.Unavailable:     http.StatusServiceUnavailable,
	slipway.Internal:        http.StatusInternalServerError,
	slipway.ClosedByAbort:   http.StatusConflict,
	slipway.Stale:           http.StatusPreconditionFailed,
	slipway.Unmeasured:      http.StatusUnprocessableEntity,
}

// problems turns what huma itself finds wrong with a request into a [Problem].
func problems(_ huma.Context, _ string, v any) (any, error) {
	model, ok := v.(*huma.ErrorModel)
	if !ok {
		return v, nil
	}
	p := newProblem(model.Status, slipway.Invalid, model.Detail)
	if model.Status >= http.StatusInternalServerError {
		p.Code = slipway.Internal
	}
	for _, d := range model.Errors {
		if body, ok := d.Value.(string); ok && d.Location == "body" {
			if place, found := illegible([]byte(body)); found {
				d.Location = "body." + place
			}
		}
		p.Errors = append(p.Errors, slipway.Error{Code: p.Code, Message: redact.Text(d.Message), Place: placeOf(d.Location)})
	}
	if len(p.Errors) > 0 {
		p.Detail, p.Place = p.Errors[0].Message, p.Errors[0].Place
	}
	if len(p.Errors) == 1 {
		p.Errors = nil
	}
	return p, nil
}

// placeOf returns the place of huma's location in the words of the domain's Validate methods, which count from inside the body
// and the spec: "image.layers[2].copy.from".
func placeOf(location string) string {
	for _, outer := range []string{"body", "spec"} {
		if rest, ok := strings.CutPrefix(location, outer); ok && (rest == "" || strings.HasPrefix(rest, ".")) {
			location = strings.TrimPrefix(rest, ".")
		}
	}
	return location
}

// fail is the problem a handler's error is shown as. All that is no [slipway.Error] is logged under an id, and only that is shown.
func (a *api) fail(operation string, err error) *Problem {
	all := known(err)
	if len(all) == 0 || all[0].Code == slipway.Internal {
		id := strings.ToLower(rand.Text()[:8])
		a.Log.Error("internal error", "id", id, "operation", operation, "error", err)
		return newProblem(http.StatusInternalServerError, slipway.Internal, "internal error "+id+"; slipwayd's log has the details")
	}
	p := newProblem(statuses[all[0].Code], all[0].Code, all[0].Message)
	p.Place = all[0].Place
	if isMalformed(err) {
		p.Status, p.Title = http.StatusBadRequest, http.StatusText(http.StatusBadRequest)
	}
	if len(all) > 1 {
		for i := range all {
			all[i].Message = redact.Text(all[i].Message)
		}
		p.Errors = all
	}
	if all[0].Code == slipway.Corrupt {
		a.Log.Error("corrupt", "operation", operation, "error", err)
	}
	return p
}

// known returns the [slipway.Error] values err consists of: several if it was made by errors.Join.
func known(err error) []slipway.Error {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		var all []slipway.Error
		for _, e := range joined.Unwrap() {
			all = append(all, known(e)...)
		}
		return all
	}
	if e, ok := errors.AsType[*slipway.Error](err); ok {
		return []slipway.Error{*e}
	}
	return nil
}

func newProblem(status int, code slipway.Code, detail string) *Problem {
	return &Problem{Type: "about:blank", Title: http.StatusText(status), Status: status, Detail: redact.Text(detail), Code: code}
}

// at returns p with the place.
func (p *Problem) at(place string) *Problem {
	p.Place = place
	return p
}

// Error implements error.
func (p *Problem) Error() string { return p.Detail }

// GetStatus implements [huma.StatusError].
func (p *Problem) GetStatus() int { return p.Status }

// ContentType implements [huma.ContentTypeFilter].
func (p *Problem) ContentType(string) string { return "application/problem+json" }

// write answers a request that never reached huma.
func (p *Problem) write(w http.ResponseWriter) {
	w.Header().Set("Content-Type", p.ContentType(""))
	w.WriteHeader(p.Status)
	_ = json.NewEncoder(w).Encode(p) // the client may be gone
}
