package cli

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/client"
)

func newAccess(f *Factory) *cobra.Command {
	c := &cobra.Command{
		Use:   "access",
		Short: "Who may do what: roles of users and groups, trusted CI systems, rules",
		Long: `Nobody may do anything but what they were given: a role, of an application, of an environment, or of both.

  viewer    sees everything but secrets
  deployer  bakes, deploys, rolls back, and tells deployments what to do
  approver  approves what others do
  operator  freezes, overrides, terminates machines, revokes images
  admin     hands out roles and tokens

Each includes those before it. Rules forbid what roles allow: see "slipway access rule".`,
	}
	c.AddCommand(newAccessGrant(f, nil), newAccessRevoke(f, nil), newAccessList(f, nil), newAccessCheck(f, nil), newAccessTrust(f), newAccessRule(f))
	return c
}

type accessGrantOptions struct {
	f   *Factory
	req slipway.BindingRequest
}

func newAccessGrant(f *Factory, runF func(context.Context, *accessGrantOptions) error) *cobra.Command {
	o := &accessGrantOptions{f: f}
	c := &cobra.Command{
		Use:   "grant SUBJECT --role ROLE [--application APPLICATION] [--environment ENVIRONMENT]",
		Short: "Give somebody a role",
		Long: `Give a role to a user, by the name that the identity provider has for that one; to a group of users, as group:NAME; or to
everyone who is known, as "*". It holds from the next request on.`,
		Example: `  slipway access grant ann@example.com --role deployer --application hello
  slipway access grant group:ops --role operator --environment prod
  slipway access grant '*' --role viewer`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			o.req.Subject = args[0]
			if err := o.req.Validate(); err != nil {
				return err
			}
			if runF != nil {
				return runF(c.Context(), o)
			}
			return f.look(c.Context(), o.run)
		},
	}
	roleFlags(c, (*string)(&o.req.Role), &o.req.Application, &o.req.Environment)
	return c
}

func (o *accessGrantOptions) run(ctx context.Context, c *client.Client) error {
	b, err := c.Grant(ctx, o.req)
	if err != nil {
		return err
	}
	if o.f.json {
		return o.f.printJSON(b)
	}
	_, err = fmt.Fprintf(o.f.Out, "%s is %s\ntake it back with: slipway access revoke %s\n", b.Subject, b.Grant, b.ID)
	return err
}

type accessRevokeOptions struct {
	f  *Factory
	id string
}

func newAccessRevoke(f *Factory, runF func(context.Context, *accessRevokeOptions) error) *cobra.Command {
	o := &accessRevokeOptions{f: f}
	return &cobra.Command{
		Use:     "revoke ID",
		Short:   "Take a role back",
		Long:    `Take a role back that was given. "slipway access list" has the IDs. It holds from the next request on.`,
		Example: "  slipway access revoke g-x7k2m9qfza",
		Args:    cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			o.id = args[0]
			if runF != nil {
				return runF(c.Context(), o)
			}
			return f.look(c.Context(), o.run)
		},
	}
}

func (o *accessRevokeOptions) run(ctx context.Context, c *client.Client) error {
	b, err := c.RevokeGrant(ctx, o.id)
	if err != nil {
		return err
	}
	if o.f.json {
		return o.f.printJSON(b)
	}
	_, err = fmt.Fprintf(o.f.Out, "%s is %s no more\n", b.Subject, b.Grant)
	return err
}

type accessListOptions struct{ f *Factory }

func newAccessList(f *Factory, runF func(context.Context, *accessListOptions) error) *cobra.Command {
	o := &accessListOptions{f: f}
	return &cobra.Command{
		Use:     "list",
		Aliases: []string{"ls"},
		Short:   "Who was given which role",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if runF != nil {
				return runF(c.Context(), o)
			}
			return f.look(c.Context(), o.run)
		},
	}
}

func (o *accessListOptions) run(ctx context.Context, c *client.Client) error {
	all, err := c.Bindings(ctx)
	if err != nil {
		return err
	}
	if o.f.json {
		return o.f.printJSON(all)
	}
	var rows [][]string
	for _, b := range all {
		rows = append(rows, []string{b.Subject, string(b.Role), b.Application, b.Environment, b.ID, age(b.Created), orDash(b.By)})
	}
	return o.f.table([]string{"SUBJECT", "ROLE", "APPLICATION", "ENVIRONMENT", "ID", "AGE", "BY"}, rows)
}

type accessCheckOptions struct {
	f   *Factory
	req slipway.AccessCheck
	at  string
}

func newAccessCheck(f *Factory, runF func(context.Context, *accessCheckOptions) error) *cobra.Command {
	o := &accessCheckOptions{f: f}
	c := &cobra.Command{
		Use:   "check VERB [APPLICATION [ENVIRONMENT]]",
		Short: "May I, or somebody else, do something?",
		Long: `Say whether something may be done, and by which role, or what forbids it. The exit status is 0 if it may, and 12 if not. About
others than oneself only administrators are told. The verbs are the operationIds of the API's routes, such as ship, deploy,
rollback, approve or revokeImage.`,
		Example: `  slipway access check deploy hello prod
  slipway access check approve hello prod --as bob@example.com --requester bob@example.com
  slipway access check deploy hello prod --at 2026-12-24T22:00:00+01:00`,
		Args: cobra.RangeArgs(1, 3),
		RunE: func(c *cobra.Command, args []string) (err error) {
			o.req.Verb = args[0]
			cluster := clusterOf(args[1:])
			o.req.Application, o.req.Environment = cluster.Application, cluster.Environment
			if o.at != "" {
				if o.req.At, err = time.Parse(time.RFC3339, o.at); err != nil {
					return usageError{fmt.Errorf("cannot check at %q: want a time such as 2026-12-24T22:00:00+01:00", o.at)}
				}
			}
			if runF != nil {
				return runF(c.Context(), o)
			}
			return f.look(c.Context(), o.run)
		},
	}
	c.Flags().StringVar(&o.req.Subject, "as", "", "whom it is about (default who asks)")
	c.Flags().StringArrayVar(&o.req.Groups, "group", nil, "a group of that one; repeatable")
	c.Flags().StringVar(&o.req.Requester, "requester", "", "whose change it is that is approved or told something")
	c.Flags().StringVar(&o.at, "at", "", "when (default now)")
	return c
}

func (o *accessCheckOptions) run(ctx context.Context, c *client.Client) error {
	answer, err := c.CheckAccess(ctx, o.req)
	if err != nil {
		return err
	}
	return o.f.verdict(answer)
}

// verdict prints whether something may be done, and ends with what says so.
func (f *Factory) verdict(answer slipway.AccessAnswer) (err error) {
	if f.json {
		err = f.printJSON(answer)
	} else {
		verdict := "no"
		if answer.Allowed {
			verdict = "yes"
		}
		_, err = fmt.Fprintf(f.Out, "%s: %s\n", verdict, answer.Why)
	}
	if err == nil && !answer.Allowed {
		return &outcome{exit: exitForbidden}
	}
	return err
}
