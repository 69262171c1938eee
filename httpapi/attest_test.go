package httpapi

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/slipway-sh/slipway"
)

// statements says of every image the same.
type statements struct {
	verification slipway.Verification
	envelope     string
	err          error
}

func (s statements) VerifyImage(_ context.Context, image slipway.Digest) (slipway.Verification, error) {
	s.verification.Image = image
	return s.verification, s.err
}

func (s statements) Statement(_ context.Context, _ slipway.Digest, kind slipway.StatementKind) ([]byte, error) {
	return []byte(strings.ReplaceAll(s.envelope, "KIND", string(kind))), s.err
}

func (s statements) Keys(context.Context) ([]slipway.PublicKey, error) {
	return []slipway.PublicKey{{ID: "abc", PEM: "-----BEGIN", Signs: true}}, s.err
}

// TestStatements checks that an image is found by any of its names, that an envelope is handed out with its payload as it was signed, and
// that what is wrong with an image is told.
func TestStatements(t *testing.T) {
	says := &statements{verification: slipway.Verification{Layers: 2}, envelope: `{"payload":"KIND <&>"}`}
	s := serve(t, func(c *Config) { c.Statements = says })
	digest := slipway.DigestOf([]byte("image"))
	if err := s.Store.PutImage(t.Context(), slipway.Image{Digest: digest, Application: "hello", Version: "v1", State: slipway.ImageReady}); err != nil {
		t.Fatal(err)
	}
	for _, ref := range []string{"v1", "latest", string(digest), digest.Hex()[:8]} {
		var v slipway.Verification
		s.get(t, "/v1/images/hello/"+ref+"/verification", &v)
		if v.Image != digest || v.Layers != 2 {
			t.Errorf("%s: %+v", ref, v)
		}
		var envelope struct{ Payload string }
		s.get(t, "/v1/images/hello/"+ref+"/statements/sbom", &envelope)
		if envelope.Payload != "sbom <&>" {
			t.Errorf("%s: %+v", ref, envelope)
		}
	}
	var keys list[slipway.PublicKey]
	s.get(t, "/v1/keys", &keys)
	if len(keys.Items) != 1 || !keys.Items[0].Signs {
		t.Errorf("keys: %+v", keys)
	}
	for path, want := range map[string]int{
		"/v1/images/hello/v2/verification":       http.StatusNotFound,
		"/v1/images/hello/v1/statements/weather": http.StatusUnprocessableEntity,
		"/v1/images/hello/v2/statements/tests":   http.StatusNotFound,
	} {
		if status, body, _ := s.do(t, "GET", path, ""); status != want {
			t.Errorf("%s: %d %s, want %d", path, status, body, want)
		}
	}
	says.err = slipway.Errorf(slipway.Refused, "cannot trust image abc: its provenance is missing")
	for _, path := range []string{"/verification", "/statements/tests"} {
		if status, body, _ := s.do(t, "GET", "/v1/images/hello/v1"+path, ""); status != http.StatusForbidden || !strings.Contains(body, "is missing") {
			t.Errorf("%s of an image that is not trusted: %d %s", path, status, body)
		}
	}
}
