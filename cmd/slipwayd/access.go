package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/auth"
	"github.com/slipway-sh/slipway/cedar"
	"github.com/slipway-sh/slipway/oidc"
	"github.com/slipway-sh/slipway/outbound"
)

// accessOptions say how users are known.
type accessOptions struct {
	issuer     string
	audiences  []string
	nameClaim  string
	groups     string
	adminGroup string
	client     string // slipwayd itself, at the issuer
	secretFile string
	cliClient  string
	scopes     []string
	publicURL  string
}

func (o *accessOptions) accessFlags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&o.issuer, "oidc-issuer", "", "`URL` of the OpenID Connect provider that knows the users; their ID tokens are taken as bearer tokens")
	cmd.Flags().StringArrayVar(&o.audiences, "oidc-audience", nil, "whom users' ID tokens must be meant for: the `client` that they log in with; repeatable (--oidc-client and --oidc-cli-client always are)")
	cmd.Flags().StringVar(&o.client, "oidc-client", "", "the `client` that slipwayd is there, to log browsers in; its redirect address is PUBLIC-URL/v1/login/callback")
	cmd.Flags().StringVar(&o.secretFile, "oidc-client-secret-file", "", "`file` with the client's secret; without one it is a public client")
	cmd.Flags().StringVar(&o.cliClient, "oidc-cli-client", "", "the public `client` that `slipway login` is there; its redirect address is http://127.0.0.1/callback, on any port")
	cmd.Flags().StringArrayVar(&o.scopes, "oidc-scope", nil, "a `scope` to ask for beside openid, and email, profile, groups and offline_access where the provider says that it has them; repeatable")
	cmd.Flags().StringVar(&o.publicURL, "public-url", "", "where browsers find this slipwayd, a `URL` such as https://slipway.example.com (default: wherever they have found it)")
	cmd.Flags().StringVar(&o.nameClaim, "oidc-name-claim", "email", "the `claim` that is a user's name")
	cmd.Flags().StringVar(&o.groups, "oidc-groups-claim", "groups", "the `claim` that lists a user's groups")
	cmd.Flags().StringVar(&o.adminGroup, "oidc-admin-group", "", "the `group` whose users are administrators of everything")
}

// users returns how users are known, or an Invalid error.
func (o *accessOptions) users() (auth.Users, error) {
	u := auth.Users{Issuer: o.issuer, Audiences: o.audiences, NameClaim: o.nameClaim, GroupsIn: o.groups}
	for _, client := range []string{o.client, o.cliClient} {
		if client != "" && !slices.Contains(u.Audiences, client) {
			u.Audiences = append(u.Audiences, client)
		}
	}
	switch {
	case o.issuer == "" && (len(u.Audiences) > 0 || o.adminGroup != "" || len(o.scopes) > 0):
		return u, slipway.Errorf(slipway.Invalid, "cannot know users without an identity provider: say which with --oidc-issuer")
	case o.secretFile != "" && o.client == "":
		return u, slipway.Errorf(slipway.Invalid, "cannot use --oidc-client-secret-file without --oidc-client")
	case o.issuer == "":
		return u, nil
	case len(u.Audiences) == 0:
		return u, slipway.Errorf(slipway.Invalid, "cannot take tokens of %s that are meant for anybody: say whom with --oidc-client, --oidc-cli-client or --oidc-audience", o.issuer)
	}
	return u, slipway.ValidateIssuer(o.issuer)
}

// checkPublicURL returns an Invalid error unless the public URL is none, or one that browsers can be sent to.
func (o *accessOptions) checkPublicURL() error {
	u, err := url.Parse(o.publicURL)
	switch {
	case o.publicURL == "":
		return nil
	case err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.User != nil || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "":
		return slipway.Errorf(slipway.Invalid, "cannot use %q as --public-url: want a form such as https://slipway.example.com", o.publicURL)
	case u.Scheme == "http" && u.Hostname() != "localhost" && !net.ParseIP(u.Hostname()).IsLoopback():
		return slipway.Errorf(slipway.Invalid, "cannot use %q as --public-url: want https, as whoever is between could take over every session", o.publicURL)
	}
	return nil
}

// identityProvider returns who logs browsers in, nil if nobody does.
func (o *accessOptions) identityProvider(where slipway.LoginProvider, verifier *oidc.Verifier) (auth.Exchanger, error) {
	if o.client == "" {
		return nil, nil
	}
	c := &oidc.Client{Verifier: verifier, Provider: where, ID: o.client}
	if o.secretFile != "" {
		text, err := os.ReadFile(o.secretFile)
		if err != nil {
			return nil, slipway.Errorf(slipway.Invalid, "cannot read --oidc-client-secret-file: %w", err)
		}
		if c.Secret = strings.TrimRight(string(text), "\r\n"); c.Secret == "" {
			return nil, slipway.Errorf(slipway.Invalid, "cannot use --oidc-client-secret-file %s: it is empty", o.secretFile)
		}
	}
	return c, nil
}

// authority returns who says who asks and what that one may do. If there is no administrator yet, it prints the token that makes the first.
// Issuers are asked through the guard of outgoing connections.
func authority(ctx context.Context, o options, store slipway.AccessStore, world *outbound.Guard) (*auth.Authority, error) {
	users, err := o.users()
	if err != nil {
		return nil, err
	}
	if err := o.checkPublicURL(); err != nil {
		return nil, err
	}
	verifier := oidc.NewVerifier(world.Client())
	where := slipway.LoginProvider{Issuer: o.issuer, Client: o.cliClient, Scopes: o.scopes}
	exchanger, err := o.identityProvider(where, verifier)
	if err != nil {
		return nil, err
	}
	a := auth.New(auth.Config{
		Store: store, Verifier: verifier, Rules: &cedar.Rules{}, Users: users, AdminGroup: o.adminGroup,
		Provider: where, Exchanger: exchanger, Log: o.log,
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
