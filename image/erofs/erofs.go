// Package erofs writes EROFS file systems, uncompressed: what a Linux kernel mounts read-only, with nothing unpacked. The format is
// described in the kernel's Documentation/filesystems/erofs.rst, on https://erofs.docs.kernel.org/en/latest/core_ondisk.html and, to
// the byte, in fs/erofs/erofs_fs.h; the words here are the ones there.
//
// A file system is written from its first byte to its last, so that it can be hashed on the way, and is the same for the same tree: every
// address is known before the first content is read. It has, in this order:
//
//	block 0     the superblock
//	metadata    inodes: each with its extended attributes and, if short, what it contains
//	directories what is in the directories and symbolic links that are not short
//	data        the contents of the files that are not short, each in blocks of its own and without gaps
//	one block   of zeros: fsck.erofs and some readers look a little past the last inode
//
// The entries of a directory are inodes in a row, and so are their contents, in the order of their names as bytes.
package erofs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
)

const (
	blockBits = 12
	block     = 1 << blockBits

	// maxInline is how long a content may be that lies behind its inode and not in blocks of its own: longer ones would leave more of the
	// metadata's blocks empty than they save.
	maxInline = block / 2
)

// Limits of the format.
const (
	MaxName = 255                      // bytes of a name
	MaxSize = (1<<32 - 1) << blockBits // bytes of the file system: numbers of blocks have 32 bits
)

// ErrLonger is the error of a content that goes on after the bytes it announced. One that ends before is an [io.ErrUnexpectedEOF].
var ErrLonger = errors.New("it is longer than it was")

// Inode is a file of any type. One that is in the tree under several names is one file with as many hard links.
type Inode struct {
	Mode     uint32 // with the type, as in stat(2)
	UID, GID uint32
	Rdev     uint32            // of a device, as in stat(2)
	Xattrs   map[string]string // user., trusted., security. and the two POSIX ACLs
	Target   string            // of a symbolic link
	Entries  map[string]*Inode // of a directory; . and .. go without saying

	// Of a regular file: its size; where its data is, in order and without overlaps, nil meaning everywhere: the rest are holes, which read as
	// zeros and take no space; and its content, which is the data without the holes. Open is called once, for one file at a time, unless
	// the file has no data.
	Size int64
	Data []Extent
	Open func(context.Context) (io.ReadCloser, error)
}

// Extent is a part of a file.
type Extent struct{ Offset, Length int64 }

func (e Extent) end() int64 { return e.Offset + e.Length }

// Image is a file system that has been laid out and can be written once.
type Image struct {
	inodes []*inode // in the order they are written
	known  map[*Inode]*inode
	mtime  int64
	chunks bool // has files with holes

	metaEnd int64  // offset of the end of the metadata
	blocks  uint64 // of the whole file system
}

// Plan lays out the tree below root, a directory. All times are mtime, in Unix seconds. The tree must not change any more.
func Plan(root *Inode, mtime int64) (*Image, error) {
	m := &Image{known: map[*Inode]*inode{}, mtime: mtime}
	if err := m.collect(root); err != nil {
		return nil, err
	}
	pos := int64(block)
	for _, n := range m.inodes {
		pos = n.place(pos)
	}
	m.metaEnd = roundUp(pos, block)
	next := uint64(m.metaEnd / block)
	for _, isData := range []bool{false, true} {
		for _, n := range m.inodes {
			if n.isFile() == isData {
				n.address = uint32(next)
				next += uint64(n.blocks())
			}
			if next >= math.MaxUint32 {
				return nil, fmt.Errorf("the file system would be longer than %d bytes", int64(MaxSize))
			}
		}
	}
	m.blocks = next + 1
	return m, nil
}

// Size returns the length of the file system in bytes.
func (m *Image) Size() int64 { return int64(m.blocks) * block }

// collect makes the list of inodes.
func (m *Image) collect(root *Inode) error {
	if !isDir(root) {
		return errors.New("the root is no directory")
	}
	top := &inode{Inode: root, nlink: 2}
	top.parent = top
	m.known[root] = top
	m.inodes = append(m.inodes, top)
	if err := top.prepare(); err != nil {
		return err
	}
	// What is appended meanwhile is looked at in its turn: all entries of a directory come in a row.
	for i := 0; i < len(m.inodes); i++ {
		dir := m.inodes[i]
		for _, name := range dir.names {
			if name == "." || name == ".." {
				continue
			}
			if err := m.enter(dir, name); err != nil {
				return fmt.Errorf("%s: %w", dir.path(name), err)
			}
		}
	}
	return nil
}

// enter adds an entry of a directory: an inode, or one more link to one.
func (m *Image) enter(dir *inode, name string) error {
	entry := dir.Entries[name]
	if n := m.known[entry]; n != nil {
		if n.isDir() {
			return errors.New("a directory cannot have two names")
		}
		n.nlink++
		return nil
	}
	n := &inode{Inode: entry, parent: dir, name: name, nlink: 1}
	if n.isDir() {
		n.nlink = 2
		dir.nlink++
	}
	if err := n.prepare(); err != nil {
		return err
	}
	m.chunks = m.chunks || n.layout == chunkBased
	m.known[entry] = n
	m.inodes = append(m.inodes, n)
	return nil
}

func roundUp[T int | int64](n, to T) T { return (n + to - 1) / to * to }
