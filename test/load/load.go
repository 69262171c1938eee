// Package load sends a steady stream of requests to a service and counts what fails.
//
// It is an open loop: requests start at a fixed rate whether or not earlier ones have been answered, so a stall of the service
// makes requests pile up and is seen, where a client that waits for each answer would politely stop asking.
package load

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"sync"
	"time"
)

// Options says what to send. URL and Rate are required.
type Options struct {
	URL     string
	Rate    int                      // requests per second
	Fresh   int                      // every Fresh-th request opens a connection of its own, the others share kept-alive ones; default 4
	Timeout time.Duration            // for one request, connection included; default 10s
	Label   func(body []byte) string // sorts answers, by version for example; nil: no sorting
}

// maxOpen bounds the requests under way. Reaching it slows the generator down, which Counts.Slowed reports.
const maxOpen = 2000

// maxKept is how many failures are kept word for word.
const maxKept = 20

// Counts is what has been sent so far. Every request that was sent is answered, failed or open.
type Counts struct {
	Sent   int64            // requests started
	Failed int64            // no answer, or another status than 200
	Open   int64            // not answered yet
	Slowed int64            // requests that started late because maxOpen were under way
	Labels map[string]int64 // good answers by Options.Label
	Slow   time.Duration    // the slowest good answer
}

// Minus returns what happened after the earlier counts were taken.
func (c Counts) Minus(earlier Counts) Counts {
	labels := maps.Clone(c.Labels)
	for label, n := range earlier.Labels {
		if labels[label] -= n; labels[label] == 0 {
			delete(labels, label)
		}
	}
	return Counts{
		Sent: c.Sent - earlier.Sent, Failed: c.Failed - earlier.Failed, Open: c.Open, Slowed: c.Slowed - earlier.Slowed,
		Labels: labels, Slow: c.Slow,
	}
}

// Failure is a request that failed.
type Failure struct {
	At    time.Time
	Took  time.Duration
	Fresh bool // on a connection of its own
	What  string
}

func (f Failure) String() string {
	connection := "kept-alive"
	if f.Fresh {
		connection = "fresh"
	}
	return fmt.Sprintf("%s after %s on a %s connection: %s", f.At.Format("15:04:05.000"), f.Took.Round(time.Millisecond), connection, f.What)
}

// Generator is a stream of requests under way. Its methods are safe for concurrent use.
type Generator struct {
	options Options
	shared  *http.Client
	fresh   *http.Client
	stop    context.CancelFunc
	done    chan struct{}

	mu       sync.Mutex
	counts   Counts
	failures []Failure
	sent     *sync.Cond
}

// Start begins to send, until ctx is done or Stop is called.
func Start(ctx context.Context, options Options) *Generator {
	if options.Fresh <= 0 {
		options.Fresh = 4
	}
	if options.Timeout <= 0 {
		options.Timeout = 10 * time.Second
	}
	ctx, stop := context.WithCancel(ctx)
	g := &Generator{
		options: options,
		stop:    stop,
		done:    make(chan struct{}),
		counts:  Counts{Labels: map[string]int64{}},
		// A kept-alive connection that the server closes while it is idle is not a failed request: the transport tries such
		// a request again, as every HTTP client does. On a fresh connection nothing is ever tried again.
		shared: &http.Client{Timeout: options.Timeout, Transport: &http.Transport{MaxIdleConnsPerHost: 64, IdleConnTimeout: 30 * time.Second}},
		fresh:  &http.Client{Timeout: options.Timeout, Transport: &http.Transport{DisableKeepAlives: true}},
	}
	g.sent = sync.NewCond(&g.mu)
	go g.run(ctx)
	return g
}

// Stop ends the stream, waits for the requests under way, and returns the final counts. Calling it again returns them again.
func (g *Generator) Stop() Counts {
	g.stop()
	<-g.done
	return g.Counts()
}

// Counts returns what has happened so far.
func (g *Generator) Counts() Counts {
	g.mu.Lock()
	defer g.mu.Unlock()
	c := g.counts
	c.Labels = maps.Clone(c.Labels)
	return c
}

// Failures returns the first failures, oldest first.
func (g *Generator) Failures() []Failure {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Clone(g.failures)
}

// Await returns once n more requests have been answered well, or with ctx's error.
func (g *Generator) Await(ctx context.Context, n int64) error {
	defer context.AfterFunc(ctx, func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		g.sent.Broadcast()
	})()
	g.mu.Lock()
	defer g.mu.Unlock()
	for want := g.good() + n; g.good() < want; g.sent.Wait() {
		if ctx.Err() != nil {
			return fmt.Errorf("cannot see %d more good answers: %d to go: %w", n, want-g.good(), ctx.Err())
		}
	}
	return nil
}

func (g *Generator) good() int64 { return g.counts.Sent - g.counts.Failed - g.counts.Open }

// run starts requests at the rate. It computes from the start how many are due, so that late wake-ups are made up for.
func (g *Generator) run(ctx context.Context) {
	defer close(g.done)
	defer g.shared.CloseIdleConnections()
	var open sync.WaitGroup
	defer open.Wait()

	places := make(chan struct{}, maxOpen)
	tick := time.NewTicker(max(time.Millisecond, time.Second/time.Duration(g.options.Rate)))
	defer tick.Stop()
	begin := time.Now()
	for n := int64(0); ; {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		due := int64(time.Since(begin).Seconds() * float64(g.options.Rate))
		for ; n < due; n++ {
			if !g.place(ctx, places) {
				return
			}
			fresh := n%int64(g.options.Fresh) == 0
			open.Go(func() {
				defer func() { <-places }()
				g.send(fresh)
			})
		}
	}
}

// place takes one of the places for open requests, and returns false when ctx ends first.
func (g *Generator) place(ctx context.Context, places chan struct{}) bool {
	select {
	case places <- struct{}{}:
		return true
	default:
	}
	g.mu.Lock()
	g.counts.Slowed++
	g.mu.Unlock()
	select {
	case places <- struct{}{}:
		return true
	case <-ctx.Done():
		return false
	}
}

func (g *Generator) send(fresh bool) {
	client := g.shared
	if fresh {
		client = g.fresh
	}
	g.mu.Lock()
	g.counts.Sent++
	g.counts.Open++
	g.mu.Unlock()

	begin := time.Now()
	body, err := get(client, g.options.URL)
	took := time.Since(begin)

	g.mu.Lock()
	defer g.mu.Unlock()
	defer g.sent.Broadcast()
	g.counts.Open--
	if err != nil {
		g.counts.Failed++
		if len(g.failures) < maxKept {
			g.failures = append(g.failures, Failure{At: begin, Took: took, Fresh: fresh, What: err.Error()})
		}
		return
	}
	g.counts.Slow = max(g.counts.Slow, took)
	if g.options.Label != nil {
		g.counts.Labels[g.options.Label(body)]++
	}
}

// get asks without the generator's context: a request that was started is finished, or the count of failures would lie.
func get(client *http.Client, url string) ([]byte, error) {
	res, err := client.Get(url)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, 64<<10))
	if err != nil {
		return nil, fmt.Errorf("answer broke off: %w", err)
	}
	if res.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("status %s: %.200q", res.Status, body)
	}
	return body, nil
}
