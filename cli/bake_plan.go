package cli

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/client"
	"github.com/slipway-sh/slipway/manifest"
)

// planBake prints what a bake would do and why. It uploads the files of the context, as a plan needs to know them, and changes
// nothing else. It needs no secrets.
func planBake(ctx context.Context, o *bakeOptions, c *client.Client) error {
	m, err := manifest.Load(o.files[0])
	if err != nil {
		return err
	}
	if err := o.checkSecrets(m.Spec); err != nil {
		return err
	}
	return planManifest(ctx, o, c, m)
}

// planManifest is as planBake, of a slipway.yaml that is read already.
func planManifest(ctx context.Context, o *bakeOptions, c *client.Client, m *manifest.Manifest) error {
	ctx, stop := o.f.interruptible(ctx)
	defer stop()
	req, err := o.draft(ctx, o.f, c, silent{}, m)
	if err != nil {
		return err
	}
	plan, err := c.PlanBake(ctx, req)
	if err != nil {
		return m.Locate(err)
	}
	if o.f.json {
		return o.f.printJSON(plan)
	}
	printPlan(o.f.Out, plan)
	return nil
}

func printPlan(out io.Writer, plan slipway.BakePlan) {
	built, cached := 0, 0
	for _, l := range plan.Layers {
		verb := "build "
		switch {
		case l.Cached:
			verb = "cached"
			cached++
		case l.Pull:
			verb = "pull  "
			built++
		default:
			built++
		}
		line := verb + "  " + l.Step
		if l.Size > 0 {
			line += "  " + sizeText(l.Size)
		}
		if l.Digest != "" {
			line += "  " + l.Digest.Short()
		}
		fmt.Fprintln(out, line)
		for _, change := range l.Why {
			fmt.Fprintln(out, "          "+changeText(change))
		}
	}
	text := fmt.Sprintf("plan: %s to build, %d cached; nothing was built", count(built, "layer"), cached)
	if plan.Compared != "" {
		text += ", compared with " + plan.Compared
	}
	fmt.Fprintln(out, text)
}

// changeText says what changed: "dist/hello: 3f8a… → 91c2…".
func changeText(c slipway.Change) string {
	switch {
	case c.Old == "" && c.New == "":
		return c.Input
	case c.Old == "":
		return c.Input + ": new, " + value(c.New)
	case c.New == "":
		return c.Input + ": was " + value(c.Old)
	}
	return c.Input + ": " + value(c.Old) + " → " + value(c.New)
}

// value shortens digests and bounds everything else to a line.
func value(text string) string {
	if d := slipway.Digest(text); d.Validate() == nil {
		return d.Short()
	}
	return cut(strings.TrimSpace(text), 60)
}
