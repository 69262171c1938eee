// Package pgtest runs real PostgreSQL servers for tests and measurements: Debian's, each on a directory of its own, which nothing else on
// the host has to do with.
package pgtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	// programs is where Debian keeps those of every version.
	programs = "/usr/lib/postgresql/*/bin"
	// patience bounds every wait for a server.
	patience = time.Minute
	// Password is that of the superuser, postgres.
	Password = "p-4 ss:w@rd"
)

// Server is a PostgreSQL server on the loopback. Its methods are for one goroutine.
type Server struct {
	Port int

	bin     string
	dir     string
	options []string
	owner   *syscall.Credential // nil for ourselves
	exited  chan struct{}       // closed when it has ended; nil while it is stopped
	pid     int
}

// Prepared returns an error if no server can be started on this host.
func Prepared() error {
	if _, err := bin(); err != nil {
		return err
	}
	_, err := owner()
	return err
}

// New starts a server with an empty database of its own, with settings such as "fsync=off". Whatever becomes of this process, the server
// ends with it and its files are removed.
func New(ctx context.Context, settings ...string) (*Server, error) {
	s := &Server{}
	var err error
	if s.bin, err = bin(); err != nil {
		return nil, err
	}
	if s.owner, err = owner(); err != nil {
		return nil, err
	}
	if s.dir, err = os.MkdirTemp("/tmp", "swpg"); err != nil { // short: a socket lives in it
		return nil, err
	}
	if s.owner != nil {
		err = os.Chown(s.dir, int(s.owner.Uid), int(s.owner.Gid))
	}
	if err == nil {
		err = s.init(ctx, settings)
	}
	if err == nil {
		err = s.Start(ctx)
	}
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// URL returns the address of a database for a user, whose password is in a file that the URL names.
func (s *Server) URL(user, database string) string {
	return (&url.URL{
		Scheme: "postgres", User: url.User(user), Host: fmt.Sprintf("127.0.0.1:%d", s.Port), Path: database,
		RawQuery: url.Values{"passfile": {s.PasswordFile()}}.Encode(),
	}).String()
}

// PasswordFile is a password file in libpq's form.
func (s *Server) PasswordFile() string { return filepath.Join(s.dir, "pgpass") }

// CreateDatabase makes an empty database that a user of the same name owns, whose language orders text otherwise than by its bytes, and
// returns its URL.
func (s *Server) CreateDatabase(ctx context.Context, name string) (string, error) {
	_, err := s.Run(ctx, "psql", "--quiet", "--no-psqlrc", "--set", "ON_ERROR_STOP=1",
		"--command", fmt.Sprintf(`CREATE ROLE %q LOGIN PASSWORD '%s'`, name, Password),
		"--command", fmt.Sprintf(`CREATE DATABASE %q OWNER %q TEMPLATE template0 LOCALE_PROVIDER icu ICU_LOCALE 'en-US'`, name, name), "postgres")
	return s.URL(name, name), err
}

// Run runs one of PostgreSQL's programs as the superuser, and returns what it printed.
func (s *Server) Run(ctx context.Context, program string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, filepath.Join(s.bin, program), args...)
	cmd.Env = append(os.Environ(), "PGHOST=127.0.0.1", "PGUSER=postgres", "PGPORT="+strconv.Itoa(s.Port), "PGPASSFILE="+s.PasswordFile())
	var out, complaint bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &complaint
	if err := cmd.Run(); err != nil {
		return out.String(), fmt.Errorf("%s: %w: %s", program, err, bytes.TrimSpace(complaint.Bytes()))
	}
	return out.String(), nil
}

// Start starts a server that was stopped, on the same port, and returns when it answers.
func (s *Server) Start(ctx context.Context) error {
	log, err := os.OpenFile(filepath.Join(s.dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	// SIGTERM comes when we die: then it ends at once, and nobody else would remove its files.
	cmd := exec.Command("/bin/sh", append([]string{"-c", `dir=$1; shift; "$@" & pid=$!
		trap 'kill -QUIT $pid; wait $pid; rm -rf "$dir"; exit 1' TERM; echo $pid >"$dir/pid"; wait $pid`, "sh", s.dir,
		filepath.Join(s.bin, "postgres"), "-D", filepath.Join(s.dir, "data")}, s.options...)...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.Dir = s.dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: s.owner, Setpgid: true, Pdeathsig: syscall.SIGTERM}
	started := make(chan error)
	exited := make(chan struct{})
	go func() {
		runtime.LockOSThread() // whose death is told to the server: it must not be that of a thread which Go has too many of
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait() // how it ended is in its log
		}
		close(exited)
	}()
	if err := <-started; err != nil {
		return fmt.Errorf("cannot start PostgreSQL: %w", err)
	}
	s.exited = exited
	for deadline := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		if _, err := s.Run(ctx, "pg_isready", "--quiet"); err == nil {
			break
		}
		select {
		case <-exited:
			return fmt.Errorf("PostgreSQL ended instead of getting ready:\n%s", s.Log())
		case <-ctx.Done():
			return ctx.Err()
		default:
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("PostgreSQL does not get ready:\n%s", s.Log())
		}
	}
	text, err := os.ReadFile(filepath.Join(s.dir, "pid"))
	if err != nil {
		return err
	}
	s.pid, err = strconv.Atoi(strings.TrimSpace(string(text)))
	return err
}

// Stop ends the server as a crash of its host would: connections break, and what was committed is there when it starts again. Stopping again
// does nothing.
func (s *Server) Stop() error {
	if s.exited == nil {
		return nil
	}
	if err := syscall.Kill(s.pid, syscall.SIGQUIT); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("cannot stop PostgreSQL: %w", err)
	}
	select {
	case <-s.exited:
		s.exited = nil
		return nil
	case <-time.After(patience):
		return errors.New("PostgreSQL does not end")
	}
}

// Close ends the server and removes all it had.
func (s *Server) Close() error { return errors.Join(s.Stop(), os.RemoveAll(s.dir)) }

// Log returns what the server has logged.
func (s *Server) Log() string {
	text, _ := os.ReadFile(filepath.Join(s.dir, "log"))
	return string(text)
}

func (s *Server) init(ctx context.Context, settings []string) error {
	secret := filepath.Join(s.dir, "password")
	escaped := strings.NewReplacer(`\`, `\\`, `:`, `\:`).Replace(Password)
	for path, text := range map[string]string{secret: Password, s.PasswordFile(): "*:*:*:*:" + escaped + "\n"} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			return err
		}
	}
	if s.owner != nil { // the password file stays ours: it is for clients
		if err := os.Chown(secret, int(s.owner.Uid), int(s.owner.Gid)); err != nil {
			return err
		}
	}
	// As with the server: if we die meanwhile, it ends and its files are removed.
	cmd := exec.CommandContext(ctx, "/bin/sh", "-c", `dir=$1; shift; "$@" & pid=$!
		trap 'kill $pid; wait $pid; rm -rf "$dir"; exit 1' TERM; wait $pid`, "sh", s.dir,
		filepath.Join(s.bin, "initdb"), "--pgdata", filepath.Join(s.dir, "data"), "--username", "postgres",
		"--auth", "scram-sha-256", "--pwfile", secret, "--encoding", "UTF8", "--locale", "C.UTF-8", "--no-sync", "--no-instructions")
	cmd.Dir = s.dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: s.owner, Pdeathsig: syscall.SIGTERM}
	runtime.LockOSThread() // whose death it would be told
	defer runtime.UnlockOSThread()
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("initdb: %w: %s", err, out)
	}
	port, err := freePort()
	if err != nil {
		return err
	}
	s.Port = port
	for _, setting := range append([]string{"listen_addresses=127.0.0.1", fmt.Sprint("port=", port), "unix_socket_directories=" + s.dir}, settings...) {
		s.options = append(s.options, "-c", setting)
	}
	return nil
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

// bin returns the directory with the programs of the newest version there is.
func bin() (string, error) {
	found, err := filepath.Glob(filepath.Join(programs, "postgres"))
	if err != nil || len(found) == 0 {
		return "", errors.New("there is no PostgreSQL on this host; install it with: apt-get install postgresql")
	}
	return filepath.Dir(slices.MaxFunc(found, func(a, b string) int { return len(a) - len(b) + strings.Compare(a, b) })), nil
}

// owner returns whom the server runs as: not root, which PostgreSQL refuses.
func owner() (*syscall.Credential, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		return nil, fmt.Errorf("PostgreSQL does not run as root: %w", err)
	}
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		return nil, err
	}
	gid, err := strconv.ParseUint(u.Gid, 10, 32)
	if err != nil {
		return nil, err
	}
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
}
