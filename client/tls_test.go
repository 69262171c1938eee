package client

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/certificate"
)

// secure serves with a certificate of an authority of its own, as slipwayd does, and returns the authority's PEM text and fingerprint.
func secure(t *testing.T) (url, ca, fingerprint string) {
	t.Helper()
	a, err := certificate.OpenAuthority(t.TempDir(), []string{"slipway.example.com"})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte(`{"ready":true}`)) }))
	server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, 0)
	server.Listener = tls.NewListener(server.Listener, &tls.Config{GetCertificate: a.Certificate})
	server.Start()
	t.Cleanup(server.Close)
	pair, err := a.Certificate(nil)
	if err != nil {
		t.Fatal(err)
	}
	der := pair.Certificate[1]
	return "https" + strings.TrimPrefix(server.URL, "http"), string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})), a.Fingerprint()
}

func TestTrust(t *testing.T) {
	url, ca, pin := secure(t)
	_, otherCA, otherPin := secure(t)
	plain := httptest.NewServer(http.NotFoundHandler())
	defer plain.Close()
	for name, c := range map[string]struct {
		url, ca, pin string
		code         slipway.Code
		want         string
	}{
		"nobody who is known":       {url, "", "", slipway.Refused, "--ca"},
		"its authority":             {url, ca, "", "", ""},
		"another authority":         {url, otherCA, "", slipway.Refused, "--ca"},
		"its authority, pinned":     {url, "", pin, "", ""},
		"with colons and large":     {url, "", "SHA256:" + strings.ToUpper(pin[7:9]) + ":" + pin[9:], "", ""},
		"another authority, pinned": {url, "", otherPin, slipway.Refused, "does not show the certificate that is pinned"},
		"no TLS":                    {strings.Replace(plain.URL, "http:", "https:", 1), ca, "", slipway.Refused, "it is no TLS server"},
	} {
		t.Run(name, func(t *testing.T) {
			cl, err := New(c.url)
			if err != nil {
				t.Fatal(err)
			}
			defer cl.Close()
			if c.ca != "" {
				err = cl.TrustCA([]byte(c.ca))
			}
			if c.pin != "" {
				err = cl.PinCA(c.pin)
			}
			if err != nil {
				t.Fatal(err)
			}
			health, err := cl.Health(t.Context())
			if slipway.CodeOf(err) != c.code || c.code == "" && !health.Ready || err != nil && !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want code %q and %q", err, c.code, c.want)
			}
		})
	}
}

// TestPinnedNames has a server whose authority is the pinned one, but whose certificate is for another name.
func TestPinnedNames(t *testing.T) {
	a, err := certificate.OpenAuthority(t.TempDir(), nil)
	if err != nil {
		t.Fatal(err)
	}
	pair, err := a.Certificate(nil)
	if err != nil {
		t.Fatal(err)
	}
	pin, _ := fingerprint(a.Fingerprint())
	state := tls.ConnectionState{PeerCertificates: nil}
	if err := verifyPinned(state, "localhost", pin); err == nil {
		t.Error("no certificate is good")
	}
	for _, c := range []struct {
		name string
		good bool
	}{{"localhost", true}, {"127.0.0.1", true}, {"other.example.com", false}, {"192.0.2.200", false}} {
		state := stateOf(t, pair)
		if err := verifyPinned(state, c.name, pin); (err == nil) != c.good {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	leaf := sha256.Sum256(pair.Certificate[0])
	if err := verifyPinned(stateOf(t, pair), "other.example.com", leaf[:]); err != nil {
		t.Errorf("its own certificate, pinned: %v", err)
	}
}

// stateOf is what a client sees of a server with the certificate.
func stateOf(t *testing.T, pair *tls.Certificate) (state tls.ConnectionState) {
	t.Helper()
	for _, der := range pair.Certificate {
		cert, err := x509.ParseCertificate(der)
		if err != nil {
			t.Fatal(err)
		}
		state.PeerCertificates = append(state.PeerCertificates, cert)
	}
	return state
}

func TestFingerprints(t *testing.T) {
	good := "sha256:" + hex.EncodeToString(make([]byte, 32))
	for text, want := range map[string]bool{good: true, strings.ToUpper(good): true, good[7:]: false, good + "00": false, good[:20]: false, "sha256:" + strings.Repeat("zz", 32): false, "ca.pem": false, "": false} {
		if IsFingerprint(text) != want {
			t.Errorf("%q: %v", text, !want)
		}
	}
}
