package check

import (
	"bytes"
	"strings"
	"sync"
	"unicode"
)

const (
	// lastLines is how many of the last lines of a program's output tell why it failed.
	lastLines = 20
	// maxLast is how much of the end of an output is kept for that, bytes.
	maxLast = 8 << 10
	// maxLine is how much of one of these lines is shown, letters.
	maxLine = 400
)

// last keeps the end of what is written to it.
type last struct {
	mu   sync.Mutex
	text []byte
	cut  bool // there was more
}

func (l *last) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := len(b)
	if len(b) > maxLast {
		b, l.cut = b[len(b)-maxLast:], true
	}
	if over := len(l.text) + len(b) - maxLast; over > 0 {
		l.text, l.cut = append(l.text[:0], l.text[over:]...), true
	}
	l.text = append(l.text, b...)
	return n, nil
}

// lines returns the last lines, to be put behind what they explain; "" if there are none.
func (l *last) lines() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	text := l.text
	if l.cut {
		if _, whole, ok := bytes.Cut(text, []byte("\n")); ok {
			text = whole
		}
	}
	lines := strings.Split(strings.TrimSpace(printable(text)), "\n")
	if lines[0] == "" {
		return ""
	}
	if len(lines) > lastLines {
		lines = lines[len(lines)-lastLines:]
	}
	for i, line := range lines {
		if letters := []rune(line); len(letters) > maxLine {
			lines[i] = string(letters[:maxLine]) + "…"
		}
	}
	return "\nits last lines:\n  " + strings.Join(lines, "\n  ")
}

// printable returns text for people's terminals: what could move the cursor or change colours stays out.
func printable(text []byte) string {
	return strings.Map(func(r rune) rune {
		if r == '\n' || r == '\t' || !unicode.IsControl(r) {
			return r
		}
		return -1
	}, strings.ToValidUTF8(string(text), "\uFFFD"))
}
