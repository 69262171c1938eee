package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/client"
)

type configSetOptions struct {
	f         *Factory
	cluster   slipway.Cluster
	pairs     []string
	secrets   []string
	unset     []string
	typ       string
	deliver   string
	back      int
	ifVersion string
	dryRun    bool
	deploy    bool
	noDeploy  bool
	deployFlags
	wait waitFlags
}

// add adds the flags that all changes have.
func (o *configSetOptions) add(c *cobra.Command) {
	c.Flags().StringVar(&o.ifVersion, "if-version", "", "only if this `version` is the newest, 0 for none: somebody else's change is not overlooked")
	c.Flags().BoolVar(&o.dryRun, "dry-run", false, "say what would change, and change nothing")
	c.Flags().BoolVar(&o.noDeploy, "no-deploy", false, "do not roll it out: what is deployed next gets it")
	c.Flags().BoolVar(&o.deploy, "deploy", true, "roll it out")
	c.MarkFlagsMutuallyExclusive("deploy", "no-deploy")
	o.deployFlags.add(c)
	o.wait.add(c)
}

func newConfigSet(f *Factory, runF func(context.Context, *configSetOptions) error) *cobra.Command {
	o := &configSetOptions{f: f}
	c := &cobra.Command{
		Use:   "set APPLICATION ENVIRONMENT [KEY=VALUE]...",
		Short: "Set keys, and roll the new version out",
		Long: `Set keys of an environment's configuration: a new version, which is rolled out as a deployment of the image that
serves. What changes nothing makes no version, and moves nothing.

A secret is never an argument, which others on this host could read: --secret KEY reads it from standard input, or asks
for it at a terminal; --secret KEY=file:PATH and --secret KEY=env:VARIABLE take it from there. One line end at the end of
standard input does not count.

The service sees KEY in its environment. With --deliver file, as secrets have it by default, it finds the value in the
file /run/secrets/KEY, in memory, which its user alone can read, and the name of the file in KEY_FILE.

--type checks values: int, bool (true, false), duration (1m30s), json, string. A key keeps its type and its way of
delivery until it is given others.`,
		Example: `  slipway config set hello prod GREETING=hi WORKERS=8 --type int
  slipway config set hello prod --secret DB_PASSWORD < password
  slipway config set hello prod --secret TOKEN=env:TOKEN --deliver env --reason "rotated"
  slipway config set hello prod GREETING=hi --unset OLD --no-deploy`,
		Args: cobra.MinimumNArgs(2),
		RunE: func(c *cobra.Command, args []string) error {
			o.cluster, o.pairs = clusterOf(args[:2]), args[2:]
			if len(o.pairs)+len(o.secrets)+len(o.unset) == 0 {
				return usageError{errors.New("cannot set nothing: give KEY=VALUE, --secret KEY or --unset KEY")}
			}
			if runF != nil {
				return runF(c.Context(), o)
			}
			return configSetRun(c.Context(), o)
		},
	}
	c.Flags().StringArrayVar(&o.secrets, "secret", nil, "set a secret: `KEY` from standard input, KEY=file:PATH or KEY=env:VARIABLE; repeatable")
	c.Flags().StringArrayVar(&o.unset, "unset", nil, "remove `KEY`; repeatable")
	c.Flags().StringVar(&o.typ, "type", "", "what the values are: string, int, bool, duration or json (default as they were, else string)")
	c.Flags().StringVar(&o.deliver, "deliver", "", "how the service gets them: env or file (default as it did, else file for secrets, env for others)")
	o.add(c)
	return c
}

func newConfigUnset(f *Factory, runF func(context.Context, *configSetOptions) error) *cobra.Command {
	o := &configSetOptions{f: f}
	c := &cobra.Command{
		Use:     "unset APPLICATION ENVIRONMENT KEY...",
		Short:   "Remove keys, and roll the new version out",
		Example: "  slipway config unset hello prod GREETING",
		Args:    cobra.MinimumNArgs(3),
		RunE: func(c *cobra.Command, args []string) error {
			o.cluster, o.unset = clusterOf(args[:2]), args[2:]
			if runF != nil {
				return runF(c.Context(), o)
			}
			return configSetRun(c.Context(), o)
		},
	}
	o.add(c)
	return c
}

func newConfigRollback(f *Factory, runF func(context.Context, *configSetOptions) error) *cobra.Command {
	o := &configSetOptions{f: f}
	c := &cobra.Command{
		Use:   "rollback APPLICATION ENVIRONMENT VERSION",
		Short: "Make an earlier version the newest again, and roll it out",
		Long: `Make a new version that has what an earlier one had, secrets included, and roll it out as a deployment of the image
that serves. To go back to the server group of before, image and configuration, within a fraction of a second, use
"slipway rollback".`,
		Example: "  slipway config rollback hello prod 3",
		Args:    cobra.ExactArgs(3),
		RunE: func(c *cobra.Command, args []string) (err error) {
			o.cluster = clusterOf(args[:2])
			if o.back, err = versionArg(args[2]); err != nil {
				return err
			}
			if runF != nil {
				return runF(c.Context(), o)
			}
			return configSetRun(c.Context(), o)
		},
	}
	o.add(c)
	return c
}

func newConfigDeploy(f *Factory, runF func(context.Context, *configSetOptions) error) *cobra.Command {
	o := &configSetOptions{f: f, deploy: true}
	c := &cobra.Command{
		Use:   "deploy APPLICATION ENVIRONMENT",
		Short: "Roll the newest version out",
		Long: `Roll the newest version out, as a deployment of the image that serves: after changes with --no-deploy, or one that
could not be rolled out. If it serves already nothing is done.`,
		Example: "  slipway config deploy hello prod",
		Args:    cobra.ExactArgs(2),
		RunE: func(c *cobra.Command, args []string) error {
			o.cluster = clusterOf(args)
			if runF != nil {
				return runF(c.Context(), o)
			}
			return configSetRun(c.Context(), o)
		},
	}
	c.Flags().BoolVar(&o.dryRun, "dry-run", false, "say what would happen, and change nothing")
	o.deployFlags.add(c)
	o.wait.add(c)
	return c
}

// change returns what was asked for.
func (o *configSetOptions) change() (slipway.ConfigChange, error) {
	c := slipway.ConfigChange{Cluster: o.cluster, Unset: o.unset, Back: o.back, Reason: o.reason, By: o.f.who(), Deploy: o.deploy && !o.noDeploy, DryRun: o.dryRun}
	for _, pair := range o.pairs {
		key, value, ok := strings.Cut(pair, "=")
		if !ok {
			return c, usageError{fmt.Errorf("cannot set %.40q: want KEY=VALUE, or --secret %.40s", pair, pair)}
		}
		c.Set = append(c.Set, slipway.ConfigSetting{Key: key, Value: value, Type: slipway.ConfigType(o.typ), Deliver: slipway.ConfigDelivery(o.deliver)})
	}
	if o.typ == string(slipway.ConfigSecret) {
		return c, usageError{errors.New("cannot set a secret by an argument, which others on this host can read: use --secret KEY")}
	}
	read := false
	for _, flag := range o.secrets {
		key, _, elsewhere := strings.Cut(flag, "=")
		var value []byte
		switch {
		case elsewhere:
			values, err := readSecrets(o.f, []string{flag})
			if err != nil {
				return c, err
			}
			value = values[key]
		case read:
			return c, usageError{errors.New("cannot read two secrets from standard input: give the others as KEY=file:PATH or KEY=env:VARIABLE")}
		default:
			var err error
			if value, err = o.f.readSecret(key); err != nil {
				return c, err
			}
			read = true
		}
		c.Set = append(c.Set, slipway.ConfigSetting{Key: key, Value: string(value), Type: slipway.ConfigSecret, Deliver: slipway.ConfigDelivery(o.deliver)})
	}
	if o.ifVersion != "" {
		n := 0
		if o.ifVersion != "0" {
			var err error
			if n, err = versionArg(o.ifVersion); err != nil {
				return c, err
			}
		}
		c.IfNewest = &n
	}
	var err error
	c.Options, err = o.options(o.f)
	if err != nil {
		return c, err
	}
	return c, c.Validate()
}

// readSecret reads a secret from standard input; at a terminal it is asked for, and not shown.
func (f *Factory) readSecret(key string) ([]byte, error) {
	if file, ok := f.In.(*os.File); ok && term.IsTerminal(int(file.Fd())) {
		fmt.Fprintf(f.Err, "%s: ", key)
		value, err := term.ReadPassword(int(file.Fd()))
		fmt.Fprintln(f.Err)
		return value, err
	}
	value, err := io.ReadAll(io.LimitReader(f.In, slipway.MaxConfigValue+2))
	if err != nil {
		return nil, slipway.Errorf(slipway.Invalid, "cannot read the secret %s: %w", key, err)
	}
	return bytes.TrimSuffix(bytes.TrimSuffix(value, []byte("\n")), []byte("\r")), nil
}

func configSetRun(ctx context.Context, o *configSetOptions) error {
	if err := o.wait.check(); err != nil {
		return err
	}
	change, err := o.change()
	if err != nil {
		return err
	}
	c, err := o.f.client()
	if err != nil {
		return err
	}
	defer c.Close()
	startCtx, stop := o.f.interruptible(ctx)
	before, err := c.Config(startCtx, o.cluster, 0)
	var out slipway.ConfigOutcome
	if err == nil {
		out, err = c.ChangeConfig(startCtx, change)
	}
	stop()
	if err != nil {
		return accepted(err, "slipway config versions "+o.cluster.Application+" "+o.cluster.Environment)
	}
	if o.dryRun {
		return o.f.configDryRun(before, out)
	}
	return o.f.configOutcome(ctx, c, out, o.wait)
}

func (f *Factory) configDryRun(before slipway.ConfigVersion, out slipway.ConfigOutcome) error {
	if f.json {
		return f.printJSON(out)
	}
	if err := f.configDiff(before.Diff(out.Version)); err != nil {
		return err
	}
	if out.Skipped != "" {
		fmt.Fprintln(f.Out, "would not be rolled out: "+out.Skipped)
	}
	_, err := fmt.Fprintln(f.Out, "nothing was changed")
	return err
}

// configOutcome says what a change has come to, and follows its deployment.
func (f *Factory) configOutcome(ctx context.Context, c *client.Client, out slipway.ConfigOutcome, flags waitFlags) error {
	where := out.Version.Cluster.Application + " " + out.Version.Cluster.Environment
	if !f.json {
		line := fmt.Sprintf("%s: version %d, which is there already", where, out.Version.Number)
		switch {
		case out.Made:
			line = fmt.Sprintf("%s: version %d: %s", where, out.Version.Number, configText(out.Version))
		case out.Version.Number == 0:
			line = where + ": nothing is configured"
		}
		fmt.Fprintln(f.Out, line)
		if out.Skipped != "" {
			fmt.Fprintln(f.Out, "not rolled out: "+out.Skipped)
		}
	}
	if out.Deployment != nil && !flags.noWait {
		view := f.progress(false)
		d, err := newWaiter(f, c, view, out.Deployment.ID, flags).deployment(ctx, out.Deployment.ID)
		view.close()
		if err != nil {
			return err
		}
		out.Deployment = &d
	}
	if f.json {
		if err := f.printJSON(out); err != nil {
			return err
		}
	}
	switch {
	case out.Error != nil:
		return slipway.Errorf(out.Error.Code, "version %d is there, and not rolled out: %s; do it later with: slipway config deploy %s",
			out.Version.Number, out.Error.Message, where)
	case out.Deployment == nil:
		return nil
	case flags.noWait:
		if f.json {
			return nil
		}
		_, err := fmt.Fprintln(f.Out, out.Deployment.ID)
		return err
	}
	return f.deploymentEnd(ctx, c, *out.Deployment)
}
