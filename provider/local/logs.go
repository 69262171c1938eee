package local

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/slipway-sh/slipway/agent"
)

const (
	keptLogs  = 50                    // of machines that are gone
	followLag = 50 * time.Millisecond // how late a follower sees new output
)

// Logs implements slipway.Provider. 0 lines are all that are kept.
func (p *Provider) Logs(ctx context.Context, id string, lines int, follow bool) (io.ReadCloser, error) {
	if !machineForm.MatchString(id) {
		return nil, noMachine(id)
	}
	p.mu.Lock()
	m := p.machines[id]
	p.mu.Unlock()
	if m == nil {
		return p.keptLog(id, lines)
	}
	if err := p.await(ctx, m.launched, "machine "+id); err != nil {
		return nil, err
	}
	dir := filepath.Join(p.records.machineDir(id), "state")
	old, err := readState(dir, agent.OldLogName, 2*agent.LogSize)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	current, err := openState(dir, agent.LogName)
	if errors.Is(err, fs.ErrNotExist) {
		if _, gone := os.Stat(dir); gone != nil {
			return p.keptLog(id, lines)
		}
	} else if err != nil {
		return nil, err
	}
	var now []byte
	if current != nil {
		if now, err = io.ReadAll(io.LimitReader(current, 2*agent.LogSize)); err != nil {
			current.Close()
			return nil, err
		}
	}
	start := lastLines(append(old, now...), lines)
	if !follow {
		if current != nil {
			current.Close()
		}
		return io.NopCloser(bytes.NewReader(start)), nil
	}
	r, w := io.Pipe()
	go func() {
		_, err := w.Write(start)
		if err == nil {
			err = p.follow(ctx, m, dir, current, w)
		} else if current != nil {
			current.Close()
		}
		w.CloseWithError(err)
	}()
	return r, nil
}

// follow copies what comes to w, across rotations, until the machine is dead, ctx is done, the provider is closed, or w is.
func (p *Provider) follow(ctx context.Context, m *machine, dir string, current *os.File, w io.Writer) error {
	defer func() {
		if current != nil {
			current.Close()
		}
	}()
	tick := time.NewTicker(followLag)
	defer tick.Stop()
	for {
		dead := false
		select {
		case <-m.died:
			dead = true // what it printed last is there already
		default:
		}
		if current != nil {
			if _, err := io.Copy(w, current); err != nil {
				return err
			}
		}
		next, err := openState(dir, agent.LogName)
		switch {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			return err
		case current != nil && sameFile(current, next):
			next.Close()
		default:
			// The agent has begun another file. What came into this one after it was read is there to be read now.
			if current != nil {
				if _, err := io.Copy(w, current); err != nil {
					return errors.Join(err, next.Close())
				}
				current.Close()
			}
			current = next
			continue
		}
		if dead {
			return nil
		}
		select {
		case <-tick.C:
		case <-m.died:
		case <-ctx.Done():
			return nil
		case <-p.ctx.Done():
			return nil
		}
	}
}

// keptLog returns the log of a machine that is gone.
func (p *Provider) keptLog(id string, lines int) (io.ReadCloser, error) {
	text, err := readState(filepath.Join(p.Dir, "logs"), id+".log", 4*agent.LogSize)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, noMachine(id)
	} else if err != nil {
		return nil, err
	}
	return io.NopCloser(bytes.NewReader(lastLines(text, lines))), nil
}

// keepLogs puts a machine's log where it stays when the machine goes, and drops the oldest of those kept.
func (p *Provider) keepLogs(id string) error {
	state, logs := filepath.Join(p.records.machineDir(id), "state"), filepath.Join(p.Dir, "logs")
	var text []byte
	for _, name := range []string{agent.OldLogName, agent.LogName} {
		part, err := readState(state, name, 2*agent.LogSize)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		text = append(text, part...)
	}
	if _, err := os.Stat(state); errors.Is(err, fs.ErrNotExist) {
		return nil // it never ran, or was cleaned before
	}
	if err := os.WriteFile(filepath.Join(logs, id+".log"), text, 0o600); err != nil {
		return err
	}
	entries, err := os.ReadDir(logs)
	if err != nil {
		return err
	}
	var kept []fs.FileInfo
	for _, e := range entries {
		if info, err := e.Info(); err == nil && strings.HasSuffix(e.Name(), ".log") {
			kept = append(kept, info)
		}
	}
	slices.SortFunc(kept, func(a, b fs.FileInfo) int {
		return cmp.Or(b.ModTime().Compare(a.ModTime()), strings.Compare(a.Name(), b.Name()))
	})
	for _, info := range kept[min(len(kept), keptLogs):] {
		if err := os.Remove(filepath.Join(logs, info.Name())); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// openState opens a file in a directory that a machine can write: it may be a link to anywhere, a device, a pipe nobody writes.
func openState(dir, name string) (*os.File, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	f, err := root.OpenFile(name, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		f.Close()
		return nil, fmt.Errorf("%s of the machine is not a regular file", name)
	}
	return f, nil
}

// readState reads such a file, at most max bytes of it.
func readState(dir, name string, max int64) ([]byte, error) {
	f, err := openState(dir, name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, max))
}

func sameFile(a, b *os.File) bool {
	ai, aerr := a.Stat()
	bi, berr := b.Stat()
	return aerr == nil && berr == nil && os.SameFile(ai, bi)
}

// lastLines returns the last n lines of text, all of it for 0.
func lastLines(text []byte, n int) []byte {
	if n <= 0 {
		return text
	}
	at := len(bytes.TrimSuffix(text, []byte("\n")))
	for range n {
		if at = bytes.LastIndexByte(text[:at], '\n'); at < 0 {
			return text
		}
	}
	return text[at+1:]
}
