package cli

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/client"
)

type analyseOptions struct {
	f          *Factory
	cluster    slipway.Cluster
	deployment string
	canary     string
	control    string
	from, to   string
	pass       int
	marginal   int
	minSamples int
	queries    []string
	direction  string
	prometheus string
}

func newAnalyse(f *Factory, runF func(context.Context, *analyseOptions) error) *cobra.Command {
	o := &analyseOptions{f: f}
	c := &cobra.Command{
		Use:   "analyse [APPLICATION ENVIRONMENT]",
		Short: "Compare a canary with its baseline, as it was",
		Long: `Judge what has been as a canary is judged while it is under way. By default that is the newest
deployment of the environment: its new server group against its baseline, or without one against
what served before, while they shared the traffic, by its own metrics and thresholds. It changes
nothing.

--from and --to are times such as 2026-01-31T12:00:00Z, or how long ago: 30m. In the PromQL of
--query, $group stands for the server group that is measured, $application and $environment for
names; the answer must be one series. Queries take the place of the deployment's metrics.

Exit status 0 means that the canary passes, 7 that it fails, 10 that it can't be told: the score
is marginal, or there are too few samples.`,
		Example: `  slipway analyse hello prod
  slipway analyse --deployment d-7f3a --control hello-prod-v041 --min-samples 20
  slipway analyse hello prod --from 2h --to 30m --query 'cpu=avg(rate(cpu_seconds_total{group="$group"}[1m]))'`,
		Args: cobra.MatchAll(cobra.MaximumNArgs(2), func(_ *cobra.Command, args []string) error {
			if len(args) == 1 || len(args) == 0 && o.deployment == "" {
				return errors.New("want APPLICATION and ENVIRONMENT, or --deployment")
			}
			return nil
		}),
		RunE: func(c *cobra.Command, args []string) error {
			o.cluster = clusterOf(args)
			if runF != nil {
				return runF(c.Context(), o)
			}
			return analyseRun(c.Context(), o)
		},
	}
	c.Flags().StringVar(&o.deployment, "deployment", "", "the ID of a deployment (d-…)")
	c.Flags().StringVar(&o.canary, "canary", "", "the server group that is judged")
	c.Flags().StringVar(&o.control, "control", "", "the server group that it is compared with")
	c.Flags().StringVar(&o.from, "from", "", "when it begins (default: when the canary got its first request)")
	c.Flags().StringVar(&o.to, "to", "", "when it ends (default: when the canary had all traffic, or the deployment ended, or now)")
	c.Flags().IntVar(&o.pass, "pass", 0, "score from which it passes (default 95)")
	c.Flags().IntVar(&o.marginal, "marginal", 0, "score below which it fails (default 75)")
	c.Flags().IntVar(&o.minSamples, "min-samples", 0, "samples that are needed of each group, by each metric (default 50)")
	c.Flags().StringArrayVar(&o.queries, "query", nil, "compare NAME=PROMQL; may be repeated")
	c.Flags().StringVar(&o.direction, "direction", "", "which change of what --query measures is bad: increase, decrease or either (default increase)")
	c.Flags().StringVar(&o.prometheus, "prometheus", "", "URL of the Prometheus that --query asks (default: the environment's)")
	return c
}

func analyseRun(ctx context.Context, o *analyseOptions) error {
	req, err := o.request(time.Now())
	if err != nil {
		return err
	}
	return o.f.look(ctx, func(ctx context.Context, c *client.Client) error {
		v, err := c.Analyse(ctx, req)
		if err != nil {
			return err
		}
		if o.f.json {
			err = o.f.printJSON(v)
		} else {
			err = o.f.analysis(v)
		}
		if err != nil {
			return err
		}
		switch v.Grade { // the verdict has been printed: there is no more to be said
		case slipway.GradePass:
			return nil
		case slipway.GradeFail:
			return &outcome{exit: exitBakeFailed}
		}
		return &outcome{exit: exitUnclear}
	})
}

// request returns what is asked for at a time.
func (o *analyseOptions) request(now time.Time) (slipway.AnalysisRequest, error) {
	req := slipway.AnalysisRequest{Cluster: o.cluster, Deployment: o.deployment, Canary: o.canary, Control: o.control}
	var err error
	if req.From, err = pastTime("--from", o.from, now); err != nil {
		return req, err
	}
	if req.To, err = pastTime("--to", o.to, now); err != nil {
		return req, err
	}
	if len(o.queries) == 0 && (o.prometheus != "" || o.direction != "") {
		return req, usageError{errors.New("cannot use --prometheus or --direction without --query")}
	}
	spec := slipway.Analysis{Pass: o.pass, Marginal: o.marginal, MinSamples: o.minSamples}
	for _, q := range o.queries {
		name, query, _ := strings.Cut(q, "=")
		if strings.TrimSpace(name) == "" || strings.TrimSpace(query) == "" {
			return req, usageError{fmt.Errorf("cannot use --query %q: want NAME=PROMQL", q)}
		}
		spec.Metrics = append(spec.Metrics, slipway.Metric{
			Name: strings.TrimSpace(name), Query: strings.TrimSpace(query), Server: o.prometheus, Direction: slipway.MetricDirection(o.direction),
		})
	}
	if o.pass != 0 || o.marginal != 0 || o.minSamples != 0 || len(spec.Metrics) > 0 {
		req.Analysis = &spec
	}
	return req, nil
}

// pastTime reads a time, or how long before now it was.
func pastTime(flag, text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if t, err := time.Parse(time.RFC3339, text); err == nil {
		return t, nil
	}
	if d, err := time.ParseDuration(text); err == nil && d >= 0 {
		return now.Add(-d), nil
	}
	return time.Time{}, usageError{fmt.Errorf("cannot use %s %q: want a time such as 2026-01-31T12:00:00Z, or how long ago, such as 30m", flag, text)}
}

// analysis prints what was found of each metric, and of all together in the last line.
func (f *Factory) analysis(v slipway.Verdict) error {
	fmt.Fprintf(f.Out, "%s against %s, from %s to %s\n\n", v.Canary, v.Control, v.From.Local().Format(time.DateTime), v.To.Local().Format(time.DateTime))
	var rows [][]string
	for _, m := range v.Metrics {
		name := m.Name
		if m.Critical {
			name += ", critical"
		}
		p := "-"
		if m.Grade != slipway.GradeNoData {
			p = chanceText(m.P)
		}
		rows = append(rows, []string{name, meanText(m.Canary, m.Samples[0]), meanText(m.Control, m.Samples[1]), relativeChange(m), p,
			fmt.Sprintf("%d, %d", m.Samples[0], m.Samples[1]), gradeText(m.Grade), m.Detail})
	}
	if err := f.table([]string{"METRIC", "CANARY", "CONTROL", "CHANGE", "P", "SAMPLES", "GRADE", "NOTE"}, rows); err != nil {
		return err
	}
	score := fmt.Sprintf(", score %s", strconv.FormatFloat(math.Round(v.Score*10)/10, 'f', -1, 64))
	if v.Grade == slipway.GradeNoData {
		score = ""
	}
	_, err := fmt.Fprintf(f.Out, "\n%s%s: %s\n", gradeText(v.Grade), score, v.Detail)
	return err
}

// meanText returns a mean, "-" if there is none.
func meanText(mean float64, samples int) string {
	if samples == 0 {
		return "-"
	}
	return strconv.FormatFloat(mean, 'g', 4, 64)
}

// relativeChange returns by how much the mean of the canary differs from that of the control.
func relativeChange(m slipway.MetricResult) string {
	switch {
	case m.Samples[0] == 0 || m.Samples[1] == 0:
		return "-"
	case m.Canary == m.Control:
		return "none"
	case m.Control == 0:
		return "from 0"
	}
	percent := 100 * (m.Canary - m.Control) / math.Abs(m.Control)
	if math.Abs(percent) >= 1000 {
		return fmt.Sprintf("%+.3g %%", percent)
	}
	return fmt.Sprintf("%+.1f %%", percent)
}

// chanceText returns a probability, as exactly as it is of use.
func chanceText(p float64) string {
	if p < 0.0001 {
		return "<0.0001"
	}
	return fmt.Sprintf("%.4f", p)
}

func gradeText(g slipway.Grade) string { return strings.ReplaceAll(string(g), "_", " ") }
