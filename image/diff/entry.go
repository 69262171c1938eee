package diff

import (
	"encoding/hex"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/erofs/go-erofs"
	"golang.org/x/sys/unix"

	"github.com/slipway-sh/slipway"
)

// opaque marks a directory that hides the one of the same name in the layers below.
const opaque = "trusted.overlay.opaque"

// entry is a name in a directory of one layer. Its inode is read when it is needed.
type entry struct {
	layer *layer
	path  string
	dir   fs.DirEntry
	read  *inode
}

// inode is what a layer says of a file.
type inode struct {
	mode   uint32 // as in stat(2), with the type
	stat   *erofs.Stat
	ranges []erofs.DataRange // of a file's content in the blob; nil if only go-erofs can read it
	target string            // of a symbolic link
}

func (e *entry) inode() (*inode, error) {
	if e.read != nil {
		return e.read, nil
	}
	info, err := e.dir.Info()
	if err != nil {
		return nil, e.layer.corrupt(err)
	}
	n := &inode{stat: info.Sys().(*erofs.Stat)}
	n.mode = unixMode(n.stat.Mode)
	if r, ok := info.(interface{ DataRange() []erofs.DataRange }); ok {
		n.ranges = r.DataRange()
	}
	if n.mode&unix.S_IFMT == unix.S_IFLNK {
		if n.target, err = e.layer.root.ReadLink(e.path); err != nil {
			return nil, e.layer.corrupt(err)
		}
	}
	e.read = n
	return n, nil
}

func (n *inode) isFile() bool     { return n.mode&unix.S_IFMT == unix.S_IFREG }
func (n *inode) isWhiteout() bool { return n.mode&unix.S_IFMT == unix.S_IFCHR && n.stat.Rdev == 0 }
func (n *inode) isOpaque() bool   { return n.stat.Xattrs[opaque] == "y" }

var types = map[uint32]string{
	unix.S_IFREG: "file", unix.S_IFDIR: "directory", unix.S_IFLNK: "symlink", unix.S_IFCHR: "character device",
	unix.S_IFBLK: "block device", unix.S_IFIFO: "fifo", unix.S_IFSOCK: "socket",
}

// state describes the inode as a machine sees it.
func (n *inode) state() *slipway.FileState {
	s := &slipway.FileState{
		Type: types[n.mode&unix.S_IFMT], Mode: fmt.Sprintf("%04o", n.mode&0o7777), UID: n.stat.UID, GID: n.stat.GID, Target: n.target,
	}
	switch n.mode & unix.S_IFMT {
	case unix.S_IFREG:
		s.Size = n.stat.Size
	case unix.S_IFLNK:
		s.Mode = "0777" // whatever a layer says: the kernel does not look at it
	case unix.S_IFCHR, unix.S_IFBLK:
		s.Device = fmt.Sprintf("%d:%d", unix.Major(uint64(n.stat.Rdev)), unix.Minor(uint64(n.stat.Rdev)))
	}
	for name, value := range n.stat.Xattrs {
		if name == opaque {
			continue // it tells of the layers below, not of the directory
		}
		if s.Xattrs == nil {
			s.Xattrs = map[string]string{}
		}
		s.Xattrs[xattrName(name)] = printable(name, value)
	}
	return s
}

// attributes returns in what two inodes differ, contents apart.
func attributes(a, b *inode, v view) []string {
	kind := a.mode & unix.S_IFMT
	if kind != b.mode&unix.S_IFMT {
		return []string{slipway.AspectType} // all else follows from it
	}
	device := kind == unix.S_IFCHR || kind == unix.S_IFBLK
	var what []string
	for _, aspect := range []struct {
		name    string
		differs bool
	}{
		{slipway.AspectTarget, a.target != b.target},
		{slipway.AspectMode, a.mode != b.mode && kind != unix.S_IFLNK},
		{slipway.AspectOwner, a.stat.UID != b.stat.UID || a.stat.GID != b.stat.GID},
		{slipway.AspectDevice, device && a.stat.Rdev != b.stat.Rdev},
		{"number of links", v == bare && kind != unix.S_IFDIR && a.stat.Nlink != b.stat.Nlink},
		{"time", v == bare && (a.stat.Mtime != b.stat.Mtime || a.stat.MtimeNs != b.stat.MtimeNs)},
	} {
		if aspect.differs {
			what = append(what, aspect.name)
		}
	}
	return append(what, xattrs(a.stat.Xattrs, b.stat.Xattrs, v)...)
}

// xattrs returns the names of the extended attributes that differ, sorted.
func xattrs(a, b map[string]string, v view) []string {
	if maps.Equal(a, b) {
		return nil
	}
	var names []string
	for name := range a {
		if other, ok := b[name]; !ok || other != a[name] {
			names = append(names, xattrName(name))
		}
	}
	for name := range b {
		if _, ok := a[name]; !ok {
			names = append(names, xattrName(name))
		}
	}
	if v == machine {
		names = slices.DeleteFunc(names, func(name string) bool { return name == opaque })
	}
	slices.Sort(names)
	return names
}

// xattrName undoes what go-erofs wants of the names of access control lists: a dot behind them.
func xattrName(name string) string {
	if strings.HasPrefix(name, "system.posix_acl_") {
		return strings.TrimSuffix(name, ".")
	}
	return name
}

// printable returns text as it is, capabilities by their names, and all else in hexadecimal.
func printable(name, value string) string {
	if text, ok := capabilityText(value); ok && name == "security.capability" {
		return text
	}
	if utf8.ValidString(value) && strings.IndexFunc(value, func(r rune) bool { return !unicode.IsPrint(r) }) < 0 {
		return value
	}
	return "0x" + hex.EncodeToString([]byte(value))
}

// unixMode is a Go file mode as in stat(2).
func unixMode(m fs.FileMode) uint32 {
	mode := uint32(m.Perm())
	for flag, bit := range map[fs.FileMode]uint32{fs.ModeSetuid: unix.S_ISUID, fs.ModeSetgid: unix.S_ISGID, fs.ModeSticky: unix.S_ISVTX} {
		if m&flag != 0 {
			mode |= bit
		}
	}
	switch m.Type() {
	case fs.ModeDir:
		return mode | unix.S_IFDIR
	case fs.ModeSymlink:
		return mode | unix.S_IFLNK
	case fs.ModeDevice | fs.ModeCharDevice:
		return mode | unix.S_IFCHR
	case fs.ModeDevice:
		return mode | unix.S_IFBLK
	case fs.ModeNamedPipe:
		return mode | unix.S_IFIFO
	case fs.ModeSocket:
		return mode | unix.S_IFSOCK
	}
	return mode | unix.S_IFREG
}
