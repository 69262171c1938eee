package image

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/slipway-sh/slipway"
)

// AddArchive adds the entries of a stored blob that is a tar, tar.gz, tar.zst or zip archive, told by its content. Invalid if it is none
// of them or damaged; NotFound and Corrupt as for [Layer.AddBlob].
func (l *Layer) AddArchive(ctx context.Context, d slipway.Digest, o Options) error {
	f, err := l.store.openVerified(ctx, d)
	if err != nil {
		return err
	}
	l.closers = append(l.closers, f)
	st, err := f.Stat()
	if err != nil {
		return fmt.Errorf("read archive: %w", err)
	}
	return l.addArchive(ctx, f, st.Size(), o)
}

func (l *Layer) addArchive(ctx context.Context, f *os.File, size int64, o Options) error {
	head := make([]byte, 512)
	n, err := f.ReadAt(head, 0)
	if err != nil && err != io.EOF {
		return fmt.Errorf("read archive: %w", err)
	}
	switch head = head[:n]; {
	case bytes.HasPrefix(head, gzipMagic), bytes.HasPrefix(head, zstdMagic):
		return l.AddTar(ctx, f, o)
	case bytes.HasPrefix(head, []byte("PK\x03\x04")), bytes.HasPrefix(head, []byte("PK\x05\x06")):
		return l.AddZip(ctx, f, size, o)
	case isTar(head):
		// The contents stay where they are: nothing is copied but into the layer.
		return l.addTar(ctx, tar.NewReader(f), func(length int64) (opener, error) {
			at, err := f.Seek(0, io.SeekCurrent)
			if err == nil && length > size-at {
				err = io.ErrUnexpectedEOF
			}
			return func(context.Context) (io.ReadCloser, error) {
				return io.NopCloser(io.NewSectionReader(f, at, length)), nil
			}, err
		}, o)
	}
	return slipway.Errorf(slipway.Invalid, "cannot unpack: the file is no tar, tar.gz, tar.zst or zip archive")
}

// isTar reports whether a file that starts with head is a tar archive: one that has the magic word, an old one without it, or
// one of no entries.
func isTar(head []byte) bool {
	_, err := tar.NewReader(io.MultiReader(bytes.NewReader(head), zeros{})).Next()
	return len(head) == 512 && (err == nil || err == io.EOF || string(head[257:262]) == "ustar")
}

// zeros yields zero bytes without end.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// archive adds the entries of one archive to a layer.
type archive struct {
	layer *Layer
	what  string
	o     Options
	links []string // where the symbolic links are that were added
}

func (l *Layer) newArchive(what string, o Options) *archive {
	l.source++
	return &archive{layer: l, what: what, o: o}
}

// refuse is the error of an entry that cannot be taken.
func (a *archive) refuse(name, format string, args ...any) error {
	return slipway.Errorf(slipway.Invalid, "cannot unpack the %s: %s", a.what, fmt.Sprintf(format, args...)).At("archive entry " + printable(name))
}

// printable keeps control characters of an archive away from terminals, and what is too long.
func printable(name string) string {
	if len(name) > 200 {
		name = name[:200] + "…"
	}
	q := fmt.Sprintf("%q", name)
	if inner := q[1 : len(q)-1]; inner == name {
		return name
	}
	return q
}

func (a *archive) path(name string) string { return path.Join(a.o.to(), path.Clean("/"+name)) }

func (a *archive) skipped(name string) bool {
	if a.o.Skip == nil {
		return false
	}
	for p := a.path(name); p != "/"; p = path.Dir(p) {
		if a.o.Skip(p) {
			return true
		}
	}
	return false
}

// add puts an entry into the layer.
func (a *archive) add(name string, n *node) error {
	if a.o.Untrusted {
		if err := a.check(name, n); err != nil {
			return err
		}
	}
	if a.skipped(name) {
		return nil
	}
	a.o.apply(n)
	a.layer.strict, a.layer.replaces = a.o.Untrusted, a.o.OCIWhiteouts
	at, err := a.layer.add(a.path(name), n, a.o.made)
	a.layer.strict, a.layer.replaces = false, false
	if err != nil {
		return a.place(name, err)
	}
	if n.isLink() {
		a.links = append(a.links, at)
	}
	return nil
}

// place names the entry in the error of the layer.
func (a *archive) place(name string, err error) error {
	if e := (*slipway.Error)(nil); errors.As(err, &e) {
		return e.At("archive entry " + printable(name))
	}
	return err
}

// hardLink adds the file linked to once more.
func (a *archive) hardLink(ctx context.Context, name, target string) error {
	if a.o.Untrusted {
		if err := a.checkName(name, target, "the link's target"); err != nil {
			return err
		}
	}
	if a.skipped(name) {
		return nil
	}
	a.layer.strict = a.o.Untrusted
	at, err := a.layer.resolve(path.Dir(a.path(target)), 0)
	a.layer.strict = false
	if err != nil {
		return a.place(name, err)
	}
	have := a.layer.root.find(path.Join(at, path.Base(a.path(target))))
	if have == nil && a.o.OCIWhiteouts {
		switch n, err := a.layer.copyBelow(ctx, path.Join(at, path.Base(a.path(target)))); {
		case err != nil:
			return err
		case n != nil:
			return a.add(name, n)
		}
	}
	switch {
	case have == nil || have.source != a.layer.source || have.isDir():
		return a.refuse(name, "it is a link to %q, which is no file before it in the archive", target)
	case a.o.Untrusted && !have.isFile():
		return a.refuse(name, "it is a hard link to a symbolic link")
	}
	return a.add(name, have)
}

// check refuses what an untrusted archive must not have.
func (a *archive) check(name string, n *node) error {
	if err := a.checkName(name, name, "its name"); err != nil {
		return err
	}
	switch n.kind() {
	case unix.S_IFDIR, unix.S_IFREG, unix.S_IFLNK:
	default:
		return a.refuse(name, "it is a device node or FIFO")
	}
	if n.isLink() && strings.HasPrefix(n.target, "/") {
		return a.refuse(name, "it is a symbolic link to %q, out of the archive", n.target)
	}
	return nil
}

func (a *archive) checkName(entry, name, what string) error {
	if strings.HasPrefix(name, "/") {
		return a.refuse(entry, "%s %q is absolute", what, name)
	}
	for part := range strings.SplitSeq(name, "/") {
		if part == ".." {
			return a.refuse(entry, "%s %q leads out of the archive with \"..\"", what, name)
		}
	}
	return nil
}

// finish refuses an untrusted archive one of whose symbolic links leads out of it. That shows only when all are known: a link
// may go through another.
func (a *archive) finish() error {
	if !a.o.Untrusted {
		return nil
	}
	root, err := a.layer.resolve(a.o.to(), 0)
	if err != nil {
		return err
	}
	for _, p := range a.links {
		n := a.layer.root.find(p)
		if n == nil || !n.isLink() {
			continue
		}
		if inside, err := a.layer.staysBelow(root, path.Dir(p), n.target); err != nil {
			return err
		} else if !inside {
			return a.refuse(strings.TrimPrefix(strings.TrimPrefix(p, root), "/"), "it is a symbolic link to %q, out of the archive", n.target)
		}
	}
	return nil
}
