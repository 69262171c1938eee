package cli

import (
	"cmp"
	"context"
	"fmt"
	"regexp"

	"github.com/spf13/cobra"

	"github.com/slipway-sh/slipway"
)

type deploymentCommandOptions struct {
	f          *Factory
	deployment string
	verb       slipway.Verb
	reason     string
	comment    string
	said       func(slipway.Deployment) string // what to print when it was done
}

var deploymentForm = regexp.MustCompile(`^d-[A-Za-z0-9_-]+$`)

// newDeploymentCommands returns the verbs that tell a deployment something and do not wait for what comes of it.
func newDeploymentCommands(f *Factory, runF func(context.Context, *deploymentCommandOptions) error) []*cobra.Command {
	words := []struct {
		verb        slipway.Verb
		short, long string
		said        func(slipway.Deployment) string
	}{
		{slipway.VerbPause, "Halt a deployment where it is", `Halt a deployment where it is: it takes no further step. What has traffic keeps it and is watched on, and an
alarm still undoes the deployment. Deadlines stand still. It goes on with "slipway resume".`,
			func(d slipway.Deployment) string { return "paused; go on with: slipway resume " + d.ID }},
		{slipway.VerbResume, "Let a paused deployment go on", `Let a paused deployment go on where it is. Its deadlines are later by as long as it was paused.`,
			func(d slipway.Deployment) string { return "going on: " + d.Step }},
		{slipway.VerbPromote, "Let a deployment wait no longer", `Let a deployment wait no longer: what remains of waiting, watching, observing, approvals and smaller shares
of traffic is left out. What proves that the new server group serves is not.`,
			func(d slipway.Deployment) string { return "promoted: it waits no longer" }},
		{slipway.VerbApprove, "Approve what a deployment or a promotion waits for", `Approve what a deployment (d-…) waits for a person to decide, or an approval (a-…) that a promotion or a pipeline has
asked for. "slipway deployment show" and "slipway approval show" say what that is, what would change, and what happens if
nobody does. Whoever asked for an approval cannot give it.`,
			func(d slipway.Deployment) string { return "approved: it goes on" }},
		{slipway.VerbReject, "Reject what a deployment or a promotion waits for", `Reject what a deployment (d-…) waits for a person to decide: it is undone. Or reject an approval (a-…), for everyone: one
rejection is enough, and wants a comment.`,
			func(d slipway.Deployment) string { return "rejected: it is undone" }},
	}
	var all []*cobra.Command
	for _, w := range words {
		o := &deploymentCommandOptions{f: f, verb: w.verb, said: w.said}
		votes := w.verb == slipway.VerbApprove || w.verb == slipway.VerbReject
		c := &cobra.Command{
			Use:   string(w.verb) + map[bool]string{false: " DEPLOYMENT", true: " DEPLOYMENT | " + string(w.verb) + " APPROVAL"}[votes],
			Short: w.short,
			Long: w.long + `

It returns when slipwayd has done it; "slipway deployment show DEPLOYMENT --follow" shows what comes of it.
--json prints the deployment as it is then.`,
			Example: fmt.Sprintf("  slipway %s d-44bbgrolax --reason %q", w.verb, map[slipway.Verb]string{
				slipway.VerbPause: "looking into the error rate", slipway.VerbResume: "it was the load test", slipway.VerbPromote: "the numbers are good",
				slipway.VerbApprove: "checked the migration", slipway.VerbReject: "checkout is slow",
			}[w.verb]),
			Args: cobra.ExactArgs(1),
			RunE: func(c *cobra.Command, args []string) error {
				o.deployment = args[0]
				if votes && slipway.IsApproval(args[0]) {
					return voteRun(c.Context(), f, args[0], o.verb == slipway.VerbApprove, cmp.Or(o.comment, o.reason))
				}
				o.reason = cmp.Or(o.reason, o.comment)
				if runF != nil {
					return runF(c.Context(), o)
				}
				return deploymentCommandRun(c.Context(), o)
			},
		}
		c.Flags().StringVar(&o.reason, "reason", "", "why, for the record")
		if votes {
			c.Flags().StringVar(&o.comment, "comment", "", "the same")
			c.Example += fmt.Sprintf("\n  slipway %s a-7q2mxkf4zb --comment %q", w.verb, "looked at the diff")
		}
		if w.verb == slipway.VerbPromote {
			addPromotion(f, c)
		}
		all = append(all, c)
	}
	return all
}

func deploymentCommandRun(ctx context.Context, o *deploymentCommandOptions) error {
	votes := o.verb == slipway.VerbApprove || o.verb == slipway.VerbReject
	if votes && !deploymentForm.MatchString(o.deployment) {
		return slipway.Errorf(slipway.Invalid, "cannot %s %q: want the id of a deployment (d-…) or an approval (a-…); `slipway deployments` and `slipway approvals` list them", o.verb, o.deployment)
	}
	if err := isDeployment(string(o.verb), o.deployment); err != nil {
		return err
	}
	command := slipway.Command{Verb: o.verb, Reason: o.reason, By: o.f.who()}
	if err := command.Validate(); err != nil {
		return err
	}
	c, err := o.f.client()
	if err != nil {
		return err
	}
	defer c.Close()
	ctx, stop := o.f.interruptible(ctx)
	defer stop()
	d, err := c.Command(ctx, o.deployment, command)
	if err != nil {
		return accepted(err, "slipway deployment show "+o.deployment)
	}
	if o.f.json {
		return o.f.printJSON(d)
	}
	_, err = fmt.Fprintf(o.f.Out, "%s %s\n", d.ID, o.said(d))
	return err
}

// isDeployment returns an error unless id looks like a deployment's.
func isDeployment(doing, id string) error {
	if !deploymentForm.MatchString(id) {
		return slipway.Errorf(slipway.Invalid, "cannot %s %q: want the id of a deployment (d-…); `slipway deployments` lists them", doing, id)
	}
	return nil
}
