package erofs

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

const xattrHeaderSize = 12

// xattrNamespaces are the beginnings of the names of extended attributes, which the format has as numbers.
var xattrNamespaces = []struct {
	prefix string
	number byte
}{
	{"user.", 1},
	{"system.posix_acl_access", 2},
	{"system.posix_acl_default", 3},
	{"trusted.", 4},
	{"security.", 6},
}

// xattrName returns the number of a name's namespace and the rest of the name. ok is false if the format has no number for it.
func xattrName(name string) (number byte, rest string, ok bool) {
	for _, space := range xattrNamespaces {
		rest, ok := strings.CutPrefix(name, space.prefix)
		if ok && (rest == "") == !strings.HasSuffix(space.prefix, ".") {
			return space.number, rest, true
		}
	}
	return 0, "", false
}

// CanXattr reports whether a file can have an extended attribute of that name.
func CanXattr(name string) bool {
	_, rest, ok := xattrName(name)
	return ok && len(rest) <= 255 && !strings.ContainsRune(rest, 0)
}

// encodeXattrs encodes extended attributes, in the order of their names: struct erofs_xattr_ibody_header, and erofs_xattr_entry for each.
func encodeXattrs(xattrs map[string]string) ([]byte, error) {
	if len(xattrs) == 0 {
		return nil, nil
	}
	b := append([]byte(nil), make([]byte, xattrHeaderSize)...) // no Bloom filter, none shared with other inodes
	for _, name := range slices.Sorted(maps.Keys(xattrs)) {
		value := xattrs[name]
		if !CanXattr(name) || len(value) > 0xffff {
			return nil, fmt.Errorf("the extended attribute %q cannot be kept", name)
		}
		number, rest, _ := xattrName(name)
		b = append(b, byte(len(rest)), number)
		b = binary.LittleEndian.AppendUint16(b, uint16(len(value)))
		b = append(append(b, rest...), value...)
		b = append(b, bytes.Repeat([]byte{0}, -len(b)&3)...)
	}
	if (len(b)-xattrHeaderSize)/4 >= 0xffff {
		return nil, errors.New("the extended attributes are too long")
	}
	return b, nil
}
