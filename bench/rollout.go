package main

import (
	"context"
	"fmt"
	"time"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/test/daemon"
	"github.com/slipway-sh/slipway/test/load"
)

// measureRollout measures, under load, the way from the command to all traffic on the new server group, and back.
func (b *bench) measureRollout(ctx context.Context) error {
	d, err := b.slipwayd(ctx)
	if err != nil {
		return err
	}
	a, err := b.newApp("shipapp", true)
	if err != nil {
		return err
	}
	// Twice, so that there is a group to roll back to. This fills the caches too and does not count.
	for range 2 {
		if _, err := a.ship(ctx, d); err != nil {
			return err
		}
	}
	requests := load.Start(ctx, load.Options{URL: fmt.Sprintf("http://127.0.0.1:%d/", a.port), Rate: b.rate})
	defer requests.Stop()
	var ships, rollbacks []time.Duration
	for range b.runs {
		there, err := a.ship(ctx, d)
		if err != nil {
			return err
		}
		back, err := a.untilShifted(ctx, d, "rollback", "shipapp", "prod")
		if err != nil {
			return err
		}
		ships, rollbacks = append(ships, there), append(rollbacks, back)
	}
	counts := requests.Stop()
	for _, failure := range requests.Failures() {
		fmt.Println("failed request:", failure)
	}
	b.millis("ship of it, 3 machines red/black, until all traffic has moved", ships, "", nil, "median", 2000)
	b.millis("rollback until all traffic is back", rollbacks, "", nil, "median", 300)
	b.add(fmt.Sprintf("requests failed of %d during %d ships and rollbacks", counts.Sent, 2*b.runs), "requests",
		[]float64{float64(counts.Failed)}, "", nil, "max", 0)
	b.results[len(b.results)-1].N = int(counts.Sent)
	return b.measureReplacement(ctx, d, slipway.Cluster{Application: "shipapp", Environment: "prod"})
}

// measureReplacement kills machines of a cluster of three behind slipwayd's back, and measures the time from the kill until
// the API says that three others are healthy.
func (b *bench) measureReplacement(ctx context.Context, d *daemon.Daemon, cluster slipway.Cluster) error {
	var replacements []time.Duration
	for range b.runs {
		victim, err := oldEnough(ctx, d, cluster)
		if err != nil {
			return err
		}
		began := time.Now()
		if err := d.KillMachine(ctx, victim); err != nil {
			return err
		}
		if _, err := d.AwaitHealthy(ctx, cluster, 3, victim); err != nil {
			return err
		}
		replacements = append(replacements, time.Since(began))
	}
	b.millis("dead instance replaced and healthy", replacements, "", nil, "max", 2000)
	return nil
}

// oldEnough waits for, and returns, a machine that has lived so long that its death is not taken for a release that crashes,
// whose machines are replaced more and more slowly.
func oldEnough(ctx context.Context, d *daemon.Daemon, cluster slipway.Cluster) (string, error) {
	const age = 11 * time.Second
	status, err := d.AwaitHealthy(ctx, cluster, 3, "")
	if err != nil {
		return "", err
	}
	var oldest slipway.Instance
	for _, g := range status.Groups {
		for _, i := range g.Instances {
			serves := g.Name == status.Serving && i.State == slipway.InstanceHealthy
			if serves && (oldest.ID == "" || i.Started.Before(oldest.Started)) {
				oldest = i
			}
		}
	}
	timer := time.NewTimer(age - time.Since(oldest.Started))
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return "", ctx.Err()
	case <-timer.C:
		return oldest.ID, nil
	}
}

// ship ships a changed program to prod.
func (a *app) ship(ctx context.Context, d *daemon.Daemon) (time.Duration, error) {
	if err := a.change(); err != nil {
		return 0, err
	}
	return a.untilShifted(ctx, d, "ship", "--file", a.manifest, "--version", a.version(), "prod")
}

// untilShifted runs the command line to its end, and returns how long it took from its start until the data plane had proved
// that all traffic had moved.
func (a *app) untilShifted(ctx context.Context, d *daemon.Daemon, args ...string) (time.Duration, error) {
	last, err := d.LastEvent(ctx)
	if err != nil {
		return 0, err
	}
	result, err := d.Slipway(ctx, args...)
	if err == nil {
		err = result.Wanted(0)
	}
	if err != nil {
		return 0, err
	}
	shifted, err := d.Await(ctx, slipway.EventFilter{After: last}, func(e slipway.Event) bool { return e.Kind == slipway.DeploymentShifted })
	return shifted.Time.Sub(result.Began), err
}
