// Package trigger starts pipelines and deployments when something happens: a webhook comes in, a file is pushed, a channel moves, a time of
// day comes, an execution is over. Whatever it is becomes a firing, stored once; a firing is then tried until something has begun or nothing
// can. It implements [slipway.Triggers].
package trigger

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
	Sealer    slipway.Sealer
	Dir       string // where what is pushed lies until its digest is known
	Log       *slog.Logger
	Now       func() time.Time           // nil: time.Now
	NewID     func(prefix string) string // nil: random ones
}

// Service implements [slipway.Triggers].
type Service struct {
	Config
	feed feed.Feed[slipway.Firing]
	wake chan struct{}

	mu       sync.Mutex
	rejected map[string]time.Time // by trigger: when it was told last that a webhook was refused
	ticks    map[string]int64     // by trigger: where its cursor is, as far as is known here
	cleaned  time.Time
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
	s := &Service{Config: c, wake: make(chan struct{}, 1), rejected: map[string]time.Time{}, ticks: map[string]int64{}}
	s.feed = feed.Feed[slipway.Firing]{Name: "triggers", Events: c.Store, Start: c.Store.StartCursor, Make: s.fired, Add: c.Store.AddFirings}
	return s
}

// Run lets triggers fire until ctx is done, and returns nil.
func (s *Service) Run(ctx context.Context) error {
	live, err := s.Bus.Subscribe(ctx)
	if err != nil {
		s.Log.Warn("cannot listen to events; triggers look every few seconds", "error", err)
	}
	for ctx.Err() == nil {
		next := s.Step(ctx)
		timer := time.NewTimer(max(min(look, next.Sub(s.Now())), 10*time.Millisecond))
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
			case e.Kind == slipway.ChannelMoved, e.Kind == slipway.ArtifactPushed, e.Kind == slipway.ExecutionFinished, e.Kind == slipway.BakeFinished:
				return
			}
		}
	}
}

// Step does all that is to be done now, and returns when something is to be done next that is known already. Failures are logged.
func (s *Service) Step(ctx context.Context) (next time.Time) {
	warn := func(doing string, err error) {
		if err != nil && ctx.Err() == nil {
			s.Log.Warn("cannot "+doing, "error", err)
		}
	}
	warn("read events for triggers", s.feed.Pump(ctx))
	next, err := s.tick(ctx)
	warn("look after schedules", err)
	warn("let triggers fire", s.tryDue(ctx))
	if now := s.Now(); now.Sub(s.cleaned) > time.Hour {
		s.cleaned = now
		warn("remove old firings", s.Store.DropFirings(ctx, now.Add(-keepFirings), now.Add(-keepKeys)))
	}
	return next
}

// tryDue tries all firings that are due.
func (s *Service) tryDue(ctx context.Context) error {
	for {
		now := s.Now()
		firings, err := s.Store.ClaimFirings(ctx, now, now.Add(claimed), atOnce)
		if err != nil || len(firings) == 0 {
			return err
		}
		var trying errgroup.Group
		for _, f := range firings {
			trying.Go(func() error {
				s.try(ctx, f)
				return nil
			})
		}
		_ = trying.Wait() // none fails
	}
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
