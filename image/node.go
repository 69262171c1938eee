package image

import (
	"context"
	"io"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/erofs/go-erofs"
	"golang.org/x/sys/unix"
)

// Epoch is the modification time of every entry of every layer, in Unix seconds: the first of January 2000. Zero would do, but
// programs take it for "unknown". (A file's own time would make the layer depend on when its inputs were checked out.)
const Epoch = 946684800

// opaqueXattr marks a directory that hides the one of the same name in the layers below.
const opaqueXattr = "trusted.overlay.opaque"

// node is an entry of a layer.
type node struct {
	name     string
	mode     uint32 // as in stat(2), with the type
	uid, gid uint32
	rdev     uint32
	xattrs   map[string]string
	target   string           // of a symbolic link
	size     int64            // of a regular file
	open     opener           // of a regular file
	children map[string]*node // of a directory

	origin origin
	source int // number of the Add call that made it
}

// opener opens the content of a file. It is called for one file at a time.
type opener func(context.Context) (io.ReadCloser, error)

// origin says how a directory got into the layer, and so whether a later entry may set its attributes.
type origin int

const (
	named   origin = iota // an entry said so
	implied               // a parent of an entry, and new
	lower                 // a parent of an entry, with the attributes it has in the layers below
)

func (n *node) kind() uint32     { return n.mode & unix.S_IFMT }
func (n *node) isDir() bool      { return n.kind() == unix.S_IFDIR }
func (n *node) isLink() bool     { return n.kind() == unix.S_IFLNK }
func (n *node) isFile() bool     { return n.kind() == unix.S_IFREG }
func (n *node) isOpaque() bool   { return n.xattrs[opaqueXattr] == "y" }
func (n *node) isWhiteout() bool { return n.kind() == unix.S_IFCHR && n.rdev == 0 }

func (n *node) attr() Attr {
	return Attr{Mode: n.mode & 0o7777, UID: n.uid, GID: n.gid, Xattrs: n.xattrs}
}

// find returns the node at a clean absolute path, without following links, and nil if there is none.
func (n *node) find(p string) *node {
	for rest := strings.TrimPrefix(p, "/"); rest != "" && n != nil; {
		var name string
		name, rest, _ = strings.Cut(rest, "/")
		n = n.children[name]
	}
	return n
}

// treeFS shows a tree of nodes to the EROFS writer. Files are opened when they are read, not when Open is called, because the
// writer opens all before it reads the first. A plan is all about sizes: its files yield garbage of the right length.
type treeFS struct {
	ctx  context.Context
	root *node
	plan bool
}

var _ interface {
	fs.ReadDirFS
	fs.StatFS
	ReadLink(string) (string, error)
} = treeFS{}

func (t treeFS) find(name string) (*node, error) {
	if n := t.root.find(path.Clean("/" + name)); n != nil {
		return n, nil
	}
	return nil, fs.ErrNotExist
}

func (t treeFS) Stat(name string) (fs.FileInfo, error) {
	n, err := t.find(name)
	return info{n}, err
}

func (t treeFS) ReadDir(name string) ([]fs.DirEntry, error) {
	n, err := t.find(name)
	if err != nil {
		return nil, err
	}
	list := make([]fs.DirEntry, 0, len(n.children))
	for _, k := range slices.Sorted(maps.Keys(n.children)) {
		list = append(list, fs.FileInfoToDirEntry(info{n.children[k]}))
	}
	return list, nil
}

func (t treeFS) ReadLink(name string) (string, error) {
	n, err := t.find(name)
	if err != nil {
		return "", err
	}
	return n.target, nil
}

func (t treeFS) Open(name string) (fs.File, error) {
	n, err := t.find(name)
	if err != nil {
		return nil, err
	}
	if t.plan {
		return &plannedFile{info{n}, n.size}, nil
	}
	return &content{info: info{n}, ctx: t.ctx, left: n.size}, nil
}

// info is a node as the EROFS writer wants it.
type info struct{ *node }

func (i info) Name() string       { return i.name }
func (i info) Size() int64        { return i.size }
func (i info) IsDir() bool        { return i.isDir() }
func (i info) ModTime() time.Time { return time.Unix(Epoch, 0) }
func (i info) Mode() fs.FileMode  { return goMode(i.mode) }

func (i info) Sys() any {
	st := &erofs.Stat{UID: i.uid, GID: i.gid, Mtime: Epoch, Nlink: 1, Rdev: i.rdev}
	if i.isDir() {
		st.Nlink = 2
		for _, c := range i.children {
			if c.isDir() {
				st.Nlink++
			}
		}
	}
	for name, value := range i.xattrs {
		if st.Xattrs == nil {
			st.Xattrs = map[string]string{}
		}
		// The on-disk name of an ACL is a prefix number and nothing else; go-erofs finds the number only with this dot.
		if isACL(name) {
			name += "."
		}
		st.Xattrs[name] = value
	}
	return st
}

func isACL(xattr string) bool {
	return xattr == "system.posix_acl_access" || xattr == "system.posix_acl_default"
}

// plannedFile yields size bytes of whatever is in the reader's buffer.
type plannedFile struct {
	info
	left int64
}

func (f *plannedFile) Stat() (fs.FileInfo, error) { return f.info, nil }
func (f *plannedFile) Close() error               { return nil }

func (f *plannedFile) Read(p []byte) (int, error) {
	if f.left == 0 {
		return 0, io.EOF
	}
	n := int(min(int64(len(p)), f.left))
	f.left -= int64(n)
	return n, nil
}

// content reads a file of a layer and fails unless its source yields exactly the bytes it announced. It reads to the end of the
// source, where those that carry a checksum find out whether it fits.
type content struct {
	info
	ctx  context.Context
	r    io.ReadCloser
	left int64
}

func (c *content) Stat() (fs.FileInfo, error) { return c.info, nil }

func (c *content) Read(p []byte) (int, error) {
	if c.r == nil {
		r, err := c.node.open(c.ctx)
		if err != nil {
			return 0, err
		}
		c.r = r
	}
	n, err := c.r.Read(p)
	c.left -= int64(n)
	if err == io.EOF && c.left > 0 {
		err = io.ErrUnexpectedEOF
	}
	if c.left == 0 && err == nil {
		var more [1]byte
		switch n, end := io.ReadFull(c.r, more[:]); {
		case n > 0:
			err = errGrew
		case end != io.EOF:
			err = end
		}
	}
	return n, err
}

func (c *content) Close() error {
	if c.r == nil {
		return nil
	}
	return c.r.Close()
}
