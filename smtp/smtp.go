// Package smtp tells people of events by e-mail, through a server that speaks SMTP. It implements [slipway.Notifier].
package smtp

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	stdmail "net/mail"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/wneessen/go-mail"

	"github.com/slipway-sh/slipway"
)

const (
	timeout       = 15 * time.Second
	maxRecipients = 20
)

// Config says which server mails are handed to, and whom they are from.
type Config struct {
	// Server is smtp://[user@]host[:port], which wants TLS by STARTTLS, smtps://[user@]host[:port] with TLS from the start, or
	// smtp+insecure://[user@]host[:port] without TLS. The ports are 587, 465 and 25 unless they are given.
	Server   string
	Password string // of the user, if there is one
	From     string // "Slipway <slipway@example.com>"
	Version  string // of slipwayd
	// TLS, if not nil, is used in place of the host's own roots; for tests.
	TLS *tls.Config
}

// Mailer hands mails to one server. It is safe for concurrent use.
type Mailer struct {
	Config
	host     string
	port     int
	user     string
	policy   mail.TLSPolicy
	implicit bool
}

var _ slipway.Notifier = (*Mailer)(nil)

// New returns a mailer. It does not connect yet. Invalid if the configuration makes no sense.
func New(c Config) (*Mailer, error) {
	fail := func(why string) (*Mailer, error) {
		return nil, slipway.Errorf(slipway.Invalid, "cannot use --smtp: %s; want smtp://[user@]host[:port] (STARTTLS), smtps://… (TLS) or smtp+insecure://… (no TLS)", why)
	}
	u, err := url.Parse(c.Server)
	if err != nil || u.Hostname() == "" || u.Path != "" && u.Path != "/" || u.RawQuery != "" || u.Fragment != "" {
		return fail("it is no address of a server")
	}
	m := &Mailer{Config: c, host: u.Hostname()}
	switch u.Scheme {
	case "smtp":
		m.port, m.policy = 587, mail.TLSMandatory
	case "smtps":
		m.port, m.policy, m.implicit = 465, mail.TLSMandatory, true
	case "smtp+insecure":
		m.port, m.policy = 25, mail.NoTLS
	default:
		return fail("it speaks another protocol")
	}
	if text := u.Port(); text != "" {
		if m.port, err = strconv.Atoi(text); err != nil || m.port < 1 || m.port > 65535 {
			return fail("its port is none")
		}
	}
	if u.User != nil {
		if _, has := u.User.Password(); has {
			return fail("it has a password, which everyone on this host could see; put it into a file, and give that with --smtp-password-file")
		}
		m.user = u.User.Username()
	}
	if (m.user == "") != (c.Password == "") {
		return fail("a user and a password go together; give the password's file with --smtp-password-file")
	}
	if _, err := stdmail.ParseAddress(c.From); err != nil {
		return nil, slipway.Errorf(slipway.Invalid, "cannot send mail from %q: want --mail-from with an address such as \"Slipway <slipway@example.com>\"", c.From)
	}
	return m, nil
}

// Validate implements [slipway.Notifier]: to is one or more addresses, with commas between.
func (m *Mailer) Validate(to string) error {
	all, err := stdmail.ParseAddressList(to)
	switch {
	case err != nil:
		return slipway.Errorf(slipway.Invalid, "cannot send mail to %q: want addresses such as ann@example.com, with commas between", to).At("to")
	case len(all) > maxRecipients:
		return slipway.Errorf(slipway.Invalid, "cannot send mail to %d addresses: want at most %d; make a list of them at the mail server", len(all), maxRecipients).At("to")
	}
	return nil
}

// Notify implements [slipway.Notifier]. The message's ID follows from the notification's, so that who gets it twice sees it once.
func (m *Mailer) Notify(ctx context.Context, to string, n slipway.Notification) error {
	msg, err := m.message(to, n)
	if err != nil {
		return slipway.Errorf(slipway.Refused, "cannot write the mail: %w", err)
	}
	client, err := m.client()
	if err != nil {
		return fmt.Errorf("cannot use the mail server: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	if err := client.DialAndSendWithContext(ctx, msg); err != nil {
		return m.explain(err)
	}
	return nil
}

func (m *Mailer) message(to string, n slipway.Notification) (*mail.Msg, error) {
	recipients, err := stdmail.ParseAddressList(to)
	if err != nil {
		return nil, err
	}
	from, err := stdmail.ParseAddress(m.From)
	if err != nil {
		return nil, err
	}
	msg := mail.NewMsg()
	msg.FromMailAddress(from)
	msg.ToMailAddress(recipients...)
	msg.Subject("[slipway] " + strings.Join(strings.Fields(n.Subject), " "))
	msg.SetMessageIDWithValue(n.ID + "@slipway." + from.Address[strings.LastIndexByte(from.Address, '@')+1:])
	msg.SetDateWithValue(cmp.Or(n.Event.Time, n.At))
	msg.SetUserAgent("Slipway/" + m.Version)
	msg.SetGenHeader("Auto-Submitted", "auto-generated") // so that nobody's absence is answered
	msg.SetGenHeader("X-Slipway-Event", string(n.Event.Kind))
	msg.SetBodyString(mail.TypeTextPlain, n.Text)
	return msg, nil
}

func (m *Mailer) client() (*mail.Client, error) {
	options := []mail.Option{mail.WithPort(m.port), mail.WithTimeout(timeout), mail.WithTLSPolicy(m.policy), mail.WithoutNoop()}
	if m.implicit {
		options = append(options, mail.WithSSL())
	}
	if m.user != "" {
		auth := mail.SMTPAuthAutoDiscover
		if m.policy == mail.NoTLS {
			auth = mail.SMTPAuthPlainNoEnc // asked for by name: smtp+insecure
		}
		options = append(options, mail.WithSMTPAuth(auth), mail.WithUsername(m.user), mail.WithPassword(m.Password))
	}
	if m.TLS != nil {
		options = append(options, mail.WithTLSConfig(m.TLS))
	}
	return mail.NewClient(m.host, options...)
}

// explain says what a failure means: what the server refuses for good is Refused.
func (m *Mailer) explain(err error) error {
	text := err.Error()
	if m.Password != "" {
		text = strings.ReplaceAll(text, m.Password, "…")
	}
	if send, ok := errors.AsType[*mail.SendError](err); ok && !send.IsTemp() && send.ErrorCode() >= 500 {
		return slipway.Errorf(slipway.Refused, "cannot send the mail: %s refuses it: %s", m.host, text)
	}
	return slipway.Errorf(slipway.Unavailable, "cannot send the mail by %s: %s", m.host, text)
}
