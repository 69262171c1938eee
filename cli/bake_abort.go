package cli

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

func newBakeAbort(f *Factory, runF func(context.Context, *abortOptions) error) *cobra.Command {
	o := &abortOptions{f: f}
	return &cobra.Command{
		Use:   "abort BAKE",
		Short: "End a bake, and remove what it left",
		Long: `End a bake that is under way, with its sandboxes and machines. A sandbox that a failed bake kept
(--keep-on-failure) is removed. It returns when slipwayd has recorded the wish.`,
		Example: `  slipway bake abort b-44bbgrolax`,
		Args:    cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			o.id = args[0]
			if !strings.HasPrefix(o.id, "b-") {
				return usageError{fmt.Errorf("cannot abort %q: want the ID of a bake (b-…)", o.id)}
			}
			if runF != nil {
				return runF(c.Context(), o)
			}
			return abortRun(c.Context(), o)
		},
	}
}
