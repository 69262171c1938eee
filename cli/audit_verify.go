package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/audit"
	"github.com/slipway-sh/slipway/client"
)

func newAuditExport(f *Factory) *cobra.Command {
	var after int64
	c := &cobra.Command{
		Use:   "export",
		Short: "Print the audit log as JSON lines",
		Long: `Print the audit log, oldest entry first, one JSON object a line, exactly as it was hashed. Whoever has the lines can
verify them without slipwayd: "slipway audit verify FILE", or with sha256sum, as docs/security.md says.`,
		Example: `  slipway audit export > audit.jsonl
  slipway audit export --after 1200 >> audit.jsonl`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return f.look(c.Context(), func(ctx context.Context, c *client.Client) error {
				lines, err := c.ExportAudit(ctx, after)
				if err != nil {
					return err
				}
				defer lines.Close()
				out := bufio.NewWriter(f.Out)
				if _, err := io.Copy(out, lines); err != nil {
					return errors.Join(slipway.Errorf(slipway.Unavailable, "cannot read the audit log to its end: %w", err), out.Flush())
				}
				return out.Flush()
			})
		},
	}
	c.Flags().Int64Var(&after, "after", 0, "only entries after the one with this number")
	return c
}

func newAuditCheckpoint(f *Factory) *cobra.Command {
	return &cobra.Command{
		Use:   "checkpoint",
		Short: "Print where the audit log is, signed",
		Long: `Print the number and the hash of the last entry, signed with the key of slipwayd that images are signed with, too.
Keep it where nobody who can change slipwayd's database can change it. "slipway audit verify --checkpoint FILE" then
notices when the log was cut off at its end or written anew, which the chain alone cannot show.`,
		Example: `  slipway audit checkpoint > checkpoint.json
  slipway audit verify --checkpoint checkpoint.json`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return f.look(c.Context(), func(ctx context.Context, c *client.Client) error {
				text, err := c.AuditCheckpoint(ctx)
				if err == nil {
					_, err = fmt.Fprintf(f.Out, "%s\n", text)
				}
				return err
			})
		},
	}
}

type auditVerifyOptions struct {
	f           *Factory
	file        string // "" asks slipwayd
	checkpoints []string
	keys        []string
}

func newAuditVerify(f *Factory, runF func(context.Context, *auditVerifyOptions) error) *cobra.Command {
	o := &auditVerifyOptions{f: f}
	c := &cobra.Command{
		Use:   "verify [FILE]",
		Short: "Check that no entry of the audit log was altered, removed, added or moved",
		Long: `Read the audit log, of slipwayd or from a file that "slipway audit export" made ("-": standard input), and check
that every entry has the hash that its content gives and follows from the one before. It is checked here, not by slipwayd.

Entries that are missing at the end leave no gap. With --checkpoint, once or several times, the log must have the
entries that were there when the checkpoint was made. Its signature is checked with the keys of --key, or else
with those that slipwayd trusts. DATA/keys/server.pub.pem is slipwayd's own.

It ends with exit status 5 if something is wrong with the log or the checkpoint.`,
		Example: `  slipway audit verify --checkpoint checkpoint.json
  slipway audit export > audit.jsonl
  slipway audit verify audit.jsonl --checkpoint checkpoint.json --key server.pub.pem`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) == 1 {
				o.file = args[0]
			}
			if runF != nil {
				return runF(c.Context(), o)
			}
			return o.run(c.Context())
		},
	}
	c.Flags().StringArrayVar(&o.checkpoints, "checkpoint", nil, "`file` with a checkpoint that has to be met, or several, one a line, as slipwayd writes them; repeatable")
	c.Flags().StringArrayVar(&o.keys, "key", nil, "`file` with a public key to trust, PEM; repeatable")
	return c
}

// verified is what `slipway audit verify --json` prints.
type verified struct {
	audit.Summary
	Checkpoints []verifiedCheckpoint `json:"checkpoints"`
}

type verifiedCheckpoint struct {
	audit.Checkpoint
	Key string `json:"key"` // that signed it
}

func (o *auditVerifyOptions) run(ctx context.Context) error {
	if len(o.keys) > 0 && len(o.checkpoints) == 0 {
		return usageError{errors.New("cannot use --key without --checkpoint: only checkpoints are signed")}
	}
	if o.file == "" || len(o.checkpoints) > 0 && len(o.keys) == 0 {
		return o.f.look(ctx, o.verify)
	}
	ctx, stop := o.f.interruptible(ctx)
	defer stop()
	return o.verify(ctx, nil)
}

func (o *auditVerifyOptions) verify(ctx context.Context, c *client.Client) error {
	found := verified{Checkpoints: []verifiedCheckpoint{}}
	keys, err := o.trusted(ctx, c)
	if err != nil {
		return err
	}
	var known []audit.Checkpoint
	for _, name := range o.checkpoints {
		text, err := readInput(name)
		if err != nil {
			return err
		}
		all, by, err := audit.ReadCheckpoints(text, keys)
		if e, ok := errors.AsType[*slipway.Error](err); ok {
			return e.At(name)
		}
		known = append(known, all...)
		for i, p := range all {
			found.Checkpoints = append(found.Checkpoints, verifiedCheckpoint{p, by[i]})
		}
	}
	lines, err := o.lines(ctx, c)
	if err != nil {
		return err
	}
	defer lines.Close()
	found.Summary, err = audit.Verify(lines, known...)
	if slipway.CodeOf(err) == slipway.Corrupt {
		what := "the audit log"
		if o.file != "" && o.file != "-" {
			what = o.file
		}
		return &outcome{exitConflict, fmt.Sprintf("the audit log was tampered with: %s, %s; up to entry %d all is well", what, err, found.Last)}
	}
	if err != nil {
		return err
	}
	if o.f.json {
		return o.f.printJSON(found)
	}
	_, err = fmt.Fprint(o.f.Out, found.text())
	return err
}

// toldCheckpoints is how many checkpoints are told one by one.
const toldCheckpoints = 3

// text says what was found, and what was not.
func (v verified) text() string {
	if v.Entries == 0 {
		return "there is nothing in it\n"
	}
	var text strings.Builder
	entries := fmt.Sprintf("%d entries", v.Entries)
	if v.Entries == 1 {
		entries = "1 entry"
	}
	fmt.Fprintf(&text, "%s, number %d of %s to number %d of %s: none was altered, removed, added or moved\n", entries,
		v.First, v.Began.Local().Format("2006-01-02 15:04:05"), v.Last, v.Ended.Local().Format("2006-01-02 15:04:05"))
	if v.First > 1 {
		fmt.Fprintf(&text, "what came before number %d was not looked at\n", v.First)
	}
	last := v.Checkpoints
	if before := len(last) - toldCheckpoints; before > 1 {
		last = last[before:]
		fmt.Fprintf(&text, "%d checkpoints, from that of %s on, are met\n", before, v.Checkpoints[0].Time.Local().Format("2006-01-02 15:04:05"))
	}
	for _, p := range last {
		fmt.Fprintf(&text, "the checkpoint of %s, entry %d, signed by %s, is met\n", p.Time.Local().Format("2006-01-02 15:04:05"), p.Seq, p.Key[:16])
	}
	if len(v.Checkpoints) == 0 {
		fmt.Fprint(&text, "without a checkpoint nobody can tell whether entries were removed at its end\n")
	}
	if len(v.Open) > 0 {
		fmt.Fprintf(&text, "without an end, because it is under way or because slipwayd was killed: number %s\n", numbers(v.Open))
	}
	return text.String()
}

// numbers lists at most ten.
func numbers(all []int64) string {
	var text []string
	for i, n := range all {
		if i == 10 {
			text = append(text, "…")
			break
		}
		text = append(text, fmt.Sprint(n))
	}
	return strings.Join(text, ", ")
}

// trusted returns public keys in PEM.
func (o *auditVerifyOptions) trusted(ctx context.Context, c *client.Client) ([]string, error) {
	var keys []string
	for _, name := range o.keys {
		text, err := readInput(name)
		if err != nil {
			return nil, err
		}
		keys = append(keys, string(text))
	}
	if len(keys) > 0 || len(o.checkpoints) == 0 {
		return keys, nil
	}
	all, err := c.Keys(ctx)
	for _, k := range all {
		keys = append(keys, k.PEM)
	}
	return keys, err
}

func (o *auditVerifyOptions) lines(ctx context.Context, c *client.Client) (io.ReadCloser, error) {
	switch o.file {
	case "":
		return c.ExportAudit(ctx, 0)
	case "-":
		return io.NopCloser(o.f.In), nil
	}
	file, err := os.Open(o.file)
	if errors.Is(err, os.ErrNotExist) {
		return nil, slipway.Errorf(slipway.NotFound, "cannot find the file %s", o.file)
	}
	return file, err
}

// readInput reads a small file.
func readInput(name string) ([]byte, error) {
	text, err := os.ReadFile(name)
	if errors.Is(err, os.ErrNotExist) {
		return nil, slipway.Errorf(slipway.NotFound, "cannot find the file %s", name)
	}
	return text, err
}
