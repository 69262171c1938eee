package main

import (
	"context"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/auth"
	"github.com/slipway-sh/slipway/cedar"
	"github.com/slipway-sh/slipway/oidc"
)

// accessOptions say how users are known.
type accessOptions struct {
	issuer     string
	audiences  []string
	nameClaim  string
	groups     string
	adminGroup string
}

func (o *accessOptions) accessFlags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&o.issuer, "oidc-issuer", "", "`URL` of the OpenID Connect provider that knows the users; their ID tokens are taken as bearer tokens")
	cmd.Flags().StringArrayVar(&o.audiences, "oidc-audience", nil, "whom users' ID tokens must be meant for: the `client` that they log in with; repeatable")
	cmd.Flags().StringVar(&o.nameClaim, "oidc-name-claim", "email", "the `claim` that is a user's name")
	cmd.Flags().StringVar(&o.groups, "oidc-groups-claim", "groups", "the `claim` that lists a user's groups")
	cmd.Flags().StringVar(&o.adminGroup, "oidc-admin-group", "", "the `group` whose users are administrators of everything")
}

// users returns how users are known, or an Invalid error.
func (o *accessOptions) users() (auth.Users, error) {
	u := auth.Users{Issuer: o.issuer, Audiences: o.audiences, NameClaim: o.nameClaim, GroupsIn: o.groups}
	switch {
	case o.issuer == "" && (len(o.audiences) > 0 || o.adminGroup != ""):
		return u, slipway.Errorf(slipway.Invalid, "cannot know users without an identity provider: say which with --oidc-issuer")
	case o.issuer == "":
		return u, nil
	case len(o.audiences) == 0:
		return u, slipway.Errorf(slipway.Invalid, "cannot take tokens of %s that are meant for anybody: say whom with --oidc-audience", o.issuer)
	}
	return u, slipway.ValidateIssuer(o.issuer)
}

// authority returns who says who asks and what that one may do. If there is no administrator yet, it prints the token that makes the first.
func authority(ctx context.Context, o options, store slipway.AccessStore) (*auth.Authority, error) {
	users, err := o.users()
	if err != nil {
		return nil, err
	}
	a := auth.New(auth.Config{
		Store: store, Verifier: &oidc.Verifier{}, Rules: &cedar.Rules{}, Users: users, AdminGroup: o.adminGroup, Log: o.log,
	})
	secret, err := a.FirstToken(ctx)
	if err != nil {
		return nil, err
	}
	if secret != "" {
		announce(os.Stdout, secret)
	}
	return a, nil
}

// announce prints the token of the first start, and what it is for. It goes to the standard output, not into the log.
func announce(out io.Writer, secret string) {
	fmt.Fprintf(out, `
There is no administrator yet. This token makes the first one, once, within a day:

  %s

  SLIPWAY_TOKEN=… slipway --server URL access grant ann@example.com --role admin
  SLIPWAY_TOKEN=… slipway --server URL token create --name admin --role admin

root on this host needs neither: by slipwayd's socket everything may be done.

`, secret)
}
