package audit

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/slipway-sh/slipway"
)

// book is an audit log of lines.
type book struct {
	mu    sync.Mutex
	lines []string
	err   error
}

func (b *book) AuditHead(context.Context) (slipway.AuditHead, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.err != nil || len(b.lines) == 0 {
		return slipway.AuditHead{}, b.err
	}
	e, err := Open(b.lines[len(b.lines)-1])
	return slipway.AuditHead{Seq: e.Seq, Hash: e.Hash}, err
}

func (b *book) AuditLines(_ context.Context, after int64, limit int) ([]string, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if after >= int64(len(b.lines)) {
		return nil, nil
	}
	return b.lines[after:min(int(after)+limit, len(b.lines))], nil
}

func (b *book) set(lines []string, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.lines, b.err = lines, err
}

func TestKeeper(t *testing.T) {
	dir := t.TempDir()
	p := newKey(0)
	public, all := p.pem(), chain(t, 60)
	synctest.Test(t, func(t *testing.T) {
		file := filepath.Join(dir, "checkpoints.jsonl")
		b := &book{}
		var log bytes.Buffer
		run := func(during func()) {
			ctx, cancel := context.WithCancel(t.Context())
			k := &Keeper{Audit: b, Key: p, Trusted: []string{public}, File: file, Every: time.Hour, Entries: 10, Log: slog.New(slog.NewTextHandler(&log, nil))}
			done := make(chan error)
			go func() { done <- k.Run(ctx) }()
			synctest.Wait()
			during()
			cancel()
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
		seqs := func() (all []int64) {
			text, err := os.ReadFile(file)
			if errors.Is(err, os.ErrNotExist) {
				return nil
			}
			if err != nil {
				t.Fatal(err)
			}
			found, _, err := ReadCheckpoints(text, []string{public})
			if err != nil {
				t.Fatal(err)
			}
			for _, c := range found {
				all = append(all, c.Seq)
			}
			return all
		}
		is := func(what string, want ...int64) {
			t.Helper()
			synctest.Wait()
			got := seqs()
			if len(got) != len(want) || len(got) > 0 && got[len(got)-1] != want[len(want)-1] {
				t.Errorf("%s: checkpoints of %v, want %v", what, got, want)
			}
		}
		pass := func(d time.Duration) { time.Sleep(d); synctest.Wait() }

		run(func() {
			pass(2 * time.Hour)
			is("of an empty log")
			b.set(all[:3], nil)
			pass(time.Minute)
			is("after three entries, the first of all", 3)
			b.set(all[:12], nil)
			pass(time.Minute)
			is("after nine more, within the hour", 3)
			pass(time.Hour)
			is("after the hour", 3, 12)
			pass(5 * time.Hour)
			is("when nothing has happened since", 3, 12)
			b.set(all[:22], nil)
			pass(look)
			is("after ten more", 3, 12, 22)
			b.set(all[:40], errors.New("the store is away"))
			pass(time.Minute)
			is("while the log cannot be read", 3, 12, 22)
			b.set(all[:40], nil)
			pass(look)
			is("when it can be again", 3, 12, 22, 40)
			b.set(all[:41], nil)
		})
		is("at the end", 3, 12, 22, 40, 41)
		if n := strings.Count(log.String(), "cannot take a checkpoint"); n != 1 {
			t.Errorf("what fails for a minute is said %d times: %s", n, &log)
		}

		// The power fails while a line is written. The next one goes on.
		f, err := os.OpenFile(file, os.O_APPEND|os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.WriteString(`{"payloadType":"app`); err != nil {
			t.Fatal(err)
		}
		f.Close()
		log.Reset()
		run(func() {
			b.set(all[:55], nil)
			pass(time.Minute)
		})
		is("after the power has failed", 3, 12, 22, 40, 41, 55)
		if log.Len() != 0 {
			t.Error(&log)
		}

		// Somebody cuts the log off, or writes it anew, while nobody looks.
		b.set(all[:50], nil)
		run(func() {})
		if !strings.Contains(log.String(), "the audit log is not what it was") || !strings.Contains(log.String(), "entry 55 is missing") {
			t.Error(&log)
		}
		log.Reset()
		b.set(append(append([]string{}, all[:49]...), strings.Replace(all[49], `"by":{"kind":"","name":"ann`, `"by":{"kind":"","name":"bob`, 1)), nil)
		run(func() {})
		if !strings.Contains(log.String(), "the audit log is not what it was") || !strings.Contains(log.String(), "was altered") {
			t.Error(&log)
		}

		// What is in the file is signed by somebody else.
		log.Reset()
		other := newKey(1)
		line, err := Sign(Checkpoint{Seq: 1, Hash: strings.Repeat("0", 64)}, other)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, append(line, '\n'), 0o600); err != nil {
			t.Fatal(err)
		}
		run(func() {})
		if !strings.Contains(log.String(), "the last checkpoint of the audit log is not good") {
			t.Error(&log)
		}
	})
}
