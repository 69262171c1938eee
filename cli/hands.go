package cli

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/client"
)

// newHandsCommands are the commands that do something to a machine by hand.
func newHandsCommands(f *Factory) []*cobra.Command {
	return []*cobra.Command{
		markCommand(f, "disable", "Take a machine out of traffic", `Take a machine out of traffic: it gets no new requests, finishes those under way, and runs on, to be looked into. No other is
launched in its place, and it is not replaced if it turns unhealthy, only if it dies. --reason is wanted.

It is refused if too few would serve: less than min_healthy of the environment's policy, or than its least size; a group of
a fixed size may do without one machine. --force does it all the same.`,
			"  slipway disable i-4fa25ba751 --reason \"it answers slowly\"", true,
			func(ctx context.Context, c *client.Client, id string, h client.Handling) (slipway.Instance, error) {
				return c.Disable(ctx, id, h)
			}, "gets no new requests"),
		markCommand(f, "enable", "Give a machine back to traffic", `Give a machine that was disabled back to traffic. One that is unhealthy by then is replaced.`,
			"  slipway enable i-4fa25ba751", false,
			func(ctx context.Context, c *client.Client, id string, h client.Handling) (slipway.Instance, error) {
				return c.Enable(ctx, id, h)
			}, "may get traffic again"),
		markCommand(f, "protect", "Keep a machine from being removed", `Keep a machine from being removed: a group that shrinks takes others, and "slipway terminate" and "slipway group destroy" take
--force. A deployment that would retire its group leaves it there, out of traffic, and says so. One that dies is replaced all
the same.`,
			"  slipway protect i-4fa25ba751 --reason \"its memory is being looked at\"", false,
			func(ctx context.Context, c *client.Client, id string, h client.Handling) (slipway.Instance, error) {
				return c.Protect(ctx, id, h)
			}, "is protected"),
		markCommand(f, "unprotect", "End a machine's protection", `End what "slipway protect" began. The next deployment retires the machine's group as if nothing had been.`,
			"  slipway unprotect i-4fa25ba751", false,
			func(ctx context.Context, c *client.Client, id string, h client.Handling) (slipway.Instance, error) {
				return c.Unprotect(ctx, id, h)
			}, "is not protected"),
		newStart(f), newResize(f),
	}
}

type handle = func(ctx context.Context, c *client.Client, id string, h client.Handling) (slipway.Instance, error)

func markCommand(f *Factory, verb, short, long, example string, forcible bool, do handle, then string) *cobra.Command {
	var h client.Handling
	c := &cobra.Command{
		Use: verb + " INSTANCE", Short: short, Long: long, Example: example,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			h.By = f.who()
			if (verb == "disable" || h.Force) && strings.TrimSpace(h.Reason) == "" {
				return usageError{fmt.Errorf("cannot %s %s without --reason: say why, for whoever asks later", verb, args[0])}
			}
			return f.look(c.Context(), func(ctx context.Context, c *client.Client) error {
				i, err := do(ctx, c, args[0], h)
				if err != nil {
					return err
				}
				if f.json {
					return f.printJSON(i)
				}
				_, err = fmt.Fprintf(f.Out, "%s %s\n", i.ID, then)
				return err
			})
		},
	}
	c.Flags().StringVar(&h.Reason, "reason", "", "why, for the record")
	if forcible {
		c.Flags().BoolVar(&h.Force, "force", false, "though too few would serve; recorded")
	}
	return c
}

func newStart(f *Factory) *cobra.Command {
	var (
		req     slipway.StartRequest
		stay    time.Duration
		version string
	)
	c := &cobra.Command{
		Use:   "start APPLICATION IMAGE",
		Short: "Start one machine of an image, outside of all traffic",
		Long: `Start one machine of any image that is not revoked, whether its tests passed or not, outside of any server group and of all
traffic. With --environment it gets that one's configuration, secrets included. It is removed when its time is over, or by
"slipway terminate".`,
		Example: `  slipway start hello v3
  slipway start hello v3 --environment prod --for 20m --reason "does it start there?"`,
		Args: cobra.ExactArgs(2),
		RunE: func(c *cobra.Command, args []string) error {
			req.Application, req.Image, req.For, req.By = args[0], args[1], slipway.Duration(stay), f.who()
			if version != "" {
				n, err := versionArg(version)
				if err != nil {
					return err
				}
				if req.Environment == "" {
					return usageError{errors.New("cannot use --config-version without --environment: say whose configuration it is")}
				}
				req.Config = n
			}
			return f.look(c.Context(), func(ctx context.Context, c *client.Client) error {
				i, err := c.Start(ctx, req)
				if err != nil {
					return err
				}
				if f.json {
					return f.printJSON(i)
				}
				_, err = fmt.Fprintf(f.Out, "%s is starting at %s:%d, and is removed at %s\n", i.ID, i.Address, i.Port, i.Expires.UTC().Format("2006-01-02 15:04:05 MST"))
				return err
			})
		},
	}
	c.Flags().StringVar(&req.Environment, "environment", "", "give it the configuration of this `environment`")
	c.Flags().StringVar(&version, "config-version", "", "this `version` of it instead of the newest")
	c.Flags().DurationVar(&stay, "for", time.Hour, "how long it stays, at most 168h")
	c.Flags().StringVar(&req.Reason, "reason", "", "why, for the record")
	return c
}

func newResize(f *Factory) *cobra.Command {
	var req slipway.ResizeRequest
	c := &cobra.Command{
		Use:   "resize APPLICATION ENVIRONMENT N|MIN:DESIRED:MAX",
		Short: "Change how many machines serve an environment",
		Long: `Change how many machines serve an environment, now. Deployments to come keep that size, as long as slipway.yaml says of it
what it says now; once it says something else, that counts again.

It is refused outside of the bounds that slipway.yaml gives, if too few would serve, and while a deployment is under way; all
but the last --force does, with --reason. A size that is a number there is no bound.`,
		Example: "  slipway resize hello prod 6\n  slipway resize hello prod 2:6:20 --force --reason \"the sale\"",
		Args:    cobra.ExactArgs(3),
		RunE: func(c *cobra.Command, args []string) error {
			req.Cluster, req.By = clusterOf(args[:2]), f.who()
			var numbers []int
			for word := range strings.SplitSeq(args[2], ":") {
				n, err := strconv.Atoi(word)
				if err != nil || n < 0 {
					return usageError{fmt.Errorf("cannot use %q as a size: want a number, or MIN:DESIRED:MAX", args[2])}
				}
				numbers = append(numbers, n)
			}
			switch len(numbers) {
			case 1:
				req.Desired = numbers[0]
			case 3:
				req.Min, req.Desired, req.Max = numbers[0], numbers[1], numbers[2]
			default:
				return usageError{fmt.Errorf("cannot use %q as a size: want a number, or MIN:DESIRED:MAX", args[2])}
			}
			if req.Force && strings.TrimSpace(req.Reason) == "" {
				return usageError{errors.New("cannot use --force without --reason: say why, for whoever asks later")}
			}
			return f.look(c.Context(), func(ctx context.Context, c *client.Client) error {
				g, err := c.Resize(ctx, req)
				if err != nil {
					return err
				}
				if f.json {
					return f.printJSON(g)
				}
				_, err = fmt.Fprintf(f.Out, "%s is to have %d machines\n", g.Name, g.Size.Desired)
				return err
			})
		},
	}
	c.Flags().BoolVar(&req.Force, "force", false, "outside of what slipway.yaml allows, or though too few would serve; wants --reason, and is recorded")
	c.Flags().StringVar(&req.Reason, "reason", "", "why, for the record")
	return c
}
