package cli

import (
	"fmt"

	"github.com/spf13/cobra"
)

// newDeployment returns the group of verbs about one deployment that look.
func newDeployment(f *Factory) *cobra.Command {
	c := &cobra.Command{
		Use:   "deployment",
		Short: "Look into a deployment: what it does, what it waits for, what it would undo",
		Long: `Look into a deployment. What tells one something stands on its own: "slipway pause", "resume", "promote", "approve",
"reject", "retry" and "abort".`,
		Args: cobra.ArbitraryArgs,
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usageError{fmt.Errorf("cannot %q a deployment: there is no such verb; see slipway deployment --help", args[0])}
			}
			return c.Help()
		},
	}
	c.AddCommand(newDeploymentShow(f, nil))
	return c
}
