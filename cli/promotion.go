package cli

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/client"
)

// newPromotion returns the group of verbs about one promotion that look.
func newPromotion(f *Factory) *cobra.Command {
	c := &cobra.Command{
		Use:   "promotion",
		Short: "Look into a promotion: what it waits for, and how its conditions stand",
		Args:  cobra.ArbitraryArgs,
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usageError{fmt.Errorf("cannot %q a promotion: there is no such verb; see slipway promotion --help", args[0])}
			}
			return c.Help()
		},
	}
	c.AddCommand(newPromotionShow(f))
	return c
}

func newPromotionShow(f *Factory) *cobra.Command {
	return &cobra.Command{
		Use:   "show PROMOTION",
		Short: "What a promotion waits for, and how its conditions stand",
		Long: `Show a promotion: what is moved from where to where, how its conditions stood when they were looked at last, what it
waits for and what would unblock it, and what came of it. --json prints the record.`,
		Example: "  slipway promotion show m-5gk2xq7wpd",
		Args:    cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if !slipway.IsPromotion(args[0]) {
				return slipway.Errorf(slipway.Invalid, "cannot show %q: want the id of a promotion (m-…); `slipway promotions` lists them", args[0])
			}
			return f.look(c.Context(), func(ctx context.Context, c *client.Client) error {
				m, err := c.Promotion(ctx, args[0])
				if err != nil {
					return err
				}
				if f.json {
					return f.printJSON(m)
				}
				names, err := imageNames(ctx, c, m.Application)
				if err != nil {
					return err
				}
				f.promotion(m, names, time.Now())
				return nil
			})
		},
	}
}

// promotion prints all there is to say about a promotion.
func (f *Factory) promotion(m slipway.Promotion, names labels, now time.Time) {
	fmt.Fprintf(f.Out, "%s: promote %s %s from %s to %s\n\n", m.ID, m.Application, withDigest(names[m.Image], m.Image), m.From, m.To)
	replaces := "nothing"
	if m.Replaces != "" {
		replaces = withDigest(names[m.Replaces], m.Replaces)
	}
	state, why := string(m.State), ""
	if !m.Finished.IsZero() {
		state += ", " + moment(m.Finished, now)
	}
	if m.Error != nil {
		why = m.Error.Error()
	}
	lines := [][2]string{
		{"asked", moment(m.Started, now) + byWhom(m.By, m.Reason)},
		{"replaces", replaces},
		{"state", state},
		{"why", why},
		{"approval", m.Approval},
		{"deployment", m.Deployment},
	}
	var can []string
	if w := m.Waiting; w != nil {
		lines = append(lines, [2]string{"waits for", w.For}, [2]string{"unblocked by", w.Unblocks})
		if !w.Until.IsZero() {
			lines = append(lines, [2]string{"until", moment(w.Until, now) + prefixed("; then ", w.Then)})
		}
		if m.Approval != "" && w.Unblocks != "" {
			can = append(can, "slipway approval show "+m.Approval, w.Unblocks)
		}
	}
	f.facts(lines)
	fmt.Fprintf(f.Out, "\nconditions, as they stood last:\n")
	f.constraints(m.Constraints)
	if !m.State.Done() {
		can = append(can, "slipway abort "+m.ID)
	}
	f.listed("you can:", can)
}
