package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/manifest"
)

type validateOptions struct {
	f       *Factory
	file    string
	schema  bool
	context bool
}

func newValidate(f *Factory, runF func(context.Context, *validateOptions) error) *cobra.Command {
	o := &validateOptions{f: f}
	c := &cobra.Command{
		Use:   "validate",
		Short: "Check slipway.yaml, without slipwayd",
		Long: `Check slipway.yaml, and that the files it names are there. slipwayd is not needed.
Every mistake is printed with its line and column. --json prints the file as the API takes it.`,
		Example: `  slipway validate
  slipway validate --context            what a bake would send
  slipway validate --schema >slipway.schema.json`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if runF != nil {
				return runF(c.Context(), o)
			}
			return validateRun(c.Context(), o)
		},
	}
	fileFlag(c, &o.file)
	c.Flags().BoolVar(&o.schema, "schema", false, "print the JSON Schema of slipway.yaml, for editors")
	c.Flags().BoolVar(&o.context, "context", false, "list the files that a bake would send")
	return c
}

func fileFlag(c *cobra.Command, file *string) {
	c.Flags().StringVarP(file, "file", "f", "slipway.yaml", "the application's slipway.yaml; its paths are relative to its directory")
}

func validateRun(ctx context.Context, o *validateOptions) error {
	if o.schema {
		_, err := o.f.Out.Write(manifest.Schema())
		return err
	}
	ctx, stop := o.f.interruptible(ctx)
	defer stop()
	m, err := manifest.Load(o.file)
	if err != nil {
		return err
	}
	entries, err := m.Context(ctx)
	if err != nil {
		return err
	}
	switch {
	case o.context && o.f.json:
		return o.f.printJSON(entries)
	case o.context:
		var rows [][]string
		for _, e := range entries {
			rows = append(rows, []string{fmt.Sprintf("%04o", e.Mode), sizeOf(e), e.Digest.Short(), nameOf(e)})
		}
		return o.f.table([]string{"MODE", "SIZE", "DIGEST", "PATH"}, rows)
	case o.f.json:
		return o.f.printJSON(m.Spec)
	}
	var size int64
	for _, e := range entries {
		size += e.Size
	}
	_, err = fmt.Fprintf(o.f.Out, "%s is valid: %s from %s, %s with %s of files, %s, environments: %s\n", o.file, m.Spec.Application, m.Spec.Image.From,
		count(len(m.Spec.Image.Layers), "layer"), sizeText(size), count(len(m.Spec.Image.Tests), "test"), orDash(environmentsOf(m.Spec)))
	return err
}

func sizeOf(e slipway.ContextEntry) string {
	if e.Digest == "" {
		return "-"
	}
	return sizeText(e.Size)
}

func nameOf(e slipway.ContextEntry) string {
	switch {
	case e.Dir:
		return e.Path + "/"
	case e.Link != "":
		return e.Path + " -> " + e.Link
	}
	return e.Path
}
