// Package secrets keeps the values of build secrets in memory: files of a tmpfs that slipwayd mounts itself, so that they survive its
// restart and are gone with the host's. They are never on a disk, nor in swap where the kernel knows how to promise that.
package secrets

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/slipway-sh/slipway"
)

// The limits of what is kept.
const (
	MaxSecrets = 64        // of one handle
	MaxValue   = 64 << 10  // bytes
	MinValue   = 4         // bytes; less could not be told from other text where it has to be masked
	maxTotal   = 1 << 20   // bytes of one handle
	capacity   = 16 << 20  // bytes of all handles
	lifetime   = time.Hour // since the last use
)

// Store implements [slipway.SecretStore].
type Store struct {
	dir string

	mu    sync.Mutex
	timer *time.Timer // ends what has expired; nil while nothing is kept
}

var _ slipway.SecretStore = (*Store)(nil)

// Open returns the secrets of a data directory, those that an earlier process kept included, without what has expired. One process at a
// time may have them open.
func Open(data string) (*Store, error) {
	dir, err := place(data)
	if err != nil {
		return nil, err
	}
	s := &Store{dir: dir}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s, s.sweep()
}

// Close lets go of the secrets, and leaves them to the next process.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.timer != nil {
		s.timer.Stop()
	}
	return nil
}

// Destroy forgets all secrets of a data directory that no process has open.
func Destroy(data string) error {
	dir, err := place(data)
	if err != nil {
		return err
	}
	return Unmount(dir)
}

// place returns where the secrets of a data directory are mounted: not below it, because that is on a disk, is copied, and may have
// any name.
func place(data string) (string, error) {
	data, err := filepath.Abs(data)
	if err != nil {
		return "", fmt.Errorf("find the place of secrets: %w", err)
	}
	sum := sha256.Sum256([]byte(filepath.Join(data, "secrets")))
	return filepath.Join("/run/slipway", "secrets-"+hex.EncodeToString(sum[:5])), nil
}

var (
	nameForm   = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._-]{0,63}$`)
	handleForm = regexp.MustCompile(`^s-[a-z0-9]{26}$`)
)

// PutSecrets implements [slipway.SecretStore]. Invalid, naming the secret, if a name or the length of a value is none that can be used;
// Unavailable if the memory set aside is taken. No error has anything of a value in it.
func (s *Store) PutSecrets(ctx context.Context, values map[string][]byte) (string, error) {
	if err := check(values); err != nil {
		return "", err
	}
	if err := ctx.Err(); err != nil {
		return "", err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.sweep(); err != nil {
		return "", err
	}
	if err := MountOnce(s.dir, capacity); err != nil {
		return "", err
	}
	handle := "s-" + strings.ToLower(rand.Text())
	// A handle's directory appears with all its values or not at all.
	unfinished := filepath.Join(s.dir, "new-"+handle)
	err := write(unfinished, values)
	if err == nil {
		err = os.Rename(unfinished, s.path(handle))
	}
	if err != nil {
		_ = os.RemoveAll(unfinished) // or else the next sweep does it
		if errors.Is(err, unix.ENOSPC) {
			return "", slipway.Errorf(slipway.Unavailable,
				"cannot keep more secrets: the %d MiB for those of all bakes are in use; try again when some of them are over", capacity>>20)
		}
		return "", fmt.Errorf("keep secrets: %w", err)
	}
	return handle, s.sweep() // which has it called again in time for the first to expire
}

// Secret implements [slipway.SecretStore].
func (s *Store) Secret(_ context.Context, handle, name string) ([]byte, error) {
	if !handleForm.MatchString(handle) {
		return nil, unknown(handle)
	}
	if !nameForm.MatchString(name) {
		return nil, slipway.Errorf(slipway.NotFound, "cannot find the secret %q", name)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	st, err := os.Stat(s.path(handle))
	if errors.Is(err, fs.ErrNotExist) || err == nil && expired(st) {
		return nil, unknown(handle)
	}
	if err != nil {
		return nil, fmt.Errorf("read secret: %w", err)
	}
	value, err := os.ReadFile(filepath.Join(s.path(handle), name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, slipway.Errorf(slipway.NotFound, "cannot find the secret %s among those that were handed over", name)
	}
	if err != nil {
		return nil, fmt.Errorf("read secret: %w", err)
	}
	now := time.Now()
	if err := os.Chtimes(s.path(handle), now, now); err != nil {
		return nil, fmt.Errorf("read secret: %w", err)
	}
	return value, nil
}

// DropSecrets implements [slipway.SecretStore].
func (s *Store) DropSecrets(_ context.Context, handle string) error {
	if !handleForm.MatchString(handle) {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := os.RemoveAll(s.path(handle)); err != nil {
		return fmt.Errorf("drop secrets: %w", err)
	}
	return s.sweep()
}

func (s *Store) path(handle string) string { return filepath.Join(s.dir, handle) }

// sweep removes what has expired and what a killed process left half-written, and the mount when nothing is kept in it.
func (s *Store) sweep() error {
	entries, err := os.ReadDir(s.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("sweep secrets: %w", err)
	}
	next := lifetime
	kept := 0
	for _, e := range entries {
		st, err := e.Info()
		if err != nil {
			return fmt.Errorf("sweep secrets: %w", err)
		}
		if handleForm.MatchString(e.Name()) && !expired(st) {
			next = min(next, lifetime-time.Since(st.ModTime()))
			kept++
			continue
		}
		if err := os.RemoveAll(filepath.Join(s.dir, e.Name())); err != nil {
			return fmt.Errorf("sweep secrets: %w", err)
		}
	}
	if kept == 0 {
		return Unmount(s.dir)
	}
	s.wake(next)
	return nil
}

// wake has the store swept again when the first of the secrets may have expired: those that were used until then have not.
func (s *Store) wake(after time.Duration) {
	if s.timer != nil {
		s.timer.Stop()
	}
	s.timer = time.AfterFunc(after, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		_ = s.sweep() // the next one tells
	})
}

func expired(st fs.FileInfo) bool { return time.Since(st.ModTime()) >= lifetime }

func check(values map[string][]byte) error {
	refuse := func(place, format string, args ...any) error {
		return slipway.Errorf(slipway.Invalid, format, args...).At(place)
	}
	if len(values) == 0 || len(values) > MaxSecrets {
		return refuse("values", "cannot keep %d secrets: want 1 to %d at a time", len(values), MaxSecrets)
	}
	total := 0
	for _, name := range slices.Sorted(maps.Keys(values)) {
		size := len(values[name])
		total += size
		switch at := "values." + name; {
		case !nameForm.MatchString(name):
			return refuse("values", "cannot use %q as the name of a secret: want up to 64 letters, digits, dots, dashes and underscores", name)
		case len(bytes.TrimSpace(values[name])) < MinValue:
			return refuse(at, "cannot keep the secret %s: its value has less than %d bytes, which could not be told from other text in a log",
				name, MinValue)
		case size > MaxValue:
			return refuse(at, "cannot keep the secret %s: its value has %d bytes, want at most %d", name, size, MaxValue)
		}
	}
	if total > maxTotal {
		return refuse("values", "cannot keep %d bytes of secrets: want at most %d at a time", total, maxTotal)
	}
	return nil
}

func write(dir string, values map[string][]byte) error {
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	for name, value := range values {
		if err := os.WriteFile(filepath.Join(dir, name), value, 0o400); err != nil {
			return err
		}
	}
	return nil
}

func unknown(handle string) error {
	return slipway.Errorf(slipway.NotFound,
		"cannot find the secrets %q: they were dropped, not used for an hour, or lost with a restart of the host", handle)
}
