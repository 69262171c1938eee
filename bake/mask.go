package bake

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"slices"
	"strings"
)

// secret is a value that nothing but a script may see.
type secret struct {
	name  string
	value []byte
}

// mask hides secrets in what a script prints: as they are, and in the forms that programs print them in. It is not for use by several
// goroutines.
type mask struct {
	needles needles // values and encodings of them
	values  needles // values alone, for what was escaped
	rest    []byte  // of an encoding that went on at the end of the last line
}

// hidden stands for what is hidden.
const hidden = "***"

// newMask returns the mask of secrets; nil if there are none.
func newMask(all []secret) *mask {
	if len(all) == 0 {
		return nil
	}
	m := &mask{}
	for _, s := range all {
		for _, v := range plainForms(s.value) {
			m.values.add(s.name, v)
			// What is printed is looked at without its control characters.
			m.needles.add(s.name, []byte(printable(v)))
		}
		for _, e := range encodings(s.value) {
			m.needles.add(s.name, e)
			m.needles.addPieces(s.name, e)
		}
		if lines := bytes.Split(bytes.TrimSpace(s.value), []byte("\n")); len(lines) > 1 {
			for _, line := range lines {
				if line := bytes.TrimSpace([]byte(printable(line))); len(line) >= shortestLine {
					m.needles.add(s.name, line)
				}
			}
		}
	}
	return m
}

const (
	// overlap is how far before the end of a long secret the next one is looked for, bytes.
	overlap = 64
	// shortestLine is how long a line of a secret of several lines must be to be hidden by itself, bytes: a brace is no secret.
	shortestLine = 8
	// shortestRest is how much of the rest of an encoding must be at the start of a line to be taken for it, unless it is all there is.
	shortestRest = 4
)

// reach returns how much more than a line has to be seen to find what begins in it, bytes.
func (m *mask) reach() int {
	if m == nil {
		return 0
	}
	return max(m.needles.longest, longestEscape*m.values.longest)
}

// spans returns where in a line secrets are: from, to, in order and apart from each other. Lines have to come in the order in which they
// are printed: an encoding may be broken over several.
func (m *mask) spans(line string) [][2]int {
	if m == nil {
		return nil
	}
	text := []byte(line)
	var all [][2]int
	if n := common(m.rest, text); n > 0 && (n >= shortestRest || n == len(m.rest) || n == len(text)) {
		all = append(all, [2]int{0, n})
		m.rest = m.rest[n:]
	} else {
		m.rest = nil
	}
	m.needles.each(text, func(f found) {
		all = append(all, [2]int{f.from, f.to})
		if f.to == len(text) {
			m.rest = f.rest
		}
	})
	for _, v := range unescaped(text) {
		m.values.each(v.text, func(f found) { all = append(all, [2]int{v.at(f.from), v.at(f.to)}) })
	}
	slices.SortFunc(all, func(a, b [2]int) int { return a[0] - b[0] })
	apart := all[:0]
	for _, s := range all {
		if last := len(apart) - 1; last >= 0 && s[0] <= apart[last][1] {
			apart[last][1] = max(apart[last][1], s[1])
		} else {
			apart = append(apart, s)
		}
	}
	return apart
}

// common returns how many bytes a and b begin with that are the same.
func common(a, b []byte) int {
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	return n
}

// hide returns a line with its spans hidden.
func hide(line string, spans [][2]int) string {
	if len(spans) == 0 {
		return line
	}
	var b strings.Builder
	at := 0
	for _, s := range spans {
		b.WriteString(line[at:s[0]])
		b.WriteString(hidden)
		at = s[1]
	}
	b.WriteString(line[at:])
	return b.String()
}

// plainForms returns a value as it is, without the blanks around it, and both as forms of web pages have them.
func plainForms(value []byte) [][]byte {
	var all [][]byte
	for _, v := range [][]byte{value, bytes.TrimSpace(value)} {
		all = append(all, v, bytes.ReplaceAll(v, []byte(" "), []byte("+")))
	}
	return distinct(all)
}

// encodings returns a value without the blanks around it in hexadecimal digits, and in base64, alone or as a part of something longer,
// which has three forms. They are the value's own digits: those that depend on what is around are left off.
func encodings(value []byte) [][]byte {
	value = bytes.TrimSpace(value)
	digits := []byte(hex.EncodeToString(value))
	all := [][]byte{digits, bytes.ToUpper(digits)}
	for shift := range 3 {
		whole := base64.StdEncoding.EncodeToString(append(make([]byte, shift), value...))
		own := whole[(8*shift+5)/6 : 8*(shift+len(value))/6]
		all = append(all, []byte(own), []byte(strings.NewReplacer("+", "-", "/", "_").Replace(own)))
	}
	return distinct(all)
}

func distinct(all [][]byte) [][]byte {
	slices.SortFunc(all, bytes.Compare)
	return slices.CompactFunc(all, bytes.Equal)
}
