package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/bake"
	"github.com/slipway-sh/slipway/image"
	"github.com/slipway-sh/slipway/provider/local"
	"github.com/slipway-sh/slipway/rootfs"
	"github.com/slipway-sh/slipway/router/haproxy"
	"github.com/slipway-sh/slipway/secrets"
)

func newDestroyCommand(o *options) *cobra.Command {
	var yes bool
	cmd := &cobra.Command{
		Use:   "destroy",
		Short: "Stop and remove everything that belongs to a data directory: machines, load balancer, network, mounts and the directory",
		Long: `destroy stops every machine and the load balancer of a data directory, unmounts its layers, removes its network, and
deletes the directory with all images and records. slipwayd must not be running on it. Without --yes it only says
what it would destroy.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return destroy(cmd.Context(), *o, yes, cmd.OutOrStdout()) },
	}
	cmd.Flags().BoolVar(&yes, "yes", false, "really do it")
	return cmd
}

// destroy may be cut off and run again.
func destroy(ctx context.Context, o options, yes bool, out io.Writer) error {
	if _, err := os.Stat(o.path("slipwayd.lock")); errors.Is(err, fs.ErrNotExist) {
		return slipway.Errorf(slipway.NotFound, "cannot destroy %s: it is not the data directory of a slipwayd", o.data)
	}
	if err := preflight(o.agent); err != nil {
		return err
	}
	lock, err := lockDataDir(o.data)
	if err != nil {
		return err
	}
	defer lock.Unlock()

	if !yes {
		groups, instances, err := local.Recorded(o.path("local"))
		if err == nil {
			describe(out, o.data, groups, instances)
		}
		return err
	}
	images, err := image.Open(o.path("images"))
	if err != nil {
		return err
	}
	mounts := rootfs.New(o.path("mounts"), images)
	machines, err := local.New(ctx, local.Config{Dir: o.path("local"), Images: images, Mounts: mounts, AgentPath: o.agent, Log: o.log})
	if err != nil {
		return err
	}
	groups, err := machines.ServerGroups(ctx)
	if err != nil {
		return errors.Join(err, bounded(machines.Close))
	}
	instances, err := machines.Instances(ctx)
	if err != nil {
		return errors.Join(err, bounded(machines.Close))
	}

	router, err := haproxy.New(haproxy.Config{Dir: o.path("haproxy"), Log: o.log})
	if err == nil {
		err = bounded(router.Stop)
	}
	baker := bake.New(bake.Config{Images: images, Mounts: mounts, Dir: o.path("cache"), Log: o.log})
	err = errors.Join(err, secrets.Destroy(o.data), baker.Sweep(ctx), empty(ctx, machines, groups, instances), bounded(machines.Close),
		mounts.Prune(func(slipway.Digest) bool { return false }))
	if err != nil {
		return fmt.Errorf("cannot destroy all of %s; run it again: %w", o.data, err)
	}
	if err := removeUnlessMounted(o.data); err != nil {
		return err
	}
	fmt.Fprintf(out, "destroyed %s: %d server groups, %d machines\n", o.data, len(groups), len(instances))
	return nil
}

// empty destroys every group and every throw-away machine side by side.
func empty(ctx context.Context, machines *local.Provider, groups []slipway.ServerGroup, instances []slipway.Instance) error {
	var all errgroup.Group
	for _, g := range groups {
		all.Go(func() error { return machines.DestroyServerGroup(ctx, g.Name) })
	}
	for _, i := range instances {
		if i.Group == "" {
			all.Go(func() error { return machines.Terminate(ctx, i.ID) })
		}
	}
	return all.Wait()
}

func describe(out io.Writer, data string, groups []slipway.ServerGroup, instances []slipway.Instance) {
	fmt.Fprintf(out, "would stop %d machines and the load balancer, and delete %s:\n", len(instances), data)
	for _, g := range groups {
		fmt.Fprintf(out, "  server group %s: %d instances of image %s\n", g.Name, len(g.Instances), g.Image.Short())
	}
	for _, i := range instances {
		if i.Group == "" {
			fmt.Fprintf(out, "  throw-away machine %s\n", i.ID)
		}
	}
	fmt.Fprintln(out, "nothing was changed; add --yes to do it")
}

// removeUnlessMounted deletes dir. A file system that is still mounted below it would be emptied, so that is refused.
func removeUnlessMounted(dir string) error {
	table, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(table)) {
		if fields := strings.Fields(line); len(fields) > 4 && strings.HasPrefix(fields[4], filepath.Clean(dir)+"/") {
			return slipway.Errorf(slipway.Refused, "cannot delete %s: %s is still mounted", dir, fields[4])
		}
	}
	return os.RemoveAll(dir)
}
