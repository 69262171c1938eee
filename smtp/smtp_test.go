package smtp

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/test/mailserver"
)

func note(id string) slipway.Notification {
	return slipway.Notification{
		ID: id, Subject: "hello prod: grüße\r\nBcc: eve@example.com", Text: "deployment d-1 ended\n.\nover\n", At: time.Now(),
		Event: slipway.Event{Kind: slipway.DeploymentFinished, Time: time.Now()},
	}
}

func server(t *testing.T, open bool) *mailserver.Server {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("a mail server needs root")
	}
	s, err := mailserver.Start(open)
	if errors.Is(err, mailserver.ErrMissing) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Stop(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// TestMail hands mails to a real mail server, in each way in which that can be.
func TestMail(t *testing.T) {
	s := server(t, true)
	for _, c := range []struct {
		name, server, password, to string
		code                       slipway.Code
		says                       string
	}{
		{name: "starttls", server: "smtp://slipway@127.0.0.1:%[1]d", password: mailserver.Password},
		{name: "tls", server: "smtps://slipway@127.0.0.1:%[2]d", password: mailserver.Password},
		{name: "unknown", server: "smtp://127.0.0.1:%[1]d"},
		{name: "plain", server: "smtp+insecure://127.0.0.1:%[1]d"},
		{name: "several", server: "smtp://127.0.0.1:%[1]d", to: "Ann <ann@example.com>, bob@example.com"},
		{name: "wrong-password", server: "smtp://slipway@127.0.0.1:%[1]d", password: "wr0ng-passw0rd", code: slipway.Unavailable, says: "535"},
		{name: "nobody", server: "smtp://127.0.0.1:%[1]d", to: "nobody@example.com", code: slipway.Refused, says: "nobody lives here"},
		{name: "later", server: "smtp://127.0.0.1:%[1]d", to: "later@example.com", code: slipway.Unavailable, says: "come again"},
		{name: "no-tls-there", server: "smtps://127.0.0.1:%[1]d", code: slipway.Unavailable},
	} {
		t.Run(c.name, func(t *testing.T) {
			m, err := New(Config{Server: fmt.Sprintf(c.server, s.Port, s.TLSPort), Password: c.password, From: "Slipway <slipway@example.com>", Version: "1", TLS: s.TLS})
			if err != nil {
				t.Fatal(err)
			}
			to := c.to
			if to == "" {
				to = "ann@example.com"
			}
			id := "m-" + c.name
			err = m.Notify(t.Context(), to, note(id))
			if slipway.CodeOf(err) != c.code || err != nil && !strings.Contains(err.Error(), c.says) {
				t.Fatalf("%v, want %q with %q", err, c.code, c.says)
			}
			if c.password != "" && err != nil && strings.Contains(err.Error(), c.password) {
				t.Errorf("the password is in the error: %v", err)
			}
			if err != nil {
				return
			}
			mailbox, err := s.Await("<" + id + "@slipway.example.com>")
			if err != nil {
				t.Fatal(err)
			}
			for _, want := range []string{"X-Slipway-Event: deployment.finished", "Auto-Submitted: auto-generated", "From: \"Slipway\" <slipway@example.com>", "deployment d-1 ended", "over"} {
				if !strings.Contains(mailbox, want) {
					t.Errorf("there is no %q in\n%s", want, mailbox)
				}
			}
			if strings.Contains(mailbox, "\nBcc:") {
				t.Error("a subject has made a header")
			}
		})
	}
}

func TestMailFromNobodyKnown(t *testing.T) {
	s := server(t, false)
	m, err := New(Config{Server: fmt.Sprintf("smtp://127.0.0.1:%d", s.Port), From: "slipway@example.com", TLS: s.TLS})
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Notify(t.Context(), "ann@example.com", note("m-1")); slipway.CodeOf(err) != slipway.Refused || !strings.Contains(err.Error(), "say who you are") {
		t.Error(err)
	}
	// A certificate that nobody vouches for.
	m.TLS = nil
	if err := m.Notify(t.Context(), "ann@example.com", note("m-2")); slipway.CodeOf(err) != slipway.Unavailable || !strings.Contains(err.Error(), "certificate") {
		t.Error(err)
	}
}

func TestNoServer(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	m, err := New(Config{Server: "smtp+insecure://" + l.Addr().String(), From: "slipway@example.com"})
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Notify(t.Context(), "ann@example.com", note("m-1")); slipway.CodeOf(err) != slipway.Unavailable {
		t.Error(err)
	}
}

func TestConfig(t *testing.T) {
	for server, want := range map[string]string{
		"smtp://mail.example.com":            "",
		"smtps://ann@mail.example.com:4650":  "",
		"mail.example.com:25":                "it is no address of a server",
		"http://mail.example.com":            "it speaks another protocol",
		"smtp://":                            "it is no address of a server",
		"smtp://mail.example.com/x":          "it is no address of a server",
		"smtp://ann:secret@mail.example.com": "it has a password",
		"smtp://mail.example.com:0":          "its port is none",
	} {
		c := Config{Server: server, From: "a@example.com"}
		if strings.Contains(server, "ann") {
			c.Password = "s3cret"
		}
		_, err := New(c)
		if want == "" && err != nil || want != "" && (slipway.CodeOf(err) != slipway.Invalid || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret")) {
			t.Errorf("%s: %v", server, err)
		}
	}
	for name, c := range map[string]Config{
		"a user without a password": {Server: "smtp://ann@mail.example.com", From: "a@example.com"},
		"a password without a user": {Server: "smtp://mail.example.com", Password: "x", From: "a@example.com"},
		"no sender":                 {Server: "smtp://mail.example.com"},
	} {
		if _, err := New(c); slipway.CodeOf(err) != slipway.Invalid {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestValidate(t *testing.T) {
	var m Mailer
	for _, good := range []string{"ann@example.com", "Ann <ann@example.com>, bob@example.com"} {
		if err := m.Validate(good); err != nil {
			t.Error(err)
		}
	}
	for _, bad := range []string{"", "ann", "ann@example.com\r\nBcc: eve@example.com", strings.Repeat("a@example.com,", 20) + "a@example.com"} {
		if err := m.Validate(bad); slipway.CodeOf(err) != slipway.Invalid {
			t.Errorf("%q: %v", bad, err)
		}
	}
}
