package cli

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

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

// workProgress is as progress, and silent if the work is not waited for: then the only output is its ID.
func (f *Factory) workProgress(several bool, w waitFlags) progress {
	if w.noWait {
		return silent{}
	}
	return f.progress(several)
}

// progress returns how to show work: alive on a terminal, a line an event elsewhere, not at all with --json. With several works at
// once each line says whose it is.
func (f *Factory) progress(several bool) progress {
	switch {
	case f.json:
		return silent{}
	case f.Terminal && f.Env("TERM") != "dumb":
		return newLive(f, several)
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
	lines := strings.Split(strings.TrimRight(e.Message, "\n"), "\n")
	if e.Kind == slipway.DeploymentWaiting {
		lines = append(lines, waitingText(e)...)
	}
	for _, line := range lines {
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

// waitingText says of the event of a deployment that waits for how long it does, what it does then, and what would unblock it.
func waitingText(e slipway.Event) []string {
	var d slipway.Deployment
	if json.Unmarshal(e.Data, &d) != nil || d.Waiting == nil {
		return nil
	}
	var lines []string
	if w := d.Waiting; !w.Until.IsZero() {
		lines = append(lines, "until "+moment(w.Until, time.Now())+prefixed("; then ", w.Then))
	}
	if d.Waiting.Unblocks != "" {
		lines = append(lines, "unblocked by: "+d.Waiting.Unblocks)
	}
	return append(lines, "all of it: slipway deployment show "+e.Deployment)
}

// subject says which work an event is of: "deploy d-…".
func subject(e slipway.Event) string {
	switch {
	case e.Deployment != "":
		return "deploy " + e.Deployment
	case e.Bake != "":
		return "bake " + e.Bake
	case e.Execution != "" && (strings.HasPrefix(string(e.Kind), "stage.")):
		return "run " + e.Execution
	case e.Execution != "":
		return "ship " + e.Execution
	}
	return cmp.Or(e.Application, e.Environment, string(e.Kind))
}

func uploaded(u client.Upload) string {
	return fmt.Sprintf("uploaded %s, %s", count(u.Files, "file"), sizeText(u.Bytes))
}
