package promql_test

import (
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/check"
	"github.com/slipway-sh/slipway/promql"
	"github.com/slipway-sh/slipway/promql/promtest"
)

// application is something that has metrics: a share of errors by group, and a gauge.
func application(t *testing.T) (address string, errors *atomic.Int64) {
	t.Helper()
	errors = &atomic.Int64{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, "# TYPE errors gauge\nerrors{group=\"hello-prod-v001\"} 1\nerrors{group=\"hello-prod-v002\",zone=\"a\"} %d\nerrors{group=\"hello-prod-v002\",zone=\"b\"} 0\n", errors.Load())
		fmt.Fprint(w, "# TYPE oddity gauge\noddity{is=\"nan\"} NaN\noddity{is=\"inf\"} +Inf\n")
	}))
	t.Cleanup(server.Close)
	return server.Listener.Addr().String(), errors
}

func TestAgainstARealPrometheus(t *testing.T) {
	address, errors := application(t)
	prometheus := promtest.Start(t, promtest.Target{Job: "app", Address: address})
	client := promql.New(prometheus.URL)
	began := time.Now()
	ask := func(query string) []slipway.Series {
		t.Helper()
		series, err := client.Query(t.Context(), query, time.Now())
		if err != nil {
			t.Fatalf("%s: %v", query, err)
		}
		return series
	}
	promtest.Await(t, "the first scrape", func() bool { return len(ask(`errors`)) == 3 })

	t.Run("series by labels, without what differs by itself", func(t *testing.T) {
		series := ask(`sum by (group, zone) (errors)`)
		var got []string
		for _, s := range series {
			got = append(got, fmt.Sprint(s.Labels, " ", s.Values))
		}
		want := `{group="hello-prod-v001"} [1];{group="hello-prod-v002", zone="a"} [0];{group="hello-prod-v002", zone="b"} [0]`
		if strings.Join(got, ";") != want {
			t.Errorf("got  %s\nwant %s", strings.Join(got, ";"), want)
		}
	})
	t.Run("numbers that JSON does not have", func(t *testing.T) {
		for _, s := range ask(`oddity`) {
			if v := s.Values[0]; !(strings.Contains(s.Labels, "nan") && math.IsNaN(v) || strings.Contains(s.Labels, "inf") && math.IsInf(v, 1)) {
				t.Errorf("%s is %v", s.Labels, v)
			}
		}
	})
	t.Run("a scalar", func(t *testing.T) {
		if s := ask(`scalar(errors{zone="b"}) + 2`); len(s) != 1 || s[0].Labels != "" || s[0].Values[0] != 2 {
			t.Errorf("%+v", s)
		}
	})
	t.Run("nothing", func(t *testing.T) {
		if s := ask(`no_such_metric`); len(s) != 0 {
			t.Errorf("%+v", s)
		}
	})
	t.Run("over a time", func(t *testing.T) {
		var series []slipway.Series
		promtest.Await(t, "three steps", func() bool {
			var err error
			series, err = client.QueryRange(t.Context(), `errors{zone="a"}`, began, time.Now(), promtest.Interval)
			if err != nil {
				t.Fatal(err)
			}
			return len(series) == 1 && len(series[0].Values) >= 3
		})
		times := series[0].Times
		if len(times) != len(series[0].Values) || times[1].Sub(times[0]) != promtest.Interval || times[0].Before(began.Add(-time.Second)) {
			t.Errorf("%v", times)
		}
	})
	for query, code := range map[string]slipway.Code{
		`sum(`:                        slipway.Invalid,
		`"text"`:                      slipway.Invalid,
		`errors * on(group) errors`:   slipway.Invalid, // many-to-many
		`errors[1m]`:                  "",              // a matrix, whose last value counts
		`rate(errors{group="x"}[1m])`: "",
	} {
		t.Run("query "+query, func(t *testing.T) {
			if _, err := client.Query(t.Context(), query, time.Now()); slipway.CodeOf(err) != code {
				t.Errorf("%q: %v", slipway.CodeOf(err), err)
			}
		})
	}

	t.Run("a check goes from pass to fail to no data", func(t *testing.T) {
		limit := 0.5
		measurer := check.Measurer{Prometheus: func(url string) check.Asker { return promql.New(url) }}
		subject := check.Subject{Phase: slipway.PhaseDuring, Deployment: slipway.Deployment{
			Cluster: slipway.Cluster{Application: "hello", Environment: "prod"}, Target: "hello-prod-v002", Source: "hello-prod-v001",
			Environment: slipway.Environment{Prometheus: prometheus.URL},
		}}
		c := slipway.Check{PromQL: &slipway.PromQLCheck{Query: `errors{group="$group"}`, Max: &limit}}
		measure := func() slipway.Measurement { return measurer.Measure(t.Context(), c, subject) }

		if m := measure(); m.Outcome != slipway.OutcomePass || m.Value == nil || *m.Value != 0 {
			t.Errorf("%+v", m)
		}
		errors.Store(7)
		var m slipway.Measurement
		promtest.Await(t, "the errors to be scraped", func() bool { m = measure(); return m.Outcome == slipway.OutcomeFail })
		if *m.Value != 7 || !strings.Contains(m.Detail, `zone="a"`) || !strings.Contains(m.Detail, "is 7, want at most 0.5") {
			t.Errorf("%+v", m)
		}
		prometheus.Stop()
		if m := measure(); m.Outcome != slipway.OutcomeNoData || !strings.Contains(m.Detail, "cannot ask the Prometheus at http://127.0.0.1") {
			t.Errorf("%+v", m)
		}
		if err := prometheus.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		promtest.Await(t, "data after the restart", func() bool { return measure().Outcome == slipway.OutcomeFail })
	})
}

// TestAgainstHAProxy asks a Prometheus that scrapes a load balancer, as those do who have one.
func TestAgainstHAProxy(t *testing.T) {
	program, err := exec.LookPath("haproxy")
	if err != nil {
		if program = "/usr/sbin/haproxy"; !exists(program) {
			t.Skip("no haproxy here")
		}
	}
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/broken" {
			w.WriteHeader(http.StatusInternalServerError)
		}
	}))
	t.Cleanup(backend.Close)
	listen, metrics := free(t), free(t)
	config := filepath.Join(t.TempDir(), "haproxy.cfg")
	if err := os.WriteFile(config, fmt.Appendf(nil, `defaults
  mode http
  timeout connect 1s
  timeout client 5s
  timeout server 5s
frontend app
  bind %s
  default_backend hello-prod-v002
backend hello-prod-v002
  server i-1 %s
frontend exporter
  bind %s
  http-request use-service prometheus-exporter
`, listen, backend.Listener.Addr(), metrics), 0o600); err != nil {
		t.Fatal(err)
	}
	haproxy := exec.CommandContext(t.Context(), program, "-db", "-f", config)
	if err := haproxy.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { haproxy.Wait() }) // t.Context is done before: it is killed
	prometheus := promtest.Start(t, promtest.Target{Job: "haproxy", Address: metrics})
	promtest.Await(t, "haproxy to listen", func() bool {
		conn, err := net.Dial("tcp", listen)
		if err == nil {
			conn.Close()
		}
		return err == nil
	})
	for i := range 20 {
		path := "/"
		if i%4 == 0 {
			path = "/broken"
		}
		response, err := http.Get("http://" + listen + path)
		if err != nil {
			t.Fatal(err)
		}
		io.Copy(io.Discard, response.Body)
		response.Body.Close()
	}
	share := func(max float64) slipway.Check {
		return slipway.Check{PromQL: &slipway.PromQLCheck{Max: &max,
			Query: `sum(haproxy_server_http_responses_total{proxy="$group", code="5xx"}) / sum(haproxy_server_http_responses_total{proxy="$group"})`}}
	}
	measurer := check.Measurer{Prometheus: func(url string) check.Asker { return promql.New(url) }}
	subject := check.Subject{Deployment: slipway.Deployment{Target: "hello-prod-v002", Environment: slipway.Environment{Prometheus: prometheus.URL}}}
	var m slipway.Measurement
	promtest.Await(t, "all requests to be scraped", func() bool {
		m = measurer.Measure(t.Context(), share(0.3), subject)
		return m.Value != nil && *m.Value == 0.25
	})
	if m.Outcome != slipway.OutcomePass {
		t.Errorf("%+v", m)
	}
	if m := measurer.Measure(t.Context(), share(0.2), subject); m.Outcome != slipway.OutcomeFail {
		t.Errorf("%+v", m)
	}
}

// free returns a loopback address that nobody listens on.
func free(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
