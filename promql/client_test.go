package promql_test

import (
	"context"
	"errors"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/promql"
)

// answers is a server that is not there.
type answers func(*http.Request) (*http.Response, error)

func (a answers) RoundTrip(r *http.Request) (*http.Response, error) { return a(r) }

// says returns a client of a server that always answers this.
func says(status int, body string) *promql.Client {
	c := promql.New("http://prometheus.example/base")
	c.HTTP = answers(func(*http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: status, Header: http.Header{"Location": {"/elsewhere"}}, Body: io.NopCloser(strings.NewReader(body))}, nil
	})
	return c
}

func TestAnswers(t *testing.T) {
	const ok = `{"status":"success","data":{"resultType":`
	for _, c := range []struct {
		name    string
		status  int
		body    string
		code    slipway.Code
		message string
	}{
		{"empty vector", 200, ok + `"vector","result":[]}}`, "", ""},
		{"scalar", 200, ok + `"scalar","result":[1,"2"]}}`, "", ""},
		{"HTML", 200, "<html>Sign in", slipway.Unavailable, `cannot ask the Prometheus at http://prometheus.example/base: it answered with status 200, and not as a Prometheus does: "<html>Sign in"`},
		{"nothing", 200, "", slipway.Unavailable, "nothing"},
		{"other JSON", 200, `{"errors":[]}`, slipway.Unavailable, "not as a Prometheus does"},
		{"a list", 200, `[]`, slipway.Unavailable, "not as a Prometheus does"},
		{"cut off", 200, ok, slipway.Unavailable, "not as a Prometheus does"},
		{"no data", 200, `{"status":"success"}`, slipway.Unavailable, "cannot be read"},
		{"a kind that is new", 200, ok + `"tensor","result":[]}}`, slipway.Unavailable, `"tensor"`},
		{"no number", 200, ok + `"scalar","result":[1,"two"]}}`, slipway.Unavailable, `"two" is no number`},
		{"half a point", 200, ok + `"vector","result":[{"metric":{},"value":[1]}]}}`, slipway.Unavailable, "want a time and a value"},
		{"no time", 200, ok + `"scalar","result":[1e300,"2"]}}`, slipway.Unavailable, "is no time"},
		{"a text", 200, ok + `"string","result":[1,"2"]}}`, slipway.Invalid, "the answer is a text, want numbers"},
		{"a histogram", 200, ok + `"vector","result":[{"metric":{"a":"b"},"histogram":[1,{}]}]}}`, slipway.Invalid, `{a="b"} is a histogram, want numbers`},
		{"a mistake", 400, `{"status":"error","errorType":"bad_data","error":"parse error: unexpected"}`, slipway.Invalid, "cannot use the query: the Prometheus says: \"parse error: unexpected\""},
		{"cannot be computed", 422, `{"status":"error","errorType":"execution","error":"many-to-many"}`, slipway.Invalid, "many-to-many"},
		{"too slow", 503, `{"status":"error","errorType":"timeout","error":"query timed out"}`, slipway.Unavailable, "503: \"query timed out\""},
		{"broken", 500, `{"status":"error","errorType":"bad_data","error":"lies"}`, slipway.Unavailable, "500"},
		{"a gateway", 502, "<h1>Bad Gateway</h1>", slipway.Unavailable, "<h1>Bad Gateway"},
		{"somewhere else", 404, "404 page not found", slipway.Unavailable, "404 page not found"},
		{"not allowed", 401, `{"status":"error","error":"who are you?"}`, slipway.Unavailable, "who are you?"},
		{"an error with status 200", 200, `{"status":"error","errorType":"internal","error":"oops"}`, slipway.Unavailable, "oops"},
		{"moved", 302, "", slipway.Unavailable, `redirects to "/elsewhere", which is not followed`},
		{"too much", 200, strings.Repeat(" ", 17<<20), slipway.Invalid, "more than 16 MiB"},
		{"much that is wrong", 200, strings.Repeat("x", 1<<20), slipway.Unavailable, "…"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := says(c.status, c.body).Query(t.Context(), "up", time.Now())
			if slipway.CodeOf(err) != c.code || err != nil && !strings.Contains(err.Error(), c.message) {
				t.Errorf("%q: %v", slipway.CodeOf(err), err)
			}
			if err != nil && len(err.Error()) > 500 {
				t.Errorf("a message of %d bytes", len(err.Error()))
			}
		})
	}
}

func TestNumbers(t *testing.T) {
	series, err := says(200, `{"status":"success","data":{"resultType":"matrix","result":[
		{"metric":{"__name__":"up","b":"2\n","a":"1"},"values":[[1.5,"NaN"],[2,"+Inf"],[2.5,"-Inf"],[3,"-1e-3"]]},
		{"metric":{},"values":[]}, {"metric":{"__name__":"a"},"values":[[1,"0"]]}]}}`).
		QueryRange(t.Context(), "up", time.UnixMilli(0), time.UnixMilli(9000), time.Second)
	if err != nil {
		t.Fatal(err)
	}
	var labels []string
	for _, s := range series {
		labels = append(labels, s.Labels)
	}
	if !slices.Equal(labels, []string{"", "a", `up{a="1", b="2\n"}`}) {
		t.Fatalf("%q", labels)
	}
	v, at := series[2].Values, series[2].Times
	if len(v) != 4 || !math.IsNaN(v[0]) || !math.IsInf(v[1], 1) || !math.IsInf(v[2], -1) || v[3] != -0.001 || at[0].UnixMilli() != 1500 || at[0].Location() != time.UTC {
		t.Errorf("%v %v", at, v)
	}
}

func TestQuestions(t *testing.T) {
	var got *http.Request
	c := promql.New("https://me:secret@prometheus.example/base/")
	c.HTTP = answers(func(r *http.Request) (*http.Response, error) {
		got = r
		if err := r.ParseForm(); err != nil {
			t.Error(err)
		}
		return nil, errors.New("connection refused")
	})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	_, err := c.QueryRange(ctx, `up{a="&"}`, time.UnixMilli(1500), time.UnixMilli(3000), 250*time.Millisecond)
	if slipway.CodeOf(err) != slipway.Unavailable || !strings.Contains(err.Error(), "connection refused") || strings.Contains(err.Error(), "secret") {
		t.Error(err)
	}
	user, password, _ := got.BasicAuth()
	if got.Method != http.MethodPost || got.URL.String() != "https://prometheus.example/base/api/v1/query_range" || user != "me" || password != "secret" {
		t.Errorf("%s %s %s %s", got.Method, got.URL, user, password)
	}
	f := got.PostForm
	if f.Get("query") != `up{a="&"}` || f.Get("start") != "1.500" || f.Get("end") != "3.000" || f.Get("step") != "0.25" || f.Get("timeout") == "" {
		t.Errorf("%v", f)
	}
}

func TestBadQuestions(t *testing.T) {
	for _, url := range []string{"", "prometheus:9090", "/api", "ftp://x", "http://", "http://a b"} {
		if _, err := promql.New(url).Query(t.Context(), "up", time.Now()); slipway.CodeOf(err) != slipway.Invalid {
			t.Errorf("%q: %v", url, err)
		}
	}
	now := time.Now()
	for name, step := range map[string]time.Duration{"no step": 0, "backwards": -time.Second} {
		if _, err := says(200, "").QueryRange(t.Context(), "up", now, now, step); slipway.CodeOf(err) != slipway.Invalid {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := says(200, "").QueryRange(t.Context(), "up", now, now.Add(-time.Second), time.Second); slipway.CodeOf(err) != slipway.Invalid {
		t.Errorf("the end before the beginning: %v", err)
	}
}

func TestEndsWithItsContext(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body) // only then does the server see that the client goes
		<-r.Context().Done()
	}))
	t.Cleanup(server.Close)
	ctx, cancel := context.WithTimeoutCause(t.Context(), 20*time.Millisecond, errors.New("no answer within 20ms"))
	defer cancel()
	if _, err := promql.New(server.URL).Query(ctx, "up", time.Now()); slipway.CodeOf(err) != slipway.Unavailable || !strings.HasSuffix(err.Error(), ": no answer within 20ms") {
		t.Error(err)
	}
}

func FuzzAnswer(f *testing.F) {
	f.Add(200, `{"status":"success","data":{"resultType":"vector","result":[{"metric":{"__name__":"up","job":"x"},"value":[1435781451.781,"1"]}]}}`)
	f.Add(200, `{"status":"success","data":{"resultType":"matrix","result":[{"metric":{},"values":[[1,"NaN"],[2,"+Inf"]]}]}}`)
	f.Add(200, `{"status":"success","data":{"resultType":"scalar","result":null}}`)
	f.Add(400, `{"status":"error","errorType":"bad_data","error":"x"}`)
	f.Add(503, `<html>`)
	f.Fuzz(func(t *testing.T, status int, body string) {
		series, err := says(status, body).Query(t.Context(), "up", time.Now())
		if code := slipway.CodeOf(err); code != "" && code != slipway.Invalid && code != slipway.Unavailable {
			t.Fatalf("%q: %v", code, err)
		}
		if err == nil && status/100 != 2 {
			t.Fatalf("status %d is an answer", status)
		}
		for _, s := range series {
			if len(s.Times) != len(s.Values) {
				t.Fatalf("%+v", s)
			}
			for _, at := range s.Times {
				if _, err := at.MarshalJSON(); err != nil && at.Year() >= 0 && at.Year() < 10000 {
					t.Fatal(err)
				}
			}
		}
	})
}
