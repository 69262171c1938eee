package cli

import (
	"fmt"

	"github.com/spf13/cobra"
)

func newVersion(f *Factory) *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print this program's version",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			if f.json {
				return f.printJSON(map[string]string{"version": f.Version})
			}
			_, err := fmt.Fprintln(f.Out, "slipway", f.Version)
			return err
		},
	}
}
