package cli

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/slipway-sh/slipway/client"
)

type whoamiOptions struct{ f *Factory }

func newWhoami(f *Factory, runF func(context.Context, *whoamiOptions) error) *cobra.Command {
	o := &whoamiOptions{f: f}
	return &cobra.Command{
		Use:     "whoami",
		Short:   "Who I am to slipwayd, and what I may do",
		Example: "  slipway whoami",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if runF != nil {
				return runF(c.Context(), o)
			}
			return f.look(c.Context(), o.run)
		},
	}
}

func (o *whoamiOptions) run(ctx context.Context, c *client.Client) error {
	who, err := c.Whoami(ctx)
	if err != nil {
		return err
	}
	if o.f.json {
		return o.f.printJSON(who)
	}
	may := make([]string, 0, len(who.Grants))
	for _, g := range who.Grants {
		may = append(may, g.String())
	}
	if len(may) == 0 {
		may = append(may, "nothing: ask an administrator for a role")
	}
	expires := ""
	if !who.Expires.IsZero() {
		expires = moment(who.Expires, time.Now())
	}
	fmt.Fprintln(o.f.Out, who.Name)
	o.f.facts([][2]string{
		{"kind", string(who.Kind)}, {"groups", strings.Join(who.Groups, ", ")}, {"may be", strings.Join(may, "\n")},
		{"verbs", strings.Join(who.Verbs, ", ")}, {"expires", expires},
	})
	return nil
}
