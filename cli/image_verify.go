package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/attest"
	"github.com/slipway-sh/slipway/client"
)

type imageVerifyOptions struct {
	f       *Factory
	args    []string
	layout  string
	keys    []string
	build   bool
	secrets []string
	wait    waitFlags
}

func newImageVerify(f *Factory, runF func(context.Context, *imageVerifyOptions) error) *cobra.Command {
	o := &imageVerifyOptions{f: f}
	c := &cobra.Command{
		Use:   "verify APPLICATION[@REF]",
		Short: "Check that an image is what was baked, tested and signed",
		Long: `Check every part of an image against its digest, and that a trusted key signed how it was made, what is in it,
and that it passed its tests. Anything else than all of that is an error that names what is wrong.

With --rebuild slipwayd bakes it again from its recorded inputs, without cache and with the same packages, and compares the
layers. What differs is named.

With --layout no slipwayd is asked: the image, named by its digest, is looked for in an OCI image layout, such as DATA/images
of a slipwayd or a copy of it, and is verified with the public keys given. slipwayd's own is DATA/keys/server.pub.pem, and
what "slipway image keys" prints.`,
		Example: `  slipway image verify hello@stable
  slipway image verify hello@stable --rebuild
  slipway image verify --layout /mnt/images --key server.pub.pem sha256:3f6c…`,
		Args: cobra.RangeArgs(1, 2),
		RunE: func(c *cobra.Command, args []string) error {
			o.args = args
			if runF != nil {
				return runF(c.Context(), o)
			}
			return imageVerifyRun(c.Context(), o)
		},
	}
	c.Flags().StringVar(&o.layout, "layout", "", "`directory` of an OCI image layout to look in, without any slipwayd")
	c.Flags().StringArrayVar(&o.keys, "key", nil, "`file` with a public key to trust, PEM; repeatable, with --layout")
	c.Flags().BoolVar(&o.build, "rebuild", false, "bake it again, and compare")
	c.Flags().StringArrayVar(&o.secrets, "secret", nil, "value of a secret that was used, with --rebuild: NAME=env:VARIABLE or NAME=file:PATH; may be repeated")
	o.wait.add(c)
	return c
}

func imageVerifyRun(ctx context.Context, o *imageVerifyOptions) error {
	if (o.layout == "") != (len(o.keys) == 0) {
		return usageError{errors.New("cannot verify: --layout and --key go together")}
	}
	if err := o.wait.check(); err != nil {
		return err
	}
	switch {
	case o.layout != "" && o.build:
		return usageError{errors.New("cannot rebuild without slipwayd: leave out --layout or --rebuild")}
	case len(o.secrets) > 0 && !o.build:
		return usageError{errors.New("cannot use --secret without --rebuild: only what is baked again needs it")}
	case o.layout != "":
		return o.offline(ctx)
	}
	ref, err := imageArgs(o.args)
	if err != nil {
		return err
	}
	if o.build {
		c, err := o.f.client()
		if err != nil {
			return err
		}
		defer c.Close()
		return o.rebuild(ctx, c, ref)
	}
	return o.f.look(ctx, func(ctx context.Context, c *client.Client) error {
		v, err := c.VerifyImage(ctx, ref.application, ref.ref)
		if err != nil {
			return err
		}
		return o.print(ref.application, v)
	})
}

// offline verifies an image in a layout, with nothing but that and the keys.
func (o *imageVerifyOptions) offline(ctx context.Context) error {
	digest := slipway.Digest(o.args[len(o.args)-1])
	if err := digest.Validate(); err != nil {
		return usageError{fmt.Errorf("%w; a layout knows no other names of images", err)}
	}
	ctx, stop := o.f.interruptible(ctx)
	defer stop()
	var trusted []attest.PublicKey
	for _, file := range o.keys {
		key, err := attest.ReadPublicKey(file)
		if err != nil {
			return err
		}
		trusted = append(trusted, key)
	}
	layout, err := attest.OpenDirectory(o.layout)
	if err != nil {
		return err
	}
	verifier := attest.Verifier{Layout: layout, Trusted: func() ([]attest.PublicKey, error) { return trusted, nil }}
	v, err := verifier.VerifyImage(ctx, digest)
	if err != nil {
		return err
	}
	return o.print("image", v)
}

func (o *imageVerifyOptions) print(name string, v slipway.Verification) error {
	if o.f.json {
		return o.f.printJSON(v)
	}
	var keys []string
	for _, k := range v.Keys {
		keys = append(keys, k[:min(16, len(k))])
	}
	fmt.Fprintf(o.f.Out, "%s %s is what was baked, tested and signed\n", name, v.Image.Short())
	o.f.facts([][2]string{
		{"layers", fmt.Sprintf("%d, %s, none altered", v.Layers, sizeText(v.Size))},
		{"tests", count(v.Tests, "test") + " passed"},
		{"contents", count(v.Packages, "component") + " listed"},
		{"signed by", strings.Join(keys, ", ")},
		{"baked", strings.TrimSpace(v.Bake+" by slipwayd "+v.Builder) + ", " + v.Finished.UTC().Format("2006-01-02 15:04 MST")},
		{"source", v.Source},
	})
	return nil
}
