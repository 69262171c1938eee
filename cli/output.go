package cli

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/slipway-sh/slipway"
)

// printJSON prints v, indented.
func (f *Factory) printJSON(v any) error {
	e := json.NewEncoder(f.Out)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

// table prints rows in columns below their headings.
func (f *Factory) table(headings []string, rows [][]string) error {
	w := tabwriter.NewWriter(f.Out, 0, 0, 2, ' ', 0)
	for _, row := range append([][]string{headings}, rows...) {
		if _, err := io.WriteString(w, strings.TrimRight(strings.Join(row, "\t"), "\t")+"\n"); err != nil {
			return err
		}
	}
	return w.Flush()
}

// age says how long ago t was.
func age(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	switch d := max(time.Since(t), 0); {
	case d < 2*time.Minute:
		return fmt.Sprintf("%ds", int(d.Seconds()))
	case d < 2*time.Hour:
		return fmt.Sprintf("%dm", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh", int(d.Hours()))
	default:
		return fmt.Sprintf("%dd", int(d.Hours()/24))
	}
}

// moment says when t is, exactly, and how far that is from now: "2026-03-04 05:06:07 CET (in 2h3m)".
func moment(t, now time.Time) string {
	text := t.Local().Format("2006-01-02 15:04:05 MST")
	switch d := t.Sub(now).Round(time.Second); {
	case d > 0:
		return text + " (in " + span(d) + ")"
	case d == 0:
		return text + " (now)"
	default:
		return text + " (" + span(-d) + " ago)"
	}
}

// span says how long d is, with two units at most: "45s", "6m53s", "2h3m", "3d4h".
func span(d time.Duration) string {
	const day = 24 * time.Hour
	with := func(large time.Duration, name string, small time.Duration, smallName string) string {
		text := fmt.Sprintf("%d%s", d/large, name)
		if rest := d % large / small; rest > 0 {
			text += fmt.Sprintf("%d%s", rest, smallName)
		}
		return text
	}
	switch d = d.Round(time.Second); {
	case d < time.Minute:
		return fmt.Sprintf("%ds", d/time.Second)
	case d < time.Hour:
		return with(time.Minute, "m", time.Second, "s")
	case d < day:
		return with(time.Hour, "h", time.Minute, "m")
	}
	return with(day, "d", time.Hour, "h")
}

// seconds says how long something took: "0.35 s", "12.4 s", "3m12s".
func seconds(d time.Duration) string {
	switch {
	case d < time.Second:
		return fmt.Sprintf("%.2f s", d.Seconds())
	case d < time.Minute:
		return fmt.Sprintf("%.1f s", d.Seconds())
	}
	return d.Round(time.Second).String()
}

// sizeText says how large something is.
func sizeText(n int64) string {
	for _, unit := range []string{"GB", "MB", "kB"} {
		size := map[string]int64{"GB": 1e9, "MB": 1e6, "kB": 1e3}[unit]
		if n >= size {
			return fmt.Sprintf("%.1f %s", float64(n)/float64(size), unit)
		}
	}
	return fmt.Sprintf("%d B", n)
}

// labels maps images to what people call them.
type labels map[slipway.Digest]string

func labelsOf(images []slipway.Image) labels {
	l := labels{}
	for _, i := range images {
		l[i.Digest] = i.Version
		if i.Revoked != nil {
			l[i.Digest] = cmp.Or(i.Version, i.Digest.Short()) + ", revoked"
		}
	}
	return l
}

// of returns the image's version label, or the digest's first digits if it has none, and whether it is revoked.
func (l labels) of(d slipway.Digest) string { return cmp.Or(l[d], d.Short()) }

// withDigest returns a version label with the digest's first digits, or these alone.
func withDigest(version string, d slipway.Digest) string {
	if version == "" {
		return d.Short()
	}
	return version + " (" + d.Short() + ")"
}

// count returns "1 layer", "3 layers".
func count[N int | int64](n N, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}

// indent moves every line of text two blanks to the right.
func indent(text string) string {
	return "  " + strings.ReplaceAll(strings.TrimRight(text, "\n"), "\n", "\n  ")
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// limitFlag says how much of a list is shown, n of it where nothing is said.
func limitFlag(c *cobra.Command, limit *int, n int) {
	c.Flags().IntVarP(limit, "limit", "n", n, "how many at most; 0 for all")
}
