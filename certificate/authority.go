// Package certificate has the certificates that slipwayd serves TLS with: those of two files, which may be replaced at any time, or its
// own, signed by an authority that is made when it is first needed.
package certificate

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/google/renameio/v2"

	"github.com/slipway-sh/slipway"
)

const (
	authorityLife = 10 * 365 * 24 * time.Hour
	// serverLife is short: nobody has to renew it, and what was stolen is of use no longer.
	serverLife = 90 * 24 * time.Hour
	// skew is by how much a client's clock may be behind.
	skew = time.Hour
)

// Authority makes certificates for this server, and makes them anew in time. It is safe for concurrent use.
type Authority struct {
	names []string
	now   func() time.Time
	ca    *x509.Certificate
	key   *ecdsa.PrivateKey

	mu     sync.Mutex
	server *tls.Certificate
}

// OpenAuthority opens the authority in a directory, and makes it if there is none:
//
//	ca.pem  the authority's certificate, which clients are to trust
//	ca.key  its private key, 0600
//
// names are what clients may call the server, beside what this host calls itself: host names and IP addresses. The server's own key is never
// on a disk.
func OpenAuthority(dir string, names []string) (*Authority, error) {
	return openAuthority(dir, names, time.Now)
}

func openAuthority(dir string, names []string, now func() time.Time) (*Authority, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("make the directory of the certificate authority: %w", err)
	}
	unlock, err := exclusive(dir)
	if err != nil {
		return nil, err
	}
	defer unlock()
	a := &Authority{names: names, now: now}
	certFile, keyFile := filepath.Join(dir, "ca.pem"), filepath.Join(dir, "ca.key")
	_, certErr := os.Stat(certFile)
	_, keyErr := os.Stat(keyFile)
	if errors.Is(certErr, fs.ErrNotExist) { // also after a death between the two files: nobody trusts what nobody has seen
		if err := makeAuthority(certFile, keyFile, now()); err != nil {
			return nil, err
		}
	} else if errors.Is(keyErr, fs.ErrNotExist) {
		return nil, slipway.Errorf(slipway.NotFound, "cannot find %s, the key of the certificate authority: put it back, or remove %s too, and have every client trust the new one", keyFile, certFile)
	}
	pair, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		return nil, slipway.Errorf(slipway.Invalid, "cannot use the certificate authority in %s: %w", dir, err)
	}
	key, ok := pair.PrivateKey.(*ecdsa.PrivateKey)
	if a.ca, a.key = pair.Leaf, key; !ok || !pair.Leaf.IsCA {
		return nil, slipway.Errorf(slipway.Invalid, "cannot use the certificate authority in %s: want a certificate of an authority, and its ECDSA key", dir)
	}
	if now().After(a.ca.NotAfter) {
		return nil, slipway.Errorf(slipway.Refused, "cannot use the certificate authority in %s: it expired on %s; remove the directory, and have every client trust the new one",
			dir, a.ca.NotAfter.Format(time.DateOnly))
	}
	_, err = a.Certificate(nil)
	return a, err
}

// exclusive keeps others from making the authority at the same time: two slipwayds have one, and may start together.
func exclusive(dir string) (unlock func() error, err error) {
	d, err := os.Open(dir)
	if err == nil {
		if err = syscall.Flock(int(d.Fd()), syscall.LOCK_EX); err != nil {
			d.Close()
		}
	}
	if err != nil {
		return nil, fmt.Errorf("lock the directory of the certificate authority: %w", err)
	}
	return d.Close, nil
}

func makeAuthority(certFile, keyFile string, now time.Time) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return fmt.Errorf("make the key of the certificate authority: %w", err)
	}
	host, _ := os.Hostname()
	template := &x509.Certificate{
		Subject:   pkix.Name{CommonName: "Slipway CA of " + host},
		NotBefore: now.Add(-skew), NotAfter: now.Add(authorityLife),
		IsCA: true, BasicConstraintsValid: true, MaxPathLenZero: true,
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
	der, err := sign(template, template, &key.PublicKey, key)
	if err != nil {
		return err
	}
	text, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return fmt.Errorf("make the key of the certificate authority: %w", err)
	}
	// The key first: without its certificate it is made anew.
	if err := renameio.WriteFile(keyFile, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: text}), 0o600); err != nil {
		return fmt.Errorf("write the key of the certificate authority: %w", err)
	}
	if err := renameio.WriteFile(certFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o644); err != nil {
		return fmt.Errorf("write the certificate authority: %w", err)
	}
	return nil
}

func sign(template, parent *x509.Certificate, public *ecdsa.PublicKey, by *ecdsa.PrivateKey) ([]byte, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, fmt.Errorf("make a certificate: %w", err)
	}
	template.SerialNumber = serial
	der, err := x509.CreateCertificate(rand.Reader, template, parent, public, by)
	if err != nil {
		return nil, fmt.Errorf("make a certificate: %w", err)
	}
	return der, nil
}

// Fingerprint returns the SHA-256 of the authority's certificate, as clients pin it: "sha256:" and hexadecimal digits.
func (a *Authority) Fingerprint() string {
	sum := sha256.Sum256(a.ca.Raw)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// Expires returns when the authority's certificate ends, and with it all trust.
func (a *Authority) Expires() time.Time { return a.ca.NotAfter }

// Certificate is for [tls.Config.GetCertificate]. The certificate is made anew when a third of its time is left, for the
// names and addresses that this host then has.
func (a *Authority) Certificate(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := a.now()
	if a.server != nil && now.Before(a.server.Leaf.NotAfter.Add(-serverLife/3)) {
		return a.server, nil
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make a certificate: %w", err)
	}
	names, addresses := a.subjects()
	until := now.Add(serverLife)
	if until.After(a.ca.NotAfter) {
		until = a.ca.NotAfter
	}
	der, err := sign(&x509.Certificate{
		Subject:   pkix.Name{CommonName: "slipwayd"},
		NotBefore: now.Add(-skew), NotAfter: until,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true, DNSNames: names, IPAddresses: addresses,
	}, a.ca, &key.PublicKey, a.key)
	if err != nil {
		return nil, err
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("make a certificate: %w", err)
	}
	// The authority goes along, so that a client that has pinned it finds it.
	a.server = &tls.Certificate{Certificate: [][]byte{der, a.ca.Raw}, PrivateKey: key, Leaf: leaf}
	return a.server, nil
}

// subjects are what clients may call the server.
func (a *Authority) subjects() (names []string, addresses []net.IP) {
	names = []string{"localhost"}
	addresses = []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback}
	if host, err := os.Hostname(); err == nil && host != "" {
		names = append(names, host)
	}
	if all, err := net.InterfaceAddrs(); err == nil {
		for _, one := range all {
			if n, ok := one.(*net.IPNet); ok && !n.IP.IsLoopback() && !n.IP.IsLinkLocalUnicast() {
				addresses = append(addresses, n.IP)
			}
		}
	}
	for _, name := range a.names {
		if ip := net.ParseIP(name); ip != nil {
			addresses = append(addresses, ip)
		} else if name != "" {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names), addresses
}
