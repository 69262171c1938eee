package pgtest

import (
	"crypto/rand"
	"net/url"
	"os"
	"strings"
	"testing"
)

// ForTest returns a server that ends with the test. It does not sync to disk, so it is fast, and a crash of the host is not survived. It skips
// the test on a host without PostgreSQL, but fails it where $SLIPWAY_BIN says that this was meant seriously.
func ForTest(t testing.TB) *Server {
	t.Helper()
	if err := Prepared(); err != nil {
		if os.Getenv("SLIPWAY_BIN") != "" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	s, err := New(t.Context(), "fsync=off", "full_page_writes=off", "shared_buffers=32MB")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("PostgreSQL's log:\n%s", s.Log())
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// DatabaseForTest returns the URL of an empty database.
func (s *Server) DatabaseForTest(t testing.TB) string {
	t.Helper()
	address, err := s.CreateDatabase(t.Context(), newName())
	if err != nil {
		t.Fatal(err)
	}
	return address
}

// CopyForTest returns the URL of a database with all that another has, to which nobody may be connected.
func (s *Server) CopyForTest(t testing.TB, address string) string {
	t.Helper()
	from, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	name, template := newName(), strings.TrimPrefix(from.Path, "/")
	if _, err := s.Run(t.Context(), "createdb", "--owner", from.User.Username(), "--template", template, name); err != nil {
		t.Fatal(err)
	}
	return s.URL(from.User.Username(), name)
}

func newName() string { return "t" + strings.ToLower(rand.Text()[:10]) }
