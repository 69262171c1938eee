package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/gofrs/flock"
	"github.com/google/renameio/v2"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/sqlstore"
)

// takeOverEvery is how often a slipwayd that stands by looks whether the other has ended.
const takeOverEvery = 50 * time.Millisecond

// lock takes the data directory. One that stands by calls meanwhile, once, and waits until the other slipwayd has ended, however that ends; the
// kernel tells.
func (o *options) lock(ctx context.Context, meanwhile func() error) (*flock.Flock, error) {
	lock, err := lockDataDir(o.data)
	if !o.standby || slipway.CodeOf(err) != slipway.Conflict {
		return lock, err
	}
	if err := meanwhile(); err != nil {
		return nil, err
	}
	o.log.Info("standing by: another slipwayd works on the data directory", "data", o.data)
	lock, err = waitForDataDir(ctx, o.data)
	if err == nil {
		o.log.Info("taking over: the other slipwayd has ended", "data", o.data)
	}
	return lock, err
}

// own makes certain that the records are this data directory's, and that no other slipwayd works on them. The context it returns ends when that
// is not certain any more.
func (o *options) own(ctx context.Context, store *sqlstore.Store) (context.Context, func(), error) {
	id, err := o.directoryID()
	if err != nil {
		return ctx, nil, err
	}
	host, err := os.Hostname()
	if err != nil {
		return ctx, nil, err
	}
	lost, release, err := store.Hold(ctx, o.standby, o.log)
	if err != nil {
		return ctx, nil, err
	}
	if err := store.Claim(ctx, id, o.data+" on "+host, o.takeOver); err != nil {
		release()
		return ctx, nil, err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	go func() {
		select {
		case err := <-lost:
			cancel(lostRecords{err})
		case <-ctx.Done():
		}
	}()
	return ctx, func() { cancel(nil); release() }, nil
}

// lostRecords is why a slipwayd ends whose records another has.
type lostRecords struct{ error }

// Unwrap returns how they were lost.
func (l lostRecords) Unwrap() error { return l.error }

// whyEnded returns nil if a signal has ended ctx.
func whyEnded(ctx context.Context) error {
	if lost, ok := errors.AsType[lostRecords](context.Cause(ctx)); ok {
		return lost.error
	}
	return nil
}

// directoryID returns what tells this data directory from all others, wherever it is moved.
func (o *options) directoryID() (string, error) {
	path := o.path("id")
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		text = []byte(rand.Text() + "\n")
		err = renameio.WriteFile(path, text, 0o600)
	}
	if err != nil {
		return "", slipway.Errorf(slipway.Unprepared, "cannot tell which data directory this is: %w", err)
	}
	if id := strings.TrimSpace(string(text)); id != "" {
		return id, nil
	}
	return "", fmt.Errorf("cannot tell which data directory this is: %s is empty", path)
}
