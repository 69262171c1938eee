// Hello is the example application: a small HTTP service that says which version and which machine answered. Two built-in
// faults, chosen when it is compiled, let it play the broken releases of the demo and the tests.
package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"sync/atomic"
	"syscall"
	"time"
)

// Set by the linker: -ldflags "-X main.version=v4 -X main.fault=crash".
var (
	version = "dev"
	fault   = "" // unhealthy: /healthz fails where ENVIRONMENT is prod; crash: the process dies crashAfter its first real visitors
)

// The first visitors of a machine are its checks, however long they take; the load comes after them. It crashes that much
// later, while the new server group is being watched.
const (
	checks     = 10
	crashAfter = 2 * time.Second
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx); err != nil {
		slog.Error("cannot serve", "error", err)
		os.Exit(1)
	}
}

// run serves until ctx is done, then finishes the requests under way.
func run(ctx context.Context) error {
	port := os.Getenv("PORT")
	if port == "" {
		port = "8080"
	}
	listener, err := net.Listen("tcp", ":"+port)
	if err != nil {
		return err
	}
	server := &http.Server{Handler: handler(), ReadHeaderTimeout: 10 * time.Second}
	slog.Info("serving", "version", version, "address", listener.Addr().String())

	finished := make(chan error, 1)
	go func() {
		<-ctx.Done()
		slog.Info("stopping: finishing the requests under way")
		deadline, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		finished <- server.Shutdown(deadline)
	}()
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return <-finished
}

func handler() http.Handler {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	greeting := os.Getenv("GREETING")
	if greeting == "" {
		greeting = "hello"
	}
	var visitors atomic.Int64

	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		if fault == "crash" && visitors.Add(1) == checks+1 {
			time.AfterFunc(crashAfter, crash)
		}
		fmt.Fprintf(w, "%s %s from %s\n", greeting, version, host)
	})
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, r *http.Request) {
		if fault == "unhealthy" && os.Getenv("ENVIRONMENT") == "prod" {
			http.Error(w, "cannot find what only prod needs", http.StatusInternalServerError)
			return
		}
		fmt.Fprintln(w, "ok")
	})
	return mux
}

// crash ends the process at once, with requests under way, as a segmentation fault or the kernel's memory killer would.
func crash() {
	slog.Error("crashing, as I was built to")
	os.Exit(139)
}
