package engine

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"time"

	"go.temporal.io/server/common/rpc/encryption"
)

// identity is a certificate that this process makes at start and never writes down. Temporal's ports are open to every user
// of the host, and who can talk to them can run activities with slipwayd's privileges; so all of them, those between the
// server's own parts too, take only TLS connections from the holder of this certificate's key.
type identity struct {
	server *tls.Config
	client *tls.Config
}

const identityName = "slipway"

func newIdentity() (*identity, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber:          big.NewInt(1),
		Subject:               pkix.Name{CommonName: identityName},
		DNSNames:              []string{identityName},
		NotBefore:             time.Now().Add(-24 * time.Hour), // the clock may be set back
		NotAfter:              time.Now().AddDate(100, 0, 0),   // it ends with the process
		KeyUsage:              x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		BasicConstraintsValid: true,
		IsCA:                  true, // it vouches for itself alone
		MaxPathLenZero:        true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return nil, err
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	only := x509.NewCertPool()
	only.AddCert(leaf)
	own := []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}}
	return &identity{
		server: &tls.Config{Certificates: own, ClientCAs: only, ClientAuth: tls.RequireAndVerifyClientCert, MinVersion: tls.VersionTLS13},
		client: &tls.Config{Certificates: own, RootCAs: only, ServerName: identityName, MinVersion: tls.VersionTLS13},
	}, nil
}

func (i *identity) provider() encryption.TLSConfigProvider {
	return &encryption.FixedTLSConfigProvider{
		InternodeServerConfig: i.server,
		InternodeClientConfig: i.client,
		FrontendServerConfig:  i.server,
		FrontendClientConfig:  i.client,
	}
}
