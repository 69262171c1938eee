package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/client"
)

type promoteOptions struct {
	f    *Factory
	req  slipway.PromoteRequest
	plan bool
	wait waitFlags
}

// addPromotion has the command that tells a deployment to wait no longer promote an application, too.
func addPromotion(f *Factory, c *cobra.Command) {
	o := &promoteOptions{f: f}
	tell := c.RunE
	c.Use = "promote APPLICATION --to ENVIRONMENT [--from ENVIRONMENT] | promote DEPLOYMENT"
	c.Short = "Move what serves in one environment to another; or let a deployment wait no longer"
	c.Long = `Move the very image that serves in one environment of an application to another, once it meets all that
policy.promotion of the other's slipway.yaml demands: where it comes from, tests, signatures, how long it must have
served there, healthy, what other applications must serve, approvals, windows. Freezes, pins and vetoes hold it, too.

If something is not met, all of it is told at once, and nothing is changed. Approvals are asked for and waited on, and with
--wait-for-window and --wait-for-ran so is what time alone will meet. Just before it deploys, everything is looked at
once more. --plan says how every condition stands, and changes nothing.

With the id of a deployment (d-…) it tells that to wait no longer: what remains of waiting, watching, observing, approvals
and smaller shares of traffic is left out. What proves that the new server group serves is not.

--json prints the promotion as it ended, and nothing before; with --plan the plan.`
	c.Example = `  slipway promote hello --from staging --to prod --plan
  slipway promote hello --to prod --wait-for-window
  slipway promote hello --from staging --to prod --override --reason "checkout is down"
  slipway promote d-44bbgrolax --reason "the numbers are good"`
	flags := c.Flags()
	flags.StringVar(&o.req.From, "from", "", "the environment whose image is meant (default as the policy of the other says)")
	flags.StringVar(&o.req.To, "to", "", "the environment that it comes to")
	flags.StringVar(&o.req.Image, "image", "", "which image you mean: another that serves there is refused (default what serves)")
	flags.BoolVar(&o.plan, "plan", false, "say how every condition stands, and change nothing")
	flags.BoolVar(&o.req.WaitForWindow, "wait-for-window", false, "wait until a window opens")
	flags.BoolVar(&o.req.WaitForRan, "wait-for-ran", false, "wait until it has served for as long as it must")
	flags.BoolVar(&o.req.Override, "override", false, "go on in spite of what is not met, as far as that may be; needs --reason")
	flags.StringVar((*string)(&o.req.OnConflict), "on-conflict", "", "while another deployment is under way: refuse, queue or supersede (default as slipway.yaml says)")
	o.wait.add(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		if o.req.To == "" && deploymentForm.MatchString(args[0]) {
			return tell(c, args)
		}
		o.req.Application, o.req.Reason = args[0], c.Flag("reason").Value.String()
		if o.req.To == "" {
			return usageError{fmt.Errorf("cannot tell to which environment: want slipway promote %s --to ENVIRONMENT", args[0])}
		}
		return promoteRun(c.Context(), o)
	}
}

func promoteRun(ctx context.Context, o *promoteOptions) error {
	if err := o.wait.check(); err != nil {
		return err
	}
	o.req.By = o.f.who()
	if err := o.req.Validate(); err != nil {
		return err
	}
	if o.plan {
		return o.f.look(ctx, o.showPlan)
	}
	c, err := o.f.client()
	if err != nil {
		return err
	}
	defer c.Close()
	m, after, err := o.start(ctx, c)
	if err != nil {
		return accepted(err, "slipway promotions "+o.req.Application+" "+o.req.To)
	}
	if o.wait.noWait {
		return o.f.printID(m.ID, m)
	}
	view := o.f.progress(false)
	w := newWaiter(o.f, c, view, m.ID, o.wait)
	w.after = after
	m, err = w.promotion(ctx, m)
	view.close()
	if err != nil {
		return err
	}
	if o.f.json {
		if err := o.f.printJSON(m); err != nil {
			return err
		}
	}
	return o.f.promotionEnd(ctx, c, m)
}

// start starts a promotion and returns it, and the last event before it.
func (o *promoteOptions) start(ctx context.Context, c *client.Client) (m slipway.Promotion, after int64, err error) {
	ctx, stop := o.f.interruptible(ctx)
	defer stop()
	last, err := c.EventList(ctx, slipway.EventFilter{Application: o.req.Application, Environment: o.req.To, Newest: true}, 1)
	if err != nil {
		return m, 0, err
	}
	if len(last) > 0 {
		after = last[0].Seq
	}
	m, err = c.Promote(ctx, o.req)
	return m, after, err
}

// promotion waits for a promotion to end and returns it. Of what happens in its environment it shows what is about it, its approvals and its
// deployment.
func (w *waiter) promotion(ctx context.Context, m slipway.Promotion) (slipway.Promotion, error) {
	w.about = func(e slipway.Event) bool {
		if e.Deployment != "" {
			if m.Deployment == "" {
				if d, err := w.c.Deployment(ctx, e.Deployment); err == nil && d.Promotion == m.ID {
					m.Deployment = d.ID
				}
			}
			return e.Deployment == m.Deployment
		}
		var of struct {
			ID      string `json:"id"`
			Subject string `json:"subject"`
		}
		return json.Unmarshal(e.Data, &of) == nil && (of.ID == m.ID || of.Subject == m.ID)
	}
	get := func(ctx context.Context) (slipway.Promotion, error) { return w.c.Promotion(ctx, m.ID) }
	done := func(m slipway.Promotion) bool { return m.State.Done() }
	return follow(ctx, w, slipway.EventFilter{Application: m.Application, Environment: m.To, After: w.after}, slipway.PromotionFinished, get, done)
}

// promotionEnd prints what a good promotion did, unless that was printed as JSON, and returns how a bad one ended.
func (f *Factory) promotionEnd(ctx context.Context, c *client.Client, m slipway.Promotion) error {
	if m.Deployment != "" && m.State != slipway.PromotionAborted {
		d, err := c.Deployment(ctx, m.Deployment)
		if err != nil {
			return err
		}
		return f.deploymentEnd(ctx, c, d)
	}
	why := m.ID + " ended as " + string(m.State)
	if m.Error != nil {
		why = m.Error.Error()
	}
	switch m.State {
	case slipway.PromotionAborted:
		return &outcome{exitAborted, fmt.Sprintf("%s %s: %s was aborted; nothing of it is left", m.Application, m.To, m.ID)}
	case slipway.PromotionRefused:
		return &outcome{exitConflict, fmt.Sprintf("%s %s: %s was refused, and nothing was changed\n%s", m.Application, m.To, m.ID, indent(why))}
	}
	return fmt.Errorf("%s %s: %s", m.Application, m.To, why)
}

// showPlan prints what a promotion would do, and ends well if it would go on at once.
func (o *promoteOptions) showPlan(ctx context.Context, c *client.Client) error {
	p, err := c.PlanPromotion(ctx, o.req)
	if err != nil {
		return err
	}
	if o.f.json {
		return o.f.printJSON(p)
	}
	var text strings.Builder
	fmt.Fprintf(&text, "promote %s %s from %s to %s\n\n", p.Application, withDigest(p.Version, p.Image), p.From, p.To)
	if _, err := io.WriteString(o.f.Out, text.String()); err != nil {
		return err
	}
	o.f.constraints(p.Constraints)
	text.Reset()
	switch {
	case p.Replaces == "":
		text.WriteString("\nnothing serves there: all of it is new\n")
	case p.Replaces == p.Image:
		text.WriteString("\nthe same image serves there\n")
	default:
		diff, err := c.Diff(ctx, p.Application, string(p.Replaces), p.Application+"@"+string(p.Image))
		if err != nil {
			return err
		}
		told, err := toldAnew(ctx, c, p)
		if err != nil {
			return err
		}
		diff.Config = &told
		text.WriteString("\n" + diffCounts(diff) + fmt.Sprintf("all of it: slipway image diff %s@%s @%s\n", p.Application, p.Replaces.Short(), p.Image.Short()))
	}
	unmet := 0
	for _, k := range p.Constraints {
		if k.Holds() {
			unmet++
		}
	}
	switch {
	case p.Ready:
		text.WriteString("\nit would be deployed at once\n")
	case p.At.IsZero():
		fmt.Fprintf(&text, "\n%s not met\n", map[bool]string{true: "1 condition is", false: fmt.Sprintf("%d conditions are", unmet)}[unmet == 1])
	default:
		fmt.Fprintf(&text, "\n%s not met; what time alone meets is by %s\n", map[bool]string{true: "1 condition is", false: fmt.Sprintf("%d conditions are", unmet)}[unmet == 1], moment(p.At, time.Now()))
	}
	_, err = io.WriteString(o.f.Out, text.String())
	return err
}

// toldAnew returns how what machines are told would change.
func toldAnew(ctx context.Context, c *client.Client, p slipway.PromotionPlan) (slipway.ConfigDiff, error) {
	if p.Config == p.ConfigReplaces || p.Config == 0 {
		return slipway.ConfigDiff{From: p.ConfigReplaces, To: p.Config}, nil
	}
	return c.DiffConfig(ctx, slipway.Cluster{Application: p.Application, Environment: p.To}, p.ConfigReplaces, p.Config)
}

// constraints prints how conditions stand, a line for each, and below what is not met what would meet it.
func (f *Factory) constraints(all []slipway.Constraint) {
	for _, c := range all {
		sign := "ok"
		switch {
		case c.Overridden:
			sign = "over"
		case !c.Met:
			sign = "no"
		}
		fmt.Fprintf(f.Out, "  %-4s  %-10s  %s\n", sign, c.Kind, c.Message)
		if c.Holds() && c.Unblocks != "" {
			fmt.Fprintf(f.Out, "  %-4s  %-10s  → %s\n", "", "", c.Unblocks)
		}
	}
}
