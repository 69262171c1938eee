package notify

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/outbound"
)

// TestWebhooksGoToPublicAddressesAlone has somebody subscribe to what is not public, in every way there is to write it: by a number, by a name
// that means it, by a redirection of somebody who is allowed.
func TestWebhooksGoToPublicAddressesAlone(t *testing.T) {
	var hits atomic.Int32
	secret := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { hits.Add(1) }))
	defer secret.Close()
	at, err := url.Parse(secret.URL)
	if err != nil {
		t.Fatal(err)
	}
	send := func(guard *outbound.Guard, to string) error {
		return Webhook{Client: guard.Client(), Version: "1"}.Notify(t.Context(), to, slipway.Notification{ID: "m-1", Event: slipway.Event{Kind: testKind}})
	}
	guard, err := outbound.New()
	if err != nil {
		t.Fatal(err)
	}
	for _, host := range []string{"127.0.0.1", "localhost", "0.0.0.0", "[::ffff:127.0.0.1]", "[::]"} {
		if err := send(guard, "http://"+host+":"+at.Port()+"/hook"); slipway.CodeOf(err) != slipway.Refused || !strings.Contains(err.Error(), "--allow-outbound") {
			t.Errorf("%s: %v, want it refused, and said how it can be allowed", host, err)
		}
	}
	for _, to := range []string{"http://10.0.0.1/", "http://192.168.1.1/", "http://169.254.169.254/latest/meta-data/", "http://[fd00::1]/", "http://100.64.0.1/"} {
		if err := send(guard, to); slipway.CodeOf(err) != slipway.Refused {
			t.Errorf("%s: %v, want it refused", to, err)
		}
	}

	front := httptest.NewServer(http.RedirectHandler(secret.URL, http.StatusTemporaryRedirect))
	defer front.Close()
	if guard, err = outbound.New(strings.TrimPrefix(front.URL, "http://")); err != nil {
		t.Fatal(err)
	}
	if err := send(guard, front.URL); err == nil || !strings.Contains(err.Error(), "redirections are not followed") {
		t.Errorf("redirected: %v", err)
	}
	if n := hits.Load(); n > 0 {
		t.Errorf("%d requests got where none may go", n)
	}
}
