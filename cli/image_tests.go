package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/client"
)

type imageTestsOptions struct {
	f     *Factory
	image imageRef
	junit bool
}

func newImageTests(f *Factory, runF func(context.Context, *imageTestsOptions) error) *cobra.Command {
	o := &imageTestsOptions{f: f}
	c := &cobra.Command{
		Use:   "tests APPLICATION[@REF]",
		Short: "What the tests of an image found",
		Long: `Print what the tests of an image found, when it was baked. For one that failed them, name it by its
digest. The exit status is 0 for an image that failed, too: the answer is the report.`,
		Example: `  slipway image tests hello
  slipway image tests hello@3f9c2a --junit >report.xml`,
		Args: cobra.RangeArgs(1, 2),
		RunE: func(c *cobra.Command, args []string) (err error) {
			if o.image, err = imageArgs(args); err != nil {
				return err
			}
			if o.junit && f.json {
				return usageError{fmt.Errorf("cannot print both JSON and JUnit XML")}
			}
			if runF != nil {
				return runF(c.Context(), o)
			}
			return imageTestsRun(c.Context(), o)
		},
	}
	c.Flags().BoolVar(&o.junit, "junit", false, "print JUnit XML, for CI")
	return c
}

func imageTestsRun(ctx context.Context, o *imageTestsOptions) error {
	c, err := o.f.client()
	if err != nil {
		return err
	}
	defer c.Close()
	ctx, stop := o.f.interruptible(ctx)
	defer stop()
	if o.junit {
		return o.printJUnit(ctx, c)
	}
	report, err := c.ImageTests(ctx, o.image.application, o.image.ref)
	if err != nil {
		return err
	}
	if o.f.json {
		return o.f.printJSON(report)
	}
	return o.print(report)
}

func (o *imageTestsOptions) printJUnit(ctx context.Context, c *client.Client) error {
	xml, err := c.ImageJUnit(ctx, o.image.application, o.image.ref)
	if err == nil {
		_, err = o.f.Out.Write(xml)
	}
	return err
}

func (o *imageTestsOptions) print(report slipway.TestReport) error {
	if len(report.Results) == 0 {
		_, err := fmt.Fprintf(o.f.Out, "%s has no tests\n", o.image)
		return err
	}
	for _, r := range report.Results {
		line := fmt.Sprintf("passed  %s  %s", seconds(r.Took), r.Name)
		if !r.Passed {
			line = fmt.Sprintf("FAILED  %s  %s\n%s", seconds(r.Took), r.Name, indent(r.Detail))
		}
		if _, err := fmt.Fprintln(o.f.Out, line); err != nil {
			return err
		}
	}
	if report.Log != "" {
		if _, err := fmt.Fprintf(o.f.Out, "the service's last lines:\n%s\n", indent(report.Log)); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintf(o.f.Out, "%s passed, in %s\n", tests(&report), seconds(report.Took))
	return err
}
