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

// newApproval returns the group of verbs about one approval that look.
func newApproval(f *Factory) *cobra.Command {
	c := &cobra.Command{
		Use:   "approval",
		Short: "Look into an approval: what is asked, who has answered, what would change",
		Args:  cobra.ArbitraryArgs,
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usageError{fmt.Errorf("cannot %q an approval: there is no such verb; see slipway approval --help", args[0])}
			}
			return c.Help()
		},
	}
	c.AddCommand(newApprovalShow(f))
	return c
}

type approvalShowOptions struct {
	f    *Factory
	id   string
	full bool
}

func newApprovalShow(f *Factory) *cobra.Command {
	o := &approvalShowOptions{f: f}
	c := &cobra.Command{
		Use:   "show APPROVAL",
		Short: "What is asked, who has answered, and what would change",
		Long: `Show an approval: what is asked and by whom, whose answers are wanted and until when, what was answered, and what would
change: packages, files, configuration and layers, from the image that served when it was asked to the one that is to
replace it. It is counted; --full lists all of it. --json prints the approval, and with --full the comparison.`,
		Example: `  slipway approval show a-7q2mxkf4zb
  slipway approval show a-7q2mxkf4zb --full`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if o.id = args[0]; !slipway.IsApproval(o.id) {
				return slipway.Errorf(slipway.Invalid, "cannot show %q: want the id of an approval (a-…); `slipway approvals` lists them", o.id)
			}
			return f.look(c.Context(), o.run)
		},
	}
	c.Flags().BoolVar(&o.full, "full", false, "all that would change, line by line")
	return c
}

func (o *approvalShowOptions) run(ctx context.Context, c *client.Client) error {
	a, err := c.Approval(ctx, o.id)
	if err != nil {
		return err
	}
	if o.f.json && !o.full {
		return o.f.printJSON(a)
	}
	diff, err := c.ApprovalDiff(ctx, o.id)
	none := slipway.CodeOf(err) == slipway.NotFound
	if err != nil && !none || none && o.f.json {
		return err
	}
	if o.f.json {
		return o.f.printJSON(diff)
	}
	names, err := imageNames(ctx, c, a.Application)
	if err != nil {
		return err
	}
	o.f.approval(a, names, time.Now())
	if a.Image == "" {
		return nil
	}
	text := "nothing served there when it was asked: all of it is new\n"
	if a.Config > 0 {
		text += fmt.Sprintf("it is told version %d of the configuration: slipway config show %s %s --version %d\n", a.Config, a.Application, a.Environment, a.Config)
	}
	switch {
	case none:
	case o.full:
		text = diffText(diff, true)
	default:
		text = diffCounts(diff) + "all of it: slipway approval show " + a.ID + " --full\n"
	}
	_, err = fmt.Fprint(o.f.Out, "\n"+text)
	return err
}

// approval prints what is asked and what was answered.
func (f *Factory) approval(a slipway.Approval, names labels, now time.Time) {
	of := a.Application
	if a.Environment != "" {
		of += " in " + a.Environment
	}
	fmt.Fprintf(f.Out, "%s: %s\n\n", a.ID, of)
	state := string(a.State)
	if !a.Decided.IsZero() {
		state += ", " + moment(a.Decided, now)
	}
	image, expires := "", ""
	if a.Image != "" {
		image = withDigest(names[a.Image], a.Image)
	}
	if !a.State.Done() {
		expires = moment(a.Expires, now)
	}
	from := "approvers of " + of
	if len(a.From) > 0 {
		from = strings.Join(a.From, ", ")
	}
	f.facts([][2]string{
		{"asked", a.Message},
		{"by", a.Requester + ", " + moment(a.Asked, now)},
		{"for", a.Subject},
		{"image", image},
		{"wants", fmt.Sprintf("%s of %s", count(a.Needed, "approval"), from)},
		{"expires", expires},
		{"state", state},
	})
	var votes []string
	for _, v := range a.Votes {
		votes = append(votes, fmt.Sprintf("%s %s, %s%s", v.By, map[bool]string{true: "approved", false: "rejected"}[v.Approve], moment(v.At, now), prefixed(": ", v.Comment)))
	}
	f.listed("answers:", votes)
	if !a.State.Done() {
		f.listed("you can:", []string{"slipway approve " + a.ID + " [--comment TEXT]", "slipway reject " + a.ID + " --comment TEXT"})
	}
}

// diffCounts says how much differs, a line for each kind of thing.
func diffCounts(d slipway.ImageDiff) string {
	var text strings.Builder
	fmt.Fprintf(&text, "%s → %s, %s → %s\n", sideText(d.Old), sideText(d.New), sizeText(d.Old.Size), sizeText(d.New.Size))
	counted := func(what string, kinds []slipway.DiffKind) {
		n := map[slipway.DiffKind]int{}
		for _, k := range kinds {
			n[k]++
		}
		if len(kinds) == 0 {
			fmt.Fprintf(&text, "  %s: the same\n", what)
			return
		}
		fmt.Fprintf(&text, "  %s: %d added, %d removed, %d changed\n", what, n[slipway.DiffAdded], n[slipway.DiffRemoved], n[slipway.DiffChanged])
	}
	var packages, files []slipway.DiffKind
	for _, p := range d.Packages {
		packages = append(packages, p.Kind)
	}
	for _, file := range d.Files {
		files = append(files, file.Kind)
	}
	counted("packages", packages)
	counted("files", files)
	counted("service", changeKinds(d.Service))
	counted("environments", changeKinds(d.Environments))
	if d.Config != nil {
		text.WriteString("  " + configCounts(*d.Config) + "\n")
	}
	return text.String()
}

// configCounts says how much of what machines are told differs, and between which versions.
func configCounts(d slipway.ConfigDiff) string {
	n := map[slipway.DiffKind]int{}
	for _, c := range d.Changes {
		n[c.Kind]++
	}
	switch {
	case d.To == 0 && d.From == 0:
		return "configuration: none"
	case d.From == d.To:
		return fmt.Sprintf("configuration: the same, version %d", d.To)
	}
	return fmt.Sprintf("configuration: version %s → %s: %d added, %d removed, %d changed", orNone(d.From), orNone(d.To), n[slipway.DiffAdded], n[slipway.DiffRemoved], n[slipway.DiffChanged])
}

// orNone is the number of a version of the configuration, for people.
func orNone(version int) string {
	if version == 0 {
		return "none"
	}
	return fmt.Sprint(version)
}

func changeKinds(changes []slipway.Change) []slipway.DiffKind {
	var kinds []slipway.DiffKind
	for _, c := range changes {
		switch {
		case c.Old == "":
			kinds = append(kinds, slipway.DiffAdded)
		case c.New == "":
			kinds = append(kinds, slipway.DiffRemoved)
		default:
			kinds = append(kinds, slipway.DiffChanged)
		}
	}
	return kinds
}

// voteRun answers an approval, and says what that made of it.
func voteRun(ctx context.Context, f *Factory, id string, approve bool, comment string) error {
	vote := slipway.VoteRequest{Approve: approve, Comment: comment, By: f.who()}
	if err := vote.Validate(); err != nil {
		return err
	}
	return f.look(ctx, func(ctx context.Context, c *client.Client) error {
		a, err := c.Vote(ctx, id, vote)
		if err != nil {
			return accepted(err, "slipway approval show "+id)
		}
		if f.json {
			return f.printJSON(a)
		}
		text := fmt.Sprintf("approved: %d of %d, it waits for more", a.Approved(), a.Needed)
		switch a.State {
		case slipway.ApprovalGranted:
			text = fmt.Sprintf("approved: %d of %d, it goes on", a.Approved(), a.Needed)
		case slipway.ApprovalRejected:
			text = "rejected"
		}
		_, err = fmt.Fprintf(f.Out, "%s %s\n", a.ID, text)
		return err
	})
}
