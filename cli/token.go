package cli

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/client"
)

func newToken(f *Factory) *cobra.Command {
	c := &cobra.Command{
		Use:   "token",
		Short: "Tokens for CI and scripts: make, list, rotate, revoke",
		Long: `A token is shown instead of a name: by CI, or by a script, in the variable SLIPWAY_TOKEN. It has one role, of an application,
of an environment or of both, and may be narrowed to some verbs. It expires. Its secret is printed once, when it is made or
rotated; slipwayd keeps a hash of it alone.

CI systems that sign tokens of their own, such as GitHub Actions and GitLab, need none: see "slipway access trust".`,
	}
	c.AddCommand(newTokenCreate(f, nil), newTokenList(f, nil), newTokenRotate(f, nil), newTokenRevoke(f, nil))
	return c
}

type tokenCreateOptions struct {
	f   *Factory
	req slipway.TokenRequest
}

func newTokenCreate(f *Factory, runF func(context.Context, *tokenCreateOptions) error) *cobra.Command {
	o := &tokenCreateOptions{f: f}
	var expires days = days(slipway.DefaultTokenLife)
	c := &cobra.Command{
		Use:   "create --name NAME --role ROLE [--application APPLICATION] [--environment ENVIRONMENT]",
		Short: "Make a token, and print its secret, once",
		Long: `Make a token. Its secret is printed on stdout, alone, and cannot be printed again; all else goes to stderr.

Without --application it is of every application, without --environment of every environment. With --verb it may do only that of
all that changes something; the verbs are the operationIds of the API's routes, such as ship, bake, deploy, rollback or abort.`,
		Example: `  slipway token create --name ci-hello --role deployer --application hello --environment staging --expires 30d
  slipway token create --name deploys --role deployer --application hello --verb deploy --verb rollback`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			o.req.Lifetime = slipway.Duration(expires)
			if err := o.req.Validate(); err != nil {
				return err
			}
			if runF != nil {
				return runF(c.Context(), o)
			}
			return f.look(c.Context(), o.run)
		},
	}
	c.Flags().StringVar(&o.req.Name, "name", "", "what it is called: letters, digits, dots, dashes, underscores")
	roleFlags(c, (*string)(&o.req.Role), &o.req.Application, &o.req.Environment)
	c.Flags().StringArrayVar(&o.req.Verbs, "verb", nil, "of all that changes something only this; repeatable")
	c.Flags().Var(&expires, "expires", "how long it is good, such as 12h or 30d; 366d at most")
	return c
}

// roleFlags adds flags for a role and where it holds.
func roleFlags(c *cobra.Command, role, application, environment *string) {
	var names []string
	for _, r := range slipway.Roles {
		names = append(names, string(r))
	}
	c.Flags().StringVar(role, "role", "", "what it may do: "+strings.Join(names, ", ")+"; each includes those before it")
	c.Flags().StringVar(application, "application", "", "of this application (default of all)")
	c.Flags().StringVar(environment, "environment", "", "in this environment (default in all)")
	c.Flags().StringVar(environment, "env", "", "as --environment")
	_ = c.Flags().MarkHidden("env") // it exists
}

func (o *tokenCreateOptions) run(ctx context.Context, c *client.Client) error {
	t, err := c.CreateToken(ctx, o.req)
	if err != nil {
		return err
	}
	return o.f.printSecret(t, "made")
}

// printSecret prints a secret where it can be caught, and what it is of where it is not in the way.
func (f *Factory) printSecret(t slipway.NewToken, done string) error {
	if f.json {
		return f.printJSON(t)
	}
	now := time.Now()
	fmt.Fprintf(f.Err, "%s token %s, %s, until %s\n", done, t.Name, t.Grant, moment(t.Expires, now))
	if !t.Grace.IsZero() {
		fmt.Fprintf(f.Err, "the secret that it had is good until %s\n", moment(t.Grace, now))
	}
	fmt.Fprintln(f.Err, "this is its secret, which cannot be printed again:")
	_, err := fmt.Fprintln(f.Out, t.Secret)
	return err
}

type tokenListOptions struct{ f *Factory }

func newTokenList(f *Factory, runF func(context.Context, *tokenListOptions) error) *cobra.Command {
	o := &tokenListOptions{f: f}
	return &cobra.Command{
		Use:     "list",
		Aliases: []string{"ls"},
		Short:   "Tokens, what they may do, and when they were used last",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if runF != nil {
				return runF(c.Context(), o)
			}
			return f.look(c.Context(), o.run)
		},
	}
}

func (o *tokenListOptions) run(ctx context.Context, c *client.Client) error {
	all, err := c.Tokens(ctx)
	if err != nil {
		return err
	}
	if o.f.json {
		return o.f.printJSON(all)
	}
	now := time.Now()
	var rows [][]string
	for _, t := range all {
		expires := moment(t.Expires, now)
		if t.Expired(now) {
			expires = "expired " + age(t.Expires) + " ago"
		}
		used := "never"
		if !t.Used.IsZero() {
			used = age(t.Used) + " ago"
			if t.UsedFrom != "" {
				used += " from " + t.UsedFrom
			}
		}
		rows = append(rows, []string{t.Name, t.ID, t.Grant.String(), orDash(strings.Join(t.Verbs, ",")), used, expires, orDash(t.By)})
	}
	return o.f.table([]string{"TOKEN", "ID", "MAY", "VERBS", "USED", "EXPIRES", "BY"}, rows)
}

type tokenRotateOptions struct {
	f     *Factory
	token string
	req   slipway.TokenRotation
}

func newTokenRotate(f *Factory, runF func(context.Context, *tokenRotateOptions) error) *cobra.Command {
	o := &tokenRotateOptions{f: f}
	var grace, expires days
	c := &cobra.Command{
		Use:   "rotate TOKEN",
		Short: "Give a token another secret, and print it, once",
		Long: `Give a token, by name or ID, another secret, which is printed on stdout, alone. The secret that it had is good for as long as
--grace says, so that nothing breaks before all have the new one; without it it is good no more at once.`,
		Example: "  slipway token rotate ci-hello --grace 1h",
		Args:    cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			o.token, o.req.Grace, o.req.Lifetime = args[0], slipway.Duration(grace), slipway.Duration(expires)
			if err := o.req.Validate(); err != nil {
				return err
			}
			if runF != nil {
				return runF(c.Context(), o)
			}
			return f.look(c.Context(), o.run)
		},
	}
	c.Flags().Var(&grace, "grace", "how long the old secret is good as well, such as 1h or 2d; 7d at most (default not at all)")
	c.Flags().Var(&expires, "expires", "how long the token is good from now on (default as long as it was to be when it was made)")
	return c
}

func (o *tokenRotateOptions) run(ctx context.Context, c *client.Client) error {
	t, err := c.RotateToken(ctx, o.token, o.req)
	if err != nil {
		return err
	}
	return o.f.printSecret(t, "rotated")
}

type tokenRevokeOptions struct {
	f     *Factory
	token string
}

func newTokenRevoke(f *Factory, runF func(context.Context, *tokenRevokeOptions) error) *cobra.Command {
	o := &tokenRevokeOptions{f: f}
	return &cobra.Command{
		Use:     "revoke TOKEN",
		Short:   "Revoke a token",
		Long:    `Revoke a token, by name or ID. Its secret is good no more from the next request on.`,
		Example: "  slipway token revoke ci-hello",
		Args:    cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			o.token = args[0]
			if runF != nil {
				return runF(c.Context(), o)
			}
			return f.look(c.Context(), o.run)
		},
	}
}

func (o *tokenRevokeOptions) run(ctx context.Context, c *client.Client) error {
	t, err := c.RevokeToken(ctx, o.token)
	if err != nil {
		return err
	}
	if o.f.json {
		return o.f.printJSON(t)
	}
	_, err = fmt.Fprintf(o.f.Out, "revoked token %s, %s\n", t.Name, t.Grant)
	return err
}

// days is a duration that may be written in days: "30d".
type days time.Duration

// String implements pflag.Value.
func (d *days) String() string {
	const day = days(24 * time.Hour)
	switch {
	case *d == 0:
		return ""
	case *d%day == 0:
		return fmt.Sprintf("%dd", *d/day)
	}
	return time.Duration(*d).String()
}

// Set implements pflag.Value.
func (d *days) Set(text string) error {
	if number, ok := strings.CutSuffix(text, "d"); ok {
		n, err := strconv.ParseUint(number, 10, 16)
		if err != nil {
			return fmt.Errorf("want a form such as 12h or 30d")
		}
		*d = days(time.Duration(n) * 24 * time.Hour)
		return nil
	}
	v, err := time.ParseDuration(text)
	if err != nil || v <= 0 {
		return fmt.Errorf("want a form such as 12h or 30d")
	}
	*d = days(v)
	return nil
}

// Type implements pflag.Value.
func (d *days) Type() string { return "duration" }
