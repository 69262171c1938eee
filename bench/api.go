package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/slipway-sh/slipway/httpapi"
	"github.com/slipway-sh/slipway/memstore"
	"github.com/slipway-sh/slipway/sqlstore"
	"github.com/slipway-sh/slipway/test/pgtest"
)

const (
	apiRate   = 200             // requests per second
	apiWindow = 5 * time.Second // of which a percentile is taken
	apiLimit  = 50              // milliseconds, for 99 of 100
)

// apiState and apiLists are what is asked, in turn.
var (
	apiState = []string{"/v1/environments/prod/state"}
	apiLists = []string{
		"/v1/applications", "/v1/clusters", "/v1/instances", "/v1/images", "/v1/deployments", "/v1/events?newest=true&limit=100", "/v1/environments",
		"/v1/deployments?application=app-123&environment=prod", "/v1/events?application=app-123&limit=100", "/v1/clusters/app-321/prod",
	}
)

// measureAPI measures how fast the API answers when there is much of everything, with either store.
func (b *bench) measureAPI(ctx context.Context) error {
	file := filepath.Join(b.dir, "api.db")
	if err := b.measureAPIOn(ctx, "SQLite", file, file); err != nil {
		return err
	}
	server, err := pgtest.New(ctx)
	if err != nil {
		return err
	}
	address, err := server.CreateDatabase(ctx, "slipway")
	if err == nil {
		err = b.measureAPIOn(ctx, "PostgreSQL", address+"&synchronous_commit=off", address)
	}
	return errors.Join(err, server.Close())
}

// measureAPIOn fills a store, opens it again as slipwayd would, and measures.
func (b *bench) measureAPIOn(ctx context.Context, name, fill, address string) (err error) {
	store, err := sqlstore.Open(ctx, fill)
	if err != nil {
		return err
	}
	began := time.Now()
	machines, err := newFleet(ctx, store)
	if err := errors.Join(err, store.Close()); err != nil {
		return err
	}
	fmt.Fprintf(os.Stderr, "  %s: filled in %s\n", name, time.Since(began).Round(time.Second))
	if store, err = sqlstore.Open(ctx, address); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()

	l, err := net.Listen("unix", filepath.Join(b.dir, "api.sock"))
	if err != nil {
		return err
	}
	server := &http.Server{Handler: httpapi.New(httpapi.Config{Store: store, Bus: &memstore.Bus{}, Provider: machines, Pools: machines, Version: "bench"}), ConnContext: httpapi.ConnContext}
	go func() { _ = server.Serve(l) }() // ends with Close
	defer server.Close()
	for _, c := range []struct {
		what  string
		paths []string
	}{{"state of an environment", apiState}, {"lists", apiLists}} {
		if _, err := askAPI(ctx, l.Addr().String(), c.paths, time.Second); err != nil { // the first look finds caches empty
			return err
		}
		var worst []time.Duration
		for range max(3, b.runs/2) {
			took, err := askAPI(ctx, l.Addr().String(), c.paths, apiWindow)
			if err != nil {
				return err
			}
			worst = append(worst, percentile(took, 99))
		}
		b.millis(fmt.Sprintf("API, %s, p99 at %d requests/s, %s", c.what, apiRate, name), worst, "", nil, "median", apiLimit)
	}
	return nil
}

// askAPI sends requests at a steady rate, whether or not earlier ones have been answered, and returns how long after it was due each was answered
// in full.
func askAPI(ctx context.Context, socket string, paths []string, window time.Duration) ([]time.Duration, error) {
	transport := &http.Transport{MaxIdleConnsPerHost: apiRate, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", socket)
	}}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport, Timeout: 30 * time.Second}
	n := int(window.Seconds() * apiRate)
	took, failed := make([]time.Duration, n), make([]error, n)
	var all sync.WaitGroup
	began := time.Now()
	for i := range n {
		due := began.Add(time.Duration(i) * time.Second / apiRate)
		timer := time.NewTimer(time.Until(due))
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil, ctx.Err()
		case <-timer.C:
		}
		all.Go(func() {
			err := ask(ctx, client, paths[i%len(paths)])
			took[i] = time.Since(due)
			if !os.IsTimeout(err) { // what takes as long as that is in the figures
				failed[i] = err
			}
		})
	}
	all.Wait()
	return took, errors.Join(failed...)
}

func ask(ctx context.Context, client *http.Client, path string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://slipwayd"+path, nil)
	if err != nil {
		return err
	}
	res, err := client.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if _, err := io.Copy(io.Discard, res.Body); err != nil {
		return err
	}
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", path, res.Status)
	}
	return nil
}
