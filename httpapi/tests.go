package httpapi

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"reflect"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/check"
)

type testsInput struct {
	ImageInput
	Accept string `header:"Accept" hidden:"true"`
}

// imageTests answers with what the tests of an image found, as JSON or as JUnit XML.
func (a *api) imageTests(ctx context.Context, in *testsInput) (*huma.StreamResponse, error) {
	image, err := a.Store.FindImage(ctx, in.Application, in.Ref)
	if err != nil {
		return nil, err
	}
	kind := "application/json"
	var body bytes.Buffer
	if strings.Contains(in.Accept, "xml") {
		kind = "application/xml"
		err = check.JUnit(&body, image)
	} else {
		found := slipway.TestReport{Passed: image.State == slipway.ImageReady, Results: []slipway.TestResult{}}
		if image.Tests != nil {
			found = *image.Tests
		}
		err = json.NewEncoder(&body).Encode(found)
	}
	if err != nil {
		return nil, err
	}
	return &huma.StreamResponse{Body: func(c huma.Context) {
		c.SetHeader("Content-Type", kind)
		_, _ = c.BodyWriter().Write(body.Bytes()) // the client may be gone
	}}, nil
}

// report answers 200 with a T, or the same in XML, as the caller accepts.
func report[T, I any](f function[I, huma.StreamResponse]) handler {
	return form(f, handler{
		status: http.StatusOK, errors: []int{http.StatusNotFound}, types: []string{"application/json", "application/xml"}, item: reflect.TypeFor[T](),
	})
}
