package cli

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/slipway-sh/slipway/client"
)

func newEnvironments(f *Factory) *cobra.Command {
	return &cobra.Command{
		Use:   "environments",
		Short: "Environments, and which applications run in them",
		Long: `List the environments that an application's newest slipway.yaml has, or to which something was
deployed. "slipway state" shows how one is.`,
		Example: "  slipway environments",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return f.look(c.Context(), f.environments)
		},
	}
}

func (f *Factory) environments(ctx context.Context, c *client.Client) error {
	all, err := c.Environments(ctx)
	if err != nil {
		return err
	}
	if f.json {
		return f.printJSON(all)
	}
	if len(all) == 0 {
		_, err := fmt.Fprintln(f.Out, "there are none yet; a slipway.yaml has them: slipway ship")
		return err
	}
	var rows [][]string
	for _, e := range all {
		var names []string
		for _, m := range e.Applications {
			names = append(names, m.Application)
		}
		const shown = 8
		text := strings.Join(names[:min(len(names), shown)], ", ")
		if more := len(names) - shown; more > 0 {
			text += fmt.Sprintf(" and %d more", more)
		}
		rows = append(rows, []string{e.Name, orDash(strings.Join(e.Accounts, ", ")), text})
	}
	return f.table([]string{"ENVIRONMENT", "ACCOUNTS", "APPLICATIONS"}, rows)
}
