package cli

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/client"
)

// Pauses between two looks at a record. Events tell of progress; looking makes sure that no end is missed.
const (
	firstLook = 20 * time.Millisecond
	lastLook  = 500 * time.Millisecond
	slowLook  = 2 * time.Second // while events arrive
)

// waitFlags say whether and how a command waits for the work it started.
type waitFlags struct {
	noWait    bool
	interrupt string
}

func (w *waitFlags) add(c *cobra.Command) {
	c.Flags().BoolVar(&w.noWait, "no-wait", false, "print the id and do not wait")
	c.Flags().StringVar(&w.interrupt, "on-interrupt", "", "what Ctrl-C or SIGTERM does to the work: ask, detach (it goes on) or abort (default ask on a terminal, else detach)")
}

func (w *waitFlags) check() error {
	switch w.interrupt {
	case "", "ask", "detach", "abort":
		return nil
	}
	return usageError{fmt.Errorf("cannot use --on-interrupt=%s: want ask, detach or abort", w.interrupt)}
}

// accepted returns the error of a request to start work. If it got no answer, slipwayd may have accepted the work all the same, and
// see is the command that shows whether it did.
func accepted(err error, see string) error {
	unsure := "it is not known whether slipwayd accepted the work; find out with: " + see
	var e *slipway.Error
	switch {
	case errors.Is(err, errInterrupted):
		return &outcome{exitDetached, "interrupted before slipwayd answered: " + unsure}
	case errors.Is(err, client.ErrUnanswered) && errors.As(err, &e):
		return slipway.Errorf(e.Code, "%w; %s", err, unsure)
	}
	return err
}

// waiter waits for work that slipwayd does, and shows it.
type waiter struct {
	f         *Factory
	c         *client.Client
	view      progress
	id        string                   // what an interrupt is about
	after     int64                    // it tells what came after this event
	about     func(slipway.Event) bool // reports whether an event is to be told; nil: all are
	interrupt string
	asking    chan string // the answer of a person who was asked
}

func newWaiter(f *Factory, c *client.Client, view progress, id string, flags waitFlags) *waiter {
	w := &waiter{f: f, c: c, view: view, id: id, interrupt: flags.interrupt}
	if w.interrupt == "" {
		w.interrupt = "detach"
		if f.Terminal {
			w.interrupt = "ask"
		}
	}
	return w
}

// bake waits for a bake to end and returns it.
func (w *waiter) bake(ctx context.Context, id string) (slipway.Bake, error) {
	get := func(ctx context.Context) (slipway.Bake, error) { return w.c.GetBake(ctx, id) }
	done := func(b slipway.Bake) bool { return b.State.Done() }
	return follow(ctx, w, slipway.EventFilter{Bake: id}, slipway.BakeFinished, get, done)
}

// deployment waits for a deployment to end and returns it.
func (w *waiter) deployment(ctx context.Context, id string) (slipway.Deployment, error) {
	get := func(ctx context.Context) (slipway.Deployment, error) { return w.c.Deployment(ctx, id) }
	done := func(d slipway.Deployment) bool { return d.State.Done() }
	return follow(ctx, w, slipway.EventFilter{Deployment: id, After: w.after}, slipway.DeploymentFinished, get, done)
}

// release waits for a release to end and returns it. Of what happens in its environment it shows what is about the release or a member.
func (w *waiter) release(ctx context.Context, r slipway.Release) (slipway.Release, error) {
	members := map[string]bool{}
	w.about = func(e slipway.Event) bool {
		switch {
		case e.Kind == slipway.ReleaseStarted || e.Kind == slipway.ReleaseFinished:
			var of slipway.Release
			return json.Unmarshal(e.Data, &of) == nil && of.ID == r.ID
		case e.Deployment == "":
			return false
		}
		if _, known := members[e.Deployment]; !known {
			d, err := w.c.Deployment(ctx, e.Deployment)
			if err != nil {
				return false
			}
			members[e.Deployment] = d.Release == r.ID
		}
		return members[e.Deployment]
	}
	get := func(ctx context.Context) (slipway.Release, error) { return w.c.GetRelease(ctx, r.ID) }
	done := func(r slipway.Release) bool { return r.State.Done() }
	return follow(ctx, w, slipway.EventFilter{Environment: r.Environment, After: w.after}, slipway.ReleaseFinished, get, done)
}

// execution waits for an execution to end, by waiting for its bake and its deployments as they come, and returns it.
func (w *waiter) execution(ctx context.Context, id string) (slipway.Execution, error) {
	var bake string
	seen := 0
	get := func(ctx context.Context) (slipway.Execution, error) { return w.c.Execution(ctx, id) }
	for {
		x, err := await(ctx, w, get, func(x slipway.Execution) bool {
			return x.State.Done() || x.Bake != bake || len(x.Deployments) > seen
		})
		if err != nil {
			return x, err
		}
		switch {
		case x.Bake != bake:
			bake = x.Bake
			b, err := w.c.GetBake(ctx, bake)
			if err == nil && b.State.Done() && b.Finished.Before(x.Started) {
				w.view.say("the same bake was done before: " + b.ID)
				continue
			}
			if _, err := w.bake(ctx, bake); err != nil {
				return x, err
			}
		case len(x.Deployments) > seen:
			seen++
			if _, err := w.deployment(ctx, x.Deployments[seen-1]); err != nil {
				return x, err
			}
		default:
			return x, nil
		}
	}
}

// follow shows the events that filter selects until one of the kind last, or until the record is done, and returns the record.
func follow[T any](ctx context.Context, w *waiter, filter slipway.EventFilter, last slipway.EventKind, get func(context.Context) (T, error), done func(T) bool) (T, error) {
	var none T
	inner, cancel := context.WithCancel(ctx)
	defer cancel()
	type item struct {
		event slipway.Event
		err   error
	}
	items := make(chan item)
	go func() {
		for e, err := range w.c.Events(inner, filter) {
			select {
			case items <- item{e, err}:
			case <-inner.Done():
				return
			}
		}
	}()
	look := time.NewTicker(slowLook)
	defer look.Stop()
	for {
		select {
		case i := <-items:
			if i.err != nil {
				return none, fmt.Errorf("%w; %s goes on without this command", i.err, w.id)
			}
			if w.about != nil && !w.about(i.event) {
				continue
			}
			w.view.event(i.event)
			if i.event.Kind == last {
				return await(ctx, w, get, done)
			}
		case <-look.C:
			if v, err := get(ctx); err == nil && done(v) {
				return v, nil
			} else if err != nil && slipway.CodeOf(err) != slipway.Unavailable {
				return none, err
			}
		case signal := <-w.f.Signals:
			if err := w.interrupted(ctx, signal); err != nil {
				return none, err
			}
		case answer := <-w.asking:
			if err := w.answered(ctx, answer); err != nil {
				return none, err
			}
		case <-ctx.Done():
			return none, context.Cause(ctx)
		}
	}
}

// await looks at a record until done says so, through restarts of slipwayd.
func await[T any](ctx context.Context, w *waiter, get func(context.Context) (T, error), done func(T) bool) (T, error) {
	pause := firstLook
	var away time.Time
	for {
		v, err := get(ctx)
		switch {
		case err == nil && done(v):
			return v, nil
		case err == nil:
			away = time.Time{}
		case slipway.CodeOf(err) != slipway.Unavailable:
			return v, err
		case away.IsZero():
			away = time.Now()
		case time.Since(away) > w.c.Patience:
			return v, err
		}
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
			pause = min(2*pause, lastLook)
		case signal := <-w.f.Signals:
			err = w.interrupted(ctx, signal)
		case answer := <-w.asking:
			err = w.answered(ctx, answer)
		case <-ctx.Done():
			err = context.Cause(ctx)
		}
		timer.Stop()
		if err != nil && slipway.CodeOf(err) != slipway.Unavailable {
			return v, err
		}
	}
}

// interrupted does what a signal is to do. It returns nil if the command goes on waiting.
func (w *waiter) interrupted(ctx context.Context, signal os.Signal) error {
	switch {
	case w.interrupt == "abort":
		return w.answered(ctx, "a")
	case w.interrupt == "detach", w.asking != nil, signal != os.Interrupt: // it asks already, or there is nobody to ask
		return w.answered(ctx, "d")
	}
	w.view.say("\n" + w.id + " goes on by itself. Detach from it (d), abort and undo it (a), or keep watching (Enter)?")
	w.asking = make(chan string, 1)
	go func(answer chan<- string) {
		line, _ := bufio.NewReader(w.f.In).ReadString('\n') // at its end there is no answer, which means: keep watching
		answer <- strings.ToLower(strings.TrimSpace(line))
	}(w.asking)
	return nil
}

// answered does what the person, or --on-interrupt, has chosen.
func (w *waiter) answered(ctx context.Context, answer string) error {
	w.asking = nil
	switch {
	case strings.HasPrefix(answer, "d"):
		return &outcome{exitDetached, fmt.Sprintf("detached from %s, which goes on; abort it with: slipway abort %s", w.id, w.id)}
	case strings.HasPrefix(answer, "a"):
		w.interrupt = "detach" // next time: whoever interrupts twice does not want to wait
		said := "aborting " + w.id
		if err := w.c.Abort(ctx, w.id); err != nil {
			said = err.Error() // it goes on, and so does watching it
		}
		w.view.say(said + "; interrupt again to stop watching")
	}
	return nil
}
