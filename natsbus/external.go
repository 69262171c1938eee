package natsbus

import (
	"errors"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/slipway-sh/slipway"
)

const (
	// reconnectEvery is how often an external server that went away is looked for.
	reconnectEvery = 500 * time.Millisecond
	// reconnectBuffer is how many bytes of events are kept for it meanwhile. Who misses others finds them in the store.
	reconnectBuffer = 8 << 20
)

// reach connects to external servers. It makes no stream there: what they keep is their owner's decision.
func (b *Bus) reach(cfg Config) error {
	servers, err := addresses(cfg.Address)
	if err != nil {
		return err
	}
	options := []nats.Option{
		nats.Name("slipwayd"), nats.Timeout(readyTimeout), nats.MaxReconnects(-1), nats.ReconnectWait(reconnectEvery), nats.ReconnectBufSize(reconnectBuffer),
		nats.ErrorHandler(b.lagging),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) {
			if err != nil {
				b.log.Warn("NATS is away; events reach those who follow them some seconds later", "error", err)
			}
		}),
		nats.ReconnectHandler(func(c *nats.Conn) { b.log.Info("NATS is back", "server", c.ConnectedUrlRedacted()) }),
	}
	if cfg.CA != "" {
		options = append(options, nats.RootCAs(cfg.CA))
	}
	if cfg.Credentials != "" {
		text, err := os.ReadFile(cfg.Credentials)
		if err != nil {
			return slipway.Errorf(slipway.Unprepared, "cannot read NATS credentials: %w", err)
		}
		if !strings.Contains(string(text), "BEGIN NATS USER JWT") { // a seed alone
			option, err := nats.NkeyOptionFromSeed(cfg.Credentials)
			if err != nil {
				return slipway.Errorf(slipway.Invalid, "cannot use NATS credentials %s: %w", cfg.Credentials, err)
			}
			options = append(options, option)
		} else {
			options = append(options, nats.UserCredentials(cfg.Credentials))
		}
	}
	b.conn, err = nats.Connect(servers, options...)
	switch {
	case errors.Is(err, nats.ErrAuthorization), errors.Is(err, nats.ErrAuthExpired), errors.Is(err, nats.ErrNkeysNotSupported):
		return slipway.Errorf(slipway.Unprepared, "cannot use NATS at %s: it does not let us in; check --nats-creds: %w", servers, err)
	case err != nil:
		return slipway.Errorf(slipway.Unavailable, "cannot reach NATS at %s: %w", servers, err)
	}
	return nil
}

// addresses checks what was given as --nats. A password in it is refused: every user of a host sees the arguments of its processes.
func addresses(given string) (string, error) {
	var all []string
	for address := range strings.SplitSeq(given, ",") {
		address = strings.TrimSpace(address)
		u, err := url.Parse(address)
		if err != nil || u.Host == "" || u.Scheme != "nats" && u.Scheme != "tls" {
			return "", slipway.Errorf(slipway.Invalid, "cannot use what --nats has as an address: want nats://host:port or tls://host:port, several separated by commas")
		}
		if u.User != nil {
			return "", slipway.Errorf(slipway.Invalid, "cannot use %s: its address has a user or a token, which everybody on this host could read; give a file with --nats-creds", u.Host)
		}
		all = append(all, address)
	}
	return strings.Join(all, ","), nil
}
