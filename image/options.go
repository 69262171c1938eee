package image

import (
	"path"
	"strings"

	"golang.org/x/sys/unix"
)

// Options say how a tree or an archive goes into a layer.
type Options struct {
	To    string  // directory of the machine the entries go below; default /
	Owner *Owner  // of all entries; nil: as in the source
	Mode  *uint32 // permission bits of all files; directories get an x wherever they get an r. nil: as in the source

	// Untrusted refuses, as Invalid and naming the entry, what an archive from elsewhere has no business with: absolute
	// names, "..", device nodes, FIFOs, links that lead out of the archive, entries below or in place of a link of the same
	// archive. Setuid and setgid bits are dropped (Mode may set them), and of the extended attributes all but "user.".
	Untrusted bool

	// OCIWhiteouts takes a tar archive for a layer of an OCI image. A file .wh.name hides name in the layers below, .wh..wh..opq all that
	// its directory has there. An entry replaces whatever the layers below have in its place, a link to a directory included, and gives
	// the directories that exist there its attributes. A hard link to a file of the layers below becomes a copy of that file.
	OCIWhiteouts bool

	// Skip leaves out the entries for which it returns true, with all below them. It gets the path in the machine.
	Skip func(path string) bool
}

// Owner is a user and group of the machine.
type Owner struct{ UID, GID uint32 }

func (o Options) to() string { return path.Clean("/" + o.To) }

func (o Options) skips(p string) bool { return o.Skip != nil && o.Skip(p) }

// apply changes the attributes of an entry as the options say.
func (o Options) apply(n *node) {
	if o.Untrusted {
		if !n.isDir() {
			n.mode &^= unix.S_ISUID | unix.S_ISGID | unix.S_ISVTX
		} else {
			n.mode &^= unix.S_ISUID | unix.S_ISGID
		}
		for name := range n.xattrs {
			if !strings.HasPrefix(name, "user.") {
				delete(n.xattrs, name)
			}
		}
	}
	if o.Owner != nil {
		n.uid, n.gid = o.Owner.UID, o.Owner.GID
	}
	if o.Mode != nil {
		switch {
		case n.isDir():
			n.mode = unix.S_IFDIR | dirMode(*o.Mode)
		case n.isFile():
			n.mode = unix.S_IFREG | *o.Mode&0o7777
		}
	}
}

// made returns the attributes of directories that the source does not have: those from To down are the source's, those above
// are root's.
func (o Options) made(p string) Attr {
	n := &node{mode: unix.S_IFDIR | 0o755}
	if to := o.to(); p == to || to == "/" || strings.HasPrefix(p, to+"/") {
		o.apply(n)
	}
	return n.attr()
}

// dirMode gives a file's mode the x bits that a directory needs to be read by the same people. Setuid means nothing there.
func dirMode(mode uint32) uint32 { return mode&0o777 | mode&0o444>>2 }
