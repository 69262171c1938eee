package cli

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/client"
)

func newImageShow(f *Factory) *cobra.Command {
	return &cobra.Command{
		Use:   "show APPLICATION[@REF]",
		Short: "All there is to know of an image",
		Long: `Show an image: its state and tests, what it is built on and whether that has moved on, its layers, the
channels that name it, where it runs now, and where it comes from.`,
		Example: `  slipway image show hello
  slipway image show hello@stable --json`,
		Args: cobra.RangeArgs(1, 2),
		RunE: func(c *cobra.Command, args []string) error {
			ref, err := imageArgs(args)
			if err != nil {
				return err
			}
			return f.look(c.Context(), func(ctx context.Context, c *client.Client) error {
				s, err := c.ImageStatus(ctx, ref.application, ref.ref)
				if err != nil {
					return err
				}
				if f.json {
					return f.printJSON(s)
				}
				return f.image(s)
			})
		},
	}
}

// image prints an image.
func (f *Factory) image(s slipway.ImageStatus) error {
	fmt.Fprintf(f.Out, "%s %s\n", s.Application, s.Name())
	f.facts([][2]string{
		{"digest", string(s.Digest)},
		{"state", stateText(s.Image)},
		{"signed", signedText(s.Signed)},
		{"revoked", revokedText(s.Revoked)},
		{"baked", bakedText(s.Image)},
		{"from", s.From},
		{"parent", parentText(s.Parent)},
		{"channels", channelsText(s.Channels)},
		{"runs in", usesText(s.Uses)},
		{"source", sourceText(s.Source)},
		{"service", serviceText(s.Service)},
		{"children", childrenText(s.Children)},
		{"size", sizeText(s.Size()) + " in " + count(len(s.Layers), "layer")},
	})
	fmt.Fprintln(f.Out)
	var rows [][]string
	for n, l := range s.Layers {
		step := l.Step
		if s.Base != nil && n < s.Base.Layers {
			step += " (base)"
		}
		rows = append(rows, []string{fmt.Sprint(n + 1), step, sizeText(l.Size), l.Digest.Short()})
	}
	return f.table([]string{"LAYER", "STEP", "SIZE", "DIGEST"}, rows)
}

func stateText(i slipway.Image) string {
	text := string(i.State)
	if i.IsBase() {
		text += ", a base that others build on"
	}
	if i.Tests == nil {
		return text
	}
	text += ", tests " + tests(i.Tests)
	for _, t := range i.Tests.Results {
		if !t.Passed {
			text += "\n" + t.Name + ": " + strings.ReplaceAll(t.Detail, "\n", "\n  ")
		}
	}
	return text
}

func signedText(signed *bool) string {
	switch {
	case signed == nil:
		return ""
	case *signed:
		return "yes"
	}
	return "no; slipway image verify says why"
}

func revokedText(r *slipway.Revocation) string {
	if r == nil {
		return ""
	}
	return r.String()
}

func bakedText(i slipway.Image) string {
	text := i.Created.UTC().Format("2006-01-02 15:04 MST") + ", " + age(i.Created) + " ago"
	if i.Bake != "" {
		text += ", by " + i.Bake
	}
	return text
}

func parentText(o *slipway.Outdated) string {
	if o == nil {
		return ""
	}
	return o.Message
}

func channelsText(channels []slipway.Channel) string {
	var lines []string
	for _, c := range channels {
		line := c.Name + ", since " + age(c.Moved)
		if c.By != "" {
			line += ", by " + c.By
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "\n")
}

func usesText(uses []slipway.ImageUse) string {
	var lines []string
	for _, u := range uses {
		line := strings.Join(u.Instances, " ")
		switch {
		case u.Serving:
			line = fmt.Sprintf("%s: %s serves, %s", u.Cluster.Environment, u.Group, count(len(u.Instances), "instance"))
		case u.Cluster != nil:
			line = fmt.Sprintf("%s: %s is kept, %s", u.Cluster.Environment, u.Group, count(len(u.Instances), "instance"))
		default:
			line = "throw-away machine " + line
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "\n")
}

func sourceText(s *slipway.Source) string {
	if s == nil {
		return ""
	}
	var parts []string
	for _, part := range [][2]string{{"", s.Repository}, {"commit ", s.Commit}, {"branch ", s.Branch}, {"by ", s.Author}, {"build ", s.Build}} {
		if part[1] != "" {
			parts = append(parts, part[0]+part[1])
		}
	}
	if s.Dirty {
		parts = append(parts, "with changes that no commit has")
	}
	return strings.Join(parts, ", ")
}

func serviceText(s slipway.Service) string {
	if len(s.Command) == 0 {
		return ""
	}
	text := strings.Join(s.Command, " ") + ", as " + cmp.Or(s.User, "root")
	if s.Port != 0 {
		text += fmt.Sprintf(", port %d", s.Port)
	}
	return text
}

func childrenText(n int) string {
	if n == 0 {
		return ""
	}
	return count(n, "image") + " built on it; see slipway image tree"
}

// usedBy lists the server groups and machines of an image in one line.
func usedBy(uses []slipway.ImageUse) string {
	var names []string
	for _, u := range uses {
		names = append(names, cmp.Or(u.Group, strings.Join(u.Instances, " ")))
	}
	slices.Sort(names)
	return strings.Join(slices.Compact(names), ", ")
}
