package main

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/slipway-sh/slipway"
)

func TestListenUnix(t *testing.T) {
	dir, err := os.MkdirTemp("", "slipwayd-") //nolint:usetesting // t.TempDir is too long for sockets
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	path := func(name string) string { return filepath.Join(dir, name) }
	live, err := net.Listen("unix", path("live"))
	if err != nil {
		t.Fatal(err)
	}
	defer live.Close()
	dead, err := net.ListenUnix("unix", &net.UnixAddr{Name: path("dead"), Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	dead.SetUnlinkOnClose(false)
	dead.Close()
	if err := os.WriteFile(path("file"), []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		path string
		code slipway.Code
	}{
		{path("new"), ""},
		{path("dead"), ""},
		{path("live"), slipway.Conflict},
		{path("file"), slipway.Refused},
		{path("none/socket"), slipway.Unprepared},
		{path(strings.Repeat("long", 30)), slipway.Invalid},
	} {
		l, err := listenOne("unix:"+c.path, nil)
		if c.code != "" {
			if slipway.CodeOf(err) != c.code {
				t.Errorf("%s: %v, want code %s", c.path, err, c.code)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", c.path, err)
			continue
		}
		if info, err := os.Stat(c.path); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v, want mode 0600", c.path, info.Mode(), err)
		}
		l.Close()
	}
	if text, err := os.ReadFile(path("file")); err != nil || string(text) != "precious" {
		t.Errorf("the file has %q, %v", text, err)
	}
	if conn, err := net.Dial("unix", path("live")); err != nil {
		t.Errorf("the socket in use: %v", err)
	} else {
		conn.Close()
	}
}
