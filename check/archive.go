package check

import (
	"archive/tar"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/slipway-sh/slipway"
)

// below returns what there is of the build context in a directory, by paths relative to it. An error if there is nothing, or a link
// in it leads out of it: outside, the machine would have something else there.
func (r Runner) below(dir string) ([]slipway.ContextEntry, error) {
	prefix := path.Clean(dir) + "/"
	if prefix == "./" {
		prefix = ""
	}
	var entries []slipway.ContextEntry
	for _, e := range r.Context {
		name, inside := strings.CutPrefix(e.Path, prefix)
		if !inside || name == "." {
			continue
		}
		e.Path = name
		if e.Link != "" {
			if to := path.Join(path.Dir(name), e.Link); path.IsAbs(e.Link) || to == ".." || strings.HasPrefix(to, "../") {
				return nil, fmt.Errorf("the link %s%s leads to %s, out of %s, which alone goes into the machine", prefix, name, e.Link, dir)
			}
		}
		entries = append(entries, e)
	}
	if len(entries) == 0 {
		return nil, fmt.Errorf("the build context has no directory %s with files", dir)
	}
	slices.SortFunc(entries, func(a, b slipway.ContextEntry) int { return strings.Compare(a.Path, b.Path) })
	return entries, nil
}

// archive is a tar that is made while it is read.
type archive struct {
	*io.PipeReader
	err atomic.Pointer[error]
}

// fault returns why the archive could not be made, if so.
func (a *archive) fault() error {
	if err := a.err.Load(); err != nil {
		return *err
	}
	return nil
}

// pack returns an archive of the entries, after what first writes. The caller closes it.
func (r Runner) pack(ctx context.Context, entries []slipway.ContextEntry, first ...func(*tar.Writer) error) *archive {
	read, write := io.Pipe()
	a := &archive{PipeReader: read}
	go func() {
		w := tar.NewWriter(write)
		err := r.writeTo(ctx, w, entries, first)
		if err == nil {
			err = w.Close()
		}
		if err != nil && !errors.Is(err, io.ErrClosedPipe) {
			a.err.Store(&err)
		}
		write.CloseWithError(err)
	}()
	return a
}

func (r Runner) writeTo(ctx context.Context, w *tar.Writer, entries []slipway.ContextEntry, first []func(*tar.Writer) error) error {
	for _, f := range first {
		if err := f(w); err != nil {
			return err
		}
	}
	for _, e := range entries {
		h := &tar.Header{Name: e.Path, Mode: int64(e.Mode & 0o777), Typeflag: tar.TypeReg, Size: e.Size}
		switch {
		case e.Dir:
			h.Typeflag = tar.TypeDir
		case e.Link != "":
			h.Typeflag, h.Linkname = tar.TypeSymlink, e.Link
		}
		if err := w.WriteHeader(h); err != nil {
			return err
		}
		if h.Typeflag == tar.TypeReg {
			if err := r.writeBlob(ctx, w, e); err != nil {
				return fmt.Errorf("cannot bring %s into the machine: %w", e.Path, err)
			}
		}
	}
	return nil
}

func (r Runner) writeBlob(ctx context.Context, w io.Writer, e slipway.ContextEntry) error {
	blob, err := r.Blobs.OpenBlob(ctx, e.Digest)
	if err != nil {
		return err
	}
	defer blob.Close()
	sum := sha256.New()
	if _, err := io.Copy(io.MultiWriter(w, sum), blob); err != nil {
		return err
	}
	if got := hex.EncodeToString(sum.Sum(nil)); !strings.HasSuffix(string(e.Digest), got) {
		return slipway.Errorf(slipway.Corrupt, "what is stored as %s has another digest", e.Digest.Short())
	}
	return nil
}
