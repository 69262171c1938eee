package cli

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/client"
)

type auditOptions struct {
	f      *Factory
	filter slipway.AuditFilter
	limit  int
}

func newAudit(f *Factory, runF func(context.Context, *auditOptions) error) *cobra.Command {
	o := &auditOptions{f: f}
	var since, until string
	c := &cobra.Command{
		Use:   "audit [APPLICATION [ENVIRONMENT]]",
		Short: "Who did what, when, from where, why, and what came of it",
		Long: `List the audit log, oldest of those shown first. Everything that could change something is in it, whoever asked for it
and whatever came of it: what was done, what failed, what was refused, and what slipwayd decided by itself.
Nothing is done that cannot be recorded. What is secret is not in it.

What is asked for has two entries: one before anything is done, and one with what came of it. Only the second is
listed, unless it is missing: then it is under way, or slipwayd was killed meanwhile.

Entries are chained by their hashes, so that one that is altered or removed is noticed: see "slipway audit verify".`,
		Example: `  slipway audit
  slipway audit hello prod --since 24h
  slipway audit --by ann@example.com --failed --json
  slipway audit show 1207`,
		Args: cobra.MaximumNArgs(2),
		RunE: func(c *cobra.Command, args []string) (err error) {
			if len(args) > 0 {
				o.filter.Application = args[0]
			}
			if len(args) > 1 {
				o.filter.Environment = args[1]
			}
			now := time.Now()
			if o.filter.Since, err = pointInTime(since, now); err != nil {
				return usageError{fmt.Errorf("cannot use --since %s: %w", since, err)}
			}
			if o.filter.Until, err = pointInTime(until, now); err != nil {
				return usageError{fmt.Errorf("cannot use --until %s: %w", until, err)}
			}
			if runF != nil {
				return runF(c.Context(), o)
			}
			return f.look(c.Context(), o.run)
		},
	}
	c.Flags().StringVar(&o.filter.Application, "application", "", "only what was about this application")
	c.Flags().StringVar(&o.filter.Environment, "env", "", "only what was about this environment")
	c.Flags().StringVar(&o.filter.By, "by", "", "only what this principal did, such as ann@example.com or token:ci")
	c.Flags().StringVar(&o.filter.Action, "action", "", "only this action, such as deploy or restrict")
	c.Flags().StringVar(&o.filter.Object, "object", "", "only what was done to the thing with this ID or name")
	c.Flags().StringVar(&since, "since", "", "only from then on: a time such as 2026-03-04T05:06:07Z or 2026-03-04, or how long ago, such as 90m or 7d")
	c.Flags().StringVar(&until, "until", "", "only before then; as --since")
	c.Flags().BoolVar(&o.filter.Failed, "failed", false, "only what was refused or failed")
	c.Flags().BoolVar(&o.filter.Uploads, "uploads", false, "also every upload of content")
	limitFlag(c, &o.limit, 50)
	c.AddCommand(newAuditShow(f), newAuditExport(f), newAuditVerify(f, nil), newAuditCheckpoint(f))
	return c
}

func (o *auditOptions) run(ctx context.Context, c *client.Client) error {
	if o.f.json {
		entries, err := c.Audit(ctx, o.filter, o.limit)
		if err != nil {
			return err
		}
		return o.f.printJSON(entries)
	}
	// Of two entries of one thing the first is not shown, so more are read than are.
	ended := map[int64]bool{}
	var shown []slipway.AuditEntry
	for e, err := range c.EachAuditEntry(ctx, o.filter) {
		if err != nil {
			return err
		}
		if e.Phase == slipway.AuditAsked && (ended[e.Seq] || o.filter.Object != "" || o.filter.Failed) {
			continue
		}
		ended[e.Asked] = true
		if shown = append(shown, e); len(shown) == o.limit {
			break
		}
	}
	if len(shown) == 0 {
		_, err := fmt.Fprintln(o.f.Out, "nothing of that kind is in the audit log")
		return err
	}
	slices.Reverse(shown)
	var rows [][]string
	for _, e := range shown {
		rows = append(rows, []string{strconv.FormatInt(e.Seq, 10), e.Time.Local().Format("2006-01-02 15:04:05"), orDash(e.By.Name), orDash(e.By.Address),
			e.Action, auditSubject(e), auditOutcome(e), orDash(oneLine(cmp.Or(e.Message, e.Reason), 80))})
	}
	return o.f.table([]string{"SEQ", "TIME", "BY", "FROM", "ACTION", "OF", "OUTCOME", "WHY"}, rows)
}

// auditSubject says what an entry is about: "hello-prod d-1".
func auditSubject(e slipway.AuditEntry) string {
	cluster := e.Application
	if e.Environment != "" {
		cluster = strings.TrimPrefix(cluster+"-"+e.Environment, "-")
	}
	object := e.Object
	if d := slipway.Digest(object); d.Validate() == nil {
		object = d.Short()
	}
	return orDash(oneLine(strings.TrimSpace(cluster+" "+object), 60))
}

func auditOutcome(e slipway.AuditEntry) string {
	switch {
	case e.Phase == slipway.AuditAsked:
		return "open"
	case e.Phase == slipway.AuditRefused && e.Count > 1:
		return fmt.Sprintf("refused: %s, %d times", e.Code, e.Count)
	case e.Phase == slipway.AuditRefused:
		return "refused: " + string(e.Code)
	case e.Code != "":
		return "failed: " + string(e.Code)
	case e.Phase == slipway.AuditDecided:
		return "decided"
	}
	return "done"
}

// oneLine returns text on one line of at most so many letters.
func oneLine(text string, letters int) string {
	text = strings.Join(strings.Fields(text), " ")
	if runes := []rune(text); len(runes) > letters {
		return string(runes[:letters-1]) + "…"
	}
	return text
}

// pointInTime reads a time, or how long before now it was; the zero time of "".
func pointInTime(text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	for _, form := range []string{time.RFC3339, "2006-01-02T15:04:05", "2006-01-02 15:04:05", "2006-01-02T15:04", time.DateOnly} {
		if t, err := time.ParseInLocation(form, text, time.Local); err == nil {
			return t, nil
		}
	}
	if days, ok := strings.CutSuffix(text, "d"); ok {
		if n, err := strconv.Atoi(days); err == nil && n >= 0 && n < 100_000 {
			return now.AddDate(0, 0, -n), nil
		}
	}
	if d, err := time.ParseDuration(text); err == nil && d >= 0 {
		return now.Add(-d), nil
	}
	return time.Time{}, fmt.Errorf("want a time such as 2026-03-04T05:06:07Z or 2026-03-04, or a span such as 90m, 24h or 7d")
}

func newAuditShow(f *Factory) *cobra.Command {
	return &cobra.Command{
		Use:     "show SEQ",
		Short:   "All that is known of one entry",
		Long:    `Show an entry of the audit log with what was asked for and what changed, also if it is told by two entries.`,
		Example: `  slipway audit show 1207`,
		Args:    cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			seq, err := strconv.ParseInt(args[0], 10, 64)
			if err != nil || seq < 1 {
				return usageError{fmt.Errorf("cannot show entry %q: want its number, as \"slipway audit\" lists it", args[0])}
			}
			return f.look(c.Context(), func(ctx context.Context, c *client.Client) error { return f.auditShow(ctx, c, seq) })
		},
	}
}

func (f *Factory) auditShow(ctx context.Context, c *client.Client, seq int64) error {
	find := func(seq int64) (slipway.AuditEntry, error) {
		found, err := c.Audit(ctx, slipway.AuditFilter{Before: seq + 1, Uploads: true}, 1)
		if err == nil && (len(found) == 0 || found[0].Seq != seq) {
			err = slipway.Errorf(slipway.NotFound, "cannot find entry %d: the audit log has no such entry", seq)
		}
		if err != nil {
			return slipway.AuditEntry{}, err
		}
		return found[0], nil
	}
	e, err := find(seq)
	if err != nil {
		return err
	}
	if f.json {
		return f.printJSON(e)
	}
	if e.Asked != 0 {
		asked, err := find(e.Asked)
		if err != nil {
			return err
		}
		e.Input = asked.Input
		if e.Before == nil {
			e.Before = asked.Before
		}
	}
	return f.printAudit(e)
}

// printAudit prints an entry with all it has.
func (f *Factory) printAudit(e slipway.AuditEntry) error {
	var text strings.Builder
	line := func(name, value string) {
		if value != "" {
			fmt.Fprintf(&text, "%-12s %s\n", name, value)
		}
	}
	line("entry", strconv.FormatInt(e.Seq, 10))
	line("time", e.Time.Local().Format("2006-01-02 15:04:05.000 MST"))
	line("by", fmt.Sprintf("%s (%s)", orDash(e.By.Name), e.By.Kind))
	line("from", strings.TrimSpace(e.By.Address+" "+e.Client))
	line("action", strings.TrimSpace(e.Action+"  "+e.Method+" "+e.Path))
	line("of", auditSubject(e))
	line("why", e.Reason)
	line("outcome", auditOutcome(e))
	if e.Asked != 0 {
		line("asked in", fmt.Sprintf("entry %d", e.Asked))
	}
	line("message", e.Message)
	line("place", e.Place)
	document := func(name string, value json.RawMessage) {
		if len(value) == 0 {
			return
		}
		var v any
		if json.Unmarshal(value, &v) == nil {
			if pretty, err := json.MarshalIndent(v, "  ", "  "); err == nil {
				value = pretty
			}
		}
		fmt.Fprintf(&text, "%s:\n  %s\n", name, value)
	}
	document("input", e.Input)
	if len(e.Changes) > 0 {
		fmt.Fprintln(&text, "changes:")
		for _, c := range e.Changes {
			fmt.Fprintf(&text, "  %s: %s -> %s\n", c.Path, orDash(string(c.Before)), orDash(string(c.After)))
		}
	} else {
		document("before", e.Before)
		document("after", e.After)
	}
	line("hash", e.Hash)
	_, err := fmt.Fprint(f.Out, text.String())
	return err
}
