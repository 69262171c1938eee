// Package mailserver runs Exim, a mail server as it is found in the field, for tests: on the loopback, with a certificate of its own, with one
// user, and with a mailbox that is a file.
package mailserver

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// User and Password are who may send mail.
const User, Password = "slipway", "correct-horse-battery"

// ErrMissing says that this host has no Exim.
var ErrMissing = errors.New("there is no exim4; apt-get install exim4-daemon-light")

// Server is a mail server that runs. It takes mail for everyone but nobody@…, whom it does not know, and later@…, who is to be tried later.
type Server struct {
	Port, TLSPort int         // STARTTLS, and TLS from the start
	TLS           *tls.Config // trusts it
	dir           string
	cmd           *exec.Cmd
}

const config = `
spool_directory = DIR/spool
log_file_path = DIR/%slog
pid_file_path = DIR/pid
primary_hostname = mail.example.com
local_interfaces = <; [127.0.0.1]:PORT ; [127.0.0.1]:SECURE
tls_on_connect_ports = SECURE
tls_advertise_hosts = *
tls_certificate = DIR/cert.pem
tls_privatekey = DIR/key.pem
auth_advertise_hosts = ${if eq{$tls_in_cipher}{}{}{*}}
acl_smtp_rcpt = recipient
host_lookup =
rfc1413_query_timeout = 0s
keep_environment =
never_users =
message_size_limit = 1M
begin acl
recipient:
  deny message = 5.1.1 nobody lives here
       local_parts = nobody
  defer message = 4.2.0 come again
       local_parts = later
  accept authenticated = *
  accept hosts = 127.0.0.1
       condition = ${if eq{OPEN}{yes}}
  deny message = 5.7.1 say who you are
begin routers
everyone:
  driver = accept
  transport = mailbox
begin transports
mailbox:
  driver = appendfile
  file = DIR/mailbox
  user = Debian-exim
  envelope_to_add
begin authenticators
plain:
  driver = plaintext
  public_name = PLAIN
  server_prompts = :
  server_condition = ${if and{{eq{$auth2}{USER}}{eq{$auth3}{PASSWORD}}}}
  server_set_id = $auth2
`

// Start starts a server. With open it takes mail from whoever does not say who he is, too. It needs root, as mail servers do.
func Start(open bool) (s *Server, err error) {
	program, err := exec.LookPath("exim4")
	owner, unknown := user.Lookup("Debian-exim")
	if err != nil || unknown != nil {
		return nil, ErrMissing
	}
	s = &Server{}
	if s.dir, err = os.MkdirTemp("/tmp", "mail"); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.Stop())
		}
	}()
	if s.Port, s.TLSPort, err = freePorts(); err != nil {
		return s, err
	}
	if err := s.certify(); err != nil {
		return s, err
	}
	text := strings.NewReplacer("DIR", s.dir, "PORT", strconv.Itoa(s.Port), "SECURE", strconv.Itoa(s.TLSPort), "USER", User, "PASSWORD", Password,
		"OPEN", map[bool]string{true: "yes", false: "no"}[open]).Replace(config)
	if err := os.WriteFile(s.path("exim.conf"), []byte(text), 0o644); err != nil {
		return s, err
	}
	uid, _ := strconv.Atoi(owner.Uid)
	gid, _ := strconv.Atoi(owner.Gid)
	for _, name := range []string{"", "cert.pem", "key.pem", "spool"} {
		if name == "spool" {
			err = os.Mkdir(s.path(name), 0o750)
		}
		if err = errors.Join(err, os.Chown(s.path(name), uid, gid)); err != nil {
			return s, err
		}
	}
	log, err := os.Create(s.path("output"))
	if err != nil {
		return s, err
	}
	defer log.Close()
	s.cmd = exec.Command(program, "-C", s.path("exim.conf"), "-bdf", "-q1h")
	s.cmd.Stdout, s.cmd.Stderr = log, log
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := s.cmd.Start(); err != nil {
		return s, err
	}
	return s, s.await(func() error {
		conn, err := net.Dial("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(s.TLSPort)))
		if err == nil {
			conn.Close()
		}
		return err
	})
}

// Stop ends the server and removes all it has.
func (s *Server) Stop() error {
	if s.cmd != nil && s.cmd.Process != nil {
		_ = syscall.Kill(-s.cmd.Process.Pid, syscall.SIGKILL) // it may be gone already
		_ = s.cmd.Wait()
	}
	return os.RemoveAll(s.dir)
}

// CAFile is a PEM file with the server's certificate.
func (s *Server) CAFile() string { return s.path("cert.pem") }

// Await returns what is in the mailbox once that contains the text.
func (s *Server) Await(text string) (mailbox string, err error) {
	err = s.await(func() error {
		b, err := os.ReadFile(s.path("mailbox"))
		if mailbox = string(b); err == nil && !strings.Contains(mailbox, text) {
			err = fmt.Errorf("the mailbox has no %q", text)
		}
		return err
	})
	return mailbox, err
}

func (s *Server) path(name string) string { return filepath.Join(s.dir, name) }

// await asks until there is no error, for half a minute.
func (s *Server) await(try func() error) error {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	for {
		err := try()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			output, _ := os.ReadFile(s.path("output"))
			main, _ := os.ReadFile(s.path("mainlog"))
			panics, _ := os.ReadFile(s.path("paniclog"))
			return fmt.Errorf("the mail server does not do it: %w\n%s%s%s", err, output, main, panics)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// certify makes a certificate for 127.0.0.1.
func (s *Server) certify() error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "mail.example.com"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, DNSNames: []string{"localhost"}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return err
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(certificate)
	s.TLS = &tls.Config{RootCAs: pool, ServerName: "127.0.0.1", MinVersion: tls.VersionTLS12}
	return errors.Join(os.WriteFile(s.path("cert.pem"), certificate, 0o644),
		os.WriteFile(s.path("key.pem"), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}), 0o600))
}

func freePorts() (a, b int, err error) {
	var ports [2]int
	for i := range ports {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return 0, 0, err
		}
		defer l.Close()
		ports[i] = l.Addr().(*net.TCPAddr).Port
	}
	return ports[0], ports[1], nil
}
