package cli

import (
	"context"
	"fmt"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/client"
)

// rebuild has slipwayd bake an image again from its recorded inputs, waits, and tells whether all of it came out the same.
func (o *imageVerifyOptions) rebuild(ctx context.Context, c *client.Client, ref imageRef) error {
	values, err := readSecrets(o.f, o.secrets)
	if err != nil {
		return err
	}
	req := slipway.RebuildRequest{Application: ref.application, Image: ref.ref}
	if len(values) > 0 {
		if req.Secrets, err = c.PutSecrets(ctx, values); err != nil {
			return err
		}
	}
	bake, err := c.Rebuild(ctx, req)
	if err != nil {
		return accepted(err, "slipway bakes "+ref.application)
	}
	if o.wait.noWait {
		return o.f.printID(bake.ID, bake)
	}
	view := o.f.progress(false)
	bake, err = newWaiter(o.f, c, view, bake.ID, o.wait).bake(ctx, bake.ID)
	view.close()
	if err != nil {
		return err
	}
	if o.f.json {
		if err := o.f.printJSON(bake); err != nil {
			return err
		}
	}
	if err := bakeOutcome(bake, nil); err != nil || o.f.json {
		return err
	}
	_, err = fmt.Fprintf(o.f.Out, "%s %s came out the same again: %s, byte for byte\n", ref.application, bake.Rebuild.Short(), count(len(bake.Layers), "layer"))
	return err
}
