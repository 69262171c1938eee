package cli

import (
	"context"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/slipway-sh/slipway/client"
)

type releasesOptions struct {
	f           *Factory
	environment string // "": all
	limit       int
}

func newReleases(f *Factory, runF func(context.Context, *releasesOptions) error) *cobra.Command {
	o := &releasesOptions{f: f}
	c := &cobra.Command{
		Use:     "releases [ENVIRONMENT]",
		Short:   "Releases of several applications as one, newest first",
		Long:    `List releases, the newest first. NOTE is why one was made, or why it failed; the whole reason is in --json.`,
		Example: "  slipway releases prod",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) > 0 {
				o.environment = args[0]
			}
			if runF != nil {
				return runF(c.Context(), o)
			}
			return f.look(c.Context(), o.run)
		},
	}
	limitFlag(c, &o.limit, 20)
	return c
}

func (o *releasesOptions) run(ctx context.Context, c *client.Client) error {
	all, err := c.Releases(ctx, o.environment, o.limit)
	if err != nil {
		return err
	}
	if o.f.json {
		return o.f.printJSON(all)
	}
	names, err := imageNames(ctx, c, "")
	if err != nil {
		return err
	}
	var rows [][]string
	for _, r := range all {
		var members []string
		for _, m := range r.Members {
			members = append(members, m.Application+"="+names.of(m.Image))
		}
		note, end := r.Reason, r.Finished
		if r.Error != nil {
			note, _, _ = strings.Cut(r.Error.Message, "\n")
		}
		if end.IsZero() {
			end = time.Now()
		}
		rows = append(rows, []string{r.ID, r.Environment, strings.Join(members, " "), strings.ReplaceAll(string(r.State), "_", " "),
			seconds(max(end.Sub(r.Started), 0)), age(r.Started), orDash(r.By), note})
	}
	return o.f.table([]string{"RELEASE", "ENVIRONMENT", "APPLICATIONS", "STATE", "TOOK", "AGE", "BY", "NOTE"}, rows)
}
