package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/httpapi"
)

// relaySocket is where, in the data directory, the slipwayd that works takes the requests of those that stand by.
const relaySocket = "relay.sock"

// front is what the world sees of slipwayd: its listeners, and what answers there: another slipwayd as long as this one stands by, then its own API.
type front struct {
	options
	tls        *secured
	waiting    []string       // addresses that are not listened on yet
	opened     []net.Listener // and not served yet
	answering  atomic.Pointer[http.Handler]
	server     *http.Server
	relayed    *http.Server // for those that stand by
	endStreams context.CancelFunc
	serving    errgroup.Group
}

func newFront(o options) *front {
	f := &front{options: o, waiting: slices.Clone(o.listen), tls: &secured{
		cert: o.tlsCert, key: o.tlsKey, names: o.tlsNames, dir: o.path("tls"), insecureHTTP: o.insecureHTTP, log: o.log,
	}}
	// Streams end with this context, so that they do not hold up the end.
	var streams context.Context
	streams, f.endStreams = context.WithCancel(context.Background())
	f.server = newServer(streams, o.log, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { (*f.answering.Load()).ServeHTTP(w, r) }))
	f.relayed = newServer(streams, o.log, nil)
	return f
}

func newServer(streams context.Context, log *slog.Logger, handler http.Handler) *http.Server {
	return &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug), // handshakes that fail, above all: anybody can cause them
		BaseContext:       func(net.Listener) context.Context { return streams },
		ConnContext:       httpapi.ConnContext,
	}
}

// relay answers requests by passing them on, as long as this slipwayd stands by. An address that the other one listens on is left to it.
func (f *front) relay() error {
	var left []string
	for _, address := range f.waiting {
		l, err := listen([]string{address}, f.tls)
		if slipway.CodeOf(err) == slipway.Conflict {
			left = append(left, address)
			continue
		}
		if err != nil {
			return err
		}
		f.opened = append(f.opened, l...)
	}
	f.waiting = left
	f.answer(httpapi.NewRelay(httpapi.RelayConfig{
		Socket: f.path(relaySocket), Limits: httpapi.Limits{Rate: f.rate}, PublicURL: f.publicURL, Version: f.version,
	}))
	f.serveOpened()
	return nil
}

// listen opens the listeners that are not open yet. Requests wait there.
func (f *front) listen() error {
	listeners, err := listen(f.waiting, f.tls)
	f.waiting, f.opened = nil, append(f.opened, listeners...)
	return err
}

// serve answers the API until ctx is done, then lets requests under way finish for a moment.
func (f *front) serve(ctx context.Context, api http.Handler, started time.Time) error {
	relayed, err := listenUnix(f.path(relaySocket))
	if err != nil {
		return err
	}
	f.relayed.Handler = httpapi.Relayed(api)
	f.answer(api)
	f.serveOn(f.relayed, relayed)
	f.serveOpened()
	failed := make(chan error, 1)
	go func() { failed <- f.serving.Wait() }()
	f.log.Info("ready", "data", f.data, "listen", f.options.listen, "after", time.Since(started).Round(time.Millisecond))

	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	f.log.Info("stopping; machines and load balancer keep serving")
	f.shutdown()
	return nil
}

func (f *front) answer(h http.Handler) { f.answering.Store(&h) }

func (f *front) serveOpened() {
	for _, l := range f.opened {
		f.serveOn(f.server, l)
	}
	f.opened = nil
}

func (f *front) serveOn(s *http.Server, l net.Listener) {
	f.serving.Go(func() error {
		if err := s.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			return fmt.Errorf("cannot serve the API on %s: %w", l.Addr(), err)
		}
		return nil
	})
}

// shutdown takes no more requests, and lets those under way finish for a moment.
func (f *front) shutdown() {
	f.endStreams()
	var ending errgroup.Group
	for _, s := range []*http.Server{f.server, f.relayed} {
		ending.Go(func() error { return bounded(s.Shutdown) })
	}
	_ = ending.Wait() // what takes longer is cut off
}

// close ends all there is.
func (f *front) close() error {
	f.shutdown()
	err := errors.Join(f.server.Close(), f.relayed.Close())
	for _, l := range f.opened {
		err = errors.Join(err, l.Close())
	}
	return errors.Join(err, f.serving.Wait())
}
