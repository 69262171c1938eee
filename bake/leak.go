package bake

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// leaks looks for secrets in files.
type leaks struct {
	values    needles // for what was escaped
	encodings needles // for what was broken
	all       needles
}

// shortestLeak is how long an encoding must be to be looked for in files, bytes: shorter ones are there by chance.
const shortestLeak = 6

func newLeaks(all []secret) *leaks {
	l := &leaks{}
	for _, s := range all {
		for _, v := range plainForms(s.value) {
			l.values.add(s.name, v)
			l.all.add(s.name, v)
		}
		for _, e := range encodings(s.value) {
			if len(e) >= shortestLeak {
				l.encodings.add(s.name, e)
				l.all.add(s.name, e)
			}
		}
	}
	return l
}

// reach returns how long what is looked for may be in a file, bytes.
func (l *leaks) reach() int { return max(l.encodings.longest, longestEscape*(l.values.longest+1)) }

// find returns the name of a secret in text, "" if there is none.
func (l *leaks) find(text []byte) string {
	if f, ok := l.all.find(text, 0); ok {
		return f.name
	}
	for _, v := range unescaped(text) {
		if f, ok := l.values.find(v.text, 0); ok {
			return f.name
		}
	}
	return ""
}

// below returns the first file, directory or link in the directory root that has a secret in its content, name, target or extended
// attributes, and the name of that secret; "" if there is none. What skip selects is not looked at. What is compressed or encrypted is
// not seen through.
func (l *leaks) below(ctx context.Context, root string, skip func(p string) bool) (p, name string, err error) {
	buffer := make([]byte, 1<<20+l.reach())
	err = filepath.WalkDir(root, func(file string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			return context.Cause(ctx)
		}
		p = strings.TrimPrefix(file, root)
		if p != "" && skip(p) {
			return nil
		}
		texts := []string{filepath.Base(p)}
		if e.Type()&fs.ModeSymlink != 0 {
			target, err := os.Readlink(file)
			if err != nil {
				return err
			}
			texts = append(texts, target)
		}
		attributes, err := xattrsOf(file)
		if err != nil {
			return err
		}
		for _, text := range append(texts, attributes...) {
			if name = l.find([]byte(text)); name != "" {
				return fs.SkipAll
			}
		}
		if e.Type().IsRegular() {
			if name, err = l.in(ctx, file, buffer); err != nil {
				return err
			}
		}
		if name != "" {
			return fs.SkipAll
		}
		return nil
	})
	if err != nil || name == "" {
		return "", "", err
	}
	return p, name, nil
}

// in returns the name of a secret that is in a file, "" if there is none. Holes have none.
func (l *leaks) in(ctx context.Context, file string, buffer []byte) (string, error) {
	f, err := os.Open(file)
	if err != nil {
		return "", err
	}
	defer f.Close()
	s := stream{leaks: l, buffer: buffer}
	for at := int64(0); ; {
		at, err = f.Seek(at, unix.SEEK_DATA)
		if errors.Is(err, unix.ENXIO) {
			return "", nil
		}
		if err != nil {
			return "", err
		}
		hole, err := f.Seek(at, unix.SEEK_HOLE)
		if err != nil {
			return "", err
		}
		name, err := s.in(ctx, io.NewSectionReader(f, at, hole-at))
		if err != nil || name != "" {
			return name, err
		}
		at = hole
	}
}

// stream is a text that comes in pieces.
type stream struct {
	*leaks
	buffer   []byte
	unbroken []byte // the end of the text without its line breaks
}

// in returns the name of a secret in what r yields, "" if there is none.
func (s *stream) in(ctx context.Context, r io.Reader) (string, error) {
	s.unbroken = s.unbroken[:0]
	kept := 0 // the end of what came before, at the start of the buffer
	for {
		if err := ctx.Err(); err != nil {
			return "", context.Cause(ctx)
		}
		n, err := io.ReadFull(r, s.buffer[kept:])
		text := s.buffer[:kept+n]
		if name := cmp.Or(s.leaks.find(text), s.findBroken(text[kept:])); name != "" {
			return name, nil
		}
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return "", nil
		}
		if err != nil {
			return "", err
		}
		kept = copy(s.buffer, text[len(text)-min(len(text), s.reach()):])
	}
}

// findBroken looks for encodings in the text so far as if it had no line breaks.
func (s *stream) findBroken(text []byte) string {
	for line := range bytes.SplitAfterSeq(text, []byte("\n")) {
		s.unbroken = append(s.unbroken, bytes.TrimRight(line, "\r\n")...)
	}
	if f, ok := s.encodings.find(s.unbroken, 0); ok {
		return f.name
	}
	s.unbroken = s.unbroken[:copy(s.unbroken, s.unbroken[len(s.unbroken)-min(len(s.unbroken), s.encodings.longest):])]
	return ""
}

// xattrsOf returns the values of a file's extended attributes.
func xattrsOf(file string) ([]string, error) {
	list := make([]byte, 64<<10) // the kernel's limit
	n, err := unix.Llistxattr(file, list)
	if errors.Is(err, unix.ENOTSUP) {
		return nil, nil
	}
	if err != nil {
		return nil, &fs.PathError{Op: "listxattr", Path: file, Err: err}
	}
	var values []string
	for name := range strings.SplitSeq(strings.TrimRight(string(list[:n]), "\x00"), "\x00") {
		if name == "" {
			continue
		}
		value := make([]byte, 64<<10)
		n, err := unix.Lgetxattr(file, name, value)
		if err != nil {
			return nil, &fs.PathError{Op: "getxattr", Path: file, Err: err}
		}
		values = append(values, string(value[:n]))
	}
	return values, nil
}
