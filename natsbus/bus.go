// Package natsbus carries Slipway's live events over NATS: a NATS server with JetStream inside this process, which listens on no
// port, or servers elsewhere. It implements [slipway.Bus].
package natsbus

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/slipway-sh/slipway"
)

// Events are published under slipway.event.<kind>, so that a listener can choose kinds by subject.
const subjectPrefix = "slipway.event."

const (
	stream     = "EVENTS"
	streamAge  = 24 * time.Hour // what is older is in the store anyway
	streamSize = 64 << 20

	readyTimeout = 10 * time.Second
	backlog      = 1024 // events a subscriber may lag behind before it loses some
)

// Config says where the bus is.
type Config struct {
	Dir string // of the embedded server; made if it is missing
	// Address is that of external servers, nats://host:port or tls://host:port, several separated by commas. Then nothing is embedded.
	Address string
	// Credentials is a file with the user's JWT and seed, or a seed alone, that external servers want; "" for none.
	Credentials string
	CA          string // a PEM file with the authorities that vouch for external servers; "" for the host's
	Log         *slog.Logger
}

// Bus is a [slipway.Bus].
type Bus struct {
	server *server.Server // nil with external servers
	conn   *nats.Conn
	log    *slog.Logger

	closing sync.Once
	closed  chan struct{}
}

var _ slipway.Bus = (*Bus)(nil)

// Start returns a bus that takes events. Only one process may have a bus on a directory; the caller sees to that. External servers that do
// not answer are Unavailable; once they did, they may go away and come back.
func Start(ctx context.Context, cfg Config) (*Bus, error) {
	b := &Bus{log: cfg.Log, closed: make(chan struct{})}
	if b.log == nil {
		b.log = slog.New(slog.DiscardHandler)
	}
	if cfg.Address != "" {
		if err := b.reach(cfg); err != nil {
			return nil, err
		}
		return b, nil
	}
	if err := os.MkdirAll(cfg.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("cannot start NATS: %w", err)
	}
	var err error
	if b.server, err = server.NewServer(&server.Options{
		ServerName: "slipwayd",
		DontListen: true,
		JetStream:  true,
		StoreDir:   cfg.Dir,
		// More than the stream takes; a server left to itself reserves three quarters of the disk.
		JetStreamMaxStore:  4 * streamSize,
		JetStreamMaxMemory: 32 << 20,
		NoSigs:             true,
		// The default of 1,000 is used up by as many key-value watches.
		JetStreamLimits: server.JSLimitOpts{DefaultMaxConsumers: -1},
	}); err != nil {
		return nil, fmt.Errorf("cannot start NATS: %w", err)
	}
	b.server.SetLogger(serverLog{b.log}, false, false)
	b.server.Start()
	if err := b.connect(ctx); err != nil {
		b.Close()
		return nil, fmt.Errorf("cannot start NATS in %s: %w", cfg.Dir, err)
	}
	return b, nil
}

// Conn returns the connection to NATS, for those who need more of it than events. It works until Close.
func (b *Bus) Conn() *nats.Conn { return b.conn }

// Ping returns an error if NATS does not answer.
func (b *Bus) Ping(ctx context.Context) error {
	if status := b.conn.Status(); status != nats.CONNECTED {
		return fmt.Errorf("NATS is not connected: %s", status)
	}
	if err := b.conn.FlushWithContext(ctx); err != nil {
		return fmt.Errorf("ask NATS whether it is well: %w", err)
	}
	return nil
}

// Publish implements [slipway.Bus]. It returns once the event is on its way to those who listen now.
func (b *Bus) Publish(_ context.Context, e slipway.Event) error {
	data, err := json.Marshal(e)
	if err != nil {
		return fmt.Errorf("cannot encode event %d: %w", e.Seq, err)
	}
	if err := b.conn.Publish(subjectPrefix+string(e.Kind), data); err != nil {
		return fmt.Errorf("cannot publish event %d: %w", e.Seq, err)
	}
	return nil
}

// Subscribe implements [slipway.Bus]. The channel is closed when ctx is done or the bus is closed. External servers may be away; what is
// published meanwhile does not arrive.
func (b *Bus) Subscribe(ctx context.Context) (<-chan slipway.Event, error) {
	arrived := make(chan *nats.Msg, backlog) // the client drops what does not fit
	sub, err := b.conn.ChanSubscribe(subjectPrefix+">", arrived)
	if err != nil {
		return nil, fmt.Errorf("cannot subscribe to events: %w", err)
	}
	// Once the server has answered, it knows of the subscription: what is published from now on arrives.
	// External servers that are away hear of it when they are back; until then nothing arrives.
	if b.server != nil || b.conn.IsConnected() {
		if err := b.conn.FlushTimeout(readyTimeout); err != nil && (b.server != nil || b.conn.IsClosed()) {
			return nil, errors.Join(fmt.Errorf("cannot subscribe to events: %w", err), sub.Unsubscribe())
		}
	}
	events := make(chan slipway.Event)
	go func() {
		defer close(events)
		defer func() { _ = sub.Unsubscribe() }() // fails only if the connection is closed
		for {
			select {
			case <-ctx.Done():
				return
			case <-b.closed:
				return
			case msg := <-arrived:
				var e slipway.Event
				if err := json.Unmarshal(msg.Data, &e); err != nil {
					b.log.Warn("an event cannot be decoded", "subject", msg.Subject, "error", err)
					continue
				}
				select {
				case events <- e:
				case <-ctx.Done():
					return
				case <-b.closed:
					return
				}
			}
		}
	}()
	return events, nil
}

// Close ends the bus and all subscriptions. Events not yet delivered are lost to their listeners, not to the store. Closing
// again does nothing.
func (b *Bus) Close() {
	b.closing.Do(func() {
		close(b.closed)
		if b.conn != nil {
			b.conn.Close()
		}
		if b.server != nil {
			b.server.Shutdown()
			b.server.WaitForShutdown()
		}
	})
}

// connect connects to the server and makes the stream of events.
func (b *Bus) connect(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	if !b.server.ReadyForConnections(readyTimeout) {
		return errors.New("it does not get ready")
	}
	var err error
	if b.conn, err = nats.Connect("", nats.InProcessServer(b.server), nats.ErrorHandler(b.lagging)); err != nil {
		return err
	}
	js, err := jetstream.New(b.conn)
	if err != nil {
		return err
	}
	_, err = js.CreateOrUpdateStream(ctx, jetstream.StreamConfig{
		Name:      stream,
		Subjects:  []string{subjectPrefix + ">"},
		Retention: jetstream.LimitsPolicy,
		Discard:   jetstream.DiscardOld,
		MaxAge:    streamAge,
		MaxBytes:  streamSize,
	})
	return err
}

// lagging hears of subscribers that lose events. They are told by the gap in the events' Seq.
func (b *Bus) lagging(_ *nats.Conn, sub *nats.Subscription, err error) {
	if errors.Is(err, nats.ErrSlowConsumer) && sub != nil {
		b.log.Debug("a subscriber lags behind and loses events", "subject", sub.Subject)
		return
	}
	b.log.Warn("NATS connection", "error", err)
}
