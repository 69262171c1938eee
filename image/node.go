package image

import (
	"context"
	"io"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/slipway-sh/slipway/image/erofs"
)

// Epoch is the modification time of every entry of every layer, in Unix seconds: the first of January 2000. Zero would do, but
// programs take it for "unknown". (A file's own time would make the layer depend on when its inputs were checked out.)
const Epoch = 946684800

// opaqueXattr marks a directory that hides the one of the same name in the layers below.
const opaqueXattr = "trusted.overlay.opaque"

// node is a file of a layer, of any type. One that has several hard links is in the tree as often.
type node struct {
	mode     uint32 // as in stat(2), with the type
	uid, gid uint32
	rdev     uint32
	xattrs   map[string]string
	target   string           // of a symbolic link
	size     int64            // of a regular file
	data     []erofs.Extent   // of a regular file: what is no hole; nil: all
	open     opener           // of a regular file
	children map[string]*node // of a directory

	origin origin
	source int // number of the Add call that made it
}

// opener opens the content of a file, without its holes. It is called for one file at a time.
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

// inode returns the tree below n as it is written. known has the nodes that were met before: hard links stay what they are.
func (n *node) inode(known map[*node]*erofs.Inode) *erofs.Inode {
	if i := known[n]; i != nil {
		return i
	}
	i := &erofs.Inode{
		Mode: n.mode, UID: n.uid, GID: n.gid, Rdev: n.rdev, Xattrs: n.xattrs, Target: n.target,
		Size: n.size, Data: n.data, Open: n.open,
	}
	if n.isDir() {
		i.Entries = make(map[string]*erofs.Inode, len(n.children))
		for name, child := range n.children {
			i.Entries[name] = child.inode(known)
		}
	}
	known[n] = i
	return i
}

func isACL(xattr string) bool {
	return xattr == "system.posix_acl_access" || xattr == "system.posix_acl_default"
}
