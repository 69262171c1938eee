package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/slipway-sh/slipway/client"
)

func newAccounts(f *Factory) *cobra.Command {
	return &cobra.Command{
		Use:     "accounts",
		Short:   "Where machines run, and what room there is",
		Long:    `List the accounts that "account" in slipway.yaml can name, with what their machines can have all together and what is left of it.`,
		Example: "  slipway accounts",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return f.look(c.Context(), f.accounts)
		},
	}
}

func (f *Factory) accounts(ctx context.Context, c *client.Client) error {
	all, err := c.Accounts(ctx)
	if err != nil {
		return err
	}
	if f.json {
		return f.printJSON(all)
	}
	free := func(left, all int64) string {
		if all == 0 {
			return "-"
		}
		return fmt.Sprintf("%s of %s", sizeText(left), sizeText(all))
	}
	var rows [][]string
	for _, a := range all {
		rows = append(rows, []string{
			a.Name, a.Provider, orDash(a.Host), fmt.Sprint(a.Machines), fmt.Sprint(a.ServerGroups), fmt.Sprint(a.Capacity.CPUs),
			fmt.Sprintf("%.2f", a.Capacity.Load), free(a.Capacity.FreeMemory, a.Capacity.Memory), free(a.Capacity.FreeDisk, a.Capacity.Disk),
		})
	}
	return f.table([]string{"ACCOUNT", "PROVIDER", "HOST", "MACHINES", "SERVER GROUPS", "CPUS", "LOAD", "FREE MEMORY", "FREE DISK"}, rows)
}
