package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/slipway-sh/slipway"
)

type imagePullOptions struct {
	f           *Factory
	from        string
	application string
}

func newImagePull(f *Factory, runF func(context.Context, *imagePullOptions) error) *cobra.Command {
	o := &imagePullOptions{f: f}
	c := &cobra.Command{
		Use:   "pull REGISTRY-REF",
		Short: "Take an image of Slipway's from an OCI registry, and register it",
		Long: `Take an image that "slipway image push" sent to a registry, with all documents about it, and register it.

Only what is not here is taken, and all of it is verified against its digests. The image is ready to be deployed
if a test report that a trusted key signed says that its tests passed; else it is untested: it may be looked at,
and is not deployed. An image that is registered already stays what it is. Ctrl-C ends it; doing it again goes on
where it was.

To start an image from one that is not Slipway's, write image.from: oci:REGISTRY-REF.`,
		Example: `  slipway image pull registry.example.com/team/hello:1.4.2
  slipway image pull registry.example.com/team/hello:stable --application hello`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			o.from = args[0]
			if runF != nil {
				return runF(c.Context(), o)
			}
			return imagePullRun(c.Context(), o)
		},
	}
	c.Flags().StringVar(&o.application, "application", "", "refuse an image of another application than this")
	return c
}

func imagePullRun(ctx context.Context, o *imagePullOptions) error {
	c, err := o.f.client()
	if err != nil {
		return err
	}
	defer c.Close()
	ctx, stop := o.f.interruptible(ctx)
	defer stop()
	view := newTransferView(o.f, "taking")
	done, err := c.PullImage(ctx, o.from, o.application, view.tell)
	view.close()
	if err != nil {
		return err
	}
	if o.f.json {
		return o.f.printJSON(done)
	}
	image := done.Image
	note := ""
	if image.State == slipway.ImageUntested {
		note = ": no trusted key has signed that its tests passed"
	}
	_, err = fmt.Fprintf(o.f.Out, "%s %s is %s%s\n  %s\n", image.Application, image.Name(), image.State, note, moved(done, "took"))
	return err
}
