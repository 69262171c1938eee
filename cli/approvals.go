package cli

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/client"
)

type approvalsOptions struct {
	f      *Factory
	filter slipway.ApprovalFilter
	all    bool
	limit  int
}

func newApprovals(f *Factory, runF func(context.Context, *approvalsOptions) error) *cobra.Command {
	o := &approvalsOptions{f: f}
	c := &cobra.Command{
		Use:   "approvals [APPLICATION [ENVIRONMENT]]",
		Short: "What waits for somebody's approval, newest first",
		Long: `List the approvals that promotions and pipelines have asked for and that wait for answers, the newest first; with --all
also those that are decided. "slipway approval show" says what would change; "slipway approve" and "slipway reject" answer.`,
		Example: `  slipway approvals
  slipway approvals hello prod --all`,
		Args: cobra.MaximumNArgs(2),
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) > 0 {
				o.filter.Application = args[0]
			}
			if len(args) > 1 {
				o.filter.Environment = args[1]
			}
			o.filter.Pending = !o.all
			if runF != nil {
				return runF(c.Context(), o)
			}
			return f.look(c.Context(), o.run)
		},
	}
	c.Flags().BoolVarP(&o.all, "all", "a", false, "those that are decided, too")
	c.Flags().StringVar(&o.filter.Subject, "of", "", "only what this promotion or execution has asked")
	limitFlag(c, &o.limit, 20)
	return c
}

func (o *approvalsOptions) run(ctx context.Context, c *client.Client) error {
	all, err := c.Approvals(ctx, o.filter, o.limit)
	if err != nil {
		return err
	}
	if o.f.json {
		return o.f.printJSON(all)
	}
	if len(all) == 0 {
		_, err := fmt.Fprintln(o.f.Out, map[bool]string{true: "nothing was ever asked", false: "nothing waits for an approval"}[o.all])
		return err
	}
	names, err := imageNames(ctx, c, o.filter.Application)
	if err != nil {
		return err
	}
	now := time.Now()
	var rows [][]string
	for _, a := range all {
		image, expires := "-", "-"
		if a.Image != "" {
			image = names.of(a.Image)
		}
		if !a.State.Done() {
			expires = moment(a.Expires, now)
		}
		rows = append(rows, []string{a.ID, a.Application, orDash(a.Environment), image, string(a.State), fmt.Sprintf("%d of %d", a.Approved(), a.Needed),
			orDash(strings.Join(a.From, ", ")), a.Requester, age(a.Asked), expires, a.Message})
	}
	return o.f.table([]string{"APPROVAL", "APPLICATION", "ENVIRONMENT", "IMAGE", "STATE", "APPROVED", "FROM", "ASKED BY", "AGE", "EXPIRES", "MESSAGE"}, rows)
}
