package httpapi

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/slipway-sh/slipway"
)

const (
	eventPage = 500 // events read from the store at once
	// heartbeat is how often a silent stream shows that it lives, and looks into the store for what the bus may have lost.
	heartbeat = 10 * time.Second
)

type eventsInput struct {
	After       int64    `query:"after" minimum:"0" doc:"Only events with a greater seq."`
	LastEventID int64    `header:"Last-Event-ID" minimum:"0" doc:"As after; what an EventSource sends when it connects again."`
	Application string   `query:"application" doc:"Only this application's."`
	Environment string   `query:"environment" doc:"Only this environment's."`
	Execution   string   `query:"execution" doc:"Only this execution's."`
	Bake        string   `query:"bake" doc:"Only this bake's."`
	Deployment  string   `query:"deployment" doc:"Only this deployment's."`
	Kind        []string `query:"kind" doc:"Only events of one of these kinds." example:"deployment.started"`
	Newest      bool     `query:"newest" doc:"Of more events than the limit the newest, still in order; the next page has those before them."`
	Accept      string   `header:"Accept" hidden:"true"`
	PageInput
}

func (in *eventsInput) filter() slipway.EventFilter {
	return slipway.EventFilter{
		After: max(in.After, in.LastEventID), Application: in.Application, Environment: in.Environment,
		Execution: in.Execution, Bake: in.Bake, Deployment: in.Deployment, Newest: in.Newest,
	}
}

func (a *api) events(ctx context.Context, in *eventsInput) (*huma.StreamResponse, error) {
	if strings.Contains(in.Accept, "text/event-stream") {
		return a.followEvents(ctx, in.filter(), in.kinds())
	}
	out, err := a.readEvents(ctx, in)
	if err != nil {
		return nil, err
	}
	return &huma.StreamResponse{Body: func(c huma.Context) {
		c.SetHeader("Content-Type", "application/json")
		if out.Link != "" {
			c.SetHeader("Link", out.Link)
		}
		_ = json.NewEncoder(c.BodyWriter()).Encode(out.Body) // the client may be gone
	}}, nil
}

// kinds returns what kinds are wanted; nil: all.
func (in *eventsInput) kinds() []slipway.EventKind { return values[slipway.EventKind](in.Kind) }

// readEvents returns a page of stored events, in order.
func (a *api) readEvents(ctx context.Context, in *eventsInput) (*listOutput[slipway.Event], error) {
	filter, kinds := in.filter(), in.kinds()
	p := a.page(ctx, &in.PageInput)
	seen := p.shows
	p.shows = func(item any) bool {
		e, ok := item.(slipway.Event)
		return ok && (len(kinds) == 0 || slices.Contains(kinds, e.Kind)) && (seen == nil || seen(e))
	}
	out, err := paged(p, func(after slipway.Mark, limit int) ([]slipway.Event, error) {
		seq, err := seqOf(after)
		if err != nil {
			return nil, err
		}
		if !filter.Newest {
			filter.After = max(filter.After, seq)
			return a.Store.Events(ctx, filter, limit)
		}
		filter.Before = seq
		events, err := a.Store.Events(ctx, filter, limit)
		slices.Reverse(events)
		return events, err
	}, func(e slipway.Event) slipway.Mark { return seqMark(e.Seq) })
	if err == nil && filter.Newest {
		slices.Reverse(out.Body.Items)
	}
	return out, err
}

func (a *api) followEvents(ctx context.Context, filter slipway.EventFilter, kinds []slipway.EventKind) (*huma.StreamResponse, error) {
	if a.Bus == nil {
		return nil, slipway.Errorf(slipway.Unprepared, "cannot follow events: this server has no live ones; read them page by page")
	}
	ctx, cancel := context.WithCancel(ctx)
	live, err := a.Bus.Subscribe(ctx) // before the store is read: what happens in between comes twice rather than never
	if err != nil {
		cancel()
		return nil, err
	}
	return &huma.StreamResponse{Body: func(c huma.Context) {
		defer cancel()
		f := follower{store: a.Store, filter: filter, kinds: kinds, out: newFlow(c, "text/event-stream"), seen: a.seen(ctx, slipway.RoleViewer)}
		if err := f.run(ctx, live); err != nil && ctx.Err() == nil {
			a.Log.Warn("a stream of events ends early", "error", err)
		}
	}}, nil
}

// follower sends events in the order of their seq, each once, without gaps. What it has seen is in filter.After.
type follower struct {
	store  slipway.Store
	filter slipway.EventFilter
	kinds  []slipway.EventKind // nil: all
	out    *flow
	seen   func(any) bool // what the caller may see
}

// run sends what the store has and then what comes, until live is closed or the client is gone.
func (f *follower) run(ctx context.Context, live <-chan slipway.Event) error {
	if err := f.catchUp(ctx); err != nil {
		return err
	}
	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
	for {
		select {
		case e, ok := <-live:
			if !ok {
				return nil
			}
			if err := f.take(ctx, e); err != nil {
				return err
			}
		case <-beat.C:
			if err := f.catchUp(ctx); err != nil {
				return err
			}
			if _, err := f.out.Write([]byte(": alive\n\n")); err != nil {
				return err
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// take handles an event of the bus. One that does not follow the last at once shows that others were lost, came out of
// order, or were stored since the store was read: then the store has them all, e included.
func (f *follower) take(ctx context.Context, e slipway.Event) error {
	switch {
	case e.Seq <= f.filter.After:
		return nil
	case e.Seq == f.filter.After+1:
		return f.send(e)
	}
	if err := f.catchUp(ctx); err != nil {
		return err
	}
	f.filter.After = max(f.filter.After, e.Seq) // those up to e that do not match are seen, too
	return nil
}

// catchUp sends what the store has after the last.
func (f *follower) catchUp(ctx context.Context) error {
	for {
		events, err := f.store.Events(ctx, f.filter, eventPage)
		if err != nil {
			return err
		}
		for _, e := range events {
			if err := f.send(e); err != nil {
				return err
			}
		}
		if len(events) < eventPage {
			return nil
		}
	}
}

// send marks e as seen and writes it if it is wanted.
func (f *follower) send(e slipway.Event) error {
	wanted := f.filter.Matches(e) && f.seen(e) && (len(f.kinds) == 0 || slices.Contains(f.kinds, e.Kind))
	f.filter.After = e.Seq
	if !wanted {
		return nil
	}
	data, err := json.Marshal(e)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(f.out, "id: %d\nevent: %s\ndata: %s\n\n", e.Seq, e.Kind, data)
	return err
}
