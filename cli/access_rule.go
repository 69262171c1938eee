package cli

import (
	"context"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/client"
)

func newAccessRule(f *Factory) *cobra.Command {
	c := &cobra.Command{
		Use:   "rule",
		Short: "Rules in Cedar that forbid what roles allow",
		Long: `Rules forbid what roles allow: prod at night, or approving one's own change. They are Cedar policies, of which all forbid; one that
cannot be evaluated forbids as well. They do not hold for what wants the role admin, so that a rule can always be removed.

  principal  User, Token, Workload or Local by name, in Group; has name and kind
  action     Action::"deploy", the operationId of a route, in Action::"deployer", the role that it wants
  resource   Cluster::"hello/prod", in Application::"hello" and Environment::"prod"
  context    now, date, hour, minute, weekday (in the rule's time zone), application, environment, image, requester (whose change
             it is), author (of what the image was made of), reason, override, address

With @reason("…") before a policy whoever it stops is told why.`,
	}
	c.AddCommand(newRuleSet(f, nil), newRuleList(f, nil), newRuleShow(f, nil), newRuleRemove(f, nil), newRuleTest(f, nil))
	return c
}

// ruleText reads a rule from a file, or from the standard input for "-".
func (f *Factory) ruleText(file string) (string, error) {
	if file == "-" {
		b, err := io.ReadAll(f.In)
		return string(b), err
	}
	b, err := os.ReadFile(file)
	if err != nil {
		return "", slipway.Errorf(slipway.NotFound, "cannot read the rule: %w", err)
	}
	return string(b), nil
}

type ruleSetOptions struct {
	f          *Factory
	name, file string
	zone       string
}

func newRuleSet(f *Factory, runF func(context.Context, *ruleSetOptions) error) *cobra.Command {
	o := &ruleSetOptions{f: f}
	c := &cobra.Command{
		Use: "set NAME FILE", Short: "Store a rule, or replace it; - reads it from stdin", Args: cobra.ExactArgs(2),
		Example: "  slipway access rule set office-hours office-hours.cedar --timezone Europe/Berlin",
		RunE: func(c *cobra.Command, args []string) error {
			o.name, o.file = args[0], args[1]
			if runF != nil {
				return runF(c.Context(), o)
			}
			return f.look(c.Context(), o.run)
		},
	}
	c.Flags().StringVar(&o.zone, "timezone", "UTC", "in which hours and weekdays are meant")
	return c
}

func (o *ruleSetOptions) run(ctx context.Context, c *client.Client) error {
	text, err := o.f.ruleText(o.file)
	if err != nil {
		return err
	}
	r, err := c.SetAccessRule(ctx, o.name, client.RuleText{Text: text, TimeZone: o.zone})
	if err != nil {
		return err
	}
	if o.f.json {
		return o.f.printJSON(r)
	}
	_, err = fmt.Fprintf(o.f.Out, "rule %s holds, in the time zone %s\n", r.Name, r.TimeZone)
	return err
}

type ruleListOptions struct{ f *Factory }

func newRuleList(f *Factory, runF func(context.Context, *ruleListOptions) error) *cobra.Command {
	o := &ruleListOptions{f: f}
	return &cobra.Command{
		Use: "list", Aliases: []string{"ls"}, Short: "Rules by name", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if runF != nil {
				return runF(c.Context(), o)
			}
			return f.look(c.Context(), o.run)
		},
	}
}

func (o *ruleListOptions) run(ctx context.Context, c *client.Client) error {
	all, err := c.AccessRules(ctx)
	if err != nil {
		return err
	}
	if o.f.json {
		return o.f.printJSON(all)
	}
	var rows [][]string
	for _, r := range all {
		rows = append(rows, []string{r.Name, r.TimeZone, age(r.Changed), orDash(r.By)})
	}
	return o.f.table([]string{"RULE", "TIME ZONE", "CHANGED", "BY"}, rows)
}

type ruleNameOptions struct {
	f    *Factory
	name string
}

func newRuleShow(f *Factory, runF func(context.Context, *ruleNameOptions) error) *cobra.Command {
	return ruleVerb(f, "show NAME", "A rule's text", runF, func(o *ruleNameOptions, ctx context.Context, c *client.Client) error {
		r, err := c.AccessRule(ctx, o.name)
		if err != nil {
			return err
		}
		if f.json {
			return f.printJSON(r)
		}
		_, err = io.WriteString(f.Out, r.Text)
		return err
	})
}

func newRuleRemove(f *Factory, runF func(context.Context, *ruleNameOptions) error) *cobra.Command {
	return ruleVerb(f, "remove NAME", "Remove a rule", runF, func(o *ruleNameOptions, ctx context.Context, c *client.Client) error {
		r, err := c.DeleteAccessRule(ctx, o.name)
		if err != nil {
			return err
		}
		if f.json {
			return f.printJSON(r)
		}
		_, err = fmt.Fprintf(f.Out, "rule %s holds no more\n", r.Name)
		return err
	})
}

func ruleVerb(
	f *Factory, use, short string, runF func(context.Context, *ruleNameOptions) error, run func(*ruleNameOptions, context.Context, *client.Client) error,
) *cobra.Command {
	o := &ruleNameOptions{f: f}
	return &cobra.Command{
		Use: use, Short: short, Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			o.name = args[0]
			if runF != nil {
				return runF(c.Context(), o)
			}
			return f.look(c.Context(), func(ctx context.Context, c *client.Client) error { return run(o, ctx, c) })
		},
	}
}

type ruleTestOptions struct {
	f          *Factory
	file, zone string
	at         string
	req        slipway.AccessCheck
}

func newRuleTest(f *Factory, runF func(context.Context, *ruleTestOptions) error) *cobra.Command {
	o := &ruleTestOptions{f: f}
	c := &cobra.Command{
		Use: "test FILE VERB [APPLICATION [ENVIRONMENT]]", Short: "What a rule would say, without storing it", Args: cobra.RangeArgs(2, 4),
		Long:    `Say what a rule in a file would say of something, whatever roles say. Nothing is stored. The exit status is 12 if it forbids.`,
		Example: "  slipway access rule test office-hours.cedar deploy hello prod --at 2026-12-24T22:00:00+01:00 --timezone Europe/Berlin",
		RunE: func(c *cobra.Command, args []string) (err error) {
			o.file, o.req.Verb = args[0], args[1]
			cluster := clusterOf(args[2:])
			o.req.Application, o.req.Environment = cluster.Application, cluster.Environment
			if o.at != "" {
				if o.req.At, err = time.Parse(time.RFC3339, o.at); err != nil {
					return usageError{fmt.Errorf("cannot try it at %q: want a time such as 2026-12-24T22:00:00+01:00", o.at)}
				}
			}
			if runF != nil {
				return runF(c.Context(), o)
			}
			return f.look(c.Context(), o.run)
		},
	}
	c.Flags().StringVar(&o.zone, "timezone", "UTC", "in which hours and weekdays are meant")
	c.Flags().StringVar(&o.at, "at", "", "when (default now)")
	c.Flags().StringVar(&o.req.Subject, "as", "", "who (default who asks)")
	c.Flags().StringArrayVar(&o.req.Groups, "group", nil, "a group of that one; repeatable")
	c.Flags().StringVar(&o.req.Requester, "requester", "", "whose change it is")
	return c
}

func (o *ruleTestOptions) run(ctx context.Context, c *client.Client) error {
	text, err := o.f.ruleText(o.file)
	if err != nil {
		return err
	}
	answer, err := c.TryAccessRule(ctx, client.RuleText{Text: text, TimeZone: o.zone}, o.req)
	if err != nil {
		return err
	}
	return o.f.verdict(answer)
}
