package erofs

import (
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
)

// Types of files, as in stat(2).
const (
	typeMask    = 0o170000
	socket      = 0o140000
	symlink     = 0o120000
	regular     = 0o100000
	blockDevice = 0o060000
	directory   = 0o040000
	charDevice  = 0o020000
	fifo        = 0o010000
)

// Where the content of an inode is: its i_format.
const (
	flatPlain  = 0 // in blocks
	flatInline = 2 // in blocks, but its last part behind the inode
	chunkBased = 4 // in chunks, whose addresses are behind the inode
)

const (
	slot         = 32 // inodes begin at multiples of this
	compactSize  = 32
	extendedSize = 64
)

// inode is an inode that has been laid out.
type inode struct {
	*Inode
	parent *inode // for a directory, what .. is; the root is its own
	name   string // in parent, of the first link
	nlink  uint32

	names  []string // of a directory, with . and ..
	xattrs []byte
	size   int64
	layout uint16
	inline int    // bytes of the content that are behind the inode
	chunks chunks // if chunkBased

	at      int64  // offset of the inode
	address uint32 // of its first block
}

func isDir(n *Inode) bool { return n.Mode&typeMask == directory }

func (n *inode) isDir() bool  { return isDir(n.Inode) }
func (n *inode) isFile() bool { return n.Mode&typeMask == regular }

// path is the path of an entry of a directory.
func (n *inode) path(name string) string {
	for ; n.parent != n; n = n.parent {
		name = path.Join(n.name, name)
	}
	return "/" + name
}

// nid is the number of the inode, by which directories refer to it.
func (n *inode) nid() uint64 { return uint64(n.at / slot) }

// prepare finds out all about the inode but where it is and how many links it has.
func (n *inode) prepare() (err error) {
	if n.xattrs, err = encodeXattrs(n.Xattrs); err != nil {
		return err
	}
	switch n.Mode & typeMask {
	case directory:
		n.names = append(slices.Collect(maps.Keys(n.Entries)), ".", "..")
		slices.Sort(n.names)
		if err := checkNames(n.names); err != nil {
			return err
		}
		n.size = directorySize(n.names)
	case symlink:
		n.size = int64(len(n.Target))
		if n.size == 0 || n.size >= block {
			return fmt.Errorf("the target of a symbolic link has 1 to %d bytes", block-1)
		}
	case regular:
		n.size = n.Size
		if err := checkExtents(n.Data, n.Size); err != nil {
			return err
		}
		if n.Data != nil && n.Size > maxInline {
			if n.chunks = chunksOf(n.Data, n.Size); n.chunks.bits > 0 {
				n.layout = chunkBased
				return nil
			}
		}
	case charDevice, blockDevice, fifo, socket:
		return nil
	default:
		return fmt.Errorf("%#o is no type of a file", n.Mode&typeMask)
	}
	// A file of several blocks keeps them together, so that all of it can be read at once.
	last := int(n.size % block)
	whole := n.size < block || n.isDir()
	if whole && last > 0 && last <= maxInline && extendedSize+len(n.xattrs)+last <= block {
		n.layout, n.inline = flatInline, last
	}
	return nil
}

func checkNames(names []string) error {
	for i, name := range names {
		switch {
		case name == "" || strings.ContainsAny(name, "/\x00") || i > 0 && name == names[i-1]:
			return fmt.Errorf("%q cannot be a name", name)
		case len(name) > MaxName:
			return fmt.Errorf("the name %q is longer than %d bytes", name, MaxName)
		}
	}
	return nil
}

func checkExtents(extents []Extent, size int64) error {
	end := int64(0)
	for _, e := range extents {
		if e.Offset < end || e.Length <= 0 || e.Length > size-e.Offset {
			return errors.New("its data is not in order")
		}
		end = e.end()
	}
	if size < 0 {
		return errors.New("its size is negative")
	}
	return nil
}

// place gives the inode its offset, pos or soon after, and returns where the next may be. Neither an inode nor the part of a
// content that is behind it lies in two blocks.
func (n *inode) place(pos int64) int64 {
	need := int64(n.headSize() + len(n.xattrs) + n.inline + n.chunks.mapSize())
	if need > block-pos%block {
		pos = roundUp(pos, block)
	}
	n.at = pos
	return roundUp(pos+need, slot)
}

// blocks is how many blocks the content has, without what is behind the inode.
func (n *inode) blocks() int64 {
	if n.layout == chunkBased {
		return n.chunks.blocks
	}
	return roundUp(n.size-int64(n.inline), block) / block
}

// isExtended reports whether the inode has a number that does not fit into a compact one.
func (n *inode) isExtended() bool {
	return n.UID > 0xffff || n.GID > 0xffff || n.nlink > 0xffff || n.size > 0xffffffff
}

func (n *inode) headSize() int {
	if n.isExtended() {
		return extendedSize
	}
	return compactSize
}

// data is what i_u says: where the content is, or of which device the file is.
func (n *inode) data() uint32 {
	switch {
	case n.layout == chunkBased:
		return n.chunks.format()
	case n.Mode&typeMask == charDevice || n.Mode&typeMask == blockDevice:
		return n.Rdev
	case n.blocks() == 0:
		return 0
	}
	return n.address
}

// head encodes the inode: struct erofs_inode_compact or erofs_inode_extended. A compact one has the time of the superblock.
func (n *inode) head(number int, mtime int64) []byte {
	le := binary.LittleEndian
	xattrCount := uint16(0)
	if len(n.xattrs) > 0 {
		xattrCount = uint16((len(n.xattrs)-xattrHeaderSize)/4 + 1)
	}
	b := make([]byte, n.headSize())
	le.PutUint16(b[0:], n.layout<<1)
	le.PutUint16(b[2:], xattrCount)
	le.PutUint16(b[4:], uint16(n.Mode))
	le.PutUint32(b[16:], n.data())
	le.PutUint32(b[20:], uint32(number)) // what old 32-bit programs get to see
	if !n.isExtended() {
		le.PutUint16(b[6:], uint16(n.nlink))
		le.PutUint32(b[8:], uint32(n.size))
		le.PutUint16(b[24:], uint16(n.UID))
		le.PutUint16(b[26:], uint16(n.GID))
		return b
	}
	b[0] |= 1
	le.PutUint64(b[8:], uint64(n.size))
	le.PutUint32(b[24:], n.UID)
	le.PutUint32(b[28:], n.GID)
	le.PutUint64(b[32:], uint64(mtime))
	le.PutUint32(b[44:], n.nlink)
	return b
}
