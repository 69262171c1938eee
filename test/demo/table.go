package main

import (
	"bytes"
	"fmt"
	"io"
	"sync"
	"text/tabwriter"
	"time"
)

// printTable prints what was done: each step, its time, the requests sent and failed meanwhile.
func printTable(out io.Writer, steps []step) {
	fmt.Fprintln(out)
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "STEP\tTIME\tREQUESTS\tFAILED\tOUTCOME")
	for _, s := range steps {
		outcome := s.outcome
		if s.err != nil {
			outcome = "FAILED"
		}
		fmt.Fprintf(w, "%s\t%s\t%d\t%d\t%s\n", s.name, round(s.took), s.counts.Sent, s.counts.Failed, outcome)
	}
	w.Flush()
}

// round leaves three digits or so.
func round(d time.Duration) time.Duration {
	switch {
	case d > 10*time.Second:
		return d.Round(100 * time.Millisecond)
	case d > time.Second:
		return d.Round(10 * time.Millisecond)
	default:
		return d.Round(100 * time.Microsecond)
	}
}

// margin puts a margin before every line that is written to out. Safe for concurrent use: stdout and stderr come in one each.
type margin struct {
	out    io.Writer
	mu     sync.Mutex
	inLine bool
}

func (m *margin) Write(text []byte) (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for line := range bytes.Lines(text) {
		if !m.inLine {
			fmt.Fprint(m.out, "   │ ")
		}
		fmt.Fprintf(m.out, "%s", line)
		m.inLine = line[len(line)-1] != '\n'
	}
	return len(text), nil
}
