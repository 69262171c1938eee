package erofs

import (
	"encoding/binary"
	"iter"
)

const direntSize = 12

// fileTypes are what directories say of the types of files.
var fileTypes = map[uint32]byte{regular: 1, directory: 2, charDevice: 3, blockDevice: 4, fifo: 5, socket: 6, symlink: 7}

// directoryBlocks yields the names of each block of a directory: as many as fit, in order.
func directoryBlocks(names []string) iter.Seq2[[]string, int] {
	return func(yield func(names []string, used int) bool) {
		first, used := 0, 0
		for i, name := range names {
			need := direntSize + len(name)
			if used+need > block {
				if !yield(names[first:i], used) {
					return
				}
				first, used = i, 0
			}
			used += need
		}
		yield(names[first:], used)
	}
}

// directorySize is the size of a directory. Only its last block may be short.
func directorySize(names []string) (size int64) {
	for _, used := range directoryBlocks(names) {
		size = roundUp(size, block) + int64(used)
	}
	return size
}

// encodeDirectory encodes what is in a directory. In each block an array of struct erofs_dirent is followed by the names.
func (m *Image) encodeDirectory(dir *inode) []byte {
	b := make([]byte, dir.size)
	rest := b
	for names := range directoryBlocks(dir.names) {
		at := direntSize * len(names)
		for i, name := range names {
			n := dir
			switch name {
			case ".":
			case "..":
				n = dir.parent
			default:
				n = m.known[dir.Entries[name]]
			}
			dirent := rest[i*direntSize:]
			binary.LittleEndian.PutUint64(dirent, n.nid())
			binary.LittleEndian.PutUint16(dirent[8:], uint16(at))
			dirent[10] = fileTypes[n.Mode&typeMask]
			at += copy(rest[at:], name)
		}
		rest = rest[min(len(rest), block):]
	}
	return b
}
