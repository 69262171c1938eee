package bake

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"sync"

	"github.com/slipway-sh/slipway"
)

// lists are the indexes of archives that the host's apt has fetched and verified, so that the next to need them only asks whether they
// have changed. Only the host's apt writes them: that of a sandbox works on a copy, and what it makes of that is thrown away.
type lists struct {
	dir string
	mu  sync.Mutex // held while they are fetched or copied
}

// path returns where the lists of sources are.
func (l *lists) path(sources string) string {
	return filepath.Join(l.dir, slipway.DigestOf([]byte(sources)).Hex()[:16])
}

// copyTo copies the lists of sources to the directory dir; nothing if there are none.
func (l *lists) copyTo(dir, sources string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	entries, err := os.ReadDir(l.path(sources))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, e := range entries {
		if !e.Type().IsRegular() || e.Name() == "lock" {
			continue
		}
		if err := copyFile(filepath.Join(l.path(sources), e.Name()), filepath.Join(dir, e.Name())); err != nil {
			return err
		}
	}
	return nil
}

// copyFile makes a copy of a file with its modification time, by which apt asks the archive for a newer one.
func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	st, err := in.Stat()
	if err != nil {
		return err
	}
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close(), os.Chtimes(to, st.ModTime(), st.ModTime()))
}

// drop forgets them all.
func (l *lists) drop() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return os.RemoveAll(l.dir)
}
