package bake

import (
	"bytes"
	"io"
	"slices"
	"strings"
	"sync"
	"unicode"
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
		if room := transcriptLine - len(t.line); len(part) > room {
			part, rest, ended = p[:room], p[room:], true
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

func (t *transcript) emit() {
	// Lines end up on people's terminals: what could move the cursor or change colours stays out.
	text := strings.Map(func(r rune) rune {
		if r == '\t' || !unicode.IsControl(r) {
			return r
		}
		return -1
	}, strings.ToValidUTF8(string(t.line), "\uFFFD"))
	t.line = t.line[:0]
	if len(t.last) == transcriptTail {
		t.last = append(t.last[:0], t.last[1:]...)
	}
	t.last = append(t.last, text)
	if t.shows == nil || t.shows(text) {
		_, _ = io.WriteString(t.out, text+"\n")
	}
}
