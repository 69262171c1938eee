package cli

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/client"
)

func newImageTree(f *Factory) *cobra.Command {
	return &cobra.Command{
		Use:   "tree APPLICATION[@REF]",
		Short: "What an image is built on, and what is built on it",
		Long: `Show what an image is built on, up to the first, and all images that are built on it, of whatever
application. What is built on something that has moved on, or is revoked, is marked.`,
		Example: "  slipway image tree base@stable",
		Args:    cobra.RangeArgs(1, 2),
		RunE: func(c *cobra.Command, args []string) error {
			ref, err := imageArgs(args)
			if err != nil {
				return err
			}
			return f.look(c.Context(), func(ctx context.Context, c *client.Client) error {
				a, err := c.Ancestry(ctx, ref.application, ref.ref)
				if err != nil {
					return err
				}
				if f.json {
					return f.printJSON(a)
				}
				return f.ancestry(a)
			})
		},
	}
}

// ancestry prints a family as a tree, the image that was asked for with a star.
func (f *Factory) ancestry(a slipway.Ancestry) error {
	family := append(append(append([]slipway.Relative{}, a.Ancestors...), a.Image), a.Descendants...)
	first := family[0].Depth
	open := make([]bool, len(family)+1) // by depth: more is to come of that generation
	lines := make([]string, len(family))
	for n := len(family) - 1; n >= 0; n-- {
		depth := family[n].Depth - first
		var line strings.Builder
		for d := 1; d < depth; d++ {
			line.WriteString(map[bool]string{true: "│  ", false: "   "}[open[d]])
		}
		if depth > 0 {
			line.WriteString(map[bool]string{true: "├─ ", false: "└─ "}[open[depth]])
		}
		open[depth] = true
		clear(open[depth+1:])
		line.WriteString(relativeText(family[n]))
		if n == len(a.Ancestors) {
			line.WriteString(" *")
		}
		lines[n] = line.String()
	}
	_, err := fmt.Fprintln(f.Out, strings.Join(lines, "\n"))
	return err
}

func relativeText(r slipway.Relative) string {
	if r.Application == "" {
		return r.From
	}
	text := r.Application + " " + slipway.Image{Version: r.Version, Digest: r.Digest}.Name()
	if len(r.Channels) > 0 {
		text += " @" + strings.Join(r.Channels, " @")
	}
	if r.Removed {
		text += ", removed"
	}
	if r.State == slipway.ImageFailed {
		text += ", failed its tests"
	}
	if r.Revoked != nil {
		text += ", revoked " + r.Revoked.String()
	}
	if r.Parent != nil {
		text += ", " + r.Parent.Message
	}
	return text
}
