package bake

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"unicode/utf16"
)

// secret is a value that nothing but a script may see.
type secret struct {
	name  string
	value []byte
}

// mask hides secrets in what a script prints: as they are, and in the forms that programs print them in. It is not for use by several
// goroutines.
type mask struct {
	needles needles
	rest    []byte // of an encoding that went on at the end of the last line
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
		for _, f := range formsOf(s.value) {
			// What is printed is looked at without its control characters.
			m.needles.add(s.name, []byte(printable(f.text)))
			if f.breaks {
				m.needles.addPieces(s.name, f.text)
			}
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

// overlap is how far before the end of a long secret the next one is looked for, bytes.
const overlap = 64

// shortestLine is how long a line of a secret of several lines must be to be hidden by itself, bytes: a brace is no secret.
const shortestLine = 8

// reach returns how much more than a line has to be seen to find what begins in it, bytes.
func (m *mask) reach() int {
	if m == nil {
		return 0
	}
	return m.needles.longest
}

// spans returns where in a line secrets are: from, to, in order and apart from each other. Lines have to come in the order in which they
// are printed: an encoding may be broken over several.
func (m *mask) spans(line string) [][2]int {
	if m == nil {
		return nil
	}
	text := []byte(line)
	var all [][2]int
	if n := min(len(m.rest), len(text)); n > 0 && bytes.Equal(m.rest[:n], text[:n]) {
		all = append(all, [2]int{0, n})
		m.rest = m.rest[n:]
	} else {
		m.rest = nil
	}
	for at := 0; ; {
		found, ok := m.needles.find(text, at)
		if !ok {
			break
		}
		if found.to == len(text) {
			m.rest = found.rest
		}
		if last := len(all) - 1; last >= 0 && found.from <= all[last][1] {
			all[last][1] = max(all[last][1], found.to)
		} else {
			all = append(all, [2]int{found.from, found.to})
		}
		// Another may begin within this one, but who repeats a long one is not followed through all of it again.
		at = max(found.at+1, found.to-overlap)
	}
	return all
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

// form is a way to write a value.
type form struct {
	text   []byte
	breaks bool // programs break it over lines anywhere
}

// formsOf returns the ways to write a value: as it is, with and without the blanks around it; escaped for a URL, for JSON; in hexadecimal
// digits; and in base64, alone or as a part of something longer, which has three forms.
func formsOf(value []byte) []form {
	var all []form
	add := func(breaks bool, texts ...string) {
		for _, t := range texts {
			if len(t) >= shortestNeedle && !slices.ContainsFunc(all, func(f form) bool { return string(f.text) == t }) {
				all = append(all, form{[]byte(t), breaks})
			}
		}
	}
	values := []string{string(value)}
	if trimmed := string(bytes.TrimSpace(value)); trimmed != values[0] {
		values = append(values, trimmed)
	}
	for _, v := range values {
		add(false, v)
		add(false, urlForms(v)...)
		add(false, jsonForms(v)...)
	}
	// What is around a value in base64 or hexadecimal digits makes no difference to the value's own digits.
	inner := []byte(values[len(values)-1])
	digits := hex.EncodeToString(inner)
	add(true, digits, strings.ToUpper(digits))
	for shift := range 3 {
		whole := base64.StdEncoding.EncodeToString(append(make([]byte, shift), inner...))
		own := whole[(8*shift+5)/6 : 8*(shift+len(inner))/6] // the digits that have bits of the value alone
		add(true, own, strings.NewReplacer("+", "-", "/", "_").Replace(own))
	}
	return all
}

// percent is an escape in a URL.
var percent = regexp.MustCompile(`%[0-9A-F]{2}`)

// urlForms returns how programs escape a value for a URL. They differ in what they think needs no escape, and in the case of its digits.
func urlForms(v string) []string {
	var all []string
	for _, plain := range []string{"-_.~", "-_.~/", "-_.!~*'()"} {
		var b strings.Builder
		for _, c := range []byte(v) {
			if 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte(plain, c) >= 0 {
				b.WriteByte(c)
			} else {
				fmt.Fprintf(&b, "%%%02X", c)
			}
		}
		all = append(all, b.String())
	}
	all = append(all, url.QueryEscape(v), url.PathEscape(v))
	for _, f := range slices.Clone(all) {
		all = append(all, percent.ReplaceAllStringFunc(f, strings.ToLower))
	}
	return all
}

// jsonForms returns how programs escape a value for JSON, without the quotes.
func jsonForms(v string) []string {
	text, err := json.Marshal(v)
	if err != nil {
		return nil
	}
	html := string(text[1 : len(text)-1])
	plain := strings.NewReplacer(`\u003c`, "<", `\u003e`, ">", `\u0026`, "&").Replace(html)
	ascii := asciiJSON(plain)
	return []string{html, plain, strings.ReplaceAll(plain, "/", `\/`), ascii, strings.ReplaceAll(ascii, "/", `\/`)}
}

// asciiJSON escapes what is not ASCII, as some programs do.
func asciiJSON(v string) string {
	var b strings.Builder
	for _, r := range v {
		switch {
		case r < 0x80:
			b.WriteRune(r)
		case r < 0x10000:
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			high, low := utf16.EncodeRune(r)
			fmt.Fprintf(&b, `\u%04x\u%04x`, high, low)
		}
	}
	return b.String()
}
