package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime/debug"
	"syscall"
	"text/tabwriter"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/slipway-sh/slipway"
)

// idle is how long the processor time is looked at that deployments take which only wait.
const idle = 10 * time.Second

// Waiting is what it costs that so many deployments wait for a person.
type Waiting struct {
	Deployments int     `json:"deployments"`
	Resident    float64 `json:"resident_mib"`           // memory of all of the engine
	Processor   float64 `json:"processor_s_per_minute"` // of one processor
	Other       float64 `json:"other_ms"`               // a deployment to another cluster, without its watch
}

// measureWaiting measures what it costs that deployments wait for an approval, which may be for days.
func (b *bench) measureWaiting(ctx context.Context) (err error) {
	s, err := newSimulated(ctx, filepath.Join(b.dir, "w"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	if err := s.serve(ctx, 0); err != nil {
		return err
	}
	var rows []Waiting
	n := 0
	for _, want := range []int{0, 10, 100, 1000} {
		if err := s.wait(ctx, n+1, want+1); err != nil {
			return err
		}
		n = want
		row, err := b.cost(ctx, s, n)
		if err != nil {
			return err
		}
		rows = append(rows, row)
	}
	few, many := rows[1], rows[len(rows)-1]
	b.add(fmt.Sprintf("memory of a waiting deployment, from %d to %d of them", few.Deployments, many.Deployments), "KiB",
		[]float64{1024 * (many.Resident - few.Resident) / float64(many.Deployments-few.Deployments)}, "", nil, "median", 256)
	b.results[len(b.results)-1].Rows = rows
	b.add(fmt.Sprintf("processor time while %d deployments wait", many.Deployments), "s/min", []float64{many.Processor}, "", nil, "median", 6)
	b.add(fmt.Sprintf("another deployment while %d wait, without its watch", many.Deployments), "ms",
		[]float64{many.Other}, fmt.Sprintf("while %d wait", few.Deployments), []float64{few.Other}, "ratio", 2)
	return nil
}

// wait has the clusters from one number to before another deployed to, and waits until all wait for an approval.
func (s *simulated) wait(ctx context.Context, from, to int) error {
	all := 100
	strategy := slipway.Strategy{Custom: &slipway.Custom{Steps: []slipway.CustomStep{{Approve: &slipway.ApproveStep{}}, {Weight: &all}}}}
	var some errgroup.Group
	some.SetLimit(8)
	for n := from; n < to; n++ {
		some.Go(func() error {
			if err := s.serve(ctx, n); err != nil {
				return err
			}
			d, err := s.deploy(ctx, n, strategy)
			if err != nil {
				return err
			}
			return s.awaitWaiting(ctx, d)
		})
	}
	return some.Wait()
}

func (s *simulated) awaitWaiting(ctx context.Context, d deployment) error {
	ticks := time.NewTicker(20 * time.Millisecond)
	defer ticks.Stop()
	for {
		record, err := s.store.Deployment(ctx, d.id)
		switch {
		case slipway.CodeOf(err) == slipway.NotFound: // not yet
		case err != nil:
			return err
		case record.Waiting != nil:
			return nil
		case record.State.Done():
			return fmt.Errorf("%s does not wait, it is %s: %w", d.id, record.State, record.Error)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ticks.C:
		}
	}
}

// cost measures what it costs that n deployments wait.
func (b *bench) cost(ctx context.Context, s *simulated, n int) (Waiting, error) {
	row := Waiting{Deployments: n}
	debug.FreeOSMemory() // what is in use, and not what the starts have left
	began, err := processorTime()
	if err != nil {
		return row, err
	}
	timer := time.NewTimer(idle)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return row, ctx.Err()
	case <-timer.C:
	}
	end, err := processorTime()
	if err != nil {
		return row, err
	}
	row.Processor = (end - began).Seconds() * float64(time.Minute/idle)
	if row.Resident, err = residentMiB(os.Getpid()); err != nil {
		return row, err
	}
	var others []time.Duration
	for range max(3, b.runs/2) {
		way, err := s.course(ctx, 0, redBlack)
		if err != nil {
			return row, err
		}
		others = append(others, way.took-watched)
	}
	row.Other = median(inMillis(others))
	return row, nil
}

func processorTime() (time.Duration, error) {
	var used syscall.Rusage
	err := syscall.Getrusage(syscall.RUSAGE_SELF, &used)
	return time.Duration(used.Utime.Nano() + used.Stime.Nano()), err
}

// printWaiting prints the table of what waiting costs.
func printWaiting(out io.Writer, rows []Waiting) {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "\nDEPLOYMENTS THAT WAIT\tRESIDENT\tPROCESSOR\tANOTHER DEPLOYMENT")
	for _, r := range rows {
		fmt.Fprintf(w, "%d\t%.0f MiB\t%.1f s/min\t%.0f ms\n", r.Deployments, r.Resident, r.Processor, r.Other)
	}
	w.Flush()
}
