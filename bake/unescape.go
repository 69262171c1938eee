package bake

import (
	"bytes"
	"strconv"
	"unicode/utf8"
)

// longestEscape is how many bytes one byte of a value may become when it is escaped: \u0041.
const longestEscape = 6

// view is a text with its escapes undone.
type view struct {
	text  []byte
	edits []edit
}

// edit says that from here on, up to the next one, text is that many bytes before where it was.
type edit struct{ from, by int }

// at returns where in the original text what is at i in the view begins.
func (v view) at(i int) int {
	by := 0
	for _, e := range v.edits {
		if e.from > i {
			break
		}
		by = e.by
	}
	return i + by
}

// unescaped returns what a text is with the escapes of URLs undone, and what it is with those of JSON and shells undone: programs differ in
// what they escape, and not in how it is undone. What there is nothing to undo in is left out.
func unescaped(text []byte) []view {
	var all []view
	for _, way := range []struct {
		mark byte
		undo func([]byte) (plain []byte, n int)
	}{{'%', unescapePercent}, {'\\', unescapeBackslash}} {
		if bytes.IndexByte(text, way.mark) < 0 {
			continue
		}
		v := view{text: make([]byte, 0, len(text))}
		for rest := text; len(rest) > 0; {
			i := bytes.IndexByte(rest, way.mark)
			if i < 0 {
				v.text = append(v.text, rest...)
				break
			}
			v.text = append(v.text, rest[:i]...)
			plain, n := way.undo(rest[i:])
			v.text = append(v.text, plain...)
			rest = rest[i+n:]
			if by := len(text) - len(rest) - len(v.text); n != len(plain) {
				v.edits = append(v.edits, edit{len(v.text), by})
			}
		}
		if len(v.edits) > 0 {
			all = append(all, v)
		}
	}
	return all
}

// unescapePercent undoes the escape at the start of text, and returns how long that is.
func unescapePercent(text []byte) ([]byte, int) {
	if len(text) >= 3 {
		if c, err := strconv.ParseUint(string(text[1:3]), 16, 8); err == nil {
			return []byte{byte(c)}, 3
		}
	}
	return text[:1], 1
}

// unescapeBackslash undoes the escape at the start of text, and returns how long that is.
func unescapeBackslash(text []byte) ([]byte, int) {
	if len(text) < 2 {
		return text[:1], 1
	}
	switch c := text[1]; c {
	case 'n':
		return []byte{'\n'}, 2
	case 'r':
		return []byte{'\r'}, 2
	case 't':
		return []byte{'\t'}, 2
	case 'b':
		return []byte{'\b'}, 2
	case 'f':
		return []byte{'\f'}, 2
	case 'u':
		if len(text) >= 6 {
			if r, err := strconv.ParseUint(string(text[2:6]), 16, 16); err == nil {
				return utf8.AppendRune(nil, rune(r)), 6
			}
		}
		return text[:1], 1
	default:
		return text[1:2], 2
	}
}
