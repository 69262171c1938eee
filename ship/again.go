package ship

import (
	"cmp"
	"context"

	"github.com/slipway-sh/slipway"
)

// A request with a key of its own is carried out again if slipwayd died at it, and what it makes has IDs that follow from it. So what an
// earlier try has begun is found by its ID before anything is looked at that may be otherwise by now.

// begun returns what an earlier try of the request has begun, and whether one has.
func begun[T any](ctx context.Context, prefix string, read func(ctx context.Context, id string) (T, error)) (record T, is bool, err error) {
	id := slipway.RequestedID(ctx, prefix)
	if id == "" {
		return record, false, nil
	}
	record, err = read(ctx, id)
	if slipway.CodeOf(err) == slipway.NotFound {
		return record, false, nil
	}
	return record, true, err
}

// newID returns the ID of what a request makes: that which follows from the request, or a new one.
func (o *Operator) newID(ctx context.Context, prefix string) string {
	return cmp.Or(slipway.RequestedID(ctx, prefix), o.NewID(prefix))
}
