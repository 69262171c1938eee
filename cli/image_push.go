package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/slipway-sh/slipway"
)

type imagePushOptions struct {
	f     *Factory
	image imageRef
	to    string
}

func newImagePush(f *Factory, runF func(context.Context, *imagePushOptions) error) *cobra.Command {
	o := &imagePushOptions{f: f}
	return &cobra.Command{
		Use:   "push APPLICATION[@REF] REGISTRY-REF",
		Short: "Send an image to an OCI registry",
		Long: `Send an image, with all documents about it (SBOM, provenance, signatures, test report), to any OCI registry.

Only what the registry does not have is sent. Without a tag REGISTRY-REF gets the image's version label as tag.
The tag names the image when all of it is there, and not before: what breaks off can be done again, and goes on
where it was. Ctrl-C ends it.

Credentials are those of Docker's configuration on slipwayd's host, of the user slipwayd runs as: docker login
writes them, or set DOCKER_CONFIG.`,
		Example: `  slipway image push hello@1.4.2 registry.example.com/team/hello
  slipway image push hello@stable registry.example.com/team/hello:stable`,
		Args: cobra.RangeArgs(2, 3),
		RunE: func(c *cobra.Command, args []string) (err error) {
			last := len(args) - 1
			o.to = args[last]
			if o.image, err = imageArgs(args[:last]); err != nil {
				return err
			}
			if runF != nil {
				return runF(c.Context(), o)
			}
			return imagePushRun(c.Context(), o)
		},
	}
}

func imagePushRun(ctx context.Context, o *imagePushOptions) error {
	c, err := o.f.client()
	if err != nil {
		return err
	}
	defer c.Close()
	ctx, stop := o.f.interruptible(ctx)
	defer stop()
	view := newTransferView(o.f, "sending")
	done, err := c.PushImage(ctx, o.image.application, o.image.ref, o.to, view.tell)
	view.close()
	if err != nil {
		return err
	}
	if o.f.json {
		return o.f.printJSON(done)
	}
	_, err = fmt.Fprintf(o.f.Out, "%s is %s\n  %s\n", done.Image.Application+" "+done.Image.Name(), done.Reference, moved(done, "sent"))
	return err
}

// moved says how much of a transfer was moved, and how much was there.
func moved(t slipway.Transfer, verb string) string {
	text := fmt.Sprintf("%s %s", verb, count(t.Blobs-t.There, "blob"))
	if t.There > 0 {
		text += fmt.Sprintf(", %d %s there already", t.There, plural(t.There, "was", "were"))
	}
	return text + fmt.Sprintf("; %s in all", sizeText(t.BytesTotal))
}

func plural(n int, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}
