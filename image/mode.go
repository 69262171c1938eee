package image

import (
	"io/fs"

	"golang.org/x/sys/unix"
)

// unixMode is a Go file mode as in stat(2).
func unixMode(m fs.FileMode) uint32 {
	mode := uint32(m.Perm())
	for _, b := range modeBits {
		if m&b.flag != 0 {
			mode |= b.bit
		}
	}
	for _, t := range modeTypes {
		if m.Type() == t.flag {
			mode |= t.bit
		}
	}
	return mode
}

type modeBit struct {
	bit  uint32
	flag fs.FileMode
}

var modeBits = [...]modeBit{{unix.S_ISUID, fs.ModeSetuid}, {unix.S_ISGID, fs.ModeSetgid}, {unix.S_ISVTX, fs.ModeSticky}}

var modeTypes = [...]modeBit{
	{unix.S_IFREG, 0},
	{unix.S_IFDIR, fs.ModeDir},
	{unix.S_IFLNK, fs.ModeSymlink},
	{unix.S_IFCHR, fs.ModeDevice | fs.ModeCharDevice},
	{unix.S_IFBLK, fs.ModeDevice},
	{unix.S_IFIFO, fs.ModeNamedPipe},
	{unix.S_IFSOCK, fs.ModeSocket},
}
