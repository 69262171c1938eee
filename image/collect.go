package image

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"
	"time"

	specs "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/slipway-sh/slipway"
)

// touchAfter is how old the word that a blob is there may be, by its file's modification time, before giving it again notes that.
const touchAfter = 10 * time.Minute

// uses are when this process last gave its word that a blob is there, or took one that was there for one it was about to write. Its lock
// is also held while blobs get their names and lose them: what was promised to be there is not removed a moment later.
type uses struct {
	sync.Mutex
	at map[slipway.Digest]time.Time
}

// promise is use that lasts: a client may rely on the blob when this process is no more.
func (s *Store) promise(d slipway.Digest) (bool, error) {
	ok, err := s.use(d)
	if err != nil || !ok {
		return false, err
	}
	st, err := os.Stat(s.BlobPath(d))
	if now := time.Now(); err == nil && now.Sub(st.ModTime()) > touchAfter {
		// Where it fails, only a restart can make it matter.
		_ = os.Chtimes(s.BlobPath(d), time.Time{}, now)
	}
	return true, nil
}

// use notes that this process relies on the blob from now on, and reports whether it is stored. The file is left as it is: whoever has a
// layer mounted takes one with another time for another file.
func (s *Store) use(d slipway.Digest) (bool, error) {
	s.uses.Lock()
	defer s.uses.Unlock()
	_, err := os.Stat(s.BlobPath(d))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("look for blob: %w", err)
	}
	s.noteUse(d)
	return true, nil
}

// Has reports whether the blob is stored.
func (s *Store) Has(d slipway.Digest) bool {
	_, err := os.Stat(s.BlobPath(d))
	return !errors.Is(err, fs.ErrNotExist)
}

// noteUse is use of a blob that is stored, for who holds the lock.
func (s *Store) noteUse(d slipway.Digest) {
	if s.uses.at == nil {
		s.uses.at = map[slipway.Digest]time.Time{}
	}
	s.uses.at[d] = time.Now()
}

// Needs says what [Store.Collect] leaves alone.
type Needs struct {
	// Keep reports whether a blob is needed. It is asked about a blob right before that is removed, in one goroutine, and must not
	// call the store.
	Keep func(slipway.Digest) bool
	// Since is until when nobody may rely on a blob that is not kept: one that was stored, or said to be there, later stays.
	Since time.Time
	// Idle, which may be nil, reports whether a blob may go though it was stored later: it is known what it was stored for.
	Idle   func(slipway.Digest) bool
	DryRun bool // remove nothing, say what would be
}

// Collected is what came of [Store.Collect].
type Collected struct {
	Blobs, Removed int
	Bytes, Freed   int64 // of all blobs before, and of those removed
	Young          int   // blobs that nothing needs and that are not old enough to go
	YoungBytes     int64
	Unlisted       int // manifests taken off the index
}

// Collect removes the blobs that nothing needs, and takes manifests that are removed off the layout's index. It may go on beside whatever
// else the store does. What is broken off, or a crash, leaves some of them; the next time removes the rest.
func (s *Store) Collect(ctx context.Context, needs Needs) (Collected, error) {
	var c Collected
	entries, err := os.ReadDir(s.BlobPath(""))
	if err != nil {
		return c, fmt.Errorf("collect blobs: %w", err)
	}
	listed, err := s.index.digests()
	if err != nil {
		return c, err
	}
	var manifests, others []slipway.Digest
	for _, e := range entries {
		d := slipway.Digest("sha256:" + e.Name())
		switch {
		case d.Validate() != nil: // none of ours
		case listed[d]:
			manifests = append(manifests, d)
		default:
			others = append(others, d)
		}
	}
	// Manifests first, all at once, and off the index before they go: what is listed is there.
	err = s.collect(needs, manifests, &c, func(gone []slipway.Digest) error {
		c.Unlisted += len(gone)
		return s.index.remove(gone...)
	})
	if err != nil {
		return c, err
	}
	for _, d := range others {
		if err := ctx.Err(); err != nil {
			return c, err
		}
		if err := s.collect(needs, []slipway.Digest{d}, &c, nil); err != nil {
			return c, err
		}
	}
	s.uses.Lock()
	defer s.uses.Unlock()
	for d, at := range s.uses.at {
		if at.Before(needs.Since) {
			delete(s.uses.at, d)
		}
	}
	return c, nil
}

// collect removes those of some blobs that nothing needs, after telling which. While it does, nobody can begin to rely on one of them.
func (s *Store) collect(needs Needs, digests []slipway.Digest, c *Collected, tell func([]slipway.Digest) error) error {
	s.uses.Lock()
	defer s.uses.Unlock()
	var gone []slipway.Digest
	for _, d := range digests {
		st, err := os.Stat(s.BlobPath(d))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return fmt.Errorf("collect blobs: %w", err)
		}
		c.Blobs++
		c.Bytes += st.Size()
		switch {
		case needs.Keep(d):
		case s.uses.at[d].After(needs.Since), st.ModTime().After(needs.Since) && (needs.Idle == nil || !needs.Idle(d)):
			c.Young++
			c.YoungBytes += st.Size()
		default:
			gone = append(gone, d)
			c.Removed++
			c.Freed += st.Size()
		}
	}
	if needs.DryRun || len(gone) == 0 {
		return nil
	}
	if tell != nil {
		if err := tell(gone); err != nil {
			return err
		}
	}
	for _, d := range gone {
		s.verified.Delete(d)
		if err := os.Remove(s.BlobPath(d)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("collect blobs: %w", err)
		}
	}
	return nil
}

// Parts returns the digests of all blobs that an image consists of: its manifest and config, its layers, what these are locked to, and the
// documents about it. None, without an error, if d is "" or not stored.
func (s *Store) Parts(ctx context.Context, d slipway.Digest) ([]slipway.Digest, error) {
	if d == "" {
		return nil, nil
	}
	var m specs.Manifest
	err := s.getJSON(ctx, d, &m)
	if slipway.CodeOf(err) == slipway.NotFound {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	parts := []slipway.Digest{d, slipway.Digest(m.Config.Digest)}
	for _, l := range m.Layers {
		parts = append(parts, slipway.Digest(l.Digest))
	}
	if m.ArtifactType == ArtifactType {
		image, err := s.ReadImage(ctx, d)
		if err != nil && slipway.CodeOf(err) != slipway.NotFound {
			return nil, err
		}
		for _, l := range image.Layers {
			locked, err := s.LockParts(ctx, l.Lock)
			if err != nil {
				return nil, err
			}
			parts = append(parts, locked...)
		}
	}
	documents, err := s.ReferrerParts(ctx, d)
	return append(parts, documents...), err
}

// LockParts returns the digests of a stored lock and of the packages it names. None if d is "" or not stored. What is no lock names no
// packages: an image from elsewhere may call anything its lock, and must not keep everything else from being collected.
func (s *Store) LockParts(ctx context.Context, d slipway.Digest) ([]slipway.Digest, error) {
	if d == "" {
		return nil, nil
	}
	lock, err := s.ReadLock(ctx, d)
	switch slipway.CodeOf(err) {
	case "":
	case slipway.NotFound:
		return nil, nil
	case slipway.Invalid, slipway.Corrupt:
		return []slipway.Digest{d}, nil
	default:
		return nil, err
	}
	parts := []slipway.Digest{d}
	for _, p := range lock.Packages {
		parts = append(parts, p.Digest)
	}
	return parts, nil
}
