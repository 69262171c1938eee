package ship

import (
	"context"
	"errors"
	"fmt"

	"go.temporal.io/sdk/client"
)

// NewID returns a new ID with the prefix: "m-", and 50 random bits.
func NewID(prefix string) string { return randomID(prefix) }

// Exclusively starts a workflow under a name of which there is one at a time, as options must say, with the ID of its record in its memo. If
// another runs under it, and over does not say of its record that it is over, nothing is started and other is that record's ID.
func Exclusively(ctx context.Context, t Temporal, options client.StartWorkflowOptions, workflow string, input any, over func(id string) (bool, error)) (other string, err error) {
	o := &Operator{Config: Config{Parts: Parts{Temporal: t}}}
	_, err = o.start(ctx, options, workflow, input, over)
	var taken *underWay
	if errors.As(err, &taken) {
		return taken.id, nil
	}
	return "", err
}

// Cancel cancels the workflow that runs under a name if its record has the ID; nil if it is over, and another runs under the name or none.
func Cancel(ctx context.Context, t Temporal, workflow, id string) error {
	of, run, err := running(ctx, t, workflow)
	if err != nil || of != id {
		return err
	}
	if err := t.CancelWorkflow(ctx, workflow, run); err != nil && !isNotFound(err) {
		return fmt.Errorf("cancel workflow %s: %w", workflow, err)
	}
	return nil
}
