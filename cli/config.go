package cli

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/client"
)

func newConfig(f *Factory) *cobra.Command {
	c := &cobra.Command{
		Use:   "config",
		Short: "What an application is told in an environment",
		Long: `Service configuration: keys and values that machines are given when they are launched, and that no image has.
Every change makes a new version, and is rolled out as a deployment of the image that serves: new machines, checked and
moved to as the environment's strategy says. A server group has one version as long as it lives, so going back to a group
goes back to its version.

Values lie on top of "config" in slipway.yaml, and that on top of what was baked. A secret is encrypted where it is stored,
never shown again, and delivered as a file in memory: KEY_FILE names it.`,
		Example: `  slipway config set hello prod GREETING=hi --reason "the sale"
  slipway config set hello prod --secret DB_PASSWORD < password
  slipway config diff hello prod 3 4
  slipway config rollback hello prod 3`,
	}
	c.AddCommand(newConfigSet(f, nil), newConfigUnset(f, nil), newConfigDeploy(f, nil), newConfigRollback(f, nil),
		newConfigShow(f), newConfigGet(f), newConfigVersions(f), newConfigDiff(f))
	return c
}

// versionArg reads the number of a version: 3 or v3.
func versionArg(arg string) (int, error) {
	n, err := strconv.Atoi(strings.TrimPrefix(arg, "v"))
	if err != nil || n < 1 {
		return 0, usageError{fmt.Errorf("cannot use %q as a version of the configuration: want its number, such as 3", arg)}
	}
	return n, nil
}

type configShowOptions struct {
	f       *Factory
	cluster slipway.Cluster
	version string
}

func newConfigShow(f *Factory) *cobra.Command {
	o := &configShowOptions{f: f}
	c := &cobra.Command{
		Use:   "show APPLICATION ENVIRONMENT",
		Short: "All keys of the newest version, or of another, and what is beneath",
		Long: `Show what machines are told: the keys of the newest version, or of another, and those that slipway.yaml sets
beneath it. Secrets are not shown; the fingerprint is another one for every value that a secret is given.`,
		Example: "  slipway config show hello prod\n  slipway config show hello prod --version 3",
		Args:    cobra.ExactArgs(2),
		RunE: func(c *cobra.Command, args []string) error {
			o.cluster = clusterOf(args)
			return f.look(c.Context(), o.run)
		},
	}
	c.Flags().StringVar(&o.version, "version", "", "show this `version` instead of the newest")
	return c
}

func (o *configShowOptions) run(ctx context.Context, c *client.Client) error {
	number := 0
	if o.version != "" {
		var err error
		if number, err = versionArg(o.version); err != nil {
			return err
		}
	}
	v, err := c.Config(ctx, o.cluster, number)
	if err != nil {
		return err
	}
	if o.f.json {
		return o.f.printJSON(v)
	}
	beneath := map[string]string{}
	spec, err := c.Application(ctx, o.cluster.Application)
	if err == nil {
		maps.Copy(beneath, spec.Environments[o.cluster.Environment].Config)
	} else if slipway.CodeOf(err) != slipway.NotFound {
		return err
	}
	var rows [][]string
	for _, e := range v.Entries {
		delete(beneath, e.Key)
		rows = append(rows, []string{e.Key, string(e.Type), deliveryText(e), shown(e)})
	}
	for _, key := range slices.Sorted(maps.Keys(beneath)) {
		rows = append(rows, []string{key, "string", "env", strconv.Quote(beneath[key]) + " (slipway.yaml)"})
	}
	if v.Number == 0 {
		fmt.Fprintf(o.f.Out, "%s %s: nothing is configured\n", o.cluster.Application, o.cluster.Environment)
	} else {
		fmt.Fprintf(o.f.Out, "%s %s: version %d, %s ago by %s%s\n", o.cluster.Application, o.cluster.Environment, v.Number, age(v.Created), v.By, because(v.Reason))
		if line, err := o.served(ctx, c); err == nil && line != "" {
			fmt.Fprintln(o.f.Out, line)
		}
	}
	if len(rows) == 0 {
		return nil
	}
	return o.f.table([]string{"KEY", "TYPE", "DELIVERED", "VALUE"}, rows)
}

// served says which version what serves now has.
func (o *configShowOptions) served(ctx context.Context, c *client.Client) (string, error) {
	s, err := c.Cluster(ctx, o.cluster)
	if err != nil {
		return "", err
	}
	for _, g := range s.Groups {
		if s.Serving == g.Name && g.ConfigVersion == 0 {
			return g.Name + " serves without any", nil
		}
		if s.Serving == g.Name {
			return fmt.Sprintf("%s serves with version %d", g.Name, g.ConfigVersion), nil
		}
	}
	return "", nil
}

// deliveryText says where the service finds a value.
func deliveryText(e slipway.ConfigEntry) string {
	if e.Deliver == slipway.DeliverFile {
		return "file " + slipway.ConfigFiles + "/" + e.Key
	}
	return "env"
}

// shown is the value of an entry, for people.
func shown(e slipway.ConfigEntry) string {
	if e.Type == slipway.ConfigSecret {
		return "secret, fingerprint " + e.Fingerprint
	}
	const most = 60
	text := strconv.Quote(e.Value)
	if e.Type != slipway.ConfigString && e.Type != slipway.ConfigJSON {
		text = e.Value
	}
	if len(text) > most {
		return text[:most] + "…"
	}
	return text
}

func because(reason string) string {
	if reason == "" {
		return ""
	}
	return ": " + reason
}

func newConfigGet(f *Factory) *cobra.Command {
	var version string
	c := &cobra.Command{
		Use:     "get APPLICATION ENVIRONMENT KEY",
		Short:   "The value of one key",
		Long:    "Print the value of one key, as the service is told it. Secrets are never shown.",
		Example: "  slipway config get hello prod GREETING",
		Args:    cobra.ExactArgs(3),
		RunE: func(c *cobra.Command, args []string) error {
			return f.look(c.Context(), func(ctx context.Context, c *client.Client) error {
				number := 0
				if version != "" {
					var err error
					if number, err = versionArg(version); err != nil {
						return err
					}
				}
				v, err := c.Config(ctx, clusterOf(args), number)
				if err != nil {
					return err
				}
				e := v.Entry(args[2])
				switch {
				case e == nil:
					return slipway.Errorf(slipway.NotFound, "cannot find %s in version %d of the configuration of %s in %s", args[2], v.Number, args[0], args[1])
				case f.json:
					return f.printJSON(e)
				case e.Type == slipway.ConfigSecret:
					return slipway.Errorf(slipway.Refused, "cannot show %s: it is a secret; its fingerprint is %s", e.Key, e.Fingerprint)
				}
				_, err = fmt.Fprintln(f.Out, e.Value)
				return err
			})
		},
	}
	c.Flags().StringVar(&version, "version", "", "of this `version` instead of the newest")
	return c
}

func newConfigVersions(f *Factory) *cobra.Command {
	return &cobra.Command{
		Use:     "versions APPLICATION ENVIRONMENT",
		Aliases: []string{"list"},
		Short:   "All versions, newest first",
		Example: "  slipway config versions hello prod",
		Args:    cobra.ExactArgs(2),
		RunE: func(c *cobra.Command, args []string) error {
			return f.look(c.Context(), func(ctx context.Context, c *client.Client) error {
				all, err := c.Configs(ctx, clusterOf(args), 0)
				if err != nil || f.json {
					if err != nil {
						return err
					}
					return f.printJSON(all)
				}
				var rows [][]string
				for _, v := range all {
					rows = append(rows, []string{strconv.Itoa(v.Number), age(v.Created), v.By, configText(v), v.Reason})
				}
				return f.table([]string{"VERSION", "AGE", "BY", "CHANGE", "REASON"}, rows)
			})
		},
	}
}

// configText says what a version changed.
func configText(v slipway.ConfigVersion) string {
	var parts []string
	if v.Back > 0 {
		parts = append(parts, fmt.Sprintf("back to %d", v.Back))
	}
	if len(v.Set) > 0 {
		parts = append(parts, "set "+strings.Join(v.Set, ", "))
	}
	if len(v.Unset) > 0 {
		parts = append(parts, "unset "+strings.Join(v.Unset, ", "))
	}
	return strings.Join(parts, "; ")
}

func newConfigDiff(f *Factory) *cobra.Command {
	return &cobra.Command{
		Use:   "diff APPLICATION ENVIRONMENT FROM [TO]",
		Short: "How one version differs from another",
		Long: `Say how one version differs from another; without TO, from the newest. A secret differs if it was given another
value; neither is shown.`,
		Example: "  slipway config diff hello prod 3 4",
		Args:    cobra.RangeArgs(3, 4),
		RunE: func(c *cobra.Command, args []string) error {
			from, err := versionArg(args[2])
			to := 0
			if err == nil && len(args) > 3 {
				to, err = versionArg(args[3])
			}
			if err != nil {
				return err
			}
			return f.look(c.Context(), func(ctx context.Context, c *client.Client) error {
				d, err := c.DiffConfig(ctx, clusterOf(args), from, to)
				if err != nil {
					return err
				}
				if f.json {
					return f.printJSON(d)
				}
				return f.configDiff(d)
			})
		},
	}
}

func (f *Factory) configDiff(d slipway.ConfigDiff) error {
	for _, c := range d.Changes {
		if _, err := fmt.Fprintln(f.Out, configDifference(c)); err != nil {
			return err
		}
	}
	if len(d.Changes) == 0 {
		_, err := fmt.Fprintln(f.Out, "no difference")
		return err
	}
	return nil
}

// configDifference is a line that says how one key differs.
func configDifference(c slipway.ConfigDifference) string {
	switch c.Kind {
	case slipway.DiffAdded:
		return fmt.Sprintf("+ %s  %s  %s", c.Key, c.To.Type, shown(*c.To))
	case slipway.DiffRemoved:
		return fmt.Sprintf("- %s  %s  %s", c.Key, c.From.Type, shown(*c.From))
	}
	return fmt.Sprintf("~ %s  %s", c.Key, differenceText(*c.From, *c.To))
}

// differenceText says what of an entry is otherwise.
func differenceText(from, to slipway.ConfigEntry) string {
	var parts []string
	if from.Type != to.Type {
		parts = append(parts, fmt.Sprintf("%s -> %s", from.Type, to.Type))
	}
	if from.Value != to.Value || from.Fingerprint != to.Fingerprint {
		parts = append(parts, fmt.Sprintf("%s -> %s", shown(from), shown(to)))
	}
	if from.Deliver != to.Deliver {
		parts = append(parts, fmt.Sprintf("delivered by %s -> %s", from.Deliver, to.Deliver))
	}
	return strings.Join(parts, ", ")
}
