package certificate

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/slipway-sh/slipway"
)

// get asks a server with the certificate for the host, trusting the PEM file alone.
func get(t *testing.T, certificate func(*tls.ClientHelloInfo) (*tls.Certificate, error), host, trust string) (*x509.Certificate, error) {
	t.Helper()
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "hello") }))
	server.TLS = &tls.Config{GetCertificate: certificate}
	server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, 0)
	server.StartTLS()
	defer server.Close()
	server.TLS.Certificates = nil // httptest's own
	text, err := os.ReadFile(trust)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(text)
	conn, err := tls.Dial("tcp", server.Listener.Addr().String(), &tls.Config{RootCAs: pool, ServerName: host})
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	return conn.ConnectionState().PeerCertificates[0], nil
}

func TestAuthority(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "tls")
	a, err := OpenAuthority(dir, []string{"slipway.example.com", "192.0.2.7"})
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(filepath.Join(dir, "ca.key")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the key: %v, %v", info.Mode(), err)
	}
	host, _ := os.Hostname()
	for _, name := range []string{"slipway.example.com", "192.0.2.7", "localhost", "127.0.0.1", "::1", host} {
		if _, err := get(t, a.Certificate, name, filepath.Join(dir, "ca.pem")); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := get(t, a.Certificate, "other.example.com", filepath.Join(dir, "ca.pem")); err == nil {
		t.Error("it is good for any name")
	}
	again, err := OpenAuthority(dir, nil)
	if err != nil || again.Fingerprint() != a.Fingerprint() || !strings.HasPrefix(a.Fingerprint(), "sha256:") {
		t.Errorf("opened again it is another: %v", err)
	}
	if other, err := OpenAuthority(t.TempDir(), nil); err != nil || other.Fingerprint() == a.Fingerprint() {
		t.Errorf("another is the same: %v", err)
	}
}

// TestOneAuthorityForAll opens one at many places at once, as two slipwayds do that are started together.
func TestOneAuthorityForAll(t *testing.T) {
	dir, made := filepath.Join(t.TempDir(), "tls"), make(chan string)
	for range 8 {
		go func() {
			a, err := OpenAuthority(dir, nil)
			if err != nil {
				t.Error(err)
				made <- ""
				return
			}
			made <- a.Fingerprint()
		}()
	}
	first := <-made
	for range 7 {
		if other := <-made; other != first {
			t.Errorf("one is %s, another %s", first, other)
		}
	}
}

func TestServerCertificateIsRenewed(t *testing.T) {
	now := time.Now()
	a, err := openAuthority(t.TempDir(), nil, func() time.Time { return now })
	if err != nil {
		t.Fatal(err)
	}
	first, _ := a.Certificate(nil)
	now = now.Add(serverLife / 2)
	if same, _ := a.Certificate(nil); same != first {
		t.Error("it was made anew too early")
	}
	now = now.Add(serverLife / 4)
	second, _ := a.Certificate(nil)
	if second == first || !second.Leaf.NotAfter.After(first.Leaf.NotAfter) || second.Leaf.CheckSignatureFrom(a.ca) != nil {
		t.Error("it was not made anew in time")
	}
	now = a.Expires().Add(-time.Hour)
	if last, _ := a.Certificate(nil); last.Leaf.NotAfter.After(a.Expires()) {
		t.Error("it outlives its authority")
	}
}

func TestBadAuthorities(t *testing.T) {
	made := t.TempDir()
	if _, err := OpenAuthority(made, nil); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		spoil func(t *testing.T, dir string)
		now   time.Time
		code  slipway.Code
	}{
		"without its key":   {func(t *testing.T, dir string) { os.Remove(filepath.Join(dir, "ca.key")) }, time.Now(), slipway.NotFound},
		"damaged":           {func(t *testing.T, dir string) { os.WriteFile(filepath.Join(dir, "ca.pem"), []byte("nonsense"), 0o644) }, time.Now(), slipway.Invalid},
		"expired":           {func(*testing.T, string) {}, time.Now().Add(authorityLife + time.Hour), slipway.Refused},
		"only half of it":   {func(t *testing.T, dir string) { os.Remove(filepath.Join(dir, "ca.pem")) }, time.Now(), ""},
		"another one's key": {func(t *testing.T, dir string) { copyFile(t, otherKey(t), filepath.Join(dir, "ca.key")) }, time.Now(), slipway.Invalid},
		"as it was once":    {func(*testing.T, string) {}, time.Now(), ""},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			for _, f := range []string{"ca.pem", "ca.key"} {
				copyFile(t, filepath.Join(made, f), filepath.Join(dir, f))
			}
			c.spoil(t, dir)
			if _, err := openAuthority(dir, nil, func() time.Time { return c.now }); slipway.CodeOf(err) != c.code {
				t.Errorf("%v, want code %q", err, c.code)
			}
		})
	}
}

func otherKey(t *testing.T) string {
	dir := t.TempDir()
	if _, err := OpenAuthority(dir, nil); err != nil {
		t.Fatal(err)
	}
	return filepath.Join(dir, "ca.key")
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	text, err := os.ReadFile(from)
	if err == nil {
		err = os.WriteFile(to, text, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// write writes a certificate of an authority, and its key, as somebody might who has bought one.
func write(t *testing.T, a *Authority, cert, key string) {
	t.Helper()
	pair, err := a.Certificate(nil)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(pair.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	for name, block := range map[string]*pem.Block{cert: {Type: "CERTIFICATE", Bytes: pair.Certificate[0]}, key: {Type: "PRIVATE KEY", Bytes: der}} {
		if err := os.WriteFile(name, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func TestFilesAreReadAgain(t *testing.T) {
	dir := t.TempDir()
	cert, key := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	var authorities []*Authority
	for range 2 {
		a, err := OpenAuthority(t.TempDir(), nil)
		if err != nil {
			t.Fatal(err)
		}
		authorities = append(authorities, a)
	}
	write(t, authorities[0], cert, key)
	var log bytes.Buffer
	f, err := OpenFiles(cert, key, slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	look := func() *tls.Certificate {
		f.looked = time.Time{} // as if a second had passed
		pair, err := f.Certificate(nil)
		if err != nil {
			t.Fatal(err)
		}
		return pair
	}
	first := look()
	if err := os.WriteFile(cert, []byte("half written"), 0o600); err != nil {
		t.Fatal(err)
	}
	if look() != first || !strings.Contains(log.String(), "the old one stays") {
		t.Errorf("while it is written: %s", &log)
	}
	write(t, authorities[1], cert, key)
	if second := look(); second == first || second.Leaf.CheckSignatureFrom(authorities[1].ca) != nil {
		t.Errorf("the new one is not served: %s", &log)
	}
	second := look()
	os.Remove(key)
	if look() != second {
		t.Error("what was removed is not served any more")
	}
}

func TestBadFiles(t *testing.T) {
	a, err := OpenAuthority(t.TempDir(), nil)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	cert, key := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	write(t, a, cert, key)
	for _, c := range []struct {
		cert, key string
		code      slipway.Code
	}{
		{cert, filepath.Join(dir, "none"), slipway.NotFound},
		{key, cert, slipway.Invalid},
		{cert, otherKey(t), slipway.Invalid},
	} {
		if _, err := OpenFiles(c.cert, c.key, slog.New(slog.DiscardHandler)); slipway.CodeOf(err) != c.code {
			t.Errorf("%s and %s: %v, want code %s", c.cert, c.key, err, c.code)
		}
	}
}
