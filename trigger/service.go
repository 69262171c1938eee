// Package trigger starts pipelines and deployments when something happens: a webhook comes in, a file is pushed, a channel moves, a time of
// day comes, an execution is over. Whatever it is becomes a firing, stored once; a firing is then tried until something has begun or nothing
// can. It implements [slipway.Triggers].
package trigger

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
	// claimed is how long whoever tries a firing has for it, before another may.
	claimed = time.Minute
	// atOnce is how many firings are tried side by side.
	atOnce = 4
	// keepFirings and keepKeys are for how long it is known what came of a firing, and that it was there.
	keepFirings, keepKeys = 90 * 24 * time.Hour, 400 * 24 * time.Hour
)

// Store is what is needed of a store.
type Store interface {
	slipway.TriggerStore
	feed.Events
	AppendEvent(ctx context.Context, e slipway.Event) (slipway.Event, error)
	Application(ctx context.Context, name string) (slipway.Spec, error)
	Bake(ctx context.Context, id string) (slipway.Bake, error)
	Bakes(ctx context.Context, application string, limit int) ([]slipway.Bake, error)
	Deployments(ctx context.Context, cluster slipway.Cluster, limit int) ([]slipway.Deployment, error)
	Execution(ctx context.Context, id string) (slipway.Execution, error)
}

// Operator is what is needed of a [slipway.Operator].
type Operator interface {
	Bake(ctx context.Context, req slipway.BakeRequest) (slipway.Bake, error)
	Deploy(ctx context.Context, req slipway.DeployRequest) (slipway.Deployment, error)
}

// Config is what a [Service] works with.
type Config struct {
	Store     Store
	Bus       slipway.Bus
	Blobs     slipway.Blobs
	Operator  Operator
	Pipelines slipway.PipelineRunner
	Standing  slipway.Standing // of whom triggers act for; nil: they may do anything
	Sealer    slipway.Sealer
	Audit     slipway.Recorder // hears what is started, and because of what; nil: nobody does
	Dir       string           // where what is pushed lies until its digest is known
	Log       *slog.Logger
	Now       func() time.Time           // nil: time.Now
	NewID     func(prefix string) string // nil: random ones
}

// Service implements [slipway.Triggers].
type Service struct {
	Config
	feed     feed.Feed[slipway.Firing]
	loop     feed.Loop
	queue    feed.Queue[slipway.Firing]
	cleaning feed.Every
	baking   baking

	mu       sync.Mutex
	rejected map[string]time.Time // by trigger: when it was told last that a webhook was refused
	ticks    map[string]int64     // by trigger: where its cursor is, as far as is known here
}

var _ slipway.Triggers = (*Service)(nil)

// New returns a service. Nothing fires by itself before [Service.Run].
func New(c Config) *Service {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.NewID == nil {
		c.NewID = func(prefix string) string { return prefix + strings.ToLower(rand.Text()[:16]) }
	}
	s := &Service{Config: c, cleaning: feed.Every{Pause: time.Hour}, rejected: map[string]time.Time{}, ticks: map[string]int64{}}
	s.feed = feed.Feed[slipway.Firing]{Name: "triggers", Events: c.Store, Start: c.Store.StartCursor, Make: s.fired, Add: c.Store.AddFirings}
	s.queue = feed.Queue[slipway.Firing]{AtOnce: atOnce, Claim: s.claim, Try: func(ctx context.Context, f slipway.Firing) { s.try(ctx, f) }, Tried: s.loop.Nudge}
	s.loop = feed.Loop{Name: "triggers", Bus: c.Bus, Log: c.Log, Now: c.Now, Wakes: s.wakes, Step: func(ctx context.Context) time.Time {
		return s.step(ctx, s.queue.Start)
	}}
	return s
}

// Run lets triggers fire until ctx is done, and returns nil.
func (s *Service) Run(ctx context.Context) error {
	s.loop.Run(ctx)
	s.queue.Wait()
	return nil
}

// wakes reports whether a trigger may fire, or a firing go on, because of an event.
func (s *Service) wakes(e slipway.Event) bool {
	if e.Kind == slipway.BakeFinished {
		s.baking.over(e.Bake)
		return true
	}
	return kindOf(e) != ""
}

// Step does all that is to be done now, and returns when it is done: when something is to be done next that is known already. Failures are
// logged.
func (s *Service) Step(ctx context.Context) (next time.Time) { return s.step(ctx, s.queue.Drain) }

func (s *Service) step(ctx context.Context, fire func(ctx context.Context) error) (next time.Time) {
	warn := func(doing string, err error) {
		if err != nil && ctx.Err() == nil {
			s.Log.Warn("cannot "+doing, "error", err)
		}
	}
	warn("read events for triggers", s.feed.Pump(ctx))
	next, err := s.tick(ctx)
	warn("look after schedules", err)
	warn("go on with what was baked", s.ripen(ctx))
	warn("let triggers fire", fire(ctx))
	if due := s.baking.next(); !due.IsZero() && due.Before(next) {
		next = due
	}
	if now := s.Now(); s.cleaning.Due(now) {
		warn("remove old firings", s.Store.DropFirings(ctx, now.Add(-keepFirings), now.Add(-keepKeys)))
	}
	return next
}

// claim returns firings that are due, which nobody else has.
func (s *Service) claim(ctx context.Context, limit int) ([]slipway.Firing, error) {
	now := s.Now()
	return s.Store.ClaimFirings(ctx, now, now.Add(claimed), limit)
}

// tell stores an event and sends it to whoever listens.
func (s *Service) tell(ctx context.Context, e slipway.Event, about any, format string, args ...any) {
	e.Time, e.Message = s.Now().UTC(), fmt.Sprintf(format, args...)
	feed.Teller{Store: s.Store, Bus: s.Bus, Log: s.Log}.Tell(ctx, e, about)
}
