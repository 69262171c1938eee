package sbom

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"path"

	"github.com/erofs/go-erofs"

	"github.com/slipway-sh/slipway"
)

// maxText bounds the files that are read whole, bytes. A dpkg status of a whole desktop has 10 MB.
const maxText = 64 << 20

// layer is one layer of an image. It is opened when it is needed.
type layer struct {
	blobs  slipway.Blobs
	digest slipway.Digest
	found  findings
	blob   io.ReadCloser
	tree   tree
}

// tree is go-erofs's reader.
type tree interface {
	fs.FS
	Lstat(name string) (fs.FileInfo, error)
}

// opaque marks a directory that hides the one of the same name below.
const opaque = "trusted.overlay.opaque"

func (l *layer) open(ctx context.Context) error {
	if l.tree != nil {
		return nil
	}
	blob, err := l.blobs.OpenBlob(ctx, l.digest)
	if err != nil {
		return err
	}
	l.blob = blob
	at, ok := blob.(io.ReaderAt)
	if !ok {
		return fmt.Errorf("read layer %s: its store gives no random access", l.digest.Short())
	}
	opened, err := erofs.Open(at)
	if err != nil {
		return l.corrupt(err)
	}
	l.tree = opened.(tree)
	return nil
}

func (l *layer) close() {
	if l.blob != nil {
		l.blob.Close()
	}
}

func (l *layer) corrupt(err error) error {
	return slipway.Errorf(slipway.Corrupt, "cannot read layer %s, it is damaged: %w", l.digest, err)
}

// look walks the layer and reads what is of interest in it.
func (l *layer) look(ctx context.Context) (findings, error) {
	if err := l.open(ctx); err != nil {
		return nil, err
	}
	found := findings{}
	err := fs.WalkDir(l.tree, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return l.corrupt(err)
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if !d.Type().IsRegular() {
			return nil
		}
		read := readerOf(name)
		info, err := d.Info()
		if err != nil {
			return l.corrupt(err)
		}
		if read == nil && info.Mode()&0o111 != 0 {
			read = readProgram
		}
		if read == nil || info.Size() == 0 {
			return nil
		}
		f, err := read(file{l, name, info})
		if err != nil {
			f = finding{Note: err.Error()}
		}
		if len(f.Components) > 0 || f.Note != "" || f.System != nil {
			found["/"+name] = f
		}
		return nil
	})
	return found, err
}

// hides reports whether the layer has something at the path p, or at a directory above it, that hides what lower layers have there.
func (l *layer) hides(ctx context.Context, p string) (bool, error) {
	if err := l.open(ctx); err != nil {
		return false, err
	}
	if !fs.ValidPath(p[1:]) {
		return false, nil
	}
	for at := p[1:]; at != "."; at = path.Dir(at) {
		info, err := l.tree.Lstat(at)
		if err != nil {
			continue // it has nothing there; what lies above is looked at next
		}
		if !info.IsDir() || info.Sys().(*erofs.Stat).Xattrs[opaque] == "y" {
			return true, nil
		}
	}
	return false, nil
}

// file is a regular file of a layer.
type file struct {
	layer *layer
	name  string // without the leading slash
	info  fs.FileInfo
}

// text reads it whole.
func (f file) text() ([]byte, error) {
	if f.info.Size() > maxText {
		return nil, fmt.Errorf("it is larger than %d bytes", maxText)
	}
	r, err := f.layer.tree.Open(f.name)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return io.ReadAll(r)
}

// readerAt gives random access to its content where that lies in one piece in the layer's blob, as all but files with holes do.
func (f file) readerAt() io.ReaderAt {
	ranged, ok := f.info.(interface{ DataRange() []erofs.DataRange })
	if !ok {
		return nil
	}
	ranges := ranged.DataRange()
	if len(ranges) != 1 || ranges[0].Offset < 0 || ranges[0].Size < f.info.Size() {
		return nil
	}
	return io.NewSectionReader(f.layer.blob.(io.ReaderAt), ranges[0].Offset, f.info.Size())
}
