package bake

import (
	"bytes"
	"io"
	"slices"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"
)

const (
	transcriptTail = 20   // lines shown with a failure
	transcriptLine = 4096 // bytes; longer lines are cut into several
)

// transcript passes on what a process prints in whole lines, and remembers the last ones.
type transcript struct {
	out   io.Writer
	shows func(line string) bool // what is passed on; nil for all
	mask  *mask                  // what is never passed on nor remembered; nil for nothing

	mu   sync.Mutex
	line []byte
	last []string
}

// Write takes bytes as they come. It never fails.
func (t *transcript) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := len(p)
	for len(p) > 0 {
		part, rest, ended := bytes.Cut(p, []byte("\n"))
		// Of a line that is too long as much is gathered as it takes to see what begins before the cut.
		room := transcriptLine + t.mask.reach() - len(t.line)
		if len(part) > room {
			t.line = append(t.line, p[:room]...)
			t.cut()
			p = p[room:]
			continue
		}
		t.line = append(t.line, part...)
		if ended {
			t.emit()
		}
		p = rest
	}
	return n, nil
}

// lines ends the line that was begun and returns the last ones.
func (t *transcript) lines() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.line) > 0 {
		t.emit()
	}
	return slices.Clone(t.last)
}

// emit passes on the line.
func (t *transcript) emit() {
	text := printable(t.line)
	t.line = t.line[:0]
	t.pass(hide(text, t.mask.spans(text)))
}

// cut passes on the first part of a line that is too long.
func (t *transcript) cut() {
	text, end := printable(t.line), transcriptLine
	if len(text) < len(t.line) {
		t.line = append(t.line[:0], text...) // there is room again
		return
	}
	for end < len(text) && !utf8.RuneStart(text[end]) {
		end--
	}
	spans := t.mask.spans(text)
	for i, s := range spans {
		if s[0] >= end {
			spans = spans[:i]
			break
		}
		end = max(end, s[1]) // none is cut in two
	}
	t.line = append(t.line[:0], text[end:]...)
	t.pass(hide(text[:end], spans))
}

func (t *transcript) pass(text string) {
	if len(t.last) == transcriptTail {
		t.last = append(t.last[:0], t.last[1:]...)
	}
	t.last = append(t.last, text)
	if t.shows == nil || t.shows(text) {
		_, _ = io.WriteString(t.out, text+"\n")
	}
}

// printable returns text for people's terminals: what could move the cursor or change colours stays out.
func printable(text []byte) string {
	return strings.Map(func(r rune) rune {
		if r == '\t' || !unicode.IsControl(r) {
			return r
		}
		return -1
	}, strings.ToValidUTF8(string(text), "\uFFFD"))
}
