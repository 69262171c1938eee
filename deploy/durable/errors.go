package durable

import (
	"context"
	"errors"
	"slices"

	"go.temporal.io/sdk/temporal"

	"github.com/slipway-sh/slipway"
)

// errorType marks the Temporal failures that carry a [slipway.Error].
const errorType = "slipway"

// passing lists the codes of failures that may be over when the step is tried again.
var passing = []slipway.Code{slipway.Unavailable, slipway.Internal}

// Encode turns what an activity returned into what Temporal stores: codes and messages survive, and a failure that trying
// again cannot mend is not tried again.
func Encode(err error) error {
	var app *temporal.ApplicationError
	if err == nil || errors.As(err, &app) || errors.Is(err, context.Canceled) || temporal.IsCanceledError(err) {
		return err
	}
	var e *slipway.Error
	if !errors.As(err, &e) {
		e = slipway.Errorf(slipway.Internal, "%s", slipway.MessageOf(err))
	}
	// The whole text, wrapped context included, is for Temporal's own log.
	return temporal.NewApplicationErrorWithOptions(err.Error(), errorType, temporal.ApplicationErrorOptions{
		NonRetryable: !slices.Contains(passing, e.Code),
		Details:      []any{e},
	})
}

// Passing returns err, with its message, as one that may pass, so that the step is tried again whatever it was: for steps that must
// be done in the end, such as storing the last record when the disk has space again. nil for nil.
func Passing(err error) error {
	if slipway.CodeOf(err) == slipway.Internal || err == nil {
		return err
	}
	return slipway.Errorf(slipway.Unavailable, "%s", slipway.MessageOf(err))
}

// Error returns the failure of an activity or a child workflow as the [slipway.Error] it was, nil for nil. Cancellation is
// [slipway.ClosedByAbort]; a step that ran out of time or tries is [slipway.Unavailable] or what it failed with last.
func Error(err error) *slipway.Error {
	if err == nil {
		return nil
	}
	var app *temporal.ApplicationError
	if errors.As(err, &app) && app.Type() == errorType {
		var e *slipway.Error // as it was put in: a failure that was never stored has its details as they were
		if app.Details(&e) == nil && e != nil {
			return e
		}
	}
	var e *slipway.Error
	switch {
	case errors.As(err, &e):
		return e
	case temporal.IsCanceledError(err):
		return slipway.Errorf(slipway.ClosedByAbort, "aborted")
	case temporal.IsTimeoutError(err):
		return slipway.Errorf(slipway.Unavailable, "a step did not finish in its time; slipwayd's log has the details")
	default:
		return slipway.Errorf(slipway.Internal, "%s", slipway.MessageOf(err))
	}
}
