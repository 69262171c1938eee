package cli

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/client"
)

func newAccessTrust(f *Factory) *cobra.Command {
	c := &cobra.Command{
		Use:   "trust",
		Short: "Which jobs of CI systems are trusted, so that no secret is stored there",
		Long: `A CI system such as GitHub Actions or GitLab signs a token for each job, which says whose job it is. A rule of trust says of which
issuer, for which audience and with which claims such a token may do what a role may. In a claim's value "*" stands for any run of
characters. In the job the token is given in SLIPWAY_TOKEN.`,
	}
	c.AddCommand(newTrustAdd(f, nil), newTrustList(f, nil), newTrustRemove(f, nil))
	return c
}

// issuers are short names of issuers that many use.
var issuers = map[string]string{"github": "https://token.actions.githubusercontent.com", "gitlab": "https://gitlab.com"}

type trustAddOptions struct {
	f    *Factory
	name string
	req  slipway.TrustRequest
}

func newTrustAdd(f *Factory, runF func(context.Context, *trustAddOptions) error) *cobra.Command {
	o := &trustAddOptions{f: f}
	c := &cobra.Command{
		Use:   "add NAME --issuer URL --claim NAME=VALUE --role ROLE",
		Short: "Trust jobs of a CI system, or change what is trusted",
		Example: `  slipway access trust add github-hello --issuer github --claim repository=acme/hello --claim ref=refs/heads/main --role deployer --application hello
  slipway access trust add gitlab-hello --issuer https://gitlab.example.com --claim project_path=acme/hello --claim ref_protected=true --role deployer --application hello --env prod`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			o.name = args[0]
			if url, ok := issuers[o.req.Issuer]; ok {
				o.req.Issuer = url
			}
			if err := o.req.Validate(); err != nil {
				return err
			}
			if runF != nil {
				return runF(c.Context(), o)
			}
			return f.look(c.Context(), o.run)
		},
	}
	c.Flags().StringVar(&o.req.Issuer, "issuer", "", "who signs: a URL, or github or gitlab")
	c.Flags().StringVar(&o.req.Audience, "audience", slipway.DefaultAudience, "whom the token must be meant for")
	c.Flags().StringToStringVar(&o.req.Claims, "claim", nil, "what the token must say, NAME=VALUE; repeatable")
	roleFlags(c, (*string)(&o.req.Role), &o.req.Application, &o.req.Environment)
	c.Flags().StringArrayVar(&o.req.Verbs, "verb", nil, "of all that changes something only this; repeatable")
	return c
}

func (o *trustAddOptions) run(ctx context.Context, c *client.Client) error {
	r, err := c.SetTrustRule(ctx, o.name, o.req)
	if err != nil {
		return err
	}
	if o.f.json {
		return o.f.printJSON(r)
	}
	_, err = fmt.Fprintf(o.f.Out, "jobs of %s for %s with %s are %s\n", r.Issuer, r.Audience, claimText(r.Claims), r.Grant)
	return err
}

func claimText(claims map[string]string) string {
	var all []string
	for _, name := range slices.Sorted(maps.Keys(claims)) {
		all = append(all, name+"="+claims[name])
	}
	return strings.Join(all, " ")
}

type trustListOptions struct{ f *Factory }

func newTrustList(f *Factory, runF func(context.Context, *trustListOptions) error) *cobra.Command {
	o := &trustListOptions{f: f}
	return &cobra.Command{
		Use: "list", Aliases: []string{"ls"}, Short: "Which jobs are trusted, and with what", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if runF != nil {
				return runF(c.Context(), o)
			}
			return f.look(c.Context(), o.run)
		},
	}
}

func (o *trustListOptions) run(ctx context.Context, c *client.Client) error {
	all, err := c.TrustRules(ctx)
	if err != nil {
		return err
	}
	if o.f.json {
		return o.f.printJSON(all)
	}
	var rows [][]string
	for _, r := range all {
		rows = append(rows, []string{r.Name, r.Issuer, r.Audience, claimText(r.Claims), r.Grant.String(), orDash(strings.Join(r.Verbs, ",")), orDash(r.By)})
	}
	return o.f.table([]string{"NAME", "ISSUER", "AUDIENCE", "CLAIMS", "MAY", "VERBS", "BY"}, rows)
}

type trustRemoveOptions struct {
	f    *Factory
	name string
}

func newTrustRemove(f *Factory, runF func(context.Context, *trustRemoveOptions) error) *cobra.Command {
	o := &trustRemoveOptions{f: f}
	return &cobra.Command{
		Use: "remove NAME", Aliases: []string{"rm"}, Short: "Trust jobs no more", Args: cobra.ExactArgs(1),
		Example: "  slipway access trust remove github-hello",
		RunE: func(c *cobra.Command, args []string) error {
			o.name = args[0]
			if runF != nil {
				return runF(c.Context(), o)
			}
			return f.look(c.Context(), o.run)
		},
	}
}

func (o *trustRemoveOptions) run(ctx context.Context, c *client.Client) error {
	r, err := c.DeleteTrustRule(ctx, o.name)
	if err != nil {
		return err
	}
	if o.f.json {
		return o.f.printJSON(r)
	}
	_, err = fmt.Fprintf(o.f.Out, "jobs of %s with %s are trusted no more by %s\n", r.Issuer, claimText(r.Claims), r.Name)
	return err
}
