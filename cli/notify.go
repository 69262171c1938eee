package cli

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/client"
)

// newNotify returns the group of verbs about who is told of what.
func newNotify(f *Factory) *cobra.Command {
	c := &cobra.Command{
		Use:   "notify",
		Short: "Tell people and programs of events",
		Long: `Tell people and programs of events: by webhooks, which are signed as Standard Webhooks says, and by e-mail. What cannot be
delivered is tried for a day, ever less often, and then kept: see slipway notify deliveries --dead.

A subscription is named by its ID or its name.`,
		Args: cobra.ArbitraryArgs,
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usageError{fmt.Errorf("cannot %q a subscription: there is no such verb; see slipway notify --help", args[0])}
			}
			return c.Help()
		},
	}
	c.AddCommand(newNotifyAdd(f), newNotifyList(f), newNotifyTest(f), newNotifyDeliveries(f), newNotifyDelivery(f, true), newNotifyDelivery(f, false),
		newNotifyEnable(f, true), newNotifyEnable(f, false), newNotifyRotate(f), newNotifyRemove(f))
	return c
}

func newNotifyAdd(f *Factory) *cobra.Command {
	c := &cobra.Command{
		Use:   "add webhook|email",
		Short: "Tell somebody of events",
		Args:  cobra.ArbitraryArgs,
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usageError{fmt.Errorf("cannot tell anybody by %q: want webhook or email", args[0])}
			}
			return c.Help()
		},
	}
	const events = `Without --event it is told of executions, deployments and releases that have ended, of deployments that begin or wait for a
person, of machines that were lost, and of triggers that could start nothing.`
	c.AddCommand(
		newNotifyAddKind(f, slipway.NotifyWebhook, "webhook URL", "Send events to a URL", `Each event is posted as JSON: {"type", "timestamp", "data"}. Requests are signed as Standard Webhooks says, with the secret
that is printed this once. `+events, `  slipway notify add webhook https://example.com/hooks/slipway --application hello
  slipway notify add webhook https://example.com/pager --name pager --env prod --failures`),
		newNotifyAddKind(f, slipway.NotifyEmail, "email ADDRESS...", "Send events by e-mail", `slipwayd must have been told of a mail server, with --smtp. `+events,
			`  slipway notify add email ann@example.com bob@example.com --application 'shop*' --failures
  slipway notify add email releases@example.com --event 'release.*' --name releases`))
	return c
}

func newNotifyAddKind(f *Factory, kind, use, short, long, example string) *cobra.Command {
	spec := slipway.SubscriptionSpec{Kind: kind}
	c := &cobra.Command{
		Use: use, Short: short, Long: long, Example: example, Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if kind == slipway.NotifyWebhook && len(args) > 1 {
				return usageError{fmt.Errorf("cannot send to %d URLs: make a subscription for each", len(args))}
			}
			spec.To = strings.Join(args, ", ")
			if err := spec.Validate(); err != nil {
				return err
			}
			return f.look(cmd.Context(), func(ctx context.Context, c *client.Client) error {
				made, err := c.AddSubscription(ctx, spec)
				if err != nil {
					return err
				}
				return f.newSubscription(made)
			})
		},
	}
	c.Flags().StringVar(&spec.Name, "name", kind, "what the subscription is called")
	c.Flags().StringSliceVar(&spec.Applications, "application", nil, "`glob` of applications; repeatable (default all)")
	c.Flags().StringSliceVar(&spec.Environments, "env", nil, "`glob` of environments; repeatable (default all, and what is of none)")
	c.Flags().StringSliceVar(&spec.Events, "event", nil, "`glob` of kinds of events, such as 'deployment.*'; repeatable")
	c.Flags().BoolVar(&spec.Failures, "failures", false, "only what did not go well")
	return c
}

func (f *Factory) newSubscription(s slipway.NewSubscription) error {
	if f.json {
		return f.printJSON(s)
	}
	fmt.Fprintf(f.Out, "%s is told of %s\n", s.To, interest(s.SubscriptionSpec))
	lines := [][2]string{{"id", s.ID}, {"name", s.Name}}
	if s.Secret != "" {
		lines = append(lines, [2]string{"secret", s.Secret + "  (shown this once)"})
	}
	f.facts(lines)
	return nil
}

// interest says what a subscription is about.
func interest(s slipway.SubscriptionSpec) string {
	parts := []string{"what begins, ends and waits"}
	if len(s.Events) > 0 {
		parts[0] = strings.Join(s.Events, ",")
	}
	if s.Failures {
		parts = append(parts, "that did not go well")
	}
	if len(s.Applications) > 0 {
		parts = append(parts, "of "+strings.Join(s.Applications, ","))
	}
	if len(s.Environments) > 0 {
		parts = append(parts, "in "+strings.Join(s.Environments, ","))
	}
	return strings.Join(parts, " ")
}

func newNotifyList(f *Factory) *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List who is told of what", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return f.look(cmd.Context(), func(ctx context.Context, c *client.Client) error {
				all, err := c.Subscriptions(ctx)
				if err != nil {
					return err
				}
				if f.json {
					return f.printJSON(all)
				}
				if len(all) == 0 {
					_, err := fmt.Fprintln(f.Out, "nobody is told of anything; see slipway notify add")
					return err
				}
				var rows [][]string
				for _, s := range all {
					state := "enabled"
					switch {
					case s.Disabled != nil:
						state = strings.TrimSuffix("disabled: "+s.Disabled.Reason, ": ")
					case !s.Failing.IsZero():
						state = "failing for " + age(s.Failing)
					}
					rows = append(rows, []string{s.ID, s.Name, s.Kind, s.To, interest(s.SubscriptionSpec), state})
				}
				return f.table([]string{"ID", "NAME", "KIND", "TO", "OF", "STATE"}, rows)
			})
		},
	}
}

// findSubscription returns the subscription that a person means.
func findSubscription(ctx context.Context, c *client.Client, ref string) (slipway.Subscription, error) {
	all, err := c.Subscriptions(ctx)
	if err != nil {
		return slipway.Subscription{}, err
	}
	for _, s := range all {
		if s.ID == ref || s.Name == ref {
			return s, nil
		}
	}
	return slipway.Subscription{}, slipway.Errorf(slipway.NotFound, "cannot find subscription %q: see slipway notify list", ref)
}

// notifyVerb returns a verb about one subscription.
func notifyVerb(f *Factory, use, short, long string, run func(context.Context, *client.Client, slipway.Subscription) error) *cobra.Command {
	return &cobra.Command{
		Use: use, Short: short, Long: long, Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return f.look(cmd.Context(), func(ctx context.Context, c *client.Client) error {
				s, err := findSubscription(ctx, c, args[0])
				if err != nil {
					return err
				}
				return run(ctx, c, s)
			})
		},
	}
}

func newNotifyTest(f *Factory) *cobra.Command {
	return notifyVerb(f, "test SUBSCRIPTION", "Send a notification to try it", "It is sent at once, and once. The exit status says whether it got through.",
		func(ctx context.Context, c *client.Client, s slipway.Subscription) error {
			d, err := c.TestSubscription(ctx, s.ID)
			if err != nil {
				return err
			}
			var failed error
			if d.State != slipway.DeliveryDelivered {
				failed = &outcome{exitError, "the test of " + s.Name + " did not get through: " + d.Error}
			}
			if f.json {
				if err := f.printJSON(d); err != nil {
					return err
				}
				return failed
			}
			if failed != nil {
				return failed
			}
			_, err = fmt.Fprintf(f.Out, "delivered %s to %s\n", d.ID, s.To)
			return err
		})
}

func newNotifyDeliveries(f *Factory) *cobra.Command {
	var dead bool
	var state string
	limit := 50
	c := &cobra.Command{
		Use: "deliveries [SUBSCRIPTION]", Short: "List notifications and what became of them", Args: cobra.MaximumNArgs(1),
		Long: `List notifications, newest first. --dead lists those that were given up: slipway notify retry tries one again, slipway
notify discard takes it off that list.`,
		Example: "  slipway notify deliveries --dead\n  slipway notify deliveries pager",
		RunE: func(cmd *cobra.Command, args []string) error {
			return f.look(cmd.Context(), func(ctx context.Context, c *client.Client) error {
				filter := slipway.DeliveryFilter{State: slipway.DeliveryState(state)}
				if dead {
					filter.State = slipway.DeliveryDead
				}
				if len(args) > 0 {
					s, err := findSubscription(ctx, c, args[0])
					if err != nil {
						return err
					}
					filter.Subscription = s.ID
				}
				all, err := c.Deliveries(ctx, filter, limit)
				if err != nil {
					return err
				}
				return f.deliveries(ctx, c, all)
			})
		},
	}
	c.Flags().BoolVar(&dead, "dead", false, "only those that were given up")
	c.Flags().StringVar(&state, "state", "", "only those that are pending, delivered, dead or discarded")
	limitFlag(c, &limit, limit)
	c.MarkFlagsMutuallyExclusive("dead", "state")
	return c
}

func (f *Factory) deliveries(ctx context.Context, c *client.Client, all []slipway.Delivery) error {
	if f.json {
		return f.printJSON(all)
	}
	if len(all) == 0 {
		_, err := fmt.Fprintln(f.Out, "there are none")
		return err
	}
	subscriptions, err := c.Subscriptions(ctx)
	if err != nil {
		return err
	}
	names := map[string]string{}
	for _, s := range subscriptions {
		names[s.ID] = s.Name
	}
	now := time.Now()
	var rows [][]string
	for _, d := range all {
		next := "-"
		if d.State == slipway.DeliveryPending {
			next = "in " + span(max(d.Due.Sub(now), 0))
		}
		rows = append(rows, []string{
			d.ID, names[d.Subscription], string(d.Event.Kind), orDash(d.Event.Application), string(d.State), fmt.Sprint(d.Tries), age(d.Created), next, orDash(d.Error),
		})
	}
	return f.table([]string{"DELIVERY", "TO", "EVENT", "APPLICATION", "STATE", "TRIES", "AGE", "NEXT", "ERROR"}, rows)
}

func newNotifyDelivery(f *Factory, retry bool) *cobra.Command {
	use, short := "retry DELIVERY...", "Try notifications that were given up again"
	if !retry {
		use, short = "discard DELIVERY...", "Give up notifications"
	}
	return &cobra.Command{
		Use: use, Short: short, Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return f.look(cmd.Context(), func(ctx context.Context, c *client.Client) error {
				for _, id := range args {
					do := c.DiscardDelivery
					if retry {
						do = c.RetryDelivery
					}
					d, err := do(ctx, id)
					if err != nil {
						return err
					}
					if err := f.told(d, "%s is %s", d.ID, d.State); err != nil {
						return err
					}
				}
				return nil
			})
		},
	}
}

func newNotifyEnable(f *Factory, enable bool) *cobra.Command {
	use, short := "enable SUBSCRIPTION", "Tell somebody again"
	if !enable {
		use, short = "disable SUBSCRIPTION", "Tell somebody nothing, until it is enabled"
	}
	var reason string
	c := notifyVerb(f, use, short, "What happens while a subscription is disabled is not made up for.", func(ctx context.Context, c *client.Client, s slipway.Subscription) error {
		s, err := c.EnableSubscription(ctx, s.ID, enable, reason)
		if err != nil {
			return err
		}
		return f.told(s, "subscription %s is %s", s.Name, map[bool]string{true: "enabled", false: "disabled"}[s.Disabled == nil])
	})
	if !enable {
		c.Flags().StringVar(&reason, "reason", "", "why")
	}
	return c
}

func newNotifyRotate(f *Factory) *cobra.Command {
	overlap := 24 * time.Hour
	c := notifyVerb(f, "rotate-secret SUBSCRIPTION", "Give a webhook another secret",
		"The new secret is printed this once. Requests are signed with the old one, too, for --overlap more.", func(ctx context.Context, c *client.Client, s slipway.Subscription) error {
			made, err := c.RotateSubscription(ctx, s.ID, overlap)
			if err != nil {
				return err
			}
			return f.newSubscription(made)
		})
	c.Flags().DurationVar(&overlap, "overlap", overlap, "for how long requests are signed with the old secret, too")
	return c
}

func newNotifyRemove(f *Factory) *cobra.Command {
	return notifyVerb(f, "remove SUBSCRIPTION", "Tell somebody no more", "", func(ctx context.Context, c *client.Client, s slipway.Subscription) error {
		s, err := c.RemoveSubscription(ctx, s.ID)
		if err != nil {
			return err
		}
		return f.told(s, "%s is not told any more", s.To)
	})
}
