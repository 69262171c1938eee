package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/login"
)

type logoutOptions struct{ f *Factory }

func newLogout(f *Factory, runF func(context.Context, *logoutOptions) error) *cobra.Command {
	o := &logoutOptions{f: f}
	return &cobra.Command{
		Use:   "logout",
		Short: "Forget the login to a slipwayd",
		Long: `Has the identity provider end the login, where it can, and removes what was kept of it on this machine. The last
token of it stays good until it expires, but nobody has it any more.`,
		Example: "  slipway logout --server https://slipway.example.com:8443",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if runF != nil {
				return runF(c.Context(), o)
			}
			return o.run(c.Context())
		},
	}
}

func (o *logoutOptions) run(ctx context.Context) error {
	ctx, stop := o.f.interruptible(ctx)
	defer stop()
	l, err := o.f.logins().Delete(ctx, o.f.where())
	if err != nil {
		return err
	}
	if err := o.revoke(ctx, l); err != nil { // nobody has it any more; that is the most that can be done from here
		fmt.Fprintf(o.f.Err, "slipway: %v; it ends by itself\n", err)
	}
	if o.f.json {
		return o.f.printJSON(map[string]string{"server": o.f.where(), "name": l.Name})
	}
	fmt.Fprintf(o.f.Out, "logged out of %s\n", o.f.where())
	return nil
}

func (o *logoutOptions) revoke(ctx context.Context, l login.Login) error {
	if l.RefreshToken == "" {
		return nil
	}
	p, err := login.Discover(ctx, slipway.LoginProvider{Issuer: l.Issuer, Client: l.Client})
	if err != nil {
		return err
	}
	return p.Revoke(ctx, l)
}
