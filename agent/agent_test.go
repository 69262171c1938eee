package agent

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestLookupUser(t *testing.T) {
	dir := t.TempDir()
	passwd, group := filepath.Join(dir, "passwd"), filepath.Join(dir, "group")
	write(t, passwd, "root:x:0:0:root:/root:/bin/sh\n# comment\nbroken:line\nwww:x:33:34:www:/var/www:/bin/false\n")
	write(t, group, "root:x:0:\nwww:x:34:\nssl:x:100:other,www\nadm:x:101:www\n")
	for _, c := range []struct {
		who  string
		want user
		err  string
	}{
		{who: "", want: user{home: "/root"}},
		{who: "root", want: user{home: "/root"}},
		{who: "www", want: user{uid: 33, gid: 34, groups: []uint32{100, 101}, home: "/var/www"}},
		{who: "33", want: user{uid: 33, gid: 34, groups: []uint32{100, 101}, home: "/var/www"}},
		{who: "33:7", want: user{uid: 33, gid: 7, home: "/var/www"}},
		{who: "1000", want: user{uid: 1000, gid: 1000}},
		{who: "1000:1001", want: user{uid: 1000, gid: 1001}},
		{who: "nobody", err: "nobody"},
		{who: "1000:staff", err: "staff"},
		{who: "-1", err: "-1"},
	} {
		got, err := lookupUser(c.who, passwd, group)
		if c.err != "" {
			if err == nil || !strings.Contains(err.Error(), c.err) {
				t.Errorf("%q: %v, want an error with %q", c.who, err, c.err)
			}
			continue
		}
		if err != nil || got.uid != c.want.uid || got.gid != c.want.gid || got.home != c.want.home || !slices.Equal(got.groups, c.want.groups) {
			t.Errorf("%q: %+v, %v; want %+v", c.who, got, err, c.want)
		}
	}
	if _, err := lookupUser("1000", "/none", "/none"); err != nil {
		t.Errorf("without files: %v", err)
	}
}

func TestLogRotates(t *testing.T) {
	dir := t.TempDir()
	l, err := openLog(dir, 10)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []string{"12345\n", "678\n", "next\n", "a line longer than the file\n", "last\n"} {
		if n, err := l.Write([]byte(s)); n != len(s) || err != nil {
			t.Fatal(n, err)
		}
	}
	if got := read(t, filepath.Join(dir, OldLogName)); got != "a line longer than the file\n" {
		t.Errorf("old: %q", got)
	}
	if got := read(t, filepath.Join(dir, LogName)); got != "last\n" {
		t.Errorf("current: %q", got)
	}
	if l, err = openLog(dir, 10); err != nil || l.size != 5 {
		t.Errorf("opened again: size %d, %v", l.size, err)
	}
}

func TestLookPath(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "text"), "")
	write(t, filepath.Join(dir, "program"), "")
	if err := os.Chmod(filepath.Join(dir, "program"), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", "/none:"+dir)
	for name, want := range map[string]string{
		"program": filepath.Join(dir, "program"), "text": "", "none": "", "/some/where": "/some/where", "./here": "./here",
	} {
		if got, err := lookPath(name); got != want || (want == "") != (err != nil) {
			t.Errorf("%s: %q, %v; want %q", name, got, err, want)
		}
	}
}

// TestImports: the agent is in every machine and starts before every service. What it imports is paid for there.
func TestImports(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", "../cmd/slipway-agent").Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range strings.Fields(string(out)) {
		outside := strings.Contains(name, ".") && !strings.HasPrefix(name, "vendor/") && !strings.HasPrefix(name, "github.com/slipway-sh/slipway/")
		if outside || name == "net/http" {
			t.Errorf("the agent imports %s", name)
		}
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
