// Package notify tells people and programs of events: who has subscribed to an event gets a delivery, stored once, which is tried until it has
// got through or a day is over; what was given up then is kept for a person to look at. It implements [slipway.Subscriptions].
package notify

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/feed"
)

const (
	// claimed is how long whoever tries a delivery has for it, before another may; tryTime is how long a try takes at most.
	claimed, tryTime = time.Minute, 20 * time.Second
	// atOnce is how many deliveries are tried side by side.
	atOnce = 8
	// keep is for how long what was delivered is known.
	keep = 30 * 24 * time.Hour
)

// Store is what is needed of a store.
type Store interface {
	slipway.SubscriptionStore
	feed.Events
	AppendEvent(ctx context.Context, e slipway.Event) (slipway.Event, error)
}

// Config is what a [Service] works with.
type Config struct {
	Store     Store
	Bus       slipway.Bus
	Sealer    slipway.Sealer
	Notifiers map[string]slipway.Notifier // by the kind of their destinations
	Log       *slog.Logger
	Now       func() time.Time           // nil: time.Now
	NewID     func(prefix string) string // nil: random ones
	// Jitter returns a number from 0 to below n; nil: a random one.
	Jitter func(n time.Duration) time.Duration
}

// Service implements [slipway.Subscriptions].
type Service struct {
	Config
	feed     feed.Feed[slipway.Delivery]
	loop     feed.Loop
	queue    feed.Queue[slipway.Delivery]
	cleaning feed.Every

	mu sync.Mutex // held while a subscription is read to be changed

	trying sync.Mutex     // guards tried
	tried  map[string]int // by subscription: how many of its deliveries are being tried
}

var _ slipway.Subscriptions = (*Service)(nil)

// New returns a service. Nothing is sent by itself before [Service.Run].
func New(c Config) *Service {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.NewID == nil {
		c.NewID = func(prefix string) string { return prefix + strings.ToLower(rand.Text()[:16]) }
	}
	if c.Jitter == nil {
		c.Jitter = jitter
	}
	s := &Service{Config: c, cleaning: feed.Every{Pause: time.Hour}, tried: map[string]int{}}
	s.feed = feed.Feed[slipway.Delivery]{Name: "notifications", Events: c.Store, Start: c.Store.StartCursor, Make: s.deliveries, Add: c.Store.AddDeliveries}
	s.queue = feed.Queue[slipway.Delivery]{AtOnce: atOnce, Claim: s.claim, Try: s.try, Tried: s.loop.Nudge}
	s.loop = feed.Loop{Name: "notifications", Bus: c.Bus, Log: c.Log, Now: c.Now, Wakes: wakes, Step: func(ctx context.Context) (next time.Time) {
		s.step(ctx, s.queue.Start)
		return next
	}}
	return s
}

// Run sends notifications until ctx is done, and returns nil.
func (s *Service) Run(ctx context.Context) error {
	s.loop.Run(ctx)
	s.queue.Wait()
	return nil
}

// wakes reports whether somebody may have to be told of an event. Of some there are many, and they can wait for the next.
func wakes(e slipway.Event) bool {
	return e.Kind != slipway.BakeOutput && e.Kind != slipway.BakeLayer && e.Kind != slipway.BakeLayerStarted && e.Kind != slipway.StageOutput
}

// Step does all that is to be done now, and returns when it is done. Failures are logged.
func (s *Service) Step(ctx context.Context) { s.step(ctx, s.queue.Drain) }

func (s *Service) step(ctx context.Context, send func(ctx context.Context) error) {
	warn := func(doing string, err error) {
		if err != nil && ctx.Err() == nil {
			s.Log.Warn("cannot "+doing, "error", err)
		}
	}
	warn("read events for notifications", s.feed.Pump(ctx))
	warn("send notifications", send(ctx))
	if now := s.Now(); s.cleaning.Due(now) {
		warn("remove old notifications", s.Store.DropDeliveries(ctx, now.Add(-keep)))
	}
}

// claim returns deliveries that are due, which nobody else has.
func (s *Service) claim(ctx context.Context, limit int) ([]slipway.Delivery, error) {
	now := s.Now()
	return s.Store.ClaimDeliveries(ctx, now, now.Add(claimed), limit)
}

// deliveries returns what follows from events.
func (s *Service) deliveries(ctx context.Context, events []slipway.Event) ([]slipway.Delivery, error) {
	subscriptions, err := s.Store.Subscriptions(ctx)
	if err != nil {
		return nil, err
	}
	var all []slipway.Delivery
	now := s.Now().UTC()
	for _, e := range events {
		for _, sub := range subscriptions {
			if sub.Disabled == nil && e.Seq > sub.Since && about(sub.SubscriptionSpec, e) {
				all = append(all, slipway.Delivery{
					ID: s.NewID("m-"), Subscription: sub.ID, Event: e, State: slipway.DeliveryPending, Created: now, Due: now,
				})
			}
		}
	}
	return all, nil
}

// tell stores an event and sends it to whoever listens.
func (s *Service) tell(ctx context.Context, e slipway.Event, about any, format string, args ...any) {
	e.Time, e.Message = s.Now().UTC(), fmt.Sprintf(format, args...)
	feed.Teller{Store: s.Store, Bus: s.Bus, Log: s.Log}.Tell(ctx, e, about)
}
