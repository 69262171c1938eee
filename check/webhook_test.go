package check_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/check"
)

func TestWebhook(t *testing.T) {
	stop := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		says := map[string]string{
			"/pass": `{"result":"pass"}`, "/fail": `{"result":"fail","message":"too slow\u001b[31m"}`, "/mute": `{"result":"fail"}`,
			"/unsure": `{"result":"inconclusive","message":"no load"}`, "/odd": `{"result":"PASS"}`, "/null": `null`, "/list": `["pass"]`,
			"/two": `{"result":"pass"}{"result":"pass"}`, "/cut": `{"result":"pa`, "/empty": "", "/html": "<html>It works!</html>",
		}
		switch r.URL.Path {
		case "/500":
			http.Error(w, `{"result":"pass"}`, http.StatusInternalServerError)
		case "/201":
			w.WriteHeader(http.StatusCreated)
			io.WriteString(w, `{"result":"pass"}`)
		case "/moved":
			http.Redirect(w, r, "/pass", http.StatusTemporaryRedirect)
		case "/huge":
			io.WriteString(w, `{"result":"pass","message":"`+strings.Repeat("x", 1<<20)+`"}`)
		case "/hang":
			select {
			case <-stop:
			case <-r.Context().Done():
			}
		case "/drip":
			for r.Context().Err() == nil {
				select {
				case <-stop:
					return
				case <-time.After(time.Millisecond):
				}
				io.WriteString(w, " ")
				w.(http.Flusher).Flush()
			}
		case "/break":
			w.Header().Set("Content-Length", "100")
			io.WriteString(w, `{"result":"pass"}`)
		default:
			io.WriteString(w, says[r.URL.Path])
		}
	}))
	t.Cleanup(server.Close)
	t.Cleanup(func() { close(stop) })
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	for _, c := range []struct {
		url     string
		outcome slipway.Outcome
		detail  string
	}{
		{"/pass", slipway.OutcomePass, ""},
		{"/fail", slipway.OutcomeFail, "too slow[31m"},
		{"/mute", slipway.OutcomeFail, "answered fail, and not why"},
		{"/unsure", slipway.OutcomeNoData, "inconclusive: no load"},
		{"/odd", slipway.OutcomeNoData, `answered the result "PASS", which is none of pass, fail and inconclusive`},
		{"/null", slipway.OutcomeNoData, `answered the result ""`},
		{"/list", slipway.OutcomeNoData, `no JSON object`},
		{"/two", slipway.OutcomeNoData, `no JSON object`},
		{"/cut", slipway.OutcomeNoData, `no JSON object`},
		{"/empty", slipway.OutcomeNoData, `nothing`},
		{"/html", slipway.OutcomeNoData, `(text/html; charset=utf-8): "<html>It works!</html>"`},
		{"/500", slipway.OutcomeNoData, "answered with status 500"},
		{"/201", slipway.OutcomeNoData, "answered with status 201"},
		{"/moved", slipway.OutcomeNoData, "redirects to /pass, which is not followed"},
		{"/huge", slipway.OutcomeNoData, "answered more than 64 KiB"},
		{"/hang", slipway.OutcomeNoData, "no answer within 100ms"},
		{"/drip", slipway.OutcomeNoData, "no answer within 100ms"},
		{"/break", slipway.OutcomeNoData, "unexpected EOF"},
		{gone.URL, slipway.OutcomeNoData, "refused"},
		{"http://a b/", slipway.OutcomeNoData, "cannot post to"},
	} {
		t.Run(c.url, func(t *testing.T) {
			url := c.url
			if strings.HasPrefix(url, "/") {
				url = server.URL + url
			}
			timeout := time.Minute
			if c.url == "/hang" || c.url == "/drip" {
				timeout = 100 * time.Millisecond
			}
			m := check.Measurer{}.Measure(t.Context(), slipway.Check{Webhook: &slipway.WebhookCheck{URL: url}, Timeout: slipway.Duration(timeout)},
				check.Subject{Deployment: hello, Phase: during})
			if m.Outcome != c.outcome || !strings.Contains(m.Detail, c.detail) {
				t.Errorf("%+v, want %s: %s", m, c.outcome, c.detail)
			}
		})
	}
}

func TestWebhookIsTold(t *testing.T) {
	var got check.Notice
	var header http.Header
	var host string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := json.NewDecoder(r.Body).Decode(&got); err != nil {
			t.Error(err)
		}
		header, host = r.Header, r.Host
		io.WriteString(w, `{"result":"pass"}`)
	}))
	t.Cleanup(server.Close)
	hook := &slipway.WebhookCheck{URL: server.URL + "/judge?token=secret", Headers: map[string]string{"Authorization": "Bearer x", "host": "judge.example"}}
	m := check.Measurer{}.Measure(t.Context(), slipway.Check{Webhook: hook}, check.Subject{Deployment: hello, Phase: during})
	want := check.Notice{Phase: during, Check: "webhook " + server.URL + "/judge", Deployment: check.Notified{
		ID: "d-1", Kind: slipway.KindDeploy, Application: "hello", Environment: "prod-eu", Image: "sha256:abc",
		Source: "hello-prod-eu-v001", Target: "hello-prod-eu-v002", Weight: 25,
	}}
	if m.Outcome != slipway.OutcomePass || got != want || header.Get("Authorization") != "Bearer x" || host != "judge.example" {
		t.Errorf("%+v\n%+v\n%v %s", m, got, header, host)
	}
}

// answers is a server that is not there.
type answers func(*http.Request) (*http.Response, error)

func (a answers) RoundTrip(r *http.Request) (*http.Response, error) { return a(r) }

func FuzzWebhookAnswer(f *testing.F) {
	f.Add(200, "application/json", `{"result":"pass","message":"fine"}`)
	f.Add(302, "text/html", "<html>")
	f.Add(200, "", "null")
	f.Add(500, "\x00", strings.Repeat("[", 100))
	f.Fuzz(func(t *testing.T, status int, kind, body string) {
		m := check.Measurer{HTTP: answers(func(*http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: status, Header: http.Header{"Content-Type": {kind}}, Body: io.NopCloser(strings.NewReader(body))}, nil
		})}.Measure(t.Context(), slipway.Check{Webhook: &slipway.WebhookCheck{URL: "http://judge.example"}}, check.Subject{Deployment: hello})
		var said struct{ Result string }
		fault := json.Unmarshal([]byte(body), &said)
		if m.Outcome == slipway.OutcomePass && (status != 200 || fault != nil || said.Result != "pass") {
			t.Fatalf("%d %q passed", status, body)
		}
		if m.Outcome != slipway.OutcomePass && m.Detail == "" {
			t.Fatalf("%d %q: %s, and not why", status, body, m.Outcome)
		}
		if stored, err := json.Marshal(m); err != nil || len([]rune(m.Detail)) > 500 {
			t.Fatalf("%s, %v", stored, err)
		}
	})
}
