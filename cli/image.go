package cli

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/slipway-sh/slipway"
)

// newImage returns the group of verbs about one image or several.
func newImage(f *Factory) *cobra.Command {
	c := &cobra.Command{
		Use:   "image",
		Short: "Look into, compare, verify, move and retire images",
		Long: `Look into, compare, verify, move and retire images.

An image is named APPLICATION[@REF], or APPLICATION REF: "hello@stable" and "hello stable" are the same. REF is a
channel, a version label, a digest or at least six of its first digits, or latest: the newest ready image,
which is also meant by APPLICATION alone.`,
		Args: cobra.ArbitraryArgs,
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usageError{fmt.Errorf("cannot %q an image: there is no such verb; see slipway image --help", args[0])}
			}
			return c.Help()
		},
	}
	c.AddCommand(imageVerbs(f)...)
	return c
}

func imageVerbs(f *Factory) []*cobra.Command {
	return []*cobra.Command{
		newImageShow(f), newImageDiff(f), newImageTree(f), newImageChannel(f), newImageChannels(f), newImageRevoke(f), newImagePrune(f),
		newImageShell(f, nil), newImageTests(f, nil), newImagePush(f, nil), newImagePull(f, nil),
		newImageVerify(f, nil), newImageSBOM(f), newImageProvenance(f), newImageKeys(f),
	}
}

// imageRef is an image as a person names it.
type imageRef struct {
	application string
	ref         string // a channel, version label, digest, its first digits, or "latest"
}

func (r imageRef) String() string { return r.application + "@" + r.ref }

// imageArgs reads an image from a command line: APPLICATION[@REF], or APPLICATION REF. Without REF it is the newest ready one.
func imageArgs(args []string) (imageRef, error) {
	application, ref, given := strings.Cut(args[0], "@")
	if given && (ref == "" || len(args) > 1) {
		return imageRef{}, usageError{fmt.Errorf("cannot tell which image %q means: want APPLICATION@REF, or APPLICATION REF", strings.Join(args, " "))}
	}
	if len(args) > 1 {
		ref = args[1]
	}
	return imageRef{application, cmp.Or(ref, "latest")}, slipway.ValidateName("application", application)
}

// who returns who asks, for the records: the one whom CI or sudo acts for, or the user.
func (f *Factory) who() string {
	return cmp.Or(f.Env("GITHUB_ACTOR"), f.Env("GITLAB_USER_LOGIN"), f.Env("SUDO_USER"), f.Env("USER"))
}

// facts prints what there is to say about something, a line each; a name without text is left out.
func (f *Factory) facts(lines [][2]string) {
	width := 0
	for _, l := range lines {
		width = max(width, len(l[0]))
	}
	for _, l := range lines {
		for n, line := range strings.Split(l[1], "\n") {
			switch {
			case line == "":
			case n == 0:
				fmt.Fprintf(f.Out, "%-*s  %s\n", width, l[0], line)
			default:
				fmt.Fprintf(f.Out, "%-*s  %s\n", width, "", line)
			}
		}
	}
}
