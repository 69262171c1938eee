package image

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"path"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/image/erofs"
)

const (
	maxLinks   = 40      // symbolic links followed for one path, as in Linux
	maxEntries = 1 << 20 // of a layer; keeps a hostile archive from eating the memory
	maxXattrs  = 60 << 10
	maxBytes   = 8 << 40 // what 32-bit block numbers can address, with room to spare
)

// Layer is a layer being built: see [Store.WriteLayer]. It is a tree of entries; file contents are read when the layer is
// written, after all of them are known. Hard links among the entries of a tree or an archive are kept; there can be none to a file of
// a layer below, which no longer changes.
//
// Paths are absolute in the machine. Parents are followed as a running machine would follow them, through the symbolic links of
// the layers below and of this one: a file added as /bin/x lands in /usr/bin/x where /bin is a link to usr/bin. Parents that
// exist below keep their owner and mode; new ones are 0755 and root's. A path added twice is the last one's, but a directory
// is never replaced by something else, nor something else by a directory.
//
// A Layer must not be used by several goroutines at once.
type Layer struct {
	store    *Store
	root     *node
	below    *view
	entries  int
	source   int         // counts Add calls
	strict   bool        // links made by the current Add call are neither followed nor replaced
	replaces bool        // entries of the current Add call replace what is at their path
	spool    *spool      // nil until needed
	closers  []io.Closer // what contents are read from
}

// Attr are the attributes of an entry. The zero value is root's, without any permission.
type Attr struct {
	Mode     uint32 // permission, setuid, setgid and sticky bits, as in chmod(2)
	UID, GID uint32
	Xattrs   map[string]string
}

// AddDir adds a directory. One that exists in the layers below, also behind a symbolic link, is left as it is.
func (l *Layer) AddDir(name string, a Attr) error {
	return l.addOne(name, &node{mode: unix.S_IFDIR | a.Mode&0o7777, uid: a.UID, gid: a.GID, xattrs: a.Xattrs})
}

// AddFile adds a regular file. The layer keeps content, which must not change afterwards.
func (l *Layer) AddFile(name string, a Attr, content []byte) error {
	return l.addOne(name, fileNode(a, int64(len(content)), func(context.Context) (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(content)), nil
	}))
}

// AddBlob adds a regular file with the content of a stored blob; NotFound if it is not stored, Corrupt if it is damaged.
func (l *Layer) AddBlob(ctx context.Context, name string, a Attr, d slipway.Digest) error {
	f, err := l.store.openVerified(ctx, d)
	if err != nil {
		return err
	}
	st, err := f.Stat()
	f.Close() // contents are opened again one at a time: a layer may have more files than a process may open
	if err != nil {
		return fmt.Errorf("add blob: %w", err)
	}
	return l.addOne(name, fileNode(a, st.Size(), func(context.Context) (io.ReadCloser, error) { return l.store.openFile(d) }))
}

// AddSymlink adds a symbolic link.
func (l *Layer) AddSymlink(name, target string, a Attr) error {
	return l.addOne(name, &node{mode: unix.S_IFLNK | 0o777, uid: a.UID, gid: a.GID, xattrs: a.Xattrs, target: target})
}

// AddNode adds a device, FIFO or socket. typ is one of S_IFCHR, S_IFBLK, S_IFIFO, S_IFSOCK; rdev is as in mknod(2).
func (l *Layer) AddNode(name string, typ uint32, rdev uint64, a Attr) error {
	switch typ {
	case unix.S_IFCHR, unix.S_IFBLK, unix.S_IFIFO, unix.S_IFSOCK:
	default:
		return fmt.Errorf("add %s: %#o is no type of a special file", name, typ)
	}
	return l.addOne(name, &node{mode: typ | a.Mode&0o7777, uid: a.UID, gid: a.GID, xattrs: a.Xattrs, rdev: uint32(rdev)})
}

func fileNode(a Attr, size int64, open opener) *node {
	return &node{mode: unix.S_IFREG | a.Mode&0o7777, uid: a.UID, gid: a.GID, xattrs: a.Xattrs, size: size, open: open}
}

// entryError is the error of an entry that cannot be taken.
func entryError(name, format string, args ...any) error {
	return slipway.Errorf(slipway.Invalid, "cannot add %q to the layer: %s", name, fmt.Sprintf(format, args...))
}

// addOne adds the entry of a call that adds one.
func (l *Layer) addOne(name string, n *node) error {
	l.source++
	_, err := l.add(name, n, nil)
	return err
}

// add puts n at name and returns where that is with all links followed. made gives the attributes of parents that exist neither
// here nor below; nil makes them 0755 and root's.
func (l *Layer) add(name string, n *node, made func(p string) Attr) (string, error) {
	p := path.Clean("/" + name)
	if err := check(p, n); err != nil {
		return "", err
	}
	dir, err := l.resolve(path.Dir(p), 0)
	if err != nil {
		return "", err
	}
	p = path.Join(dir, path.Base(p))
	if l.replaces {
		return p, l.replace(p, n, made)
	}
	have, err := l.lookup(p)
	if err != nil {
		return "", err
	}
	if n.isDir() && have != nil && have.isLink() && !(l.strict && have.source == l.source) {
		// A directory over a link to a directory means that directory. The link stays.
		if p, err = l.resolve(p, 0); err != nil {
			return "", err
		}
		if have, err = l.lookup(p); err != nil {
			return "", err
		}
	}
	switch {
	case have == nil:
	case l.strict && have.source == l.source && (have.isLink() || n.isLink()):
		return "", entryError(name, "it is there twice, once as a symbolic link")
	case have.isDir() && !n.isDir():
		return "", entryError(name, "%s is a directory", p)
	case !have.isDir() && n.isDir():
		return "", entryError(name, "%s is no directory", p)
	case n.isDir():
		own, err := l.makeDirs(p, made)
		if err == nil && own.origin != lower {
			own.mode, own.uid, own.gid, own.xattrs, own.origin, own.source = n.mode, n.uid, n.gid, n.xattrs, named, l.source
		}
		return p, err
	}
	parent, err := l.makeDirs(path.Dir(p), made)
	if err != nil {
		return "", err
	}
	return p, l.put(parent, path.Base(p), n)
}

// put inserts n, replacing what was there.
func (l *Layer) put(parent *node, name string, n *node) error {
	if l.entries++; l.entries > maxEntries {
		return slipway.Errorf(slipway.Invalid, "cannot build the layer: it has more than %d entries", maxEntries)
	}
	n.source = l.source
	if n.isDir() && n.children == nil {
		n.children = map[string]*node{}
	}
	parent.children[name] = n
	return nil
}

// makeDirs returns the directory at p, whose parents are all real directories or missing, and makes what is missing.
func (l *Layer) makeDirs(p string, made func(string) Attr) (*node, error) {
	dir, at := l.root, ""
	for name := range strings.SplitSeq(strings.TrimPrefix(p, "/"), "/") {
		if name == "" {
			break
		}
		at += "/" + name
		own := dir.children[name]
		if own != nil && !own.isWhiteout() {
			dir = own
			continue
		}
		have, err := l.lookup(at)
		if err != nil {
			return nil, err
		}
		next := &node{mode: unix.S_IFDIR | 0o755, origin: implied}
		if have != nil {
			next.mode, next.uid, next.gid, next.origin = have.mode, have.uid, have.gid, lower
			next.xattrs = maps.Clone(have.xattrs)
			delete(next.xattrs, opaqueXattr) // it has done its work below; here it would hide all of that
		} else if made != nil {
			a := made(at)
			next.mode, next.uid, next.gid = unix.S_IFDIR|a.Mode&0o7777, a.UID, a.GID
		}
		if own != nil {
			next.hideBelow() // what the whiteout hid stays hidden
		}
		if err := l.put(dir, name, next); err != nil {
			return nil, err
		}
		dir = next
	}
	return dir, nil
}

// lookup returns what is at p in the layer on top of those below, nil if nothing. Parents of p must be no links.
func (l *Layer) lookup(p string) (*node, error) {
	n := l.root
	for rest := strings.TrimPrefix(p, "/"); rest != ""; {
		var name string
		name, rest, _ = strings.Cut(rest, "/")
		hidden := n.isOpaque()
		if n = n.children[name]; n == nil {
			if hidden {
				return nil, nil
			}
			return l.below.lookup(p)
		}
		if n.isWhiteout() || rest != "" && !n.isDir() {
			return nil, nil
		}
	}
	return n, nil
}

// resolve returns the path of the directory p with all symbolic links followed, as in the running machine: a link cannot lead
// out of the root. What does not exist is taken for a directory to be made.
func (l *Layer) resolve(p string, links int) (string, error) {
	at, rest := "/", strings.TrimPrefix(p, "/")
	for rest != "" {
		var name string
		name, rest, _ = strings.Cut(rest, "/")
		switch name {
		case "", ".":
			continue
		case "..":
			at = path.Dir(at)
			continue
		}
		next := path.Join(at, name)
		n, err := l.lookup(next)
		switch {
		case err != nil:
			return "", err
		case n == nil || n.isDir():
			at = next
		case n.isLink():
			if l.strict && n.source == l.source {
				return "", entryError(p, "it is below %s, a symbolic link of the same archive", next)
			}
			if links++; links > maxLinks {
				return "", entryError(p, "too many symbolic links on the way")
			}
			if strings.HasPrefix(n.target, "/") {
				at = "/"
			}
			rest = n.target + "/" + rest
		default:
			return "", entryError(p, "%s is no directory", next)
		}
	}
	return at, nil
}

// staysBelow reports whether a link to target in the directory dir leads to a place at or below root, whatever links it goes through.
func (l *Layer) staysBelow(root, dir, target string) (bool, error) {
	at, links := dir, 0
	for rest := target; rest != ""; {
		var name string
		name, rest, _ = strings.Cut(rest, "/")
		switch name {
		case "", ".":
			continue
		case "..":
			if at == root {
				return false, nil
			}
			at = path.Dir(at)
			continue
		}
		at = path.Join(at, name)
		n, err := l.lookup(at)
		if err != nil {
			return false, err
		}
		if n != nil && n.isLink() && n.source == l.source {
			if links++; links > maxLinks {
				return true, nil // it leads in a circle, and so nowhere
			}
			at, rest = path.Dir(at), n.target+"/"+rest
		}
	}
	return true, nil
}

// release closes what the contents were read from.
func (l *Layer) release() {
	for _, c := range l.closers {
		c.Close()
	}
}

// check refuses what an EROFS file system or the kernel could not hold.
func check(p string, n *node) error {
	switch {
	case strings.ContainsRune(p, 0) || strings.ContainsRune(n.target, 0):
		return entryError(p, "a name has a zero byte in it")
	case len(p) >= unix.PathMax:
		return entryError(p[:64]+"…", "the path is longer than %d bytes", unix.PathMax-1)
	case n.isLink() && (n.target == "" || len(n.target) >= unix.PathMax):
		return entryError(p, "the target of a symbolic link must have 1 to %d bytes", unix.PathMax-1)
	case n.size < 0 || n.size > maxBytes:
		return entryError(p, "it cannot be %d bytes long", n.size)
	}
	for name := range strings.SplitSeq(p, "/") {
		if len(name) > unix.NAME_MAX {
			return entryError(p, "a name is longer than %d bytes", unix.NAME_MAX)
		}
	}
	total := 0
	for name, value := range n.xattrs {
		if len(name) > unix.NAME_MAX {
			return entryError(p, "the name of an extended attribute is longer than %d bytes", unix.NAME_MAX)
		}
		if !erofs.CanXattr(name) {
			return entryError(p, "it has the extended attribute %q, which a layer cannot keep", name)
		}
		total += len(name) + len(value) + 8
	}
	if total > maxXattrs {
		return entryError(p, "its extended attributes are longer than %d bytes", maxXattrs)
	}
	return nil
}
