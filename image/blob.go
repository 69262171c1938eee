package image

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"os"

	"golang.org/x/sys/unix"

	"github.com/slipway-sh/slipway"
)

// blob is a blob being written: hashed on the way into a temporary file, which commit gives its name.
type blob struct {
	ctx   context.Context
	store *Store
	file  *os.File // nil once committed or discarded
	hash  hash.Hash
	size  int64

	durable bool  // on disk when committed
	pushed  int64 // bytes the kernel has been told to write to disk
}

// pushStep is how many bytes of a durable blob are gathered before the disk starts on them, while the next are being hashed.
const pushStep = 4 << 20

func (s *Store) newBlob(ctx context.Context, durable bool) (*blob, error) {
	f, err := os.CreateTemp(s.ingest(), "blob-")
	if err != nil {
		return nil, s.writeError("a blob", err)
	}
	return &blob{ctx: ctx, store: s, file: f, hash: sha256.New(), durable: durable}, nil
}

// Write appends. It fails once the context is done, so that whatever copies into a blob ends soon after.
func (b *blob) Write(p []byte) (int, error) {
	if err := b.ctx.Err(); err != nil {
		return 0, err
	}
	hashed := make(chan struct{})
	go func() {
		defer close(hashed)
		b.hash.Write(p)
	}()
	n, err := b.file.Write(p) // if not all of it, the blob cannot be used any more
	<-hashed
	b.size += int64(n)
	if b.durable && b.size-b.pushed >= pushStep {
		// Only a hint: commit waits for all of it and sees the errors.
		_ = unix.SyncFileRange(int(b.file.Fd()), b.pushed, b.size-b.pushed, unix.SYNC_FILE_RANGE_WRITE)
		b.pushed = b.size
	}
	return n, err
}

func (b *blob) digest() slipway.Digest { return slipway.DigestFromSum(b.hash.Sum(nil)) }

// commit stores the blob under its digest. One that is there already, and known to be whole, stays: a file that is replaced has
// to be mounted anew by whoever has it mounted.
func (b *blob) commit() error {
	d := b.digest()
	fail := func(err error) error { return b.store.writeError("blob "+d.Short(), err) }
	if err := b.ctx.Err(); err != nil {
		return err
	}
	if b.yield(d) {
		return nil
	}
	if err := b.file.Chmod(0o444); err != nil {
		return fail(err)
	}
	if b.durable {
		if err := b.file.Sync(); err != nil {
			return fail(err)
		}
	}
	name := b.file.Name()
	if err := b.file.Close(); err != nil {
		return fail(err)
	}
	yielded, err := b.name(name, d)
	if err != nil {
		return fail(err)
	}
	if yielded || !b.durable {
		return nil
	}
	return b.store.syncBlobs()
}

// yield discards the blob if it is stored already.
func (b *blob) yield(d slipway.Digest) bool {
	b.store.uses.Lock()
	defer b.store.uses.Unlock()
	if !b.isStored(d) {
		return false
	}
	b.store.noteUse(d)
	b.discard()
	return true
}

// name gives the file its name, unless another writer has just stored the same blob.
func (b *blob) name(file string, d slipway.Digest) (yielded bool, err error) {
	b.store.uses.Lock()
	defer b.store.uses.Unlock()
	if b.isStored(d) {
		b.store.noteUse(d)
		b.discard()
		return true, nil
	}
	if err := os.Rename(file, b.store.BlobPath(d)); err != nil {
		return false, err
	}
	b.file = nil
	return false, b.store.vouch(d)
}

// isStored reports whether the blob is in the store, written or hashed by this process and as durable as it has to be.
func (b *blob) isStored(d slipway.Digest) bool {
	if _, ok := b.store.verified.Load(d); !ok {
		return false
	}
	f, err := os.Open(b.store.BlobPath(d))
	if err != nil {
		return false
	}
	defer f.Close()
	st, err := f.Stat()
	return err == nil && st.Size() == b.size && (!b.durable || f.Sync() == nil)
}

// discard removes what was written, unless it was committed.
func (b *blob) discard() {
	if b.file == nil {
		return
	}
	b.file.Close()               // fails if commit closed it already
	_ = os.Remove(b.file.Name()) // what stays is swept by the next Open
	b.file = nil
}

// syncBlobs makes the names of committed blobs durable.
func (s *Store) syncBlobs() error {
	d, err := os.Open(s.BlobPath(""))
	if err != nil {
		return fmt.Errorf("sync blobs: %w", err)
	}
	return errors.Join(d.Sync(), d.Close())
}
