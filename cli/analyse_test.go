package cli

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-sh/slipway"
)

// judge is a slipwayd that knows one verdict, and keeps what it was asked.
type judge struct {
	verdict slipway.Verdict
	asked   slipway.AnalysisRequest
}

func (j *judge) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	if r.Method+" "+r.URL.Path != "POST /v1/analyses" || json.Unmarshal(body, &j.asked) != nil {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	_ = json.NewEncoder(w).Encode(j.verdict)
}

var judged = slipway.Verdict{
	Grade: slipway.GradeFail, Canary: "hello-prod-v002", Control: "hello-prod-v001", Detail: "a critical metric failed: error rate: higher",
	From: time.Date(2026, 1, 1, 12, 0, 0, 0, time.Local), To: time.Date(2026, 1, 1, 12, 4, 0, 0, time.Local),
	Metrics: []slipway.MetricResult{
		{Name: "error rate", Grade: slipway.GradeFail, Critical: true, Canary: 0.0512345, Control: 0.01, Samples: [2]int{60, 58}, P: 3e-12, Effect: 0.04, Detail: "higher"},
		{Name: "latency", Grade: slipway.GradePass, Canary: 0.05, Control: 0.05, Samples: [2]int{60, 60}, P: 0.61234, Detail: "no worse than its control"},
		{Name: "timeouts", Grade: slipway.GradePass, Canary: 0.5, Samples: [2]int{60, 60}, P: 0.02},
		{Name: "load", Grade: slipway.GradePass, Canary: 50, Control: 2, Samples: [2]int{60, 60}, P: 0.5},
		{Name: "cpu", Grade: slipway.GradeNoData, Control: 2, Samples: [2]int{0, 60}, P: 1, Detail: "0 samples"},
	},
}

func TestAnalyse(t *testing.T) {
	j := &judge{verdict: judged}
	r := newRun(t, j)
	if code := r.main(t, "analyse", "hello", "prod"); code != exitBakeFailed {
		t.Errorf("exit status %d", code)
	}
	want := `hello-prod-v002 against hello-prod-v001, from 2026-01-01 12:00:00 to 2026-01-01 12:04:00

METRIC                CANARY   CONTROL  CHANGE       P        SAMPLES  GRADE    NOTE
error rate, critical  0.05123  0.01     +412.3 %     <0.0001  60, 58   fail     higher
latency               0.05     0.05     none         0.6123   60, 60   pass     no worse than its control
timeouts              0.5      0        from 0       0.0200   60, 60   pass
load                  50       2        +2.4e+03 %   0.5000   60, 60   pass
cpu                   -        2        -            -        0, 60    no data  0 samples

fail, score 0: a critical metric failed: error rate: higher
`
	if got := r.out.String(); strings.Join(strings.Fields(got), " ") != strings.Join(strings.Fields(want), " ") {
		t.Errorf("got\n%s", got)
	}
	if got := r.errOut.String(); got != "" {
		t.Errorf("on stderr: %s", got)
	}
	if diff := cmp.Diff(slipway.AnalysisRequest{Cluster: slipway.Cluster{Application: "hello", Environment: "prod"}}, j.asked); diff != "" {
		t.Error(diff)
	}

	r = newRun(t, j)
	if code := r.main(t, "analyse", "hello", "prod", "--json"); code != exitBakeFailed {
		t.Errorf("exit status %d", code)
	}
	var printed slipway.Verdict
	if err := json.Unmarshal([]byte(r.out.String()), &printed); err != nil || printed.Detail != judged.Detail || r.errOut.String() != "" {
		t.Errorf("got %v, %s%s", err, r.out, r.errOut)
	}
}

func TestAnalyseExits(t *testing.T) {
	for grade, want := range map[slipway.Grade]int{
		slipway.GradePass: exitGood, slipway.GradeFail: exitBakeFailed, slipway.GradeMarginal: exitUnclear, slipway.GradeNoData: exitUnclear,
		"of a newer slipwayd": exitUnclear,
	} {
		v := judged
		v.Grade = grade
		if got := newRun(t, &judge{verdict: v}).main(t, "analyse", "--deployment", "d-1"); got != want {
			t.Errorf("%s: exit status %d, want %d", grade, got, want)
		}
	}
}

func TestAnalyseRequest(t *testing.T) {
	j := &judge{verdict: judged}
	newRun(t, j).main(t, "analyse", "--deployment", "d-1", "--canary", "a", "--control", "b", "--from", "2026-01-01T12:00:00Z", "--to", "2026-01-01T12:30:00+01:00",
		"--pass", "80", "--marginal", "60", "--min-samples", "9", "--prometheus", "http://one:9090", "--direction", "either",
		"--query", `cpu = avg(cpu{group="$group"})`, "--query", "queue=sum(queue)")
	want := slipway.AnalysisRequest{
		Deployment: "d-1", Canary: "a", Control: "b",
		From: time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC), To: time.Date(2026, 1, 1, 11, 30, 0, 0, time.UTC),
		Analysis: &slipway.Analysis{Pass: 80, Marginal: 60, MinSamples: 9, Metrics: []slipway.Metric{
			{Name: "cpu", Query: `avg(cpu{group="$group"})`, Server: "http://one:9090", Direction: slipway.DirectionEither},
			{Name: "queue", Query: "sum(queue)", Server: "http://one:9090", Direction: slipway.DirectionEither},
		}},
	}
	if diff := cmp.Diff(want, j.asked); diff != "" {
		t.Error(diff)
	}

	now := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	req, err := (&analyseOptions{from: "90m", to: "0s"}).request(now)
	if err != nil || !req.From.Equal(now.Add(-90*time.Minute)) || !req.To.Equal(now) || req.Analysis != nil {
		t.Errorf("got %+v, %v", req, err)
	}
}

func TestAnalyseUsage(t *testing.T) {
	for _, c := range []struct{ args, want string }{
		{"", "want APPLICATION and ENVIRONMENT, or --deployment"},
		{"hello", "want APPLICATION and ENVIRONMENT, or --deployment"},
		{"hello prod v2", "accepts at most 2 arg(s)"},
		{"hello prod --from yesterday", `cannot use --from "yesterday": want a time such as 2026-01-31T12:00:00Z, or how long ago, such as 30m`},
		{"hello prod --to -5m", `cannot use --to "-5m"`},
		{"hello prod --query up", `cannot use --query "up": want NAME=PROMQL`},
		{"hello prod --query =up", `cannot use --query "=up": want NAME=PROMQL`},
		{"hello prod --prometheus http://one:9090", "cannot use --prometheus or --direction without --query"},
	} {
		t.Run(c.args, func(t *testing.T) {
			r := newRun(t, &judge{})
			if code := r.main(t, append([]string{"analyse"}, strings.Fields(c.args)...)...); code != exitUsage || !strings.Contains(r.errOut.String(), c.want) {
				t.Errorf("exit status %d: %s", code, r.errOut)
			}
		})
	}
}
