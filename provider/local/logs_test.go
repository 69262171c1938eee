package local

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func TestLastLines(t *testing.T) {
	for _, c := range []struct {
		text string
		n    int
		want string
	}{
		{"", 3, ""},
		{"a\nb\nc\n", 0, "a\nb\nc\n"},
		{"a\nb\nc\n", 1, "c\n"},
		{"a\nb\nc\n", 2, "b\nc\n"},
		{"a\nb\nc\n", 3, "a\nb\nc\n"},
		{"a\nb\nc\n", 9, "a\nb\nc\n"},
		{"a\nb\nunfinished", 2, "b\nunfinished"},
		{"\n\n", 1, "\n"},
	} {
		if got := string(lastLines([]byte(c.text), c.n)); got != c.want {
			t.Errorf("last %d of %q: %q, want %q", c.n, c.text, got, c.want)
		}
	}
}

// TestHostileState: the machine's root may put anything where the host expects a log.
func TestHostileState(t *testing.T) {
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, put := range map[string]func(path string) error{
		"link to a file":      func(path string) error { return os.Symlink(secret, path) },
		"link to a directory": func(path string) error { return os.Symlink("/", path) },
		"pipe":                func(path string) error { return syscall.Mkfifo(path, 0o600) },
		"directory":           func(path string) error { return os.Mkdir(path, 0o700) },
		"device":              func(path string) error { return syscall.Mknod(path, syscall.S_IFCHR|0o600, 1<<8|5) },
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := put(filepath.Join(dir, "log")); err != nil {
				t.Fatal(err)
			}
			if b, err := readState(dir, "log", 1<<20); err == nil {
				t.Errorf("read %d bytes, want an error", len(b))
			}
		})
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "log"), []byte(strings.Repeat("x", 100)), 0o600); err != nil {
		t.Fatal(err)
	}
	if b, err := readState(dir, "log", 10); err != nil || len(b) != 10 {
		t.Errorf("read %d bytes, %v; want 10", len(b), err)
	}
}
