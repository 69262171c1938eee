// Package image keeps machine images: an OCI image layout on disk whose layers are EROFS file systems, and the writer
// that turns files, trees and archives into such layers.
//
// A layer is deterministic. The same entries give the same bytes, in whatever order they were added and wherever they came
// from: entries are sorted, every time stamp is [Epoch], and nothing of the host (inode numbers, block sizes, locale) enters.
package image

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"github.com/google/renameio/v2"
	specs "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sys/unix"

	"github.com/slipway-sh/slipway"
)

// Store is an OCI image layout on disk. It implements [slipway.Blobs]. Its methods are safe for concurrent use; one process
// at a time may have a layout open.
//
// Durability: layers, manifests and configs are on disk when the call that stores them returns. Blobs given to PutBlob are
// not waited for, because a context of ten thousand files would pay ten thousand times: after a power cut such a blob can be
// cut short, so one that this process did not write itself is hashed before its first use in a layer.
type Store struct {
	dir      string
	verified sync.Map // slipway.Digest → stamp: blobs this process wrote or has hashed
	uses     uses
	index    index
	amending sync.Mutex // held while the list of an image's documents is replaced
}

var _ slipway.Blobs = (*Store)(nil)

const copyBuffer = 256 << 10 // bytes a read or write; more is not faster

// Open opens the layout at dir, makes it if it is not there, and removes what a killed process left half-written.
func Open(dir string) (*Store, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("cannot open the image store: %w", err)
	}
	s := &Store{dir: dir, index: index{path: filepath.Join(dir, specs.ImageIndexFile)}}
	if err := os.RemoveAll(s.ingest()); err != nil {
		return nil, fmt.Errorf("cannot clean the image store: %w", err)
	}
	for _, d := range []string{filepath.Join(dir, specs.ImageBlobsDir, "sha256"), s.ingest()} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			return nil, fmt.Errorf("cannot open the image store: %w", err)
		}
	}
	layout := filepath.Join(dir, specs.ImageLayoutFile)
	if _, err := os.Stat(layout); errors.Is(err, fs.ErrNotExist) {
		text := []byte(`{"imageLayoutVersion":"` + specs.ImageLayoutVersion + `"}` + "\n")
		if err := renameio.WriteFile(layout, text, 0o644); err != nil {
			return nil, fmt.Errorf("cannot open the image store: %w", err)
		}
	} else if err != nil {
		return nil, fmt.Errorf("cannot open the image store: %w", err)
	}
	return s, nil
}

// BlobPath returns where the blob is, or would be, stored.
func (s *Store) BlobPath(d slipway.Digest) string {
	return filepath.Join(s.dir, specs.ImageBlobsDir, "sha256", d.Hex())
}

// Missing implements [slipway.Blobs].
func (s *Store) Missing(ctx context.Context, digests []slipway.Digest) ([]slipway.Digest, error) {
	missing := []slipway.Digest{}
	for _, d := range digests {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if err := d.Validate(); err != nil {
			return nil, err
		}
		if ok, err := s.promise(d); err != nil {
			return nil, err
		} else if !ok {
			missing = append(missing, d)
		}
	}
	return missing, nil
}

// PutBlob implements [slipway.Blobs]. A negative size means unknown. It is Invalid if r yields another number of bytes than size.
func (s *Store) PutBlob(ctx context.Context, want slipway.Digest, size int64, r io.Reader) error {
	if err := want.Validate(); err != nil {
		return err
	}
	if ok, err := s.promise(want); err != nil || ok {
		return err
	}
	if err := s.room("blob "+want.Short(), size); err != nil {
		return err
	}
	b, err := s.newBlob(ctx, false)
	if err != nil {
		return err
	}
	defer b.discard()
	if size >= 0 {
		r = io.LimitReader(r, size+1)
	}
	if _, err := io.CopyBuffer(struct{ io.Writer }{b}, struct{ io.Reader }{r}, make([]byte, copyBuffer)); err != nil {
		return s.writeError("blob "+want.Short(), err)
	}
	if size >= 0 && b.size != size {
		return slipway.Errorf(slipway.Invalid, "cannot store blob %s: got %s %d bytes, want %d", want.Short(), atLeast(b.size > size), b.size, size)
	}
	if got := b.digest(); got != want {
		return slipway.Errorf(slipway.Invalid, "cannot store blob %s: the content has the digest %s", want, got)
	}
	return b.commit()
}

// OpenBlob implements [slipway.Blobs].
func (s *Store) OpenBlob(_ context.Context, d slipway.Digest) (io.ReadCloser, error) {
	return s.openFile(d)
}

// Verify hashes the stored blob again. It returns NotFound if there is none and Corrupt if the bytes are not those that were stored.
func (s *Store) Verify(ctx context.Context, d slipway.Digest) error {
	f, err := s.openFile(d)
	if err != nil {
		return err
	}
	defer f.Close()
	at, err := stampOf(f)
	if err != nil {
		return err
	}
	h := sha256.New()
	buf := make([]byte, copyBuffer)
	for {
		n, err := f.Read(buf)
		h.Write(buf[:n])
		if errors.Is(err, io.EOF) {
			break
		}
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return fmt.Errorf("verify blob %s: %w", d.Short(), err)
		}
	}
	if got := slipway.DigestFromSum(h.Sum(nil)); got != d {
		s.verified.Delete(d)
		return slipway.Errorf(slipway.Corrupt, "cannot use blob %s: its content has the digest %s; remove %s and bake again", d, got, s.BlobPath(d))
	}
	s.verified.Store(d, at)
	return nil
}

// Check is Verify, but takes this process's own word for a blob that it wrote or hashed, as long as its file is the same and has not
// been changed since.
func (s *Store) Check(ctx context.Context, d slipway.Digest) error {
	if was, ok := s.verified.Load(d); ok {
		f, err := s.openFile(d)
		if err != nil {
			return err
		}
		defer f.Close()
		if at, err := stampOf(f); err != nil || at == was {
			return err
		}
	}
	return s.Verify(ctx, d)
}

// openVerified opens a blob of which this process knows that it is whole.
func (s *Store) openVerified(ctx context.Context, d slipway.Digest) (*os.File, error) {
	if _, ok := s.verified.Load(d); !ok {
		if err := s.Verify(ctx, d); err != nil {
			return nil, err
		}
	}
	return s.openFile(d)
}

func (s *Store) openFile(d slipway.Digest) (*os.File, error) {
	if err := d.Validate(); err != nil {
		return nil, err
	}
	f, err := os.Open(s.BlobPath(d))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, slipway.Errorf(slipway.NotFound, "cannot find blob %s", d)
	}
	if err != nil {
		return nil, fmt.Errorf("open blob: %w", err)
	}
	return f, nil
}

func (s *Store) ingest() string { return filepath.Join(s.dir, "ingest") }

// room returns Unprepared if the disk has not need bytes free for what.
func (s *Store) room(what string, need int64) error {
	var st unix.Statfs_t
	if err := unix.Statfs(s.dir, &st); err != nil {
		return fmt.Errorf("read free space of %s: %w", s.dir, err)
	}
	if free := int64(st.Bavail) * st.Bsize; need > free {
		return slipway.Errorf(slipway.Unprepared, "cannot store %s: %d bytes needed, %d free on %s", what, need, free, s.dir)
	}
	return nil
}

// writeError turns the errors of a full disk into Unprepared.
func (s *Store) writeError(what string, err error) error {
	if errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) {
		return slipway.Errorf(slipway.Unprepared, "cannot store %s: no space left on %s: %w", what, s.dir, err)
	}
	return fmt.Errorf("store %s: %w", what, err)
}

func atLeast(yes bool) string {
	if yes {
		return "at least"
	}
	return "only"
}
