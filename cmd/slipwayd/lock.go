package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/gofrs/flock"

	"github.com/slipway-sh/slipway"
)

// lockDataDir makes the data directory if it is missing and takes its lock, which the kernel gives back when the process ends, however it ends.
// Conflict, naming the other process, when another slipwayd has it.
func lockDataDir(dir string) (*flock.Flock, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, slipway.Errorf(slipway.Unprepared, "cannot use data directory %s: %w", dir, err)
	}
	lock := flock.New(filepath.Join(dir, "slipwayd.lock"), flock.SetPermissions(0o600))
	held, err := lock.TryLock()
	if err != nil {
		return nil, slipway.Errorf(slipway.Unprepared, "cannot lock data directory %s: %w", dir, err)
	}
	if !held {
		lock.Close()
		return nil, slipway.Errorf(slipway.Conflict, "cannot start: another slipwayd%s is using data directory %s; stop it, or choose another with --data", holder(lock.Path()), dir)
	}
	return lock, sign(lock)
}

// waitForDataDir takes the lock of a data directory that another slipwayd has when that has ended, or returns ctx's error.
func waitForDataDir(ctx context.Context, dir string) (*flock.Flock, error) {
	lock := flock.New(filepath.Join(dir, "slipwayd.lock"), flock.SetPermissions(0o600))
	if _, err := lock.TryLockContext(ctx, takeOverEvery); err != nil {
		lock.Close()
		return nil, err
	}
	return lock, sign(lock)
}

// sign writes whose lock it is. The number is for people; the lock itself is what counts.
func sign(lock *flock.Flock) error {
	if err := os.WriteFile(lock.Path(), []byte(strconv.Itoa(os.Getpid())+"\n"), 0o600); err != nil {
		return slipway.Errorf(slipway.Unprepared, "cannot write %s: %w", lock.Path(), err)
	}
	return nil
}

func holder(path string) string {
	pid, err := os.ReadFile(path)
	if err != nil || len(pid) == 0 {
		return ""
	}
	return fmt.Sprintf(" (process %s)", strings.TrimSpace(string(pid)))
}
