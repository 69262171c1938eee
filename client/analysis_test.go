package client

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/slipway-sh/slipway"
)

func TestAnalyse(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if got, want := r.Method+" "+r.URL.Path+" "+string(body), `POST /v1/analyses {"deployment":"d-1"}`; got != want {
			t.Errorf("asked %q, want %q", got, want)
		}
		_, _ = io.WriteString(w, `{"grade":"marginal","score":80,"metrics":[{"name":"cpu","grade":"fail"}]}`)
	}))
	defer server.Close()
	c, err := New(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	v, err := c.Analyse(t.Context(), slipway.AnalysisRequest{Deployment: "d-1"})
	if err != nil || v.Grade != slipway.GradeMarginal || v.Score != 80 || len(v.Metrics) != 1 {
		t.Errorf("got %+v, %v", v, err)
	}
}
