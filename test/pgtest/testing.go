package pgtest

import (
	"crypto/rand"
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
	address, err := s.CreateDatabase(t.Context(), "t"+strings.ToLower(rand.Text()[:10]))
	if err != nil {
		t.Fatal(err)
	}
	return address
}
