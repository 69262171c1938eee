package image

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/image/erofs"
)

// AddTree adds a directory of the host with all below it: owners, modes, extended attributes, links, holes and special files as they
// are. Hard links among what is added stay hard links. The tree must not change until the layer is written.
func (l *Layer) AddTree(ctx context.Context, dir string, o Options) error {
	l.source++
	return walk(ctx, dir, func(rel string, n *node) (bool, error) {
		p := path.Join(o.to(), rel)
		if o.skips(p) {
			return false, nil
		}
		for name := range n.xattrs {
			if strings.HasPrefix(name, "trusted.overlay.") {
				delete(n.xattrs, name)
			}
		}
		o.apply(n)
		_, err := l.add(p, n, o.made)
		return true, err
	})
}

// AddOverlay adds the upper directory of an overlayfs mount: what was changed on top of the layers below. Whiteouts (character
// devices 0:0) and opaque directories are kept and hide the same when the layer is a lower directory in turn. Paths are taken as
// they are, and the attributes of all directories too. skip, unless nil, leaves out entries by their path in the machine.
//
// Hard links among changed files stay hard links. A changed file is none to one of a layer below, whatever it was there: overlayfs copies a
// file before the first change and leaves its other names with the old content (a mount with index=on would keep them together, but
// then its upper directory means nothing on top of another mount of the same layers).
//
// The mount must have been made with redirect_dir=nofollow (or off) and metacopy=off, which are the kernel's defaults unless it was built
// otherwise: an upper directory that is incomplete without the host's is an error.
func (l *Layer) AddOverlay(ctx context.Context, upper string, skip func(path string) bool) error {
	l.source++
	return walk(ctx, upper, func(rel string, n *node) (bool, error) {
		p := path.Clean("/" + rel)
		if skip != nil && skip(p) {
			return false, nil
		}
		for name, value := range n.xattrs {
			switch {
			case !strings.HasPrefix(name, "trusted.overlay."):
			case name == opaqueXattr && value == "y":
			case name == "trusted.overlay.redirect" || name == "trusted.overlay.metacopy":
				return false, fmt.Errorf("%s of the upper directory has %s: it is incomplete by itself", p, name)
			default: // what overlayfs notes for itself: origin, impure, nlink, uuid
				delete(n.xattrs, name)
			}
		}
		if err := check(p, n); err != nil {
			return false, err
		}
		if p == "/" {
			l.root.mode, l.root.uid, l.root.gid, l.root.xattrs, l.root.origin = n.mode, n.uid, n.gid, n.xattrs, named
			return true, nil
		}
		parent := l.root.find(path.Dir(p))
		if have := parent.children[path.Base(p)]; have != nil && have.isDir() && n.isDir() {
			n.children = have.children
		}
		return true, l.put(parent, path.Base(p), n)
	})
}

// walk calls visit for dir and, parents first, all below it. visit gets the path below dir, and says whether to go on below it. For
// another hard link to a file it gets the same node again.
func walk(ctx context.Context, dir string, visit func(rel string, n *node) (bool, error)) error {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return fmt.Errorf("add tree: %w", err)
	}
	links := map[hostID]*node{}
	var down func(rel string) error
	down = func(rel string) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		p := filepath.Join(dir, rel)
		n, err := hostNode(ctx, p, links)
		if err != nil {
			return fmt.Errorf("add tree: %w", err)
		}
		if rel == "" && !n.isDir() {
			return slipway.Errorf(slipway.Invalid, "cannot add %s: it is no directory", dir)
		}
		below, err := visit(rel, n)
		if err != nil || !below || !n.isDir() {
			return err
		}
		list, err := os.ReadDir(p)
		if err != nil {
			return fmt.Errorf("add tree: %w", err)
		}
		for _, e := range list {
			if err := down(path.Join(rel, e.Name())); err != nil {
				return err
			}
		}
		return nil
	}
	return down("")
}

// hostID identifies a file of the host, whatever its names. The number alone does not: an overlay on top of another overlay gives files of
// several layers the same.
type hostID struct {
	dev, ino, nlink uint64
	mode, uid, gid  uint32
	size            int64
	mtime, ctime    unix.Timespec
}

func idOf(st *unix.Stat_t) hostID {
	return hostID{st.Dev, st.Ino, st.Nlink, st.Mode, st.Uid, st.Gid, st.Size, st.Mtim, st.Ctim}
}

// hostNode describes an entry of the host. links has the files with several hard links that were met before.
func hostNode(ctx context.Context, p string, links map[hostID]*node) (*node, error) {
	var st unix.Stat_t
	if err := unix.Lstat(p, &st); err != nil {
		return nil, &os.PathError{Op: "lstat", Path: p, Err: err}
	}
	n := &node{mode: st.Mode, uid: st.Uid, gid: st.Gid}
	if n.kind() == unix.S_IFCHR || n.kind() == unix.S_IFBLK {
		n.rdev = uint32(st.Rdev)
	}
	// Overlayfs makes its whiteouts as hard links to each other, as far as the file system can have them: they mean no more than others.
	if st.Nlink > 1 && !n.isDir() && !n.isWhiteout() {
		id := idOf(&st)
		if n := links[id]; n != nil {
			return n, nil
		}
		links[id] = n
	}
	var err error
	if n.xattrs, err = hostXattrs(p); err != nil {
		return nil, err
	}
	switch n.kind() {
	case unix.S_IFREG:
		n.size = st.Size
		if st.Size > holeSize {
			if n.data, err = hostData(ctx, p, st.Size); err != nil {
				return nil, err
			}
		}
		n.open = openHost(p, n.size, n.data)
	case unix.S_IFLNK:
		n.target, err = os.Readlink(p)
	}
	return n, err
}

// hostXattrs reads the extended attributes that mean something in another machine.
func hostXattrs(p string) (map[string]string, error) {
	size, err := unix.Llistxattr(p, nil)
	if errors.Is(err, unix.ENOTSUP) || err == nil && size == 0 {
		return nil, nil
	}
	var names []byte
	if err == nil {
		names = make([]byte, size)
		size, err = unix.Llistxattr(p, names)
	}
	if err != nil {
		return nil, &os.PathError{Op: "listxattr", Path: p, Err: err}
	}
	xattrs := map[string]string{}
	value := make([]byte, 64<<10) // the kernel's limit
	for name := range strings.SplitSeq(strings.TrimSuffix(string(names[:size]), "\x00"), "\x00") {
		if !erofs.CanXattr(name) || strings.HasPrefix(name, "security.") && name != "security.capability" {
			continue
		}
		n, err := unix.Lgetxattr(p, name, value)
		if err != nil {
			return nil, &os.PathError{Op: "getxattr", Path: p, Err: err}
		}
		xattrs[name] = string(value[:n])
	}
	return xattrs, nil
}
