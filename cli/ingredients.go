package cli

import (
	"cmp"
	"context"

	"github.com/spf13/cobra"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/client"
	"github.com/slipway-sh/slipway/manifest"
)

// ingredients are the flags that say what to bake and how.
type ingredients struct {
	version       string
	noCache       []string
	refresh       bool
	keepOnFailure bool
	secrets       []string
	values        map[string][]byte // of secrets that a template brings along
}

func (i *ingredients) add(c *cobra.Command) {
	flags := c.Flags()
	flags.StringVar(&i.version, "version", "", "label of the image: CI's build key or a release's name (default $SLIPWAY_VERSION, else the tag or build that CI says it is of)")
	flags.StringArrayVar(&i.noCache, "no-cache", nil, "build layers anew: all, or with --no-cache=LAYER the one with this number or name; may be repeated")
	flags.Lookup("no-cache").NoOptDefVal = slipway.AllLayers
	flags.BoolVar(&i.refresh, "refresh", false, "look up anew what the image starts from, and which versions of Debian packages there are")
	flags.BoolVar(&i.keepOnFailure, "keep-on-failure", false, "keep the sandbox of a script that fails, to enter it")
	flags.StringArrayVar(&i.secrets, "secret", nil, "value of a secret that slipway.yaml names: NAME=env:VARIABLE or NAME=file:PATH; may be repeated")
}

// prepare reads the slipway.yaml at file, collects the context, uploads what slipwayd lacks, and returns what to ask for.
func (i *ingredients) prepare(ctx context.Context, f *Factory, c *client.Client, view progress, file string) (slipway.BakeRequest, *manifest.Manifest, error) {
	m, err := manifest.Load(file)
	if err != nil {
		return slipway.BakeRequest{}, nil, err
	}
	if err := i.checkSecrets(m.Spec); err != nil {
		return slipway.BakeRequest{}, m, err
	}
	req, err := i.request(ctx, f, c, view, m)
	return req, m, err
}

// request is as prepare, of a slipway.yaml that is read already.
func (i *ingredients) request(ctx context.Context, f *Factory, c *client.Client, view progress, m *manifest.Manifest) (slipway.BakeRequest, error) {
	secrets, err := i.secretsFor(f, m.Spec)
	if err != nil {
		return slipway.BakeRequest{}, m.Locate(err)
	}
	req, err := i.draft(ctx, f, c, view, m)
	if err == nil && len(secrets) > 0 {
		req.Secrets, err = c.PutSecrets(ctx, secrets)
	}
	return req, err
}

// draft is as request, but for the values of secrets: no plan depends on them.
func (i *ingredients) draft(ctx context.Context, f *Factory, c *client.Client, view progress, m *manifest.Manifest) (slipway.BakeRequest, error) {
	req := slipway.BakeRequest{
		Spec: m.Spec, Version: i.version, NoCache: i.noCache, Refresh: i.refresh, KeepOnFailure: i.keepOnFailure,
	}
	if req.Version == "" {
		req.Version = cmp.Or(f.Env("SLIPWAY_VERSION"), versionOfCI(f.Env))
	}
	if req.Version != "" {
		if err := slipway.ValidateVersion(req.Version); err != nil {
			return req, err
		}
	}
	source := make(chan *slipway.Source, 1)
	go func() { source <- sourceOf(ctx, f.Env, m.Dir) }()
	var err error
	if req.Context, err = m.Context(ctx); err != nil {
		return req, err
	}
	tree, err := m.Open()
	if err != nil {
		return req, err
	}
	defer tree.Close()
	if _, err := c.UploadContext(ctx, tree, req.Context, view.upload); err != nil {
		return req, err
	}
	req.Source = <-source
	return req, nil
}
