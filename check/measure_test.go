package check_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"math"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/check"
)

// machines is a provider of one group.
type machines struct {
	slipway.Provider // methods that are not needed are nil
	group            slipway.ServerGroup
	err              error
	exec             func(ctx context.Context, id string) (slipway.ExecResult, error)
	logs             map[string]string // by machine; one that is not there cannot be read
}

func (m machines) ServerGroup(context.Context, string) (slipway.ServerGroup, error) {
	return m.group, m.err
}

func (m machines) Exec(ctx context.Context, id string, _ slipway.Exec) (slipway.ExecResult, error) {
	return m.exec(ctx, id)
}

func (m machines) Logs(_ context.Context, id string, _ int, _ bool) (io.ReadCloser, error) {
	text, ok := m.logs[id]
	if !ok {
		return nil, slipway.Errorf(slipway.NotFound, "no machine %s", id)
	}
	return io.NopCloser(strings.NewReader(text)), nil
}

// group returns hello's target with machines in these states, "i-0" first.
func group(states ...slipway.InstanceState) slipway.ServerGroup {
	g := slipway.ServerGroup{ServerGroupSpec: slipway.ServerGroupSpec{Name: hello.Target}}
	for i, state := range states {
		g.Instances = append(g.Instances, slipway.Instance{ID: "i-" + strconv.Itoa(i), State: state, Address: "127.0.0.1"})
	}
	return g
}

// pools is a load balancer, or why it does not answer.
type pools struct {
	status slipway.PoolStatus
	err    error
}

func (p pools) Pool(context.Context, string) (slipway.PoolStatus, error) { return p.status, p.err }

// asker answers queries.
type asker func(ctx context.Context, query string) ([]slipway.Series, error)

func (a asker) Query(ctx context.Context, query string, _ time.Time) ([]slipway.Series, error) {
	return a(ctx, query)
}

// want compares a measurement with an outcome, and with a part of what it says.
func want(t *testing.T, m slipway.Measurement, outcome slipway.Outcome, detail string) {
	t.Helper()
	if m.Outcome != outcome || !strings.Contains(m.Detail, detail) || outcome != slipway.OutcomePass && m.Detail == "" {
		t.Errorf("%s: %q; want %s: %q", m.Outcome, m.Detail, outcome, detail)
	}
	if _, err := json.Marshal(m); err != nil {
		t.Error(err)
	}
}

func TestMeasureMachines(t *testing.T) {
	const pass, fail, none = slipway.OutcomePass, slipway.OutcomeFail, slipway.OutcomeNoData
	command := slipway.Check{Command: &slipway.CommandTest{Run: []string{"true"}}}
	exits := func(codes map[string]int) func(context.Context, string) (slipway.ExecResult, error) {
		return func(_ context.Context, id string) (slipway.ExecResult, error) {
			return slipway.ExecResult{ExitCode: codes[id], Output: "says " + id}, nil
		}
	}
	for _, c := range []struct {
		name     string
		provider machines
		outcome  slipway.Outcome
		detail   string
	}{
		{"all pass", machines{group: group(healthy, healthy), exec: exits(nil)}, pass, "on 2 machines of hello-prod-eu-v002"},
		{"one fails", machines{group: group(healthy, healthy), exec: exits(map[string]int{"i-1": 3})}, fail,
			`machine i-1 of hello-prod-eu-v002: want exit status 0, got 3: "says i-1"`},
		{"all fail", machines{group: group(healthy, healthy), exec: exits(map[string]int{"i-0": 1, "i-1": 1})}, fail, "2 of 2 machines fail; machine i-0"},
		{"one that starts is not asked", machines{group: group(starting, healthy, slipway.InstanceStopping), exec: exits(map[string]int{"i-0": 1, "i-2": 1})}, pass, "on 1 machine"},
		{"one that is unhealthy is", machines{group: group(healthy, slipway.InstanceUnhealthy), exec: exits(map[string]int{"i-1": 1})}, fail, "machine i-1"},
		{"no machines", machines{group: group()}, none, "hello-prod-eu-v002 has no machine that serves"},
		{"none that serves", machines{group: group(starting)}, none, "has no machine that serves"},
		{"no group", machines{err: slipway.Errorf(slipway.NotFound, "no server group hello-prod-eu-v002")}, none, "no server group"},
	} {
		t.Run(c.name, func(t *testing.T) {
			want(t, check.Measurer{Provider: c.provider}.Measure(t.Context(), command, check.Subject{Deployment: hello}), c.outcome, c.detail)
		})
	}
	t.Run("no target", func(t *testing.T) {
		want(t, check.Measurer{}.Measure(t.Context(), command, check.Subject{}), none, "no new group")
	})
}

func TestMeasureLimitsTime(t *testing.T) {
	hangs := machines{group: group(healthy), exec: func(ctx context.Context, _ string) (slipway.ExecResult, error) {
		<-ctx.Done()
		return slipway.ExecResult{}, ctx.Err()
	}}
	soon := slipway.Duration(20 * time.Millisecond)
	silent, err := net.Listen("tcp", "127.0.0.1:0") // accepts, in the kernel, and says nothing
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { silent.Close() })
	port := silent.Addr().(*net.TCPAddr).Port
	for _, c := range []struct {
		name   string
		check  slipway.Check
		detail string
	}{
		{"the check's", slipway.Check{Command: &slipway.CommandTest{Run: []string{"x"}}, Timeout: soon}, "not done within 20ms"},
		{"the kind's own comes first", slipway.Check{Command: &slipway.CommandTest{Run: []string{"x"}, Timeout: soon}, Timeout: slipway.Duration(time.Hour)}, "not done within 20ms"},
		{"http", slipway.Check{HTTP: &slipway.HTTPTest{Path: "/", Port: port}, Timeout: soon}, "no answer within 20ms"},
		{"a look into the machine", slipway.Check{File: &slipway.FileTest{Path: "/etc/x"}, Timeout: soon}, "not done within 20ms"},
	} {
		t.Run(c.name, func(t *testing.T) {
			want(t, check.Measurer{Provider: hangs}.Measure(t.Context(), c.check, check.Subject{Deployment: hello}), slipway.OutcomeFail, c.detail)
		})
	}
}

// TestMeasureAborted: what was cut off is neither success nor failure, whatever the kind.
func TestMeasureAborted(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
	t.Cleanup(server.Close)
	zero := 0.0
	waits := func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
	m := check.Measurer{
		Provider: machines{group: group(healthy), logs: map[string]string{"i-0": "a\n"}, exec: func(ctx context.Context, _ string) (slipway.ExecResult, error) {
			return slipway.ExecResult{}, waits(ctx)
		}},
		Pools: pools{err: context.Canceled},
		Prometheus: func(string) check.Asker {
			return asker(func(ctx context.Context, _ string) ([]slipway.Series, error) { return nil, waits(ctx) })
		},
	}
	d := hello
	d.Environment = slipway.Environment{Prometheus: server.URL, LoadBalancer: &slipway.LoadBalancerSpec{}}
	for _, c := range []slipway.Check{
		{Command: &slipway.CommandTest{Run: []string{"x"}}}, {User: &slipway.UserTest{Name: "x"}}, {Webhook: &slipway.WebhookCheck{URL: server.URL}},
		{PromQL: &slipway.PromQLCheck{Query: "up", Max: &zero}}, {LoadBalancer: &slipway.LoadBalancerCheck{MaxErrors: &zero}}, {Log: &slipway.LogCheck{Pattern: "a"}},
	} {
		t.Run(check.CheckName(c), func(t *testing.T) {
			ctx, cancel := context.WithCancelCause(t.Context())
			cancel(errors.New("a person said so"))
			want(t, m.Measure(ctx, c, check.Subject{Deployment: d}), slipway.OutcomeNoData, "aborted before there was an answer: a person said so")
		})
	}
}

func TestMeasurePromQL(t *testing.T) {
	const pass, fail, none = slipway.OutcomePass, slipway.OutcomeFail, slipway.OutcomeNoData
	nan, inf := math.NaN(), math.Inf(1)
	at := func(v float64) *float64 { return &v }
	series := func(values ...float64) []slipway.Series {
		all := make([]slipway.Series, len(values))
		for i, v := range values {
			all[i] = slipway.Series{Labels: `{n="` + strconv.Itoa(i) + `"}`, Values: []float64{v}}
		}
		return all
	}
	for _, c := range []struct {
		name      string
		low, high *float64
		series    []slipway.Series
		err       error
		outcome   slipway.Outcome
		detail    string
		value     *float64
	}{
		{"below", nil, at(2), series(1), nil, pass, `{n="0"} is 1`, at(1)},
		{"at the bound", nil, at(2), series(2), nil, pass, "", at(2)},
		{"above", nil, at(2), series(2.5), nil, fail, `{n="0"} is 2.5, want at most 2`, at(2.5)},
		{"too low", at(-1), nil, series(-3), nil, fail, "is -3, want at least -1", at(-3)},
		{"between", at(0), at(9), series(3), nil, pass, "", at(3)},
		{"outside", at(0), at(9), series(3, 10), nil, fail, `{n="1"} is 10, want 0 to 9`, at(10)},
		{"the worst of several", nil, at(5), series(1, 4, 2), nil, pass, `{n="1"} is 4, the worst of 3 series`, at(4)},
		{"the worst of several that are out", nil, at(5), series(6, 9, 7), nil, fail, `{n="1"} is 9`, at(9)},
		{"nothing", nil, at(5), nil, nil, none, "the answer is empty", nil},
		{"NaN", nil, at(5), series(nan), nil, none, "is NaN", nil},
		{"NaN and good", nil, at(5), series(1, nan), nil, none, `{n="1"} is NaN`, nil},
		{"NaN and bad", nil, at(5), series(nan, 6), nil, fail, `{n="1"} is 6`, at(6)},
		{"infinite", nil, at(5), series(inf), nil, fail, "is +Inf, want at most 5", nil},
		{"infinite, and may be", at(5), nil, series(inf), nil, pass, "is +Inf", nil},
		{"below all", at(5), nil, series(math.Inf(-1)), nil, fail, "is -Inf", nil},
		{"no values", nil, at(5), []slipway.Series{{}}, nil, none, "the value is NaN", nil},
		{"no bounds", nil, nil, series(1), nil, none, "no bounds", nil},
		{"no answer", nil, at(5), nil, slipway.Errorf(slipway.Unavailable, "cannot ask: refused"), none, "refused", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := hello
			d.Environment.Prometheus = "http://prometheus.example"
			m := check.Measurer{Prometheus: func(url string) check.Asker {
				return asker(func(_ context.Context, query string) ([]slipway.Series, error) {
					if url != d.Environment.Prometheus || query != `up{g="hello-prod-eu-v002"}` {
						t.Errorf("%s was asked %s", url, query)
					}
					return c.series, c.err
				})
			}}.Measure(t.Context(), slipway.Check{PromQL: &slipway.PromQLCheck{Query: `up{g="$group"}`, Min: c.low, Max: c.high}}, check.Subject{Deployment: d})
			want(t, m, c.outcome, c.detail)
			if (m.Value == nil) != (c.value == nil) || m.Value != nil && *m.Value != *c.value {
				t.Errorf("value %v", m.Value)
			}
		})
	}
	t.Run("no Prometheus", func(t *testing.T) {
		c := slipway.Check{PromQL: &slipway.PromQLCheck{Query: "up", Max: at(1)}}
		want(t, check.Measurer{Prometheus: func(string) check.Asker { return nil }}.Measure(t.Context(), c, check.Subject{Deployment: hello}), none, "no Prometheus")
	})
	t.Run("a name that the deployment lacks", func(t *testing.T) {
		c := slipway.Check{PromQL: &slipway.PromQLCheck{Query: `up{g="$baseline"}`, Max: at(1), Server: "http://other.example"}}
		want(t, check.Measurer{Prometheus: func(string) check.Asker { return nil }}.Measure(t.Context(), c, check.Subject{Deployment: hello}), none, "this deployment has none")
	})
}

func TestMeasureLoadBalancer(t *testing.T) {
	const pass, fail, none = slipway.OutcomePass, slipway.OutcomeFail, slipway.OutcomeNoData
	half := 0.5
	errorsOnly := slipway.LoadBalancerCheck{MaxErrors: &half}
	latencyOnly := slipway.LoadBalancerCheck{MaxLatency: slipway.Duration(100 * time.Millisecond)}
	both := slipway.LoadBalancerCheck{MaxErrors: &half, MaxLatency: latencyOnly.MaxLatency}
	target := func(id string, requests, failed int64, latency time.Duration) slipway.TargetStatus {
		return slipway.TargetStatus{Target: slipway.Target{Instance: id, Group: hello.Target}, Requests: requests, Failed: failed, Latency: slipway.Duration(latency)}
	}
	source := slipway.TargetStatus{Target: slipway.Target{Instance: "i-s", Group: hello.Source}, Requests: 1000, Failed: 1000, Latency: slipway.Duration(time.Hour)}
	pool := func(epoch string, targets ...slipway.TargetStatus) slipway.PoolStatus {
		return slipway.PoolStatus{Epoch: epoch, Targets: append(targets, source)}
	}
	for _, c := range []struct {
		name        string
		check       slipway.LoadBalancerCheck
		before, now slipway.PoolStatus
		outcome     slipway.Outcome
		detail      string
		value       float64
	}{
		{"all good", both, slipway.PoolStatus{}, pool("e", target("a", 60, 0, 10*time.Millisecond), target("b", 20, 0, 50*time.Millisecond)), pass,
			"0 of 80 requests failed, mean response time 20ms", 0},
		{"errors at the bound", errorsOnly, slipway.PoolStatus{}, pool("e", target("a", 20, 10, 0)), pass, "10 of 20 requests failed", 0.5},
		{"errors above", both, slipway.PoolStatus{}, pool("e", target("a", 20, 11, time.Millisecond)), fail, "11 of 20 requests failed, 55 %; at most 50 % may", 0.55},
		{"every connection refused", errorsOnly, slipway.PoolStatus{}, pool("e", target("a", 0, 30, 0)), fail, "30 of 30 requests failed", 1},
		{"slow", latencyOnly, slipway.PoolStatus{}, pool("e", target("a", 30, 30, 101*time.Millisecond)), fail, "mean response time 101ms over 30 requests; at most 100ms", 0.101},
		{"fast", latencyOnly, slipway.PoolStatus{}, pool("e", target("a", 30, 30, 99*time.Millisecond)), pass, "", 0.099},
		{"one slow machine of little traffic", latencyOnly, slipway.PoolStatus{}, pool("e", target("a", 90, 0, 10*time.Millisecond), target("b", 10, 0, 500*time.Millisecond)), pass, "59ms", 0.059},
		{"no response times", both, slipway.PoolStatus{}, pool("e", target("a", 30, 0, 0)), none, "no response times", 0},
		{"errors count without response times", both, slipway.PoolStatus{}, pool("e", target("a", 30, 30, 0)), fail, "30 of 30", 1},
		{"errors of before do not count", errorsOnly, pool("e", target("a", 100, 100, 0)), pool("e", target("a", 130, 101, 0)), pass, "1 of 30 requests failed", 1.0 / 30},
		{"a machine that came since counts from zero", errorsOnly, pool("e"), pool("e", target("a", 30, 20, 0)), fail, "20 of 30", 2.0 / 3},
		{"counters that restarted", errorsOnly, pool("e", target("a", 100, 0, 0)), pool("f", target("a", 30, 30, 0)), fail, "30 of 30", 1},
		{"counters of one target that restarted", errorsOnly, pool("e", target("a", 100, 0, 0)), pool("e", target("a", 30, 30, 0)), fail, "30 of 30", 1},
		{"too few", errorsOnly, slipway.PoolStatus{}, pool("e", target("a", 19, 19, 0)), none, "19 requests since hello-prod-eu-v002 got traffic: too few, want 20", 0},
		{"as few as is said", slipway.LoadBalancerCheck{MaxErrors: &half, MinRequests: 1}, slipway.PoolStatus{}, pool("e", target("a", 1, 1, 0)), fail, "1 of 1", 1},
		{"none", errorsOnly, slipway.PoolStatus{}, pool("e", target("a", 0, 0, 0)), none, "0 requests", 0},
		{"not there", errorsOnly, slipway.PoolStatus{}, pool("e"), none, "has no machine of hello-prod-eu-v002", 0},
		{"no bounds", slipway.LoadBalancerCheck{}, slipway.PoolStatus{}, pool("e", target("a", 30, 0, 0)), none, "no bounds", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := hello
			d.Environment.LoadBalancer = &slipway.LoadBalancerSpec{Port: 80}
			m := check.Measurer{Pools: pools{status: c.now}}.Measure(t.Context(), slipway.Check{LoadBalancer: &c.check}, check.Subject{Deployment: d, Before: c.before})
			want(t, m, c.outcome, c.detail)
			if (m.Value == nil) != (c.outcome == none) || m.Value != nil && math.Abs(*m.Value-c.value) > 1e-9 {
				t.Errorf("value %v, want %v", m.Value, c.value)
			}
		})
	}
	t.Run("does not answer", func(t *testing.T) {
		d := hello
		d.Environment.LoadBalancer = &slipway.LoadBalancerSpec{Port: 80}
		m := check.Measurer{Pools: pools{err: errors.New("haproxy is gone")}}.Measure(t.Context(), slipway.Check{LoadBalancer: &errorsOnly}, check.Subject{Deployment: d})
		want(t, m, none, "haproxy is gone")
	})
	t.Run("there is none", func(t *testing.T) {
		want(t, check.Measurer{}.Measure(t.Context(), slipway.Check{LoadBalancer: &errorsOnly}, check.Subject{Deployment: hello}), none, "has no load balancer")
	})
}

func TestMeasureLog(t *testing.T) {
	const pass, fail, none = slipway.OutcomePass, slipway.OutcomeFail, slipway.OutcomeNoData
	for _, c := range []struct {
		name    string
		check   slipway.LogCheck
		logs    map[string]string
		printed map[string]int
		outcome slipway.Outcome
		detail  string
		value   float64
	}{
		{"no line", slipway.LogCheck{Pattern: "ERROR"}, map[string]string{"i-0": "fine\n", "i-1": ""}, nil, pass, "no line matches on 2 machines", 0},
		{"a line", slipway.LogCheck{Pattern: "ERROR"}, map[string]string{"i-0": "fine\n", "i-1": "a\nERROR: b\n"}, nil, fail,
			`1 lines match, want at most 0; machine i-1 printed "ERROR: b"`, 1},
		{"a last line without an end", slipway.LogCheck{Pattern: "^ERROR$"}, map[string]string{"i-0": "", "i-1": "ERROR"}, nil, fail, "1 lines", 1},
		{"borne with, all machines together", slipway.LogCheck{Pattern: "E", Max: 2}, map[string]string{"i-0": "E\n", "i-1": "E\n"}, nil, pass, "2 lines match, at most 2 may", 2},
		{"more than borne with", slipway.LogCheck{Pattern: "E", Max: 2}, map[string]string{"i-0": "E\nE\n", "i-1": "E\n"}, nil, fail, "3 lines match", 3},
		{"printed before", slipway.LogCheck{Pattern: "E"}, map[string]string{"i-0": "E\nok\n", "i-1": ""}, map[string]int{"i-0": 1}, pass, "", 0},
		{"printed before and since", slipway.LogCheck{Pattern: "E"}, map[string]string{"i-0": "E\nok\nEE\n", "i-1": ""}, map[string]int{"i-0": 2}, fail, `1 lines match, want at most 0; machine i-0 printed "EE"`, 1},
		{"a log that lost its beginning", slipway.LogCheck{Pattern: "E"}, map[string]string{"i-0": "E\n", "i-1": ""}, map[string]int{"i-0": 9}, fail, `printed "E"`, 1},
		{"one cannot be read", slipway.LogCheck{Pattern: "E"}, map[string]string{"i-0": "fine\n"}, nil, none, "no machine i-1", 0},
		{"a very long line", slipway.LogCheck{Pattern: "E$"}, map[string]string{"i-0": strings.Repeat("x", 200<<10) + "E\nE\n", "i-1": ""}, nil, fail, "1 lines match", 1},
		{"no pattern", slipway.LogCheck{Pattern: "("}, map[string]string{"i-0": "", "i-1": ""}, nil, none, "missing closing", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := check.Measurer{Provider: machines{group: group(healthy, healthy), logs: c.logs}}.Measure(t.Context(), slipway.Check{Log: &c.check},
				check.Subject{Deployment: hello, Printed: c.printed})
			want(t, m, c.outcome, c.detail)
			if (m.Value == nil) != (c.outcome == none) || m.Value != nil && *m.Value != c.value {
				t.Errorf("value %v, want %v", m.Value, c.value)
			}
		})
	}
	t.Run("no machines", func(t *testing.T) {
		want(t, check.Measurer{Provider: machines{group: group()}}.Measure(t.Context(), slipway.Check{Log: &slipway.LogCheck{Pattern: "E"}}, check.Subject{Deployment: hello}), none, "no machine")
	})
}

// TestPrintedHidesWhatWasPrinted: whatever was in the logs at a time is not counted by a check that is told of it, and all that came since is.
func TestPrintedHidesWhatWasPrinted(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		lines := rapid.SliceOfN(rapid.SampledFrom([]string{"E\n", "ok\n"}), 0, 20)
		early, late := strings.Join(lines.Draw(t, "early"), ""), strings.Join(lines.Draw(t, "late"), "")
		printed, err := check.Measurer{Provider: machines{group: group(healthy), logs: map[string]string{"i-0": early}}}.Printed(context.Background(), hello.Target)
		if err != nil {
			t.Fatal(err)
		}
		m := check.Measurer{Provider: machines{group: group(healthy), logs: map[string]string{"i-0": early + late}}}.Measure(context.Background(),
			slipway.Check{Log: &slipway.LogCheck{Pattern: "E"}}, check.Subject{Deployment: hello, Printed: printed})
		if m.Value == nil || int(*m.Value) != strings.Count(late, "E") {
			t.Fatalf("%+v", m)
		}
	})
}

func TestCheckName(t *testing.T) {
	for want, c := range map[string]slipway.Check{
		"http :81/healthz":                  {HTTP: &slipway.HTTPTest{Path: "/healthz", Port: 81}},
		"promql sum( rate(x[1m]) )":         {PromQL: &slipway.PromQLCheck{Query: "sum(\n  rate(x[1m])\n)"}},
		"webhook https://…@judge.example/a": {Webhook: &slipway.WebhookCheck{URL: "https://me:secret@judge.example/a?token=b"}},
		"load_balancer":                     {LoadBalancer: &slipway.LoadBalancerCheck{}},
		"log ERROR|panic":                   {Log: &slipway.LogCheck{Pattern: "ERROR|panic"}},
		"nothing":                           {},
	} {
		if got := check.CheckName(c); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	if got := []rune(check.CheckName(slipway.Check{PromQL: &slipway.PromQLCheck{Query: strings.Repeat("é", 500)}})); len(got) != 100 || got[99] != '…' {
		t.Errorf("%s", string(got))
	}
}

func TestMeasureSaysWhatAndWhen(t *testing.T) {
	start := time.Now()
	m := check.Measurer{}.Measure(t.Context(), slipway.Check{}, check.Subject{Phase: during})
	want(t, m, slipway.OutcomeNoData, "says nothing to do")
	if m.Check != "nothing" || m.Phase != during || m.Time.Before(start.Truncate(0)) || m.Time.After(time.Now()) {
		t.Errorf("%+v", m)
	}
}
