package check

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/slipway-sh/slipway"
)

const (
	// allLines asks for more lines than any provider keeps of a machine.
	allLines = 1 << 24
	// logsAtOnce is how many machines' logs are read at a time: each may have megabytes.
	logsAtOnce = 8
	// maxSearched is how much of a line is searched, bytes.
	maxSearched = 64 << 10
)

// log counts the lines that match in the logs of the target's machines. Logs have no times: what was printed at s.Since is told from what
// came later by the number of lines, s.Printed. Machines that are not listed there are new, so all that they printed counts. What
// a provider no longer keeps of a log cannot be counted, nor what a machine printed that was replaced since.
func (m Measurer) log(ctx context.Context, c *slipway.LogCheck, s Subject) slipway.Measurement {
	pattern, err := regexp.Compile(c.Pattern)
	if err != nil {
		return noData("cannot search for %q: %w", c.Pattern, err)
	}
	group, instances, missing := m.target(ctx, s)
	if missing != nil {
		return *missing
	}
	var mu sync.Mutex
	matches, first := 0, ""
	g, within := errgroup.WithContext(ctx)
	g.SetLimit(logsAtOnce)
	for _, instance := range instances {
		g.Go(func() error {
			n, line, err := m.matches(within, instance.ID, pattern, s.Printed[instance.ID])
			mu.Lock()
			defer mu.Unlock()
			if n > 0 && first == "" {
				first = fmt.Sprintf("machine %s printed %q", instance.ID, line)
			}
			matches += n
			return err
		})
	}
	err = g.Wait()
	switch {
	case matches > c.Max: // whatever else there is
		return of(fail("%d lines match, want at most %d; %s", matches, c.Max, first), float64(matches))
	case err != nil:
		return unanswered(ctx, "cannot read what the machines of "+group.Name+" printed", err)
	case matches > 0:
		return of(pass("%d lines match, at most %d may; %s", matches, c.Max, first), float64(matches))
	}
	return of(pass("no line matches on %s of %s", machineCount(len(instances)), group.Name), 0)
}

// Printed returns how many lines each machine of the group has printed by now: what [Subject] wants as of its Since.
func (m Measurer) Printed(ctx context.Context, group string) (map[string]int, error) {
	g, err := m.Provider.ServerGroup(ctx, group)
	if err != nil {
		return nil, err
	}
	printed := map[string]int{}
	for _, instance := range g.Instances {
		n := 0
		if err := m.eachLine(ctx, instance.ID, func([]byte) { n++ }); err != nil {
			return nil, err
		}
		printed[instance.ID] = n
	}
	return printed, nil
}

// matches counts the lines that match, without the first so many, and returns the first of them. A log that is shorter than it was has
// lost its beginning: then all of it counts.
func (m Measurer) matches(ctx context.Context, id string, pattern *regexp.Regexp, skip int) (n int, first string, err error) {
	lines, early, earliest := 0, 0, ""
	err = m.eachLine(ctx, id, func(line []byte) {
		lines++
		if !pattern.Match(line) {
			return
		}
		if lines <= skip {
			if early == 0 {
				earliest = cut(string(line), maxShown)
			}
			early++
			return
		}
		if n == 0 {
			first = cut(string(line), maxShown)
		}
		n++
	})
	if lines < skip && early > 0 {
		n, first = early, earliest
	}
	return n, first, err
}

// eachLine calls f with every line that is kept of the machine's log, or its beginning if it is very long.
func (m Measurer) eachLine(ctx context.Context, id string, f func(line []byte)) error {
	log, err := m.Provider.Logs(ctx, id, allLines, false)
	if err != nil {
		return err
	}
	defer log.Close()
	for r := bufio.NewReaderSize(log, maxSearched); ; {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		line, more, err := r.ReadLine()
		if errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		f(line)
		for more && err == nil {
			_, more, err = r.ReadLine()
		}
	}
}
