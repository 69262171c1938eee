package registry

import (
	"errors"
	"net/http"
	"testing"
)

var errReached = errors.New("reached")

// sink is where requests end that the guard lets through.
type sink struct{}

func (sink) RoundTrip(*http.Request) (*http.Response, error) { return nil, errReached }

// Nothing goes out without TLS but to this host itself and to hosts that were named.
func TestGuard(t *testing.T) {
	g := guard{inner: sink{}, insecure: map[string]bool{"registry.lan:5000": true}}
	for url, passes := range map[string]bool{
		"https://registry.example.com/v2/":  true,
		"http://registry.example.com/v2/":   false,
		"http://127.0.0.1:5000/v2/":         true,
		"http://localhost/v2/":              true,
		"http://[::1]:5000/v2/":             true,
		"http://10.0.0.1:5000/v2/":          false,
		"http://base.local/v2/":             false,
		"http://registry.lan:5000/v2/":      true,
		"http://registry.lan/v2/":           false,
		"http://169.254.169.254/latest":     false,
		"http://127.0.0.1.example.com/v2/":  false,
		"http://localhost.example.com/v2/":  false,
		"https://registry.lan:5000/v2/base": true,
	} {
		req, err := http.NewRequest(http.MethodGet, url, nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := g.RoundTrip(req); errors.Is(err, errReached) != passes {
			t.Errorf("%s: got %v, want it to pass: %v", url, err, passes)
		}
	}
}
