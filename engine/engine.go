// Package engine gives Slipway durable workflows: a Temporal server embedded in this process on SQLite files of its own, or
// a connection to an external Temporal cluster. Callers see the same client and workers either way.
package engine

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"time"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/worker"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/slipway-sh/slipway"
)

// Namespace is the Temporal namespace all of Slipway's workflows live in, unless an external cluster has another for them.
const Namespace = "slipway"

// retention is how long the history of a finished workflow is kept. What came of it is in the store, for good.
const retention = 7 * 24 * time.Hour

const (
	readyTimeout = 20 * time.Second // for the server to answer its first request
	dialEvery    = 20 * time.Millisecond
	stopTimeout  = 10 * time.Second // for everything to end
	workerGrace  = 2 * time.Second  // for activities under way when their worker stops; after it they are cancelled and run again later
)

// Config says where the engine keeps its state.
type Config struct {
	Dir     string // holds temporal.db and temporal-visibility.db; must exist
	LogFile string // of the embedded server, bounded in size; default Dir/logs/temporal.log
	// Address is host:port of an external Temporal cluster. Then nothing is embedded and Dir and LogFile are not used.
	Address   string
	Namespace string      // in that cluster, made if it is missing; default [Namespace]
	TLS       *tls.Config // for that cluster; nil for a connection in the clear
	Log       *slog.Logger
}

// Engine runs workflows. Its methods are safe for concurrent use.
type Engine struct {
	client client.Client
	server *server // nil with an external cluster

	mu      sync.Mutex
	workers []worker.Worker
	stopped bool
}

// Start returns an engine that has answered its first request. Workflows left by an earlier process go on once a worker for
// their task queue is started. Only one process may have an engine on a directory; the caller sees to that.
// An external cluster that does not answer is Unavailable.
func Start(ctx context.Context, cfg Config) (*Engine, error) {
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	options := client.Options{HostPort: cfg.Address, Namespace: Namespace, Logger: log.NewStructuredLogger(warnings(cfg.Log))}
	e := &Engine{}
	calls := &patient{}
	if cfg.Address != "" {
		calls.where = " at " + cfg.Address
	}
	options.Interceptors = []interceptor.ClientInterceptor{calls}
	if cfg.Address != "" {
		options.Namespace = cmp.Or(cfg.Namespace, Namespace)
		options.ConnectionOptions.TLS = cfg.TLS
		if err := e.reach(ctx, options); err != nil {
			return nil, errors.Join(external(options, err), e.Stop())
		}
		return e, nil
	}
	if cfg.LogFile == "" {
		cfg.LogFile = filepath.Join(cfg.Dir, "logs", "temporal.log")
	}
	var err error
	if e.server, err = startServer(cfg); err != nil {
		return nil, fmt.Errorf("cannot start the embedded Temporal server: %w", err)
	}
	options.HostPort = e.server.address
	options.ConnectionOptions.TLS = e.server.tls.client
	if e.client, err = e.dial(ctx, options); err != nil {
		return nil, errors.Join(fmt.Errorf("cannot reach the embedded Temporal server at %s: %w", options.HostPort, err), e.Stop())
	}
	return e, nil
}

// reach connects to an external cluster and sees to its namespace.
func (e *Engine) reach(ctx context.Context, options client.Options) (err error) {
	if e.client, err = client.DialContext(ctx, options); err != nil {
		return err
	}
	if err := ensureNamespace(ctx, e.client.WorkflowService(), options.Namespace); err != nil {
		return err
	}
	// A namespace that was made right now is known to all parts of the cluster some seconds later.
	ticks := time.NewTicker(dialEvery)
	defer ticks.Stop()
	for {
		_, err := e.client.DescribeTaskQueue(ctx, options.Namespace, enums.TASK_QUEUE_TYPE_WORKFLOW)
		if _, unknown := errors.AsType[*serviceerror.NamespaceNotFound](err); !unknown {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-ticks.C:
		}
	}
}

// external says why an external cluster cannot be used.
func external(options client.Options, err error) error {
	doing := fmt.Sprintf("use namespace %s of Temporal at %s", options.Namespace, options.HostPort)
	if _, denied := errors.AsType[*serviceerror.PermissionDenied](err); denied {
		return slipway.Errorf(slipway.Unprepared, "cannot %s: it does not allow that; have its operator make the namespace, and check --temporal-cert: %w", doing, err)
	}
	if _, away := errors.AsType[*serviceerror.Unavailable](err); away || errors.Is(err, context.DeadlineExceeded) {
		return slipway.Errorf(slipway.Unavailable, "cannot %s: it does not answer; check --temporal and the options of its TLS: %w", doing, err)
	}
	return fmt.Errorf("cannot %s: %w", doing, err)
}

// dial connects, and waits for a server of our own that listens and is not ready yet.
func (e *Engine) dial(ctx context.Context, options client.Options) (client.Client, error) {
	ticks := time.NewTicker(dialEvery)
	defer ticks.Stop()
	for {
		c, err := client.DialContext(ctx, options)
		if _, starting := errors.AsType[*serviceerror.Unavailable](err); !starting || e.server == nil {
			return c, err
		}
		select {
		case <-ctx.Done():
			return nil, err
		case <-ticks.C:
		}
	}
}

// Client returns the client of Slipway's namespace. It works until Stop.
func (e *Engine) Client() client.Client { return e.client }

// StartWorker runs a worker for taskQueue with what register adds to it, until Stop.
func (e *Engine) StartWorker(taskQueue string, options worker.Options, register func(worker.Registry)) error {
	if options.WorkerStopTimeout == 0 {
		options.WorkerStopTimeout = workerGrace
	}
	w := worker.New(e.client, taskQueue, options)
	register(w)
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.stopped {
		return errors.New("cannot start a worker: the engine is stopped")
	}
	if err := w.Start(); err != nil {
		return fmt.Errorf("cannot start the worker of task queue %q: %w", taskQueue, err)
	}
	e.workers = append(e.workers, w)
	return nil
}

// Stop ends the workers, then the client, then the server. Workflows are parked where they are. It returns an error if that
// took too long: then things are still running, and only the end of the process ends them; nothing is lost by that.
// Stopping again does nothing.
func (e *Engine) Stop() error {
	e.mu.Lock()
	if e.stopped {
		e.mu.Unlock()
		return nil
	}
	e.stopped = true
	e.mu.Unlock()

	done := make(chan error, 1)
	go func() {
		// Workers first: they tell the server that nobody polls any more, so the next process need not wait for that to be noticed.
		var stopping sync.WaitGroup
		for _, w := range e.workers {
			stopping.Go(w.Stop)
		}
		stopping.Wait()
		if e.client != nil {
			e.client.Close()
		}
		if e.server != nil {
			done <- e.server.stop()
			return
		}
		done <- nil
	}()
	select {
	case err := <-done:
		return err
	case <-time.After(stopTimeout):
		return fmt.Errorf("cannot stop Temporal within %s", stopTimeout)
	}
}

// ensureNamespace makes the namespace on an external cluster; embedded it is there before the server starts.
func ensureNamespace(ctx context.Context, service workflowservice.WorkflowServiceClient, namespace string) error {
	_, err := service.DescribeNamespace(ctx, &workflowservice.DescribeNamespaceRequest{Namespace: namespace})
	if _, missing := errors.AsType[*serviceerror.NamespaceNotFound](err); !missing {
		return err
	}
	_, err = service.RegisterNamespace(ctx, &workflowservice.RegisterNamespaceRequest{
		Namespace:                        namespace,
		Description:                      "Slipway's bakes, deployments and executions",
		WorkflowExecutionRetentionPeriod: durationpb.New(retention),
	})
	if _, exists := errors.AsType[*serviceerror.NamespaceAlreadyExists](err); exists {
		return nil
	}
	return err
}

// warnings drops what the SDK says below warning, as it reports every retry and every poller, and the failures of activities,
// which for it are errors, but are ordinary outcomes here and told of by the worker's own interceptor.
func warnings(log *slog.Logger) *slog.Logger {
	if log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return slog.New(sdkLog{log.Handler(), slog.LevelWarn})
}

type sdkLog struct {
	slog.Handler
	level slog.Level
}

func (h sdkLog) Enabled(ctx context.Context, level slog.Level) bool {
	return level >= h.level && h.Handler.Enabled(ctx, level)
}

func (h sdkLog) Handle(ctx context.Context, r slog.Record) error {
	if r.Message == "Activity error." || r.Message == "RecordActivityHeartbeat with error" && canceled(r) {
		return nil
	}
	return h.Handler.Handle(ctx, r)
}

// canceled reports whether the record is of an activity that heard, by its heartbeat, that it is not needed any more.
func canceled(r slog.Record) bool {
	found := false
	r.Attrs(func(a slog.Attr) bool {
		found = found || a.Key == "Error" && a.Value.String() == "canceled"
		return !found
	})
	return found
}

func (h sdkLog) WithAttrs(attrs []slog.Attr) slog.Handler {
	return sdkLog{h.Handler.WithAttrs(attrs), h.level}
}

func (h sdkLog) WithGroup(name string) slog.Handler {
	return sdkLog{h.Handler.WithGroup(name), h.level}
}
