package cli

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/client"
)

// newArtifact returns the group of verbs about files that CI has built.
func newArtifact(f *Factory) *cobra.Command {
	c := &cobra.Command{
		Use:   "artifact",
		Short: "Push files that CI has built, and let triggers fire",
		Args:  cobra.ArbitraryArgs,
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usageError{fmt.Errorf("cannot %q an artifact: there is no such verb; see slipway artifact --help", args[0])}
			}
			return c.Help()
		},
	}
	c.AddCommand(newArtifactPush(f), newArtifactList(f))
	return c
}

type artifactPushOptions struct {
	f                          *Factory
	application, name, version string
	file                       string
}

func newArtifactPush(f *Factory) *cobra.Command {
	o := &artifactPushOptions{f: f}
	c := &cobra.Command{
		Use:   "push FILE --application APPLICATION",
		Short: "Push a file that CI has built",
		Long: `Push a file that CI has built. Triggers that wait for it (slipway trigger add artifact) bake the application as it was baked
last, but for that file, and start their pipeline or deployment.

In GitHub Actions, GitLab CI and Jenkins the version, commit, branch, author and build are known by themselves.`,
		Example: `  slipway artifact push dist/hello --application hello --version 123`,
		Args:    cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			o.file = args[0]
			return f.look(c.Context(), o.run)
		},
	}
	c.Flags().StringVar(&o.application, "application", "", "the application")
	c.Flags().StringVar(&o.name, "name", "", "what the artifact is called (default the file's name)")
	c.Flags().StringVar(&o.version, "version", "", "label of the image that is baked with it (default what CI says)")
	return c
}

func (o *artifactPushOptions) run(ctx context.Context, c *client.Client) error {
	file, err := os.Open(o.file)
	if err != nil {
		return slipway.Errorf(slipway.NotFound, "cannot push %s: %w", o.file, err)
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return slipway.Errorf(slipway.Invalid, "cannot push %s: it is no file", o.file)
	}
	hash := sha256.New()
	if _, err := io.Copy(hash, file); err != nil {
		return fmt.Errorf("cannot read %s: %w", o.file, err)
	}
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return err
	}
	a := slipway.Artifact{
		Application: o.application, Name: cmp.Or(o.name, filepath.Base(o.file)), Version: cmp.Or(o.version, versionOfCI(o.f.Env)),
		Digest: slipway.Digest("sha256:" + hex.EncodeToString(hash.Sum(nil))), Size: info.Size(), Mode: uint32(info.Mode().Perm()),
		Source: sourceOf(ctx, o.f.Env, filepath.Dir(o.file)),
	}
	if err := a.Validate(); err != nil {
		return err
	}
	pushed, err := c.PushArtifact(ctx, a, file)
	if err != nil {
		return err
	}
	if o.f.json {
		return o.f.printJSON(pushed)
	}
	fmt.Fprintf(o.f.Out, "pushed %s (%s, %s) as %s\n", pushed.Name, pushed.Digest.Short(), sizeText(pushed.Size), pushed.ID)
	if len(pushed.Firings) == 0 {
		fmt.Fprintln(o.f.Out, "no trigger waits for it")
		return nil
	}
	for _, g := range pushed.Firings {
		fmt.Fprintf(o.f.Out, "trigger %s fires: see slipway trigger show %s\n", g.Cause.Name, g.Trigger)
	}
	return nil
}

func newArtifactList(f *Factory) *cobra.Command {
	var limit int
	c := &cobra.Command{
		Use: "list APPLICATION", Short: "List files that were pushed, newest first", Args: cobra.ExactArgs(1),
		Example: "  slipway artifact list hello --limit 5",
		RunE: func(cmd *cobra.Command, args []string) error {
			return f.look(cmd.Context(), func(ctx context.Context, c *client.Client) error {
				all, err := c.Artifacts(ctx, args[0], limit)
				if err != nil {
					return err
				}
				if f.json {
					return f.printJSON(all)
				}
				if len(all) == 0 {
					_, err := fmt.Fprintln(f.Out, "nothing was pushed")
					return err
				}
				var rows [][]string
				for _, a := range all {
					commit := "-"
					if a.Source != nil {
						commit = orDash(a.Source.Commit[:min(12, len(a.Source.Commit))])
					}
					rows = append(rows, []string{a.ID, a.Name, orDash(a.Version), a.Digest.Short(), sizeText(a.Size), commit, age(a.Pushed), orDash(a.By)})
				}
				return f.table([]string{"ID", "NAME", "VERSION", "DIGEST", "SIZE", "COMMIT", "AGE", "BY"}, rows)
			})
		},
	}
	limitFlag(c, &limit, 50)
	return c
}
