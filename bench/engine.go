package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/slipway-sh/slipway"
)

// crowd is how many deployments are asked for at the same moment.
const crowd = 200

// watched is how long the deployments that are measured watch their new groups: a time that they are to take, and that does not count.
const watched = time.Second

var (
	redBlack = slipway.Strategy{RedBlack: &slipway.RedBlack{Watch: slipway.Duration(watched)}}
	rolling  = slipway.Strategy{Rolling: &slipway.Rolling{Watch: slipway.Duration(watched)}}
)

// measureEngine measures what the engine adds to what machines and load balancers take, which here is next to nothing.
func (b *bench) measureEngine(ctx context.Context) (err error) {
	s, err := newSimulated(ctx, filepath.Join(b.dir, "e"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	for n := range crowd {
		if err := s.serve(ctx, n); err != nil {
			return err
		}
	}
	for _, strategy := range []slipway.Strategy{redBlack, rolling} {
		if err := b.measureSteps(ctx, s, strategy); err != nil {
			return err
		}
	}
	return b.measureCrowd(ctx, s)
}

// measureSteps measures one deployment at a time.
func (b *bench) measureSteps(ctx context.Context, s *simulated, strategy slipway.Strategy) error {
	var overheads []time.Duration
	steps := 0
	for range b.runs + 1 { // the first does not count
		way, err := s.course(ctx, 0, strategy)
		if err != nil {
			return err
		}
		steps = len(way.steps)
		overheads = append(overheads, (way.took-watched)/time.Duration(steps))
	}
	b.millis(fmt.Sprintf("engine's share of a step, %s in %d steps", strategy.Name(), steps), overheads[1:], "", nil, "median", 25)
	return nil
}

// measureCrowd has all clusters deployed to at once, and measures how long steps wait for their turn. Machines take as long to launch, and
// groups are watched for as long, as is usual: what the deployments are all busy with at the same moment is what they begin with.
func (b *bench) measureCrowd(ctx context.Context, s *simulated) error {
	s.launch = func(n int) time.Duration { return time.Second + time.Duration(n)*20*time.Millisecond }
	strategy := slipway.Strategy{RedBlack: &slipway.RedBlack{}} // with its defaults
	started := make([]deployment, crowd)
	accepted := make([]time.Duration, crowd)
	var all errgroup.Group
	for n := range crowd {
		all.Go(func() (err error) {
			asked := time.Now()
			started[n], err = s.deploy(ctx, n, strategy)
			accepted[n] = time.Since(asked)
			return err
		})
	}
	if err := all.Wait(); err != nil {
		return err
	}
	for _, d := range started {
		if err := s.finish(ctx, d); err != nil {
			return err
		}
	}
	var delays []time.Duration
	for _, d := range started {
		way, err := courseOf(ctx, s.engine.Client(), d)
		if err != nil {
			return err
		}
		for _, step := range way.steps {
			delays = append(delays, step.delay)
		}
	}
	b.millis(fmt.Sprintf("until a deployment is accepted, %d at once", crowd), accepted, "", nil, "max", 5000)
	b.millis(fmt.Sprintf("delay of a step, %d deployments at once", crowd), delays, "", nil, "max", 1000)
	b.millis(fmt.Sprintf("delay of 99 of 100 steps, %d deployments at once", crowd), []time.Duration{percentile(delays, 99)}, "", nil, "max", 1000)
	return nil
}
