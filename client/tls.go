package client

import (
	"crypto/sha256"
	"crypto/subtle"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"net/http"
	"strings"

	"github.com/slipway-sh/slipway"
)

// pinPrefix begins a fingerprint.
const pinPrefix = "sha256:"

// IsFingerprint reports whether text has the form of the fingerprint of a certificate: "sha256:" and 64 hexadecimal digits, between which
// there may be colons.
func IsFingerprint(text string) bool {
	_, ok := fingerprint(text)
	return ok
}

func fingerprint(text string) ([]byte, bool) {
	digits, ok := strings.CutPrefix(strings.ToLower(text), pinPrefix)
	sum, err := hex.DecodeString(strings.ReplaceAll(digits, ":", ""))
	return sum, ok && err == nil && len(sum) == sha256.Size
}

// TrustCA has the client trust servers whose certificate one of the authorities in the PEM text has signed, and no others. Call it before
// the first request. Invalid if there is none.
func (c *Client) TrustCA(text []byte) error {
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return slipway.Errorf(slipway.Invalid, "cannot trust the certificate authority: there is no certificate in PEM")
	}
	for _, w := range c.wires {
		w.TLSClientConfig = &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
	}
	return nil
}

// PinCA has the client trust a server that shows a certificate with the fingerprint, and no others: that of the authority that has signed its
// own, for the name that the server is called by, or its own itself. Call it before the first request. Invalid if it is none.
func (c *Client) PinCA(text string) error {
	pin, ok := fingerprint(text)
	if !ok {
		return slipway.Errorf(slipway.Invalid, "cannot trust %q: want the fingerprint of a certificate, sha256:… with 64 hexadecimal digits, as slipwayd logs it when it starts", text)
	}
	for _, w := range c.wires {
		w.TLSClientConfig = &tls.Config{
			MinVersion:         tls.VersionTLS12,
			InsecureSkipVerify: true, // VerifyConnection does all of it, by the pin
			VerifyConnection:   func(state tls.ConnectionState) error { return verifyPinned(state, w.host, pin) },
		}
	}
	return nil
}

// verifyPinned returns nil if the server is who has the pinned certificate, or has its certificate from there.
func verifyPinned(state tls.ConnectionState, name string, pin []byte) error {
	for i, cert := range state.PeerCertificates {
		if sum := sha256.Sum256(cert.Raw); subtle.ConstantTimeCompare(sum[:], pin) != 1 {
			continue
		}
		if i == 0 && !cert.IsCA { // the server's own: nothing else has to be said of it, but that it is in force
			pool := x509.NewCertPool()
			pool.AddCert(cert)
			_, err := cert.Verify(x509.VerifyOptions{Roots: pool, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}})
			return err
		}
		roots, between := x509.NewCertPool(), x509.NewCertPool()
		roots.AddCert(cert)
		for _, other := range state.PeerCertificates[1:] {
			between.AddCert(other)
		}
		_, err := state.PeerCertificates[0].Verify(x509.VerifyOptions{DNSName: name, Roots: roots, Intermediates: between})
		return err
	}
	return slipway.Errorf(slipway.Refused, "the server does not show the certificate that is pinned: it is another server, or has a new certificate authority")
}

// untrusted returns what to do about a server that does not show a certificate of somebody who is trusted, or speaks no TLS; nil if err is
// about something else.
func (c *Client) untrusted(err error) error {
	if refused, ok := errors.AsType[*slipway.Error](err); ok && refused.Code == slipway.Refused {
		return slipway.Errorf(slipway.Refused, "cannot trust what answers at %s: %w", c.server, err)
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok || isUnverified(err) {
		return slipway.Errorf(slipway.Refused,
			"cannot trust what answers at %s: %w; if slipwayd has a certificate authority of its own, give its DATA/tls/ca.pem, or the fingerprint that it logs when it starts, with --ca or SLIPWAY_CA", c.server, err)
	}
	if _, ok := errors.AsType[tls.RecordHeaderError](err); ok || errors.Is(err, http.ErrSchemeMismatch) {
		return slipway.Errorf(slipway.Refused, "cannot speak TLS with what answers at %s: it is no TLS server", c.server)
	}
	return nil
}

// isUnverified reports whether err is one of a certificate's verification.
func isUnverified(err error) bool {
	_, authority := errors.AsType[x509.UnknownAuthorityError](err)
	_, name := errors.AsType[x509.HostnameError](err)
	_, invalid := errors.AsType[x509.CertificateInvalidError](err)
	return authority || name || invalid
}
