package bake

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/container"
)

// What is kept of failed bakes is dropped after a while: it takes space on the disk, and keeps layers mounted.
const (
	keptFor  = time.Hour // since the bake failed, or someone was in there
	keptMost = 5         // sandboxes; one more, and the oldest goes
)

// kept is the sandbox of a script that failed, as the script left it, but for its secrets.
type kept struct {
	bake    string
	ground  *ground
	sandbox sandbox
	since   time.Time
	expire  *time.Timer
	ctx     context.Context // ends the shells in it
	drop    context.CancelFunc
	shells  sync.WaitGroup
	entered int // how often; names the containers
}

// keepSandbox keeps the sandbox of a bake's script that failed, and returns the script's error with how to enter it. It reports whether the
// ground is kept: not if the bake has no name.
func (b *Baker) keepSandbox(bake string, g *ground, s sandbox, failure error) (bool, error) {
	if bake == "" {
		return false, failure
	}
	k := &kept{bake: bake, ground: g, sandbox: s, since: time.Now()}
	k.ctx, k.drop = context.WithCancel(context.Background())
	b.mu.Lock()
	old := b.takeKept(bake) // of an earlier try
	if b.kept == nil {
		b.kept = map[string]*kept{}
	}
	b.kept[bake] = k
	k.expire = time.AfterFunc(keptFor, func() { b.discard(k) })
	for len(b.kept) > keptMost {
		oldest := slices.MinFunc(slices.Collect(maps.Values(b.kept)), func(a, b *kept) int { return a.since.Compare(b.since) })
		old = append(old, b.takeKept(oldest.bake)...)
	}
	b.mu.Unlock()
	for _, o := range old {
		_ = o.end(b) // what goes wrong is logged
	}
	return true, noted(failure, "its sandbox is kept for an hour; enter it with: slipway bake shell %s\nthere the script is %s",
		bake, s.args[len(s.args)-1])
}

// noted adds a line to an application error.
func noted(err error, format string, args ...any) error {
	var known *slipway.Error
	if !errors.As(err, &known) {
		return err
	}
	e := *known
	e.Message += "\n" + fmt.Sprintf(format, args...)
	return &e
}

// Kept reports whether the sandbox of a failed bake is kept.
func (b *Baker) Kept(bake string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.kept[bake] != nil
}

// Enter runs a shell in the kept sandbox of a bake, at a terminal, and returns its exit status. What the script saw is there, but not its
// secrets. NotFound if nothing is kept of the bake. The shell is killed when ctx ends, and when the sandbox is discarded.
func (b *Baker) Enter(ctx context.Context, bake string, t container.Terminal) (int, error) {
	runtime, err := b.containers()
	if err != nil {
		return -1, err
	}
	b.mu.Lock()
	k := b.kept[bake]
	if k == nil {
		b.mu.Unlock()
		return -1, slipway.Errorf(slipway.NotFound,
			"cannot enter the sandbox of bake %s: none is kept; bake with --keep-on-failure, "+
				"and enter within an hour and before slipwayd is restarted", bake)
	}
	k.shells.Add(1)
	k.entered++
	name := fmt.Sprintf("%s-shell-%d", filepath.Base(k.ground.dir), k.entered)
	k.expire.Stop()
	b.mu.Unlock()
	defer func() {
		b.mu.Lock()
		k.expire.Reset(keptFor)
		b.mu.Unlock()
		k.shells.Done()
	}()

	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stop := context.AfterFunc(k.ctx, func() {
		cancel(slipway.Errorf(slipway.ClosedByAbort, "cannot stay in the sandbox of bake %s: it was discarded", bake))
	})
	defer stop()
	s := k.sandbox
	s.args = []string{shell}
	for _, better := range []string{"/bin/bash", "/usr/bin/bash"} {
		if exists(k.ground.root, better) {
			s.args = []string{better}
			break
		}
	}
	s.env = maps.Clone(s.env)
	if s.env["TERM"] == "" {
		s.env["TERM"] = "xterm"
	}
	alone := *k.ground
	alone.shell = false // its output and errors are one already
	return runtime.RunTerminal(ctx, name, filepath.Join(k.ground.dir, path.Base(name)), s.spec(&alone), t)
}

// Discard removes what is kept of a failed bake; nil if nothing is. Who is in there is thrown out.
func (b *Baker) Discard(_ context.Context, bake string) error {
	b.mu.Lock()
	taken := b.takeKept(bake)
	b.mu.Unlock()
	var errs []error
	for _, k := range taken {
		errs = append(errs, k.end(b))
	}
	return errors.Join(errs...)
}

// discard is Discard for k itself, and not for what was kept later under its name.
func (b *Baker) discard(k *kept) {
	b.mu.Lock()
	mine := b.kept[k.bake] == k
	if mine {
		delete(b.kept, k.bake)
	}
	b.mu.Unlock()
	if mine {
		_ = k.end(b) // what goes wrong is logged
	}
}

// takeKept takes what is kept of a bake out of the books. The caller holds the lock, and ends what is returned without it.
func (b *Baker) takeKept(bake string) []*kept {
	k := b.kept[bake]
	if k == nil {
		return nil
	}
	delete(b.kept, bake)
	return []*kept{k}
}

// end throws out who is in there, and removes all of it.
func (k *kept) end(b *Baker) error {
	k.expire.Stop()
	k.drop()
	k.shells.Wait()
	if err := k.ground.end(); err != nil {
		b.log.Warn("cannot discard the sandbox of a failed bake; it is swept at the next start", "bake", k.bake, "error", err)
		return err
	}
	b.removeWork(k.ground.dir)
	return nil
}
