package cli

import "github.com/spf13/cobra"

// newImage returns the group of verbs about one image or several.
func newImage(f *Factory) *cobra.Command {
	c := &cobra.Command{
		Use:   "image",
		Short: "Look into, compare, verify, move and retire images",
	}
	c.AddCommand(imageVerbs(f)...)
	return c
}

func imageVerbs(f *Factory) []*cobra.Command {
	return []*cobra.Command{}
}
