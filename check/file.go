package check

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/slipway-sh/slipway"
)

// fileProblem returns everything in which what was seen, nil for nothing, is not what the test wants.
func fileProblem(want slipway.FileTest, got *seen) error {
	switch {
	case got == nil && want.Absent:
		return nil
	case got == nil:
		return errors.New("it is not there")
	case got.fault != "":
		return fmt.Errorf("cannot look at it: %s", got.fault)
	case want.Absent:
		return fmt.Errorf("it is there: a %s", typeOf(got.header))
	}
	var problems []string
	add := func(format string, args ...any) { problems = append(problems, fmt.Sprintf(format, args...)) }
	h := got.header
	if kind := typeOf(h); want.Type != "" && kind != want.Type {
		add("want a %s, it is a %s", want.Type, kind)
	}
	if want.Mode != "" {
		if mode, err := strconv.ParseInt(want.Mode, 8, 32); err != nil || mode != h.Mode {
			add("want mode %s, it has %04o", want.Mode, h.Mode)
		}
	}
	if owner := fmt.Sprintf("%d:%d", h.Uid, h.Gid); want.Owner != "" && owner != want.Owner {
		add("want owner %s, it has %s", want.Owner, owner)
	}
	if want.Target != "" && h.Linkname != want.Target {
		add("want a link to %s, it leads to %s", want.Target, orNowhere(h.Linkname))
	}
	if content := want.Contains != "" || want.SHA256 != ""; content && h.Typeflag != tar.TypeReg {
		add("want a file with content, it is a %s", typeOf(h))
	} else if content {
		if want.Contains != "" && !bytes.Contains(got.content, []byte(want.Contains)) {
			add("want %q in it, it has %s", want.Contains, shown(got.content))
		}
		if want.SHA256 != "" && !strings.EqualFold(got.sum, want.SHA256) {
			add("want SHA-256 %s, it has %s", want.SHA256, got.sum)
		}
	}
	if len(problems) == 0 {
		return nil
	}
	return errors.New(strings.Join(problems, "; "))
}

// typeOf says what an entry is, in the words of [slipway.FileTest].
func typeOf(h *tar.Header) string {
	switch h.Typeflag {
	case tar.TypeReg:
		return "file"
	case tar.TypeDir:
		return "directory"
	case tar.TypeSymlink:
		return "symlink"
	}
	return "device, pipe or socket"
}

func orNowhere(target string) string {
	if target == "" {
		return "nowhere"
	}
	return target
}
