package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/client"
)

// progress shows work while it goes on. Methods are safe for concurrent use.
type progress interface {
	event(e slipway.Event)
	upload(u client.Upload)
	say(text string) // a line of its own
	close()          // nothing is shown after it
}

// progress returns how to show work: alive on a terminal, a line an event elsewhere, not at all with --json.
func (f *Factory) progress() progress {
	switch {
	case f.json:
		return silent{}
	case f.Terminal && f.Env("TERM") != "dumb":
		return newLive(f)
	}
	return &plain{out: f.Out}
}

type silent struct{}

func (silent) event(slipway.Event)  {}
func (silent) upload(client.Upload) {}
func (silent) say(string)           {}
func (silent) close()               {}

// plain prints "12:00:01.123 deploy d-…: text".
type plain struct {
	mu  sync.Mutex
	out io.Writer
}

func (p *plain) event(e slipway.Event) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for line := range strings.SplitSeq(strings.TrimRight(e.Message, "\n"), "\n") {
		fmt.Fprintf(p.out, "%s %s: %s\n", e.Time.Local().Format("15:04:05.000"), subject(e), line)
	}
}

func (p *plain) upload(u client.Upload) {
	if u.FilesTotal > 0 && u.Files == u.FilesTotal {
		p.say(uploaded(u))
	}
}

func (p *plain) say(text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	fmt.Fprintf(p.out, "%s %s\n", time.Now().Format("15:04:05.000"), text)
}

func (p *plain) close() {}

// subject says which work an event is of: "deploy d-…".
func subject(e slipway.Event) string {
	switch {
	case e.Deployment != "":
		return "deploy " + e.Deployment
	case e.Bake != "":
		return "bake " + e.Bake
	case e.Execution != "":
		return "ship " + e.Execution
	}
	return string(e.Kind)
}

func uploaded(u client.Upload) string {
	return fmt.Sprintf("uploaded %s, %s", count(u.Files, "file"), sizeText(u.Bytes))
}

// live draws finished steps as lines that stay, and the current step, with a spinner and its time, as a line that changes.
type live struct {
	mu      sync.Mutex
	out     io.Writer
	width   func() int
	colour  bool
	current string    // the step under way
	detail  string    // what it printed last
	since   time.Time // when it began
	subject string    // whose steps are shown
	frame   int
	stop    chan struct{}
	stopped sync.WaitGroup
}

const (
	frames   = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
	interval = 100 * time.Millisecond // between two frames
	erase    = "\r\x1b[K"
	green    = "\x1b[32m"
	red      = "\x1b[31m"
	dim      = "\x1b[2m"
	plainly  = "\x1b[0m"
)

// sign stands before a finished step.
type sign struct{ colour, text string }

var (
	good    = sign{green, "✓"}
	bad     = sign{red, "✗"}
	neutral = sign{dim, "·"}
)

func newLive(f *Factory) *live {
	l := &live{out: f.Out, width: f.Width, colour: f.Env("NO_COLOR") == "", since: time.Now(), stop: make(chan struct{})}
	l.stopped.Go(func() {
		tick := time.NewTicker(interval)
		defer tick.Stop()
		for {
			select {
			case <-l.stop:
				return
			case <-tick.C:
				l.mu.Lock()
				l.frame++
				l.draw()
				l.mu.Unlock()
			}
		}
	})
	return l
}

func (l *live) event(e slipway.Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if s := subject(e); s != l.subject {
		l.finish(neutral, time.Now())
		l.subject, l.since = s, e.Time
		l.line(l.paint(dim, s))
	}
	switch e.Kind {
	case slipway.BakeOutput:
		lines := strings.Split(strings.TrimSpace(e.Message), "\n")
		l.detail = lines[len(lines)-1]
	case slipway.BakeStarted, slipway.DeploymentStep, slipway.DeploymentStarted, slipway.ExecutionStarted, slipway.AbortRequested:
		l.finish(neutral, e.Time) // a step that is over need not have gone well: the next may be to undo it
		l.current = e.Message
	case slipway.BakeLayer: // that one is done, and the next under way; the message has the time
		l.result(good, e)
		l.current = "baking"
	case slipway.BakeTest:
		l.result(verdict(e), e)
		l.current = "testing"
	case slipway.DeploymentShifted:
		l.finish(neutral, e.Time)
		l.current = e.Message
		l.finish(good, e.Time)
	case slipway.BakeFinished: // the command prints how it ended
		if !succeeded(e) {
			l.finish(bad, e.Time)
		}
		l.current, l.detail = "", ""
	case slipway.DeploymentFinished, slipway.ExecutionFinished:
		l.finish(neutral, e.Time)
	default:
		l.line("  " + l.paint(red, "!") + " " + e.Message)
	}
	l.draw()
}

// succeeded reads from the record in the last event of a bake whether it ended well.
func succeeded(e slipway.Event) bool {
	var record struct {
		State slipway.BakeState `json:"state"`
	}
	return json.Unmarshal(e.Data, &record) == nil && record.State == slipway.BakeSucceeded
}

// verdict reads from the result in the event of a test whether that passed.
func verdict(e slipway.Event) sign {
	var result struct {
		Passed *bool `json:"passed"`
	}
	switch {
	case json.Unmarshal(e.Data, &result) != nil || result.Passed == nil:
		return neutral
	case *result.Passed:
		return good
	}
	return bad
}

func (l *live) upload(u client.Upload) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case u.FilesTotal == 0:
		return
	case u.Files == u.FilesTotal:
		l.current = uploaded(u)
		l.finish(good, time.Now())
	default:
		l.current = fmt.Sprintf("uploading %s of %s", sizeText(u.Bytes), sizeText(u.BytesTotal))
	}
}

func (l *live) say(text string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.line(text)
	l.draw()
}

func (l *live) close() {
	close(l.stop)
	l.stopped.Wait()
	l.mu.Lock()
	defer l.mu.Unlock()
	fmt.Fprint(l.out, erase)
}

// finish turns the current step, if there is one, into a line that stays.
func (l *live) finish(s sign, at time.Time) {
	if l.current != "" {
		l.line("  " + l.paint(s.colour, s.text) + " " + l.current + "  " + l.paint(dim, seconds(max(at.Sub(l.since), 0))))
	}
	l.current, l.detail, l.since = "", "", at
}

// result replaces the current step by a line that stays.
func (l *live) result(s sign, e slipway.Event) {
	l.line("  " + l.paint(s.colour, s.text) + " " + e.Message)
	l.current, l.detail, l.since = "", "", e.Time
}

// line prints a line above the current step.
func (l *live) line(text string) { fmt.Fprint(l.out, erase, text, "\n") }

// draw draws the current step in what is left of the terminal's width.
func (l *live) draw() {
	if l.current == "" {
		fmt.Fprint(l.out, erase)
		return
	}
	spinner := []rune(frames)
	text := l.current + "  " + seconds(max(time.Since(l.since), 0))
	if l.detail != "" {
		text += "  " + l.detail
	}
	fmt.Fprint(l.out, erase, "  ", string(spinner[l.frame%len(spinner)]), " ", cut(text, l.width()-5))
}

func (l *live) paint(colour, text string) string {
	if !l.colour {
		return text
	}
	return colour + text + plainly
}

// cut shortens text to n letters and drops what would move the cursor.
func cut(text string, n int) string {
	text = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, text)
	if n < 1 || utf8.RuneCountInString(text) <= n {
		return text
	}
	return string([]rune(text)[:n-1]) + "…"
}
