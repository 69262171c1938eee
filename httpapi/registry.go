package httpapi

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/redact"
)

// Exchange sends images to registries and takes them from there. What ends ctx breaks it off; doing it again goes on where it was.
type Exchange interface {
	// Push returns a reference to the image in the registry.
	Push(ctx context.Context, image slipway.Image, to string, tell func(slipway.Transfer)) (string, error)
	// Pull registers the image, which must be of the application, "" for any.
	Pull(ctx context.Context, from, application string, tell func(slipway.Transfer)) (slipway.Image, error)
}

const (
	// transferLines is the type of an answer of several [slipway.Transfer], one a line.
	transferLines = "application/x-ndjson"
	// tellEvery bounds how often a stream says how far a transfer is.
	tellEvery = 200 * time.Millisecond
)

// exchange answers 200 with how far a transfer is, again and again, until it has ended. A client that goes away ends it.
func exchange[I any](f function[I, huma.StreamResponse]) handler {
	return form(f, handler{status: http.StatusOK, errors: []int{http.StatusNotFound}, types: []string{transferLines}})
}

type pushInput struct {
	ImageInput
	Body struct {
		To string `json:"to" doc:"Where in a registry. Without a tag the image's version label is taken." example:"registry.example.com/team/hello"`
	}
}

func (a *api) pushImage(ctx context.Context, in *pushInput) (*huma.StreamResponse, error) {
	image, err := a.Store.FindImage(ctx, in.Application, in.Ref)
	if err != nil {
		return nil, err
	}
	return a.exchange(ctx, "pushImage", func(tell func(slipway.Transfer)) (last slipway.Transfer, err error) {
		last.Image = &image
		last.Reference, err = a.Exchange.Push(ctx, image, in.Body.To, tell)
		return last, err
	})
}

type pullInput struct {
	Body struct {
		From        string `json:"from" doc:"An image in a registry." example:"registry.example.com/team/hello:1.0"`
		Application string `json:"application,omitempty" doc:"Refuse an image of another application than this."`
	}
}

func (a *api) pullImage(ctx context.Context, in *pullInput) (*huma.StreamResponse, error) {
	return a.exchange(ctx, "pullImage", func(tell func(slipway.Transfer)) (slipway.Transfer, error) {
		image, err := a.Exchange.Pull(ctx, in.Body.From, in.Body.Application, tell)
		return slipway.Transfer{Image: &image}, err
	})
}

// exchange streams what do tells, and last what it returns.
func (a *api) exchange(
	ctx context.Context, operation string, do func(tell func(slipway.Transfer)) (slipway.Transfer, error),
) (*huma.StreamResponse, error) {
	return &huma.StreamResponse{Body: func(c huma.Context) {
		lines := &transferWriter{out: newFlow(c, transferLines)}
		last, err := do(lines.tell)
		if ctx.Err() != nil {
			if t := attemptOf(ctx); t != nil {
				t.failure = newProblem(http.StatusOK, slipway.ClosedByAbort, "the client went away")
			}
			return // nobody reads it
		}
		if err != nil {
			last = slipway.Transfer{Error: a.failure(operation, err)}
			if t := attemptOf(ctx); t != nil {
				t.failure = newProblem(http.StatusOK, last.Error.Code, last.Error.Message)
			}
		}
		lines.end(last)
	}}, nil
}

// failure is an error as a stream that has begun shows it.
func (a *api) failure(operation string, err error) *slipway.Error {
	if known := (*slipway.Error)(nil); errors.As(err, &known) && known.Code != slipway.Internal && known.Code != slipway.Corrupt {
		shown := *known
		shown.Message = redact.Text(known.Message)
		return &shown
	}
	p := a.fail(operation, err)
	return &slipway.Error{Code: p.Code, Message: p.Detail, Place: p.Place}
}

// transferWriter writes transfers, one a line, but not every one.
type transferWriter struct {
	out  io.Writer
	told slipway.Transfer
	last time.Time
}

func (w *transferWriter) tell(t slipway.Transfer) {
	w.told = t
	if t.Message == "" && time.Since(w.last) < tellEvery {
		return
	}
	w.last = time.Now()
	_ = json.NewEncoder(w.out).Encode(t) // a client that is gone ends the request's context
}

// end writes the outcome, with how far the transfer came.
func (w *transferWriter) end(t slipway.Transfer) {
	t.Blobs, t.BlobsTotal, t.Bytes, t.BytesTotal, t.There = w.told.Blobs, w.told.BlobsTotal, w.told.Bytes, w.told.BytesTotal, w.told.There
	_ = json.NewEncoder(w.out).Encode(t)
}
