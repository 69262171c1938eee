package image

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/image/erofs"
)

// paxXattr is how PAX records name extended attributes.
const paxXattr = "SCHILY.xattr."

// AddTar adds the entries of a tar stream, which may be compressed with gzip or zstd: that is told by how it begins. Contents are read
// before it returns, and r to its end, where readers that know a checksum tell whether it was right. Hard links stay hard links, and holes
// of files that the archive has as sparse stay holes. Extended attributes that a layer cannot keep (of other namespaces than
// user, trusted, security and the POSIX ACLs) are left out.
//
// A file with holes must find room on the disk as if it had none: a small archive shall not hold up a bake with zeros without end.
func (l *Layer) AddTar(ctx context.Context, r io.Reader, o Options) error {
	r, end, err := decompress(withContext{ctx, r})
	if err != nil {
		return l.readError("tar archive", err)
	}
	defer end()
	if err := l.addTar(ctx, tar.NewReader(r), nil, o); err != nil {
		return err
	}
	if _, err := io.Copy(io.Discard, r); err != nil {
		return l.readError("tar archive", err)
	}
	return nil
}

// addTar reads tr. at, if not nil, is asked for the content that is ahead in the archive, if that can be read again later.
func (l *Layer) addTar(ctx context.Context, tr *tar.Reader, at func(length int64) (opener, error), o Options) error {
	a := l.newArchive("tar archive", o)
	for {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return l.readError("tar archive", err)
		}
		if h.Typeflag == tar.TypeXGlobalHeader {
			continue
		}
		if is, err := a.whiteout(h.Name); err != nil {
			return err
		} else if is {
			continue
		}
		n := tarNode(h)
		switch h.Typeflag {
		case tar.TypeReg, tar.TypeGNUSparse, tar.TypeCont:
			n.mode |= unix.S_IFREG
			n.size = h.Size
			if a.skipped(h.Name) {
				continue
			}
			if sparse(h) {
				if err := l.store.room("the unpacked archive", h.Size); err != nil {
					return err
				}
				if n.open, n.data, err = l.takeSparse(ctx, tr, h.Size); err != nil {
					return l.readError("tar archive", err)
				}
			} else if at != nil {
				if n.open, err = at(h.Size); err != nil {
					return a.refuse(h.Name, "the archive is cut short")
				}
			} else if n.open, n.size, err = l.take(ctx, tr); err != nil {
				return l.readError("tar archive", err)
			}
		case tar.TypeDir:
			n.mode |= unix.S_IFDIR
		case tar.TypeSymlink:
			n.mode, n.target = unix.S_IFLNK|0o777, h.Linkname
		case tar.TypeLink:
			if err := a.hardLink(ctx, h.Name, h.Linkname); err != nil {
				return err
			}
			continue
		case tar.TypeChar:
			n.mode |= unix.S_IFCHR
		case tar.TypeBlock:
			n.mode |= unix.S_IFBLK
		case tar.TypeFifo:
			n.mode |= unix.S_IFIFO
		default:
			return a.refuse(h.Name, "entries of type %q are not supported", string(h.Typeflag))
		}
		if err := a.add(h.Name, n); err != nil {
			return err
		}
	}
	return a.finish()
}

// tarNode returns the attributes of an entry, without its type.
func tarNode(h *tar.Header) *node {
	n := &node{
		mode: uint32(h.Mode) & 0o7777, uid: uint32(h.Uid), gid: uint32(h.Gid),
		rdev: uint32(unix.Mkdev(uint32(h.Devmajor), uint32(h.Devminor))),
	}
	for key, value := range h.PAXRecords {
		if name, ok := strings.CutPrefix(key, paxXattr); ok && erofs.CanXattr(name) && !strings.HasPrefix(name, "trusted.overlay.") {
			if n.xattrs == nil {
				n.xattrs = map[string]string{}
			}
			n.xattrs[name] = value
		}
	}
	return n
}

// sparse reports whether the content in the archive is not the content of the file.
func sparse(h *tar.Header) bool {
	if h.Typeflag == tar.TypeGNUSparse {
		return true
	}
	for key := range h.PAXRecords {
		if strings.HasPrefix(key, "GNU.sparse.") {
			return true
		}
	}
	return false
}

// take spools what r yields.
func (l *Layer) take(ctx context.Context, r io.Reader) (opener, int64, error) {
	if err := l.openSpool(); err != nil {
		return nil, 0, err
	}
	return l.spool.take(ctx, r)
}

// takeSparse spools a file of size bytes, without its holes.
func (l *Layer) takeSparse(ctx context.Context, r io.Reader, size int64) (opener, []erofs.Extent, error) {
	if err := l.openSpool(); err != nil {
		return nil, nil, err
	}
	return l.spool.takeSparse(ctx, r, size)
}

func (l *Layer) openSpool() error {
	if l.spool != nil {
		return nil
	}
	s, err := l.store.newSpool()
	if err != nil {
		return err
	}
	l.spool = s
	l.closers = append(l.closers, s.file)
	return nil
}

// readError makes the error of an archive that cannot be read: Invalid unless something else than its bytes is the reason.
func (l *Layer) readError(what string, err error) error {
	var fault *fs.PathError
	switch {
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded), slipway.CodeOf(err) != slipway.Internal:
		return err
	case errors.As(err, &fault):
		return fmt.Errorf("read %s: %w", what, err)
	}
	return slipway.Errorf(slipway.Invalid, "cannot read the %s: %w", what, err)
}
