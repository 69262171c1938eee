package cli

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/client"
	"github.com/slipway-sh/slipway/manifest"
)

type bakeOptions struct {
	f         *Factory
	files     []string
	fileGiven bool // by the user, not by default
	plan      bool
	packer    packerFlags
	ingredients
	wait waitFlags
}

func newBake(f *Factory, runF func(context.Context, *bakeOptions) error) *cobra.Command {
	o := &bakeOptions{f: f}
	c := &cobra.Command{
		Use:   "bake",
		Short: "Bake and test an image, or several",
		Long: `Send slipwayd the files that slipway.yaml names, as far as it lacks them, and have it bake an
image and test that on a real machine. Only an image that passes can be deployed.

--plan says, layer by layer, what would be taken from the cache, what would be built, and why,
and builds nothing.

--file may be given several times. An image that starts from another of them (image:APPLICATION)
waits for that, the rest is baked side by side.

--packer bakes the builds of a Packer template, JSON or HCL, instead of what slipway.yaml has. A
slipway.yaml beside it says what a template does not: service, tests, environments.

--json prints the bake as it ended, and nothing before; with several a bake on each line.`,
		Example: `  slipway bake
  slipway bake --plan
  slipway bake --file app/slipway.yaml --version "$CI_COMMIT_TAG"
  slipway bake --file base/slipway.yaml --file app/slipway.yaml
  slipway bake --packer web.pkr.hcl --var version=1.2 --from debian:bookworm
  slipway bake --secret npm_token=env:NPM_TOKEN --no-cache="run provision/setup.sh"`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			o.fileGiven = c.Flags().Changed("file")
			if runF != nil {
				return runF(c.Context(), o)
			}
			return bakeRun(c.Context(), o)
		},
	}
	c.Flags().StringArrayVarP(&o.files, "file", "f", []string{"slipway.yaml"}, "the slipway.yaml; files are found from its directory; may be repeated")
	c.Flags().BoolVar(&o.plan, "plan", false, "say what would be built and why, and build nothing")
	o.packer.add(c)
	o.ingredients.add(c)
	o.wait.add(c)
	c.AddCommand(newBakeLog(f, nil), newBakeAbort(f, nil), newBakeShell(f, nil))
	return c
}

func bakeRun(ctx context.Context, o *bakeOptions) error {
	if err := errors.Join(o.wait.check(), o.packer.check()); err != nil {
		return err
	}
	c, err := o.f.client()
	if err != nil {
		return err
	}
	defer c.Close()
	switch {
	case o.packer.template != "":
		return bakePacker(ctx, o, c)
	case o.plan && len(o.files) > 1:
		return usageError{fmt.Errorf("cannot plan several bakes at once: what one starts from is only known when the other is baked")}
	case o.plan:
		return planBake(ctx, o, c)
	case len(o.files) > 1:
		return bakeBatch(ctx, o, c)
	}
	view := o.f.workProgress(false, o.wait)
	bake, m, err := startBake(ctx, o, c, view)
	if err != nil {
		view.close()
		return err
	}
	if o.wait.noWait {
		view.close()
		return o.f.printID(bake.ID, bake)
	}
	bake, err = newWaiter(o.f, c, view, bake.ID, o.wait).bake(ctx, bake.ID)
	view.close()
	if err != nil {
		return err
	}
	if o.f.json {
		if err := o.f.printJSON(bake); err != nil {
			return err
		}
		return bakeOutcome(bake, m)
	}
	if err := bakeOutcome(bake, m); err != nil {
		return err
	}
	_, err = fmt.Fprintln(o.f.Out, baked(bake))
	return err
}

func startBake(ctx context.Context, o *bakeOptions, c *client.Client, view progress) (slipway.Bake, *manifest.Manifest, error) {
	ctx, stop := o.f.interruptible(ctx)
	defer stop()
	req, m, err := o.prepare(ctx, o.f, c, view, o.files[0])
	if err != nil {
		return slipway.Bake{}, m, err
	}
	bake, err := c.Bake(ctx, req)
	if err != nil {
		return bake, m, accepted(m.Locate(err), "slipway events --application "+m.Spec.Application)
	}
	return bake, m, nil
}

// printID prints what --no-wait does: the id alone, or with --json the record.
func (f *Factory) printID(id string, record any) error {
	if f.json {
		return f.printJSON(record)
	}
	_, err := fmt.Fprintln(f.Out, id)
	return err
}

// bakeOutcome returns nil if the bake succeeded, and otherwise what to tell, with places in the manifest's lines.
func bakeOutcome(b slipway.Bake, m *manifest.Manifest) error {
	switch b.State {
	case slipway.BakeSucceeded:
		return nil
	case slipway.BakeAborted:
		return &outcome{exitAborted, "aborted: bake " + b.ID}
	}
	text := "bake " + b.ID + " failed"
	if b.Error != nil {
		text += ": " + reason(b.Error, m)
	}
	for _, difference := range b.Differences {
		text += "\n  differs: " + difference
	}
	if b.Tests != nil && !b.Tests.Passed {
		for _, r := range b.Tests.Results {
			if !r.Passed {
				text += "\n  test " + r.Name + ": " + strings.ReplaceAll(r.Detail, "\n", "\n  ")
			}
		}
		if b.Tests.Log != "" {
			text += "\n  the service's last lines:\n" + indent(indent(strings.TrimSpace(b.Tests.Log)))
		}
	}
	return &outcome{exitBakeFailed, text}
}

// reason returns the text of a record's error; places in the spec become lines if there is a manifest.
func reason(e *slipway.Error, m *manifest.Manifest) string {
	if m == nil {
		return e.Error()
	}
	return m.Locate(e).Error()
}

// baked says what a good bake made.
func baked(b slipway.Bake) string {
	var size int64
	cached := 0
	for _, l := range b.Layers {
		size += l.Size
		if l.Cached {
			cached++
		}
	}
	text := fmt.Sprintf("%s: baked %s, %s in %s", b.Application, withDigest(b.Version, b.Image), sizeText(size), count(len(b.Layers), "layer"))
	if cached > 0 {
		text += fmt.Sprintf(" (%d cached)", cached)
	}
	if b.Tests != nil && len(b.Tests.Results) > 0 {
		text += ", " + count(len(b.Tests.Results), "test") + " passed"
		if b.Tests.Bake != "" && b.Tests.Bake != b.ID {
			text += " before"
		}
	}
	return text + ", after " + seconds(max(b.Finished.Sub(b.Started), time.Duration(0)))
}

func environmentsOf(spec slipway.Spec) string {
	return strings.Join(slices.Sorted(maps.Keys(spec.Environments)), ", ")
}
