package main

import (
	"crypto/tls"
	"log/slog"
	"net"
	"strings"
	"time"

	"golang.org/x/net/netutil"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/certificate"
)

// maxConnections bounds the connections of a TCP listener: those that wait for more are not to take the files that slipwayd works with.
// Sockets of this host are not bounded.
const maxConnections = 4096

// warnBefore is how long before its end slipwayd speaks of a certificate authority's.
const warnBefore = 365 * 24 * time.Hour

// secured is how TCP listeners are kept private.
type secured struct {
	cert, key    string   // files; "" for an authority of slipwayd's own
	dir          string   // of the authority
	names        []string // of this server, for the authority's certificates
	insecureHTTP bool     // serve without TLS wherever that is asked for
	log          *slog.Logger

	config *tls.Config // once it is needed
}

// listenTCP listens on "[http://|https://]host:port". Without a scheme it is https unless the host is a loopback address and there is no
// certificate. Plain http is for loopback addresses.
func (s *secured) listenTCP(address string) (net.Listener, error) {
	scheme, endpoint, ok := strings.Cut(address, "://")
	if !ok {
		scheme, endpoint = "", address
	}
	host, _, err := net.SplitHostPort(endpoint)
	if err != nil || scheme != "" && scheme != "http" && scheme != "https" {
		return nil, slipway.Errorf(slipway.Invalid, "cannot listen on %q: want unix:/path or 127.0.0.1:port, or https://host:port", address)
	}
	ip := net.ParseIP(host)
	loopback := host == "localhost" || ip != nil && ip.IsLoopback()
	if scheme == "" {
		if scheme = "https"; loopback && s.cert == "" {
			scheme = "http"
		}
	}
	if scheme == "http" && !loopback && !s.insecureHTTP {
		return nil, slipway.Errorf(slipway.Refused,
			"cannot listen on %s: without TLS whoever is between could read and use every token; leave out http://, or, where something in front of slipwayd has TLS, say --insecure-http", address)
	}
	var config *tls.Config
	if scheme == "https" {
		if config, err = s.tls(); err != nil {
			return nil, err
		}
	}
	l, err := net.Listen("tcp", endpoint)
	if err != nil {
		return nil, slipway.Errorf(slipway.Unprepared, "cannot listen on %s: %w", address, err)
	}
	l = netutil.LimitListener(l, maxConnections)
	if config != nil {
		l = tls.NewListener(l, config)
	}
	return l, nil
}

// tls returns what TLS is served with. The authority is made when it is first needed.
func (s *secured) tls() (*tls.Config, error) {
	if s.config != nil {
		return s.config, nil
	}
	// HTTP/1.1 alone: shells take their connection over.
	config := &tls.Config{MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"}}
	if s.cert != "" || s.key != "" {
		if s.cert == "" || s.key == "" {
			return nil, slipway.Errorf(slipway.Invalid, "cannot use TLS: --tls-cert and --tls-key go together")
		}
		files, err := certificate.OpenFiles(s.cert, s.key, s.log)
		if err != nil {
			return nil, err
		}
		config.GetCertificate = files.Certificate
	} else {
		own, err := certificate.OpenAuthority(s.dir, s.names)
		if err != nil {
			return nil, err
		}
		config.GetCertificate = own.Certificate
		s.log.Info("TLS with a certificate authority of slipwayd's own; clients trust it with `slipway --ca FILE` or `--ca FINGERPRINT`",
			"ca", s.dir+"/ca.pem", "fingerprint", own.Fingerprint())
		if left := time.Until(own.Expires()); left < warnBefore {
			s.log.Warn("the certificate authority ends soon; docs/security.md says how to replace it", "expires", own.Expires().Format(time.DateOnly))
		}
	}
	s.config = config
	return config, nil
}
