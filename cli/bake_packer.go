package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/client"
	"github.com/slipway-sh/slipway/manifest"
	"github.com/slipway-sh/slipway/packer"
)

// packerFlags say which Packer template to bake, and how to read it.
type packerFlags struct {
	template    string
	vars        []string
	varFiles    []string
	only        []string
	except      []string
	from        string
	application string
}

func (p *packerFlags) add(c *cobra.Command) {
	flags := c.Flags()
	flags.StringVar(&p.template, "packer", "", "bake a Packer template: a .json or .pkr.hcl file, or a directory of .pkr.hcl files")
	flags.StringArrayVar(&p.vars, "var", nil, "with --packer: a variable of the template, NAME=VALUE; may be repeated")
	flags.StringArrayVar(&p.varFiles, "var-file", nil, "with --packer: a file of variables; may be repeated")
	flags.StringSliceVar(&p.only, "only", nil, "with --packer: bake this build alone; may be repeated")
	flags.StringSliceVar(&p.except, "except", nil, "with --packer: leave out this build, or this post-processor; may be repeated")
	flags.StringVar(&p.from, "from", "", "with --packer: start from this instead of what the builders say, such as debian:bookworm")
	flags.StringVar(&p.application, "application", "", "with --packer: name of the application (default: slipway.yaml's, or else the template's)")
}

// check refuses flags that mean nothing without --packer.
func (p *packerFlags) check() error {
	if p.template == "" && (len(p.vars)+len(p.varFiles)+len(p.only)+len(p.except) > 0 || p.from != "" || p.application != "") {
		return usageError{errors.New("cannot use --var, --var-file, --only, --except, --from or --application without --packer")}
	}
	if p.application != "" {
		return slipway.ValidateName("application", p.application)
	}
	return nil
}

// bakePacker bakes the builds of a template, all at once, and then runs their post-processors.
func bakePacker(ctx context.Context, o *bakeOptions, c *client.Client) error {
	t, manifests, err := loadPacker(ctx, o)
	if err != nil {
		return err
	}
	for _, note := range t.Notes {
		fmt.Fprintln(o.f.Err, note)
	}
	if o.plan {
		return planPacker(ctx, o, c, t, manifests)
	}
	run := packer.NewRun()
	var images []*packer.Build
	for _, b := range t.Builds {
		if b.File == nil {
			images = append(images, b)
			continue
		}
		if err := errors.Join(b.File.Write(), b.Finish(run, "", "")); err != nil {
			return err
		}
	}
	if len(images) == 0 {
		return nil
	}
	return bakeAll(ctx, o, c, manifests, func(i int, b slipway.Bake) error { return images[i].Finish(run, b.Application, b.Image) })
}

// loadPacker reads the template, and returns what each of its images needs.
func loadPacker(ctx context.Context, o *bakeOptions) (*packer.Template, []*manifest.Manifest, error) {
	ctx, stop := o.f.interruptible(ctx)
	defer stop()
	p := o.packer
	t, err := packer.Load(packer.Options{
		Path: p.template, Vars: p.vars, VarFiles: p.varFiles, Only: p.only, Except: p.except, From: p.from, Application: p.application, Env: o.f.Env,
	})
	if err != nil {
		return nil, nil, err
	}
	file, err := o.besideTemplate()
	if err != nil {
		return nil, nil, err
	}
	o.values = map[string][]byte{}
	var manifests []*manifest.Manifest
	for _, b := range t.Builds {
		if o.wait.noWait && b.HasPostProcessors() {
			return nil, nil, usageError{errors.New("cannot use --no-wait: the template has post-processors, which run when the image is there")}
		}
		if b.File != nil {
			continue
		}
		m, err := b.Manifest(ctx, file)
		if err != nil {
			return nil, nil, err
		}
		if p.application != "" {
			m.Spec.Application = b.Application()
		}
		for name, value := range b.Secrets() {
			o.values[name] = value
		}
		manifests = append(manifests, m)
	}
	if len(manifests) > 1 {
		seen := map[string]bool{}
		for _, m := range manifests {
			if seen[m.Spec.Application] {
				return nil, nil, slipway.Errorf(slipway.Invalid, "cannot bake several images of %s at once: choose a build with --only", m.Spec.Application)
			}
			seen[m.Spec.Application] = true
		}
	}
	return t, manifests, nil
}

// besideTemplate returns the slipway.yaml that says what the template does not: the one that --file names, or the one that lies beside
// the template, if there is one.
func (o *bakeOptions) besideTemplate() (string, error) {
	if len(o.files) != 1 {
		return "", usageError{errors.New("cannot use several --file with --packer")}
	}
	if o.fileGiven {
		return o.files[0], nil
	}
	dir := o.packer.template
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		dir = filepath.Dir(dir)
	}
	file := filepath.Join(dir, "slipway.yaml")
	if _, err := os.Stat(file); err != nil {
		return "", nil //nolint:nilerr // one that is not there is not needed, and one that cannot be read will not be
	}
	return file, nil
}

// planPacker prints what became of the template, and what a bake of it would do.
func planPacker(ctx context.Context, o *bakeOptions, c *client.Client, t *packer.Template, manifests []*manifest.Manifest) error {
	i := 0
	for _, b := range t.Builds {
		if b.File != nil {
			continue
		}
		if !o.f.json {
			fmt.Fprintf(o.f.Out, "%s: %s, from %s\n", manifests[i].Spec.Application, b.Name, b.From)
			for _, step := range b.Steps() {
				fmt.Fprintln(o.f.Out, "  "+step)
			}
		}
		if err := planManifest(ctx, o, c, manifests[i]); err != nil {
			return err
		}
		i++
	}
	return nil
}
