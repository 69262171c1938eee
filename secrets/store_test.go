package secrets_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/secrets"
)

func open(t *testing.T, data string) *secrets.Store {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	s, err := secrets.Open(data)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		s.Close()
		if err := secrets.Destroy(data); err != nil {
			t.Error(err)
		}
		if m := mounts(t, data); m != nil {
			t.Errorf("left behind: mounts %v", m)
		}
	})
	return s
}

// mounts returns where the secrets of a data directory are mounted: what its store mounts that is not there for an empty one.
func mounts(t *testing.T, data string) []string {
	t.Helper()
	text, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for line := range strings.Lines(string(text)) {
		if fields := strings.Fields(line); fields[1] == secrets.Place(t, data) {
			all = append(all, line)
		}
	}
	return all
}

func TestStore(t *testing.T) {
	data, ctx := t.TempDir(), t.Context()
	s := open(t, data)
	if mounts(t, data) != nil {
		t.Error("something is mounted although nothing is kept")
	}
	one, err := s.PutSecrets(ctx, map[string][]byte{"token": []byte("hunter2!"), "key": {0, 1, 2, 0xff}})
	if err != nil {
		t.Fatal(err)
	}
	two, err := s.PutSecrets(ctx, map[string][]byte{"token": []byte("another one")})
	if err != nil {
		t.Fatal(err)
	}
	want := func(s *secrets.Store, handle, name, value string) {
		t.Helper()
		if got, err := s.Secret(ctx, handle, name); err != nil || string(got) != value {
			t.Errorf("got %q, %v, want %q", got, err, value)
		}
	}
	missing := func(s *secrets.Store, handle, name string) {
		t.Helper()
		var e *slipway.Error
		if got, err := s.Secret(ctx, handle, name); !errors.As(err, &e) || e.Code != slipway.NotFound {
			t.Errorf("got %q, %v, want %s", got, err, slipway.NotFound)
		}
	}
	want(s, one, "token", "hunter2!")
	want(s, one, "key", "\x00\x01\x02\xff")
	want(s, two, "token", "another one")
	missing(s, two, "key")
	missing(s, one, "../"+two+"/token")
	missing(s, "../"+filepath.Base(data), "token")
	missing(s, "", "token")

	// What is kept survives a restart.
	s.Close()
	s = open(t, data)
	want(s, one, "token", "hunter2!")

	for range 2 { // dropping twice is dropping
		if err := s.DropSecrets(ctx, one); err != nil {
			t.Fatal(err)
		}
	}
	missing(s, one, "token")
	want(s, two, "token", "another one")
	if err := s.DropSecrets(ctx, two); err != nil {
		t.Fatal(err)
	}
	if mounts(t, data) != nil {
		t.Error("something is mounted although nothing is kept any more")
	}
	if err := s.DropSecrets(ctx, "../../etc"); err != nil {
		t.Errorf("dropping what is no handle: %v", err)
	}
}

// The values lie where only root gets at them, in memory, and nothing in there can be run.
func TestPlace(t *testing.T) {
	data := t.TempDir()
	s := open(t, data)
	handle, err := s.PutSecrets(t.Context(), map[string][]byte{"token": []byte("hunter2!")})
	if err != nil {
		t.Fatal(err)
	}
	dir := secrets.Place(t, data)
	var fsys unix.Statfs_t
	if err := unix.Statfs(dir, &fsys); err != nil {
		t.Fatal(err)
	}
	if fsys.Type != unix.TMPFS_MAGIC || fsys.Flags&(unix.ST_NOEXEC|unix.ST_NOSUID|unix.ST_NODEV) != unix.ST_NOEXEC|unix.ST_NOSUID|unix.ST_NODEV {
		t.Errorf("got a file system of type %#x with flags %#x, want a tmpfs with noexec, nosuid, nodev", fsys.Type, fsys.Flags)
	}
	for path, want := range map[string]os.FileMode{dir: 0o700, filepath.Join(dir, handle): 0o700, filepath.Join(dir, handle, "token"): 0o400} {
		if st, err := os.Stat(path); err != nil || st.Mode().Perm() != want {
			t.Errorf("%s: got %v, %v, want %v", path, st.Mode().Perm(), err, want)
		}
	}
	err = filepath.WalkDir(data, func(path string, _ os.DirEntry, err error) error {
		if path != data {
			t.Errorf("in the data directory: %s", path)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

func TestExpiry(t *testing.T) {
	data, ctx := t.TempDir(), t.Context()
	s := open(t, data)
	put := func() string {
		t.Helper()
		handle, err := s.PutSecrets(ctx, map[string][]byte{"token": []byte("hunter2!")})
		if err != nil {
			t.Fatal(err)
		}
		return handle
	}
	old, used := put(), put()
	age := func(handle string, by time.Duration) {
		t.Helper()
		then := time.Now().Add(-by)
		if err := os.Chtimes(filepath.Join(secrets.Place(t, data), handle), then, then); err != nil {
			t.Fatal(err)
		}
	}
	age(old, 61*time.Minute)
	age(used, 59*time.Minute)
	if _, err := s.Secret(ctx, used, "token"); err != nil {
		t.Error(err)
	}
	if _, err := s.Secret(ctx, old, "token"); err == nil {
		t.Error("got a secret that has expired")
	}
	put() // sweeps
	if _, err := os.Stat(filepath.Join(secrets.Place(t, data), old)); !os.IsNotExist(err) {
		t.Errorf("got %v, want what has expired to be gone", err)
	}
	if _, err := s.Secret(ctx, used, "token"); err != nil {
		t.Errorf("using it did not keep it: %v", err)
	}
}

// What has expired is gone though nobody asks for anything, and though newer secrets are kept.
func TestExpiryBesideNewer(t *testing.T) {
	data, ctx := t.TempDir(), t.Context()
	s := open(t, data)
	put := func() string {
		t.Helper()
		handle, err := s.PutSecrets(ctx, map[string][]byte{"token": []byte("hunter2!")})
		if err != nil {
			t.Fatal(err)
		}
		return handle
	}
	old := filepath.Join(secrets.Place(t, data), put())
	then := time.Now().Add(500*time.Millisecond - time.Hour)
	if err := os.Chtimes(old, then, then); err != nil {
		t.Fatal(err)
	}
	kept := put()
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		if _, err := os.Stat(old); errors.Is(err, fs.ErrNotExist) {
			break
		}
		if time.Now().After(end) {
			t.Fatal("an expired secret stays as long as a newer one is kept")
		}
	}
	if _, err := s.Secret(ctx, kept, "token"); err != nil {
		t.Error(err)
	}
}

func TestRefuse(t *testing.T) {
	s := open(t, t.TempDir())
	many := map[string][]byte{}
	for i := range secrets.MaxSecrets + 1 {
		many[fmt.Sprint("s", i)] = []byte("value")
	}
	big := map[string][]byte{}
	for i := range 17 {
		big[fmt.Sprint("s", i)] = make([]byte, secrets.MaxValue)
	}
	for name := range big {
		big[name] = bytes.Repeat([]byte("x"), secrets.MaxValue)
	}
	for _, c := range []struct {
		name   string
		values map[string][]byte
		place  string
	}{
		{"none", nil, "values"},
		{"too many", many, "values"},
		{"too much", big, "values"},
		{"a name that leads out", map[string][]byte{"../x": []byte("value")}, "values"},
		{"a value that is too short", map[string][]byte{"x": []byte("abc")}, "values.x"},
		{"a value of blanks", map[string][]byte{"x": []byte("abc     \n")}, "values.x"},
		{"a value that is too long", map[string][]byte{"x": make([]byte, secrets.MaxValue+1)}, "values.x"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := s.PutSecrets(t.Context(), c.values)
			var e *slipway.Error
			if !errors.As(err, &e) || e.Code != slipway.Invalid || e.Place != c.place {
				t.Errorf("got %v, want it %s at %s", err, slipway.Invalid, c.place)
			}
		})
	}
}

// When the memory is taken, what there is stays, and there is room again when some of it was dropped.
func TestFull(t *testing.T) {
	s, ctx := open(t, t.TempDir()), t.Context()
	values := map[string][]byte{}
	for i := range 15 {
		values[fmt.Sprint("s", i)] = bytes.Repeat([]byte("x"), secrets.MaxValue)
	}
	var handles []string
	var err error
	for err == nil && len(handles) < 100 {
		var handle string
		if handle, err = s.PutSecrets(ctx, values); err == nil {
			handles = append(handles, handle)
		}
	}
	var e *slipway.Error
	if !errors.As(err, &e) || e.Code != slipway.Unavailable {
		t.Fatalf("got %v after %d times, want it %s", err, len(handles), slipway.Unavailable)
	}
	for _, handle := range handles {
		if _, err := s.Secret(ctx, handle, "s0"); err != nil {
			t.Error(err)
		}
	}
	if err := s.DropSecrets(ctx, handles[0]); err != nil {
		t.Fatal(err)
	}
	if _, err := s.PutSecrets(ctx, values); err != nil {
		t.Errorf("after one was dropped: %v", err)
	}
}

func TestCancelled(t *testing.T) {
	s := open(t, t.TempDir())
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.PutSecrets(ctx, map[string][]byte{"x": []byte("value")}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want %v", err, context.Canceled)
	}
}
