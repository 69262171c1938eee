package cli

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/client"
)

// shownDiffs is how many packages, and how many files, are printed unless all are asked for.
const shownDiffs = 100

type imageDiffOptions struct {
	f     *Factory
	older imageRef
	with  string
	all   bool
}

func newImageDiff(f *Factory) *cobra.Command {
	o := &imageDiffOptions{f: f}
	c := &cobra.Command{
		Use:   "diff APPLICATION@REF [APPLICATION@REF]",
		Short: "What differs between two images",
		Long: `Compare two images, from the first to the second: their packages, their files with size, mode, owner and
attributes, their configuration files line by line, what they run and how, and their layers. The second is
the newest ready image of the application unless you name one; "@v2" is one of the same application.

Lines begin with + for what was added, - for what was removed, ~ for what changed.`,
		Example: `  slipway image diff hello@v1 hello@v2
  slipway image diff hello@stable
  slipway image diff hello@v1 @v2 --json`,
		Args: cobra.RangeArgs(1, 2),
		RunE: func(c *cobra.Command, args []string) (err error) {
			if o.older, err = imageArgs(args[:1]); err != nil {
				return err
			}
			if len(args) > 1 {
				o.with = args[1]
				if of, ok := strings.CutPrefix(o.with, "@"); !ok {
					newer, err := imageArgs(args[1:])
					if err != nil {
						return err
					}
					o.with = newer.String()
				} else if of == "" {
					return usageError{fmt.Errorf("cannot tell which image %q means: want [APPLICATION]@REF", o.with)}
				}
			}
			return f.look(c.Context(), o.run)
		},
	}
	c.Flags().BoolVar(&o.all, "all", false, fmt.Sprintf("list all packages and files, not only the first %d of each", shownDiffs))
	return c
}

func (o *imageDiffOptions) run(ctx context.Context, c *client.Client) error {
	d, err := c.Diff(ctx, o.older.application, o.older.ref, o.with)
	if err != nil {
		return err
	}
	if o.f.json {
		return o.f.printJSON(d)
	}
	_, err = io.WriteString(o.f.Out, diffText(d, o.all))
	return err
}

// diffText says all that differs; of packages and files the first of each, unless all are asked for.
func diffText(d slipway.ImageDiff, all bool) string {
	var text strings.Builder
	fmt.Fprintf(&text, "%s → %s, %s → %s\n", sideText(d.Old), sideText(d.New), sizeText(d.Old.Size), sizeText(d.New.Size))
	layerDiffs(&text, d.Layers)
	changeDiffs(&text, "service", d.Service)
	changeDiffs(&text, "environments", d.Environments)
	if d.Config != nil {
		text.WriteString("\n" + configCounts(*d.Config) + "\n")
		for _, c := range d.Config.Changes {
			text.WriteString("  " + configDifference(c) + "\n")
		}
	}
	var packages, files []string
	for _, p := range d.Packages {
		packages = append(packages, packageDiff(p))
	}
	for _, file := range d.Files {
		files = append(files, fileDiff(file))
	}
	section(&text, "packages", packages, all)
	section(&text, "files", files, all)
	if len(d.Service)+len(d.Environments)+len(packages)+len(files) == 0 {
		text.WriteString("\nmachines of both are the same\n")
	}
	return text.String()
}

func sideText(s slipway.DiffSide) string {
	return s.Application + " " + slipway.Image{Version: s.Version, Digest: s.Digest}.Name()
}

var diffSigns = map[slipway.DiffKind]string{slipway.DiffAdded: "+", slipway.DiffRemoved: "-", slipway.DiffChanged: "~", slipway.DiffSame: "="}

// section prints lines below a heading that says how many there are of each kind.
func section(text *strings.Builder, heading string, lines []string, all bool) {
	if len(lines) == 0 {
		return
	}
	kinds := map[byte]int{}
	for _, l := range lines {
		kinds[l[0]]++
	}
	fmt.Fprintf(text, "\n%s: %d added, %d removed, %d changed\n", heading, kinds['+'], kinds['-'], kinds['~'])
	for n, l := range lines {
		if n == shownDiffs && !all {
			fmt.Fprintf(text, "  and %d more; --all lists them\n", len(lines)-n)
			return
		}
		text.WriteString(indent(l) + "\n")
	}
}

func layerDiffs(text *strings.Builder, layers []slipway.LayerDiff) {
	var shared, size int64
	for _, l := range layers {
		if l.Kind == slipway.DiffSame {
			shared++
			size += l.Size
		}
	}
	fmt.Fprintf(text, "\nlayers: %d shared, %s\n", shared, sizeText(size))
	for _, l := range layers {
		if l.Kind != slipway.DiffSame {
			fmt.Fprintf(text, "  %s %s  %s  %s\n", diffSigns[l.Kind], l.Step, sizeText(l.Size), l.Digest.Short())
		}
	}
}

func changeDiffs(text *strings.Builder, heading string, changes []slipway.Change) {
	if len(changes) == 0 {
		return
	}
	fmt.Fprintf(text, "\n%s\n", heading)
	for _, c := range changes {
		switch {
		case c.Old == "":
			fmt.Fprintf(text, "  + %s %s\n", c.Input, c.New)
		case c.New == "":
			fmt.Fprintf(text, "  - %s %s\n", c.Input, c.Old)
		default:
			fmt.Fprintf(text, "  ~ %s %s → %s\n", c.Input, c.Old, c.New)
		}
	}
}

func packageDiff(p slipway.PackageDiff) string {
	line := diffSigns[p.Kind] + " " + p.Name
	switch p.Kind {
	case slipway.DiffAdded:
		return line + " " + p.New
	case slipway.DiffRemoved:
		return line + " " + p.Old
	}
	return line + " " + p.Old + " → " + p.New
}

// fileDiff says what differs of a file, with its text's difference below.
func fileDiff(d slipway.FileDiff) string {
	line := diffSigns[d.Kind] + " " + d.Path
	switch {
	case d.Kind == slipway.DiffChanged:
		line += "  " + d.Changes()
	case d.New != nil:
		line += "  " + fileState(*d.New)
	default:
		line += "  " + fileState(*d.Old)
	}
	if d.Text != "" {
		line += "\n" + indent(strings.TrimSuffix(d.Text, "\n"))
	}
	return line
}

func fileState(s slipway.FileState) string {
	text := fmt.Sprintf("%s %s %d:%d", s.Type, s.Mode, s.UID, s.GID)
	switch {
	case s.Target != "":
		return text + " → " + s.Target
	case s.Device != "":
		return text + " " + s.Device
	case s.Type == "file":
		return text + " " + sizeText(s.Size)
	}
	return text
}
