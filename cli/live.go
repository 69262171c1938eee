package cli

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/client"
)

// live draws what is done as lines that stay, and below them what is under way, each with a spinner, its time and what it printed last.
type live struct {
	mu      sync.Mutex
	out     io.Writer
	width   func() int
	colour  bool
	several bool
	started time.Time
	subject string     // whose steps are shown
	running []activity // in the order they began
	drawn   int        // lines that will be drawn over
	frame   int
	stop    chan struct{}
	stopped sync.WaitGroup
}

// activity is something under way.
type activity struct {
	subject string
	stage   string // of an execution of a pipeline, several of which may be under way
	layer   int    // of a bake; step for everything else, of which there is one at a time
	text    string
	detail  string // what it printed last
	since   time.Time
}

// step is the activity.layer of what is no layer.
const step = -1

const (
	frames   = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
	interval = 100 * time.Millisecond // between two frames
	maxDrawn = 10                     // activities; the rest is counted
	erase    = "\r\x1b[K"
	up       = "\x1b[A"
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

func newLive(f *Factory, several bool) *live {
	l := &live{out: f.Out, width: f.Width, colour: f.Env("NO_COLOR") == "", several: several, started: time.Now(), stop: make(chan struct{})}
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
	of := l.turnTo(e)
	switch e.Kind {
	case slipway.BakeLayerStarted:
		layer, _ := layerOf(e)
		l.end(of, step)
		l.begin(activity{subject: of, layer: layer.Index, text: e.Message, since: e.Time})
	case slipway.BakeOutput:
		layer, _ := layerOf(e)
		if a := l.find(of, layer.Index); a != nil {
			lines := strings.Split(strings.TrimSpace(e.Message), "\n")
			a.detail = lines[len(lines)-1]
		}
	case slipway.BakeLayer: // the message has the time
		layer, _ := layerOf(e)
		l.end(of, layer.Index)
		l.end(of, step)
		l.stay(of, good, e.Message)
	case slipway.BakeTest:
		l.end(of, step)
		l.stay(of, verdict(e), e.Message)
		l.begin(activity{subject: of, layer: step, text: "testing", since: e.Time})
	case slipway.BakeStarted, slipway.DeploymentStep, slipway.DeploymentStarted, slipway.ExecutionStarted, slipway.AbortRequested:
		l.finish(of, neutral, e.Time) // a step that is over need not have gone well: the next may be to undo it
		l.begin(activity{subject: of, layer: step, text: e.Message, since: e.Time})
	case slipway.StageStarted, slipway.StageWaits, slipway.ExecutionWaiting:
		id := stageOf(e)
		l.endStage(of, id)
		l.running = append(l.running, activity{subject: of, layer: step, stage: id, text: e.Message, since: e.Time})
	case slipway.StageOutput:
		lines := strings.Split(strings.TrimSpace(e.Message), "\n")
		for i := range l.running {
			if a := &l.running[i]; a.stage != "" && a.stage == stageOf(e) {
				a.detail = lines[len(lines)-1]
			}
		}
	case slipway.StageFinished:
		l.endStage(of, stageOf(e))
		l.stay(of, stageSign(e), e.Message)
	case slipway.DeploymentWaiting:
		l.finish(of, neutral, e.Time)
		for _, line := range waitingText(e) {
			l.line("    " + line)
		}
		l.begin(activity{subject: of, layer: step, text: e.Message, since: e.Time})
	case slipway.DeploymentCommand, slipway.ReleaseStarted, slipway.Restricted, slipway.RestrictionLifted,
		slipway.PromotionStarted, slipway.PromotionWaits, slipway.ApprovalAsked, slipway.ApprovalVoted, slipway.ApprovalDecided:
		l.stay(of, neutral, e.Message)
	case slipway.DeploymentShifted:
		l.finish(of, neutral, e.Time)
		l.stay(of, good, e.Message)
	case slipway.BakeFinished: // the command prints how it ended
		if !succeeded(e) {
			l.finish(of, bad, e.Time)
		}
		l.running = slices.DeleteFunc(l.running, func(a activity) bool { return a.subject == of })
	case slipway.DeploymentFinished, slipway.ExecutionFinished, slipway.ReleaseFinished, slipway.PromotionFinished:
		l.finish(of, neutral, e.Time)
	default:
		l.line("  " + l.paint(red, "!") + " " + e.Message)
	}
	l.draw()
}

// stageOf reads from the record in an event of a stage which it is.
func stageOf(e slipway.Event) string {
	var record slipway.StageRecord
	if json.Unmarshal(e.Data, &record) != nil {
		return ""
	}
	return record.ID
}

// stageSign reads from the record in the last event of a stage how it ended.
func stageSign(e slipway.Event) sign {
	var record slipway.StageRecord
	switch {
	case json.Unmarshal(e.Data, &record) != nil:
		return neutral
	case record.State == slipway.StageSucceeded:
		return good
	case record.State == slipway.StageFailed:
		return bad
	}
	return neutral
}

// endStage removes a stage from what is under way, and what says that its execution waits.
func (l *live) endStage(subject, id string) {
	l.running = slices.DeleteFunc(l.running, func(a activity) bool {
		return a.subject == subject && a.layer == step && (a.stage == id || a.stage == "")
	})
}

// turnTo returns whose event e is, and prints that as a heading if it was another's turn.
func (l *live) turnTo(e slipway.Event) string {
	if l.several {
		return cmp.Or(e.Application, e.Environment) // an environment's are those of a release
	}
	s := subject(e)
	if s != l.subject {
		if !slices.ContainsFunc(l.running, func(a activity) bool { return a.subject == l.subject && a.stage != "" }) {
			l.finish(l.subject, neutral, e.Time)
		}
		l.subject = s
		l.line(l.paint(dim, s))
	}
	return s
}

func (l *live) find(subject string, layer int) *activity {
	for i := range l.running {
		if a := &l.running[i]; a.subject == subject && a.layer == layer && a.stage == "" {
			return a
		}
	}
	return nil
}

func (l *live) begin(a activity) {
	l.end(a.subject, a.layer)
	l.running = append(l.running, a)
}

func (l *live) end(subject string, layer int) {
	l.running = slices.DeleteFunc(l.running, func(a activity) bool { return a.subject == subject && a.layer == layer && a.stage == "" })
}

// finish turns what is under way into lines that stay.
func (l *live) finish(subject string, s sign, at time.Time) {
	for _, a := range l.running {
		if a.subject == subject && a.text != "" {
			l.stay(subject, s, a.text+"  "+l.paint(dim, seconds(max(at.Sub(a.since), 0))))
		}
	}
	l.running = slices.DeleteFunc(l.running, func(a activity) bool { return a.subject == subject })
}

// stay prints a line that stays.
func (l *live) stay(subject string, s sign, text string) {
	if l.several {
		text = l.paint(dim, subject) + "  " + text
	}
	l.line("  " + l.paint(s.colour, s.text) + " " + text)
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
	case u.Files == u.FilesTotal:
		l.end(l.subject, step)
		l.line("  " + l.paint(green, good.text) + " " + uploaded(u) + "  " + l.paint(dim, seconds(time.Since(l.started))))
	default:
		text := fmt.Sprintf("uploading %s of %s", sizeText(u.Bytes), sizeText(u.BytesTotal))
		if a := l.find(l.subject, step); a != nil {
			a.text = text
		} else {
			l.begin(activity{subject: l.subject, layer: step, text: text, since: time.Now()})
		}
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
	l.wipe()
}

// line prints a line above what is under way.
func (l *live) line(text string) {
	l.wipe()
	fmt.Fprint(l.out, text, "\n")
}

// wipe removes what is drawn of what is under way; the cursor is where that began.
func (l *live) wipe() {
	fmt.Fprint(l.out, erase, strings.Repeat(up+erase, max(l.drawn-1, 0)))
	l.drawn = 0
}

// draw draws what is under way in the terminal's width, a line each.
func (l *live) draw() {
	l.wipe()
	spinner := []rune(frames)
	var lines []string
	for i, a := range l.running {
		if i == maxDrawn {
			lines = append(lines, fmt.Sprintf("    and %d more", len(l.running)-maxDrawn))
			break
		}
		text := a.text + "  " + seconds(max(time.Since(a.since), 0))
		if l.several {
			text = a.subject + "  " + text
		}
		if a.detail != "" {
			text += "  " + a.detail
		}
		lines = append(lines, "  "+string(spinner[l.frame%len(spinner)])+" "+cut(text, l.width()-5))
	}
	fmt.Fprint(l.out, strings.Join(lines, "\n"))
	l.drawn = len(lines)
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
