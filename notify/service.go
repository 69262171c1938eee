// Package notify tells people and programs of events: who has subscribed to an event gets a delivery, stored once, which is tried until it has
// got through or a day is over; what was given up then is kept for a person to look at. It implements [slipway.Subscriptions].
package notify

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/feed"
)

const (
	// look is how often it is looked whether something is due, if nothing tells.
	look = 5 * time.Second
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
	feed feed.Feed[slipway.Delivery]
	wake chan struct{}

	mu sync.Mutex // held while a subscription is read to be changed

	cleaning sync.Mutex // guards cleaned
	cleaned  time.Time
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
	s := &Service{Config: c, wake: make(chan struct{}, 1)}
	s.feed = feed.Feed[slipway.Delivery]{Name: "notifications", Events: c.Store, Start: c.Store.StartCursor, Make: s.deliveries, Add: c.Store.AddDeliveries}
	return s
}

// Run sends notifications until ctx is done, and returns nil.
func (s *Service) Run(ctx context.Context) error {
	live, err := s.Bus.Subscribe(ctx)
	if err != nil {
		s.Log.Warn("cannot listen to events; notifications look every few seconds", "error", err)
	}
	for ctx.Err() == nil {
		s.Step(ctx)
		timer := time.NewTimer(look)
		s.wait(ctx, live, timer.C)
		timer.Stop()
	}
	return nil
}

// wait returns when something may have to be done.
func (s *Service) wait(ctx context.Context, live <-chan slipway.Event, timer <-chan time.Time) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer:
			return
		case <-s.wake:
			return
		case e, ok := <-live:
			switch {
			case !ok:
				live = nil
			case e.Kind == slipway.BakeOutput, e.Kind == slipway.BakeLayer, e.Kind == slipway.BakeLayerStarted:
				// There are many, and they can wait for the next.
			default:
				return
			}
		}
	}
}

// Step does all that is to be done now. Failures are logged.
func (s *Service) Step(ctx context.Context) {
	warn := func(doing string, err error) {
		if err != nil && ctx.Err() == nil {
			s.Log.Warn("cannot "+doing, "error", err)
		}
	}
	warn("read events for notifications", s.feed.Pump(ctx))
	warn("send notifications", s.tryDue(ctx))
	if now := s.Now(); s.toClean(now) {
		warn("remove old notifications", s.Store.DropDeliveries(ctx, now.Add(-keep)))
	}
}

// toClean reports whether it is time to clean up, and takes it that this is done then.
func (s *Service) toClean(now time.Time) bool {
	s.cleaning.Lock()
	defer s.cleaning.Unlock()
	if now.Sub(s.cleaned) <= time.Hour {
		return false
	}
	s.cleaned = now
	return true
}

// tryDue tries all deliveries that are due.
func (s *Service) tryDue(ctx context.Context) error {
	for {
		now := s.Now()
		due, err := s.Store.ClaimDeliveries(ctx, now, now.Add(claimed), atOnce)
		if err != nil || len(due) == 0 {
			return err
		}
		var trying errgroup.Group
		for _, d := range due {
			trying.Go(func() error {
				s.try(ctx, d)
				return nil
			})
		}
		_ = trying.Wait() // none fails
	}
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

// nudge has [Service.Run] look at once.
func (s *Service) nudge() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// tell stores an event and sends it to whoever listens. What it tells of does not fail because nobody could be told.
func (s *Service) tell(ctx context.Context, e slipway.Event, about any, format string, args ...any) {
	e.Time, e.Message = s.Now().UTC(), fmt.Sprintf(format, args...)
	e.Data, _ = json.Marshal(about) // the domain's types always can be
	e, err := s.Store.AppendEvent(ctx, e)
	if err == nil {
		err = s.Bus.Publish(ctx, e)
	}
	if err != nil {
		s.Log.Warn("cannot publish event", "kind", e.Kind, "error", err)
	}
}
