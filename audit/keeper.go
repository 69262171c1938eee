package audit

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"time"

	"github.com/slipway-sh/slipway"
)

// look is how often it is looked whether a checkpoint is due, and lastly how long the one of the end may take.
const (
	look   = 10 * time.Second
	lastly = 2 * time.Second
)

// Keeper takes checkpoints of an audit log by itself, and appends them to a file, one a line, which whoever can change the log should not be
// able to change.
type Keeper struct {
	Audit   Log
	Key     Signer
	Trusted []string // public keys in PEM, of which one has signed what is in the file already
	File    string
	Every   time.Duration // how old the last one may become, if there are entries since
	Entries int64         // how many entries there may be since
	Log     *slog.Logger
	Now     func() time.Time // nil: time.Now

	last   Checkpoint
	failed bool // the last try
}

// Log is what is needed of a [slipway.AuditLog].
type Log interface {
	AuditHead(ctx context.Context) (slipway.AuditHead, error)
	AuditLines(ctx context.Context, after int64, limit int) ([]string, error)
}

// Run takes checkpoints until ctx is done, and one then, and returns nil. First it looks whether the log still has what the last checkpoint in
// the file says, and says loudly if it has not.
func (k *Keeper) Run(ctx context.Context) error {
	if k.Now == nil {
		k.Now = time.Now
	}
	k.begin(ctx)
	every := time.NewTicker(min(look, k.Every))
	defer every.Stop()
	for {
		select {
		case <-ctx.Done():
			end, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastly)
			defer cancel()
			k.take(end, true)
			return nil
		case <-every.C:
			k.take(ctx, false)
		}
	}
}

// begin finds out where the last checkpoint was, and compares the log with it.
func (k *Keeper) begin(ctx context.Context) {
	text, err := lastLine(k.File)
	if err != nil {
		k.Log.Error("cannot read the checkpoints of the audit log", "file", k.File, "error", err)
		return
	}
	if len(text) == 0 {
		return
	}
	last, _, err := ReadCheckpoint(text, k.Trusted)
	if err != nil {
		k.Log.Error("the last checkpoint of the audit log is not good", "file", k.File, "error", err)
		return
	}
	k.last = last
	if err := k.compare(ctx, last); err != nil {
		k.Log.Error("the audit log is not what it was when the last checkpoint was taken; see `slipway audit verify --checkpoint FILE`", "file", k.File, "checkpoint", last.Seq, "error", err)
		k.last = Checkpoint{} // from here on it is another log, of which there will be checkpoints, too
	}
}

// compare returns an error if the log has no entry as the checkpoint says.
func (k *Keeper) compare(ctx context.Context, c Checkpoint) error {
	if c.Seq == 0 {
		return nil
	}
	lines, err := k.Audit.AuditLines(ctx, c.Seq-1, 1)
	if err != nil {
		return err
	}
	if len(lines) == 0 {
		return slipway.Errorf(slipway.Corrupt, "entry %d is missing", c.Seq)
	}
	e, err := Open(lines[0])
	if err != nil {
		return err
	}
	if e.Seq != c.Seq || e.Hash != c.Hash {
		return slipway.Errorf(slipway.Corrupt, "entry %d is another than it was", c.Seq)
	}
	return nil
}

// take takes a checkpoint if one is due. What fails is tried again at the next look.
func (k *Keeper) take(ctx context.Context, due bool) {
	head, err := k.Audit.AuditHead(ctx)
	now := k.Now().UTC().Truncate(time.Second)
	if err == nil {
		if head.Seq <= k.last.Seq || !due && now.Sub(k.last.Time) < k.Every && head.Seq-k.last.Seq < k.Entries {
			return
		}
		c := Checkpoint{Seq: head.Seq, Hash: head.Hash, Time: now}
		var line []byte
		if line, err = Sign(c, k.Key); err == nil {
			err = appendLine(k.File, line)
		}
		if err == nil {
			k.last = c
		}
	}
	if err != nil && !k.failed {
		k.Log.Error("cannot take a checkpoint of the audit log; it is tried again", "file", k.File, "error", err)
	}
	k.failed = err != nil
}

// appendLine appends a line durably. One that was not written to its end before is closed first.
func appendLine(path string, line []byte) (err error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o644)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if end, err := f.Seek(0, io.SeekEnd); err != nil {
		return err
	} else if end > 0 {
		var last [1]byte
		if _, err := f.ReadAt(last[:], end-1); err != nil {
			return err
		}
		if last[0] != '\n' {
			line = append([]byte("\n"), line...)
		}
	}
	if _, err := f.Write(append(line, '\n')); err != nil {
		return err
	}
	return f.Sync()
}

// lastLine returns the last line of a file that was written to its end; none if there is no such file.
func lastLine(path string) ([]byte, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var last []byte
	for in := bufio.NewReader(f); ; {
		line, err := in.ReadBytes('\n')
		if errors.Is(err, io.EOF) { // what has no end was cut off
			return last, nil
		}
		if err != nil {
			return nil, err
		}
		if line = bytes.TrimSpace(line); len(line) > 0 {
			last = line
		}
	}
}
