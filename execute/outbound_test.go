package execute

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/outbound"
)

// TestAWebhookStageAsksPublicAddressesAlone has a pipeline ask what is not public, straight and by a redirection of somebody who is allowed.
func TestAWebhookStageAsksPublicAddressesAlone(t *testing.T) {
	var hits atomic.Int32
	secret := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		hits.Add(1)
		_, _ = w.Write([]byte(`{"result":"pass"}`))
	}))
	defer secret.Close()
	front := httptest.NewServer(http.RedirectHandler(secret.URL, http.StatusTemporaryRedirect))
	defer front.Close()
	for _, c := range []struct {
		name, url string
		allow     []string
		want      slipway.Code
		saying    string
	}{
		{"straight", secret.URL, nil, slipway.Unmeasured, "--allow-outbound"},
		{"by a name", strings.Replace(secret.URL, "127.0.0.1", "localhost", 1), nil, slipway.Unmeasured, "--allow-outbound"},
		{"by a redirection", front.URL, []string{strings.TrimPrefix(front.URL, "http://")}, slipway.Unmeasured, ""},
		{"what is allowed", secret.URL, []string{strings.TrimPrefix(secret.URL, "http://")}, "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			guard, err := outbound.New(c.allow...)
			if err != nil {
				t.Fatal(err)
			}
			hits.Store(0)
			a := &Activities{Config: Config{HTTP: guard.Transport()}}
			stage := slipway.WebhookStage{WebhookCheck: slipway.WebhookCheck{URL: c.url}, Interval: slipway.Duration(time.Millisecond)}
			_, err = a.AskWebhook(t.Context(), stage, Question{}, time.Now())
			if slipway.CodeOf(err) != c.want || c.saying != "" && !strings.Contains(err.Error(), c.saying) {
				t.Errorf("%v, want code %q, saying %q", err, c.want, c.saying)
			}
			if n := hits.Load(); (n > 0) != (c.want == "") {
				t.Errorf("%d requests got there", n)
			}
		})
	}
}
