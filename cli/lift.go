package cli

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/client"
)

type liftOptions struct {
	f       *Factory
	kind    slipway.RestrictionKind
	id      string          // or
	cluster slipway.Cluster // what it is of, exactly
	image   string          // of a veto
	reason  string
}

var restrictionForm = regexp.MustCompile(`^[fpv]-[a-z2-7]{10}$`)

func newUnfreeze(f *Factory, runF func(context.Context, *liftOptions) error) *cobra.Command {
	o := &liftOptions{f: f, kind: slipway.RestrictionFreeze}
	var environment string
	c := &cobra.Command{
		Use:   "unfreeze [ID | APPLICATION [ENVIRONMENT]] --reason TEXT",
		Short: "Lift a freeze",
		Long: `Lift a freeze: by its id, or by what is frozen, named as it was to "slipway freeze". Without either it is the freeze
of everything. What is frozen for another reason besides stays so, and is told.`,
		Example: `  slipway unfreeze --reason "the sale is over"
  slipway unfreeze hello prod --reason "database is moved"
  slipway unfreeze f-44bbgrolax --reason "database is moved"`,
		Args: cobra.MaximumNArgs(2),
		RunE: func(c *cobra.Command, args []string) (err error) {
			if len(args) == 1 && environment == "" && restrictionForm.MatchString(args[0]) {
				o.id = args[0]
			} else if o.cluster, err = scopeOf(args, environment); err != nil {
				return err
			}
			return o.start(c.Context(), runF)
		},
	}
	c.Flags().StringVar(&environment, "env", "", "this environment of all applications")
	o.reasonFlag(c)
	return c
}

func newUnpin(f *Factory, runF func(context.Context, *liftOptions) error) *cobra.Command {
	o := &liftOptions{f: f, kind: slipway.RestrictionPin}
	c := &cobra.Command{
		Use:     "unpin ID | APPLICATION ENVIRONMENT --reason TEXT",
		Short:   "Lift a pin",
		Long:    `Lift a pin, by its id or by what is pinned: every image may be deployed there again.`,
		Example: `  slipway unpin hello prod --reason "v8 is certified too"`,
		Args:    cobra.RangeArgs(1, 2),
		RunE: func(c *cobra.Command, args []string) error {
			switch {
			case len(args) == 2:
				o.cluster = clusterOf(args)
			case restrictionForm.MatchString(args[0]):
				o.id = args[0]
			default:
				return usageError{fmt.Errorf("cannot tell which pin %s means: want its id (p-…), or APPLICATION ENVIRONMENT", args[0])}
			}
			return o.start(c.Context(), runF)
		},
	}
	o.reasonFlag(c)
	return c
}

func newUnveto(f *Factory, runF func(context.Context, *liftOptions) error) *cobra.Command {
	o := &liftOptions{f: f, kind: slipway.RestrictionVeto}
	c := &cobra.Command{
		Use:     "unveto ID | APPLICATION ENVIRONMENT IMAGE --reason TEXT",
		Short:   "Lift a veto",
		Long:    `Lift a veto, by its id or by the image and environment: the image may be deployed there again.`,
		Example: `  slipway unveto hello prod v7 --reason "it was the database, which is repaired"`,
		Args:    cobra.RangeArgs(1, 3),
		RunE: func(c *cobra.Command, args []string) error {
			switch {
			case len(args) == 3:
				o.cluster, o.image = clusterOf(args), args[2]
			case len(args) == 1 && restrictionForm.MatchString(args[0]):
				o.id = args[0]
			default:
				return usageError{fmt.Errorf("cannot tell which veto %s means: want its id (v-…), or APPLICATION ENVIRONMENT IMAGE", strings.Join(args, " "))}
			}
			return o.start(c.Context(), runF)
		},
	}
	o.reasonFlag(c)
	return c
}

func (o *liftOptions) reasonFlag(c *cobra.Command) {
	c.Flags().StringVar(&o.reason, "reason", "", "why it is not needed any more, for the record")
}

func (o *liftOptions) start(ctx context.Context, runF func(context.Context, *liftOptions) error) error {
	if runF != nil {
		return runF(ctx, o)
	}
	return liftRun(ctx, o)
}

func liftRun(ctx context.Context, o *liftOptions) error {
	if strings.TrimSpace(o.reason) == "" {
		return slipway.Errorf(slipway.Invalid, "cannot lift a %s without a reason: say why with --reason, for whoever asks later", o.kind)
	}
	return o.f.look(ctx, func(ctx context.Context, c *client.Client) error {
		id, err := o.find(ctx, c)
		if err != nil {
			return err
		}
		r, err := c.Lift(ctx, slipway.LiftRequest{ID: id, Reason: o.reason, By: o.f.who()})
		if err != nil {
			return err
		}
		if o.f.json {
			return o.f.printJSON(r)
		}
		names, err := imageNames(ctx, c, r.Cluster.Application)
		if err != nil {
			return err
		}
		switch r.Kind {
		case slipway.RestrictionPin:
			fmt.Fprintf(o.f.Out, "%s is no longer pinned to %s\n", r.Scope(), names.of(r.Image))
		case slipway.RestrictionVeto:
			fmt.Fprintf(o.f.Out, "%s is no longer vetoed for %s\n", names.of(r.Image), r.Scope())
		default:
			fmt.Fprintf(o.f.Out, "%s is no longer frozen\n", r.Scope())
		}
		return o.rest(ctx, c, r, names)
	})
}

// find returns the ID of the restriction that is meant.
func (o *liftOptions) find(ctx context.Context, c *client.Client) (string, error) {
	if o.id != "" {
		if o.id[0] != o.kind[0] {
			return "", usageError{fmt.Errorf("cannot lift %s as a %s: it is none", o.id, o.kind)}
		}
		return o.id, nil
	}
	wanted := slipway.Restriction{Kind: o.kind, Cluster: o.cluster}
	if o.image != "" {
		image, err := c.Image(ctx, o.cluster.Application, o.image)
		if err != nil {
			return "", err
		}
		wanted.Image = image.Digest
	}
	all, err := c.Restrictions(ctx, o.cluster, false)
	if err != nil {
		return "", err
	}
	var others []string
	for _, r := range all {
		if r.Kind != o.kind {
			continue
		}
		if r.Cluster == o.cluster && (o.image == "" || r.Image == wanted.Image) {
			return r.ID, nil
		}
		others = append(others, r.ID+" is of "+r.Scope())
	}
	text := fmt.Sprintf("cannot find a %s of %s", o.kind, wanted.Scope())
	if o.image != "" {
		text = fmt.Sprintf("cannot find a veto of %s for %s", o.image, wanted.Scope())
	}
	if len(others) > 0 {
		text += ": " + strings.Join(others, "; ")
	}
	return "", slipway.Errorf(slipway.NotFound, "%s", text)
}

// rest tells what else restricts what r did.
func (o *liftOptions) rest(ctx context.Context, c *client.Client, r slipway.Restriction, names labels) error {
	all, err := c.Restrictions(ctx, r.Cluster, false)
	if err != nil {
		return err
	}
	for _, other := range all {
		if r.Kind == slipway.RestrictionVeto && other.Kind == slipway.RestrictionVeto && other.Image != r.Image || other.ID == r.ID {
			continue
		}
		fmt.Fprintf(o.f.Out, "still, %s (%s)\n", restrictionText(other, names, time.Now()), other.ID)
	}
	return nil
}
