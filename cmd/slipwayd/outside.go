package main

import (
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"os"

	"github.com/spf13/cobra"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/engine"
	"github.com/slipway-sh/slipway/natsbus"
)

// outsideOptions say which parts are not embedded, but servers elsewhere.
type outsideOptions struct {
	store             string // of records: a file, or a PostgreSQL URL
	temporal          string
	temporalNamespace string
	temporalTLS       bool
	temporalCA        string
	temporalCert      string
	temporalKey       string
	temporalName      string
	nats              string
	natsCreds         string
	natsCA            string
}

func (o *outsideOptions) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&o.store, "store", "", "`address` of the PostgreSQL database that has the records, postgres://user@host/database; its password comes from $PGPASSWORD or the file that $PGPASSFILE names (default: DATA/slipway.db, SQLite)")
	f.StringVar(&o.temporal, "temporal", "", "`host:port` of a Temporal cluster that has the work under way (default: embedded, DATA/temporal.db)")
	f.StringVar(&o.temporalNamespace, "temporal-namespace", engine.Namespace, "`namespace` there, of this slipwayd alone; made if it is missing")
	f.BoolVar(&o.temporalTLS, "temporal-tls", false, "connect by TLS, which the options that follow do as well")
	f.StringVar(&o.temporalCA, "temporal-ca", "", "PEM `file` of the authorities that vouch for the cluster (default: the host's)")
	f.StringVar(&o.temporalCert, "temporal-cert", "", "PEM `file` with the certificate to show to the cluster")
	f.StringVar(&o.temporalKey, "temporal-key", "", "PEM `file` with its key")
	f.StringVar(&o.temporalName, "temporal-server-name", "", "`name` that the cluster's certificate must have (default: the host of --temporal)")
	f.StringVar(&o.nats, "nats", "", "`address` of NATS servers that carry live events, nats://host:port or tls://host:port, several separated by commas (default: embedded)")
	f.StringVar(&o.natsCreds, "nats-creds", "", "`file` with the credentials, or the seed, to show to them")
	f.StringVar(&o.natsCA, "nats-ca", "", "PEM `file` of the authorities that vouch for them (default: the host's)")
}

// outside is what the options come to.
type outside struct {
	temporal engine.Config
	nats     natsbus.Config
}

// outside reads the files that the options name, and refuses options that make no sense together, as Invalid.
func (o *options) outside() (outside, error) {
	for _, c := range []struct{ option, given, wants, has string }{
		{"--temporal-cert", o.temporalCert, "--temporal-key", o.temporalKey},
		{"--temporal-key", o.temporalKey, "--temporal-cert", o.temporalCert},
		{"--temporal-ca", o.temporalCA, "--temporal", o.temporal},
		{"--temporal-cert", o.temporalCert, "--temporal", o.temporal},
		{"--temporal-server-name", o.temporalName, "--temporal", o.temporal},
		{"--nats-creds", o.natsCreds, "--nats", o.nats},
		{"--nats-ca", o.natsCA, "--nats", o.nats},
	} {
		if c.given != "" && c.has == "" {
			return outside{}, slipway.Errorf(slipway.Invalid, "cannot use %s without %s", c.option, c.wants)
		}
	}
	if o.temporalTLS && o.temporal == "" {
		return outside{}, slipway.Errorf(slipway.Invalid, "cannot use --temporal-tls without --temporal")
	}
	secure, err := o.temporalConnection()
	return outside{
		temporal: engine.Config{
			Dir: o.data, LogFile: o.path("logs/temporal.log"), Address: o.temporal, Namespace: o.temporalNamespace, TLS: secure, Log: o.log,
		},
		nats: natsbus.Config{Dir: o.path("nats"), Address: o.nats, Credentials: o.natsCreds, CA: o.natsCA, Log: o.log},
	}, err
}

// temporalConnection returns nil for a connection in the clear.
func (o *options) temporalConnection() (*tls.Config, error) {
	if !o.temporalTLS && cmp.Or(o.temporalCA, o.temporalCert, o.temporalName) == "" {
		return nil, nil
	}
	c := &tls.Config{ServerName: o.temporalName, MinVersion: tls.VersionTLS12}
	if o.temporalCA != "" {
		text, err := os.ReadFile(o.temporalCA)
		if err != nil {
			return nil, slipway.Errorf(slipway.Unprepared, "cannot read --temporal-ca: %w", err)
		}
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(text) {
			return nil, slipway.Errorf(slipway.Invalid, "cannot use --temporal-ca %s: there is no certificate in it, in PEM", o.temporalCA)
		}
	}
	if o.temporalCert != "" {
		pair, err := tls.LoadX509KeyPair(o.temporalCert, o.temporalKey)
		if err != nil {
			return nil, slipway.Errorf(slipway.Invalid, "cannot use --temporal-cert %s with --temporal-key %s: %w", o.temporalCert, o.temporalKey, err)
		}
		c.Certificates = []tls.Certificate{pair}
	}
	return c, nil
}
