package client

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/slipway-sh/slipway"
)

// Pauses between attempts to reach slipwayd grow from the one to the other.
const (
	firstPause = 50 * time.Millisecond
	lastPause  = time.Second
)

// maxEvent bounds one line of the stream; an event carries at most one record.
const maxEvent = 16 << 20

// EventList returns up to limit stored events, oldest first: the oldest that filter selects, or the newest if it says so.
// There is no bound for a limit below 1.
func (c *Client) EventList(ctx context.Context, filter slipway.EventFilter, limit int) ([]slipway.Event, error) {
	if !filter.Newest || limit < 1 { // all of them are in order without more
		return list[slipway.Event](ctx, c, "/v1/events", eventQuery(filter), limit)
	}
	events := []slipway.Event{}
	q := eventQuery(filter)
	q.Set("newest", "true")
	for {
		q.Set("limit", strconv.Itoa(min(limit-len(events), pageSize)))
		page, err := call[items[slipway.Event]](ctx, c, http.MethodGet, "/v1/events?"+q.Encode(), nil)
		if err != nil {
			return []slipway.Event{}, err
		}
		events = slices.Concat(page.Items, events) // each page has what was before the last
		if page.Next == "" || len(events) >= limit {
			return events, nil
		}
		q.Set("cursor", page.Next)
	}
}

// Events yields the stored events that filter selects, oldest first, then new ones as they happen, each exactly once, until
// ctx is done. When the connection breaks, or slipwayd is restarted, it connects again and goes on after the last event it
// yielded; a slipwayd that stays away for c.Patience, or that refuses the request, ends it with a last error.
func (c *Client) Events(ctx context.Context, filter slipway.EventFilter) iter.Seq2[slipway.Event, error] {
	return func(yield func(slipway.Event, error) bool) {
		var away time.Time // since when slipwayd does not answer
		pause := firstPause
		for {
			last := filter.After
			connected, err := c.stream(ctx, &filter, yield)
			switch {
			case errors.Is(err, errStop):
				return
			case ctx.Err() != nil:
				yield(slipway.Event{}, context.Cause(ctx))
				return
			case slipway.CodeOf(err) != slipway.Unavailable:
				yield(slipway.Event{}, err)
				return
			case connected, away.IsZero():
				away = time.Now()
			case time.Since(away) > c.Patience:
				yield(slipway.Event{}, err)
				return
			}
			if filter.After > last {
				pause = firstPause
			}
			timer := time.NewTimer(pause)
			select {
			case <-ctx.Done():
				timer.Stop()
			case <-timer.C:
			}
			pause = min(2*pause, lastPause)
		}
	}
}

// errStop says that who receives the events wants no more.
var errStop = errors.New("stop")

// stream yields events of one connection until it breaks, and notes the last in filter.After. It reports whether there was a connection.
func (c *Client) stream(ctx context.Context, filter *slipway.EventFilter, yield func(slipway.Event, error) bool) (connected bool, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.base+"/v1/events?"+eventQuery(*filter).Encode(), nil)
	if err != nil {
		return false, err
	}
	req.Header.Set("Accept", "text/event-stream")
	req.Header.Set("Cache-Control", "no-store")
	if filter.After > 0 {
		req.Header.Set("Last-Event-ID", strconv.FormatInt(filter.After, 10))
	}
	res, err := c.do(req)
	if err != nil {
		return false, err
	}
	defer res.Body.Close()
	if kind, _, _ := mime.ParseMediaType(res.Header.Get("Content-Type")); kind != "text/event-stream" {
		return false, fmt.Errorf("cannot read slipwayd's events: got %q, want a stream", kind)
	}
	lines := bufio.NewScanner(res.Body)
	lines.Buffer(nil, maxEvent)
	var data []byte
	for lines.Scan() {
		line := lines.Bytes()
		switch value, ok := bytes.CutPrefix(line, []byte("data:")); {
		case ok:
			if len(data) > 0 {
				data = append(data, '\n')
			}
			data = append(data, bytes.TrimPrefix(value, []byte(" "))...)
		case len(line) == 0 && len(data) > 0:
			var e slipway.Event
			if err := json.Unmarshal(data, &e); err != nil {
				return true, fmt.Errorf("cannot read an event of slipwayd: %w", err)
			}
			data = data[:0]
			if e.Seq <= filter.After { // a server may send what was seen already
				continue
			}
			filter.After = e.Seq
			if !yield(e, nil) {
				return true, errStop
			}
		}
	}
	return true, c.unreachable(ctx, cmp.Or(lines.Err(), io.ErrUnexpectedEOF))
}

func eventQuery(f slipway.EventFilter) url.Values {
	return query("after", f.After, "application", f.Application, "environment", f.Environment, "execution", f.Execution, "bake", f.Bake, "deployment", f.Deployment)
}
