package check

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/slipway-sh/slipway"
)

// pollEvery is how often the live state is read when the provider signals nothing.
const pollEvery = 250 * time.Millisecond

// logLines is how many of the last lines of a machine's log tell why it failed.
const logLines = 20

// Group waits until all machines of the server group are healthy and returns it. Failed, with the last lines of the
// machine's log, as soon as a machine of it has died or turned unhealthy since the group was made; DeadlinePast after deadline.
func Group(ctx context.Context, provider slipway.Provider, name string, deadline time.Time) (slipway.ServerGroup, error) {
	var group slipway.ServerGroup
	err := until(ctx, provider, deadline, func() (bool, error) {
		var err error
		if group, err = provider.ServerGroup(ctx, name); err != nil {
			return false, err
		}
		if err := Lost(ctx, provider, group); err != nil {
			return false, err
		}
		return group.Healthy() >= group.Size.Desired, nil
	}, func() string { return Progress(ctx, provider, group) })
	return group, err
}

// Recovered is as [Group] for a group that has served before: machines that are lost are waited for, as the provider replaces them.
// At least want machines must be healthy.
func Recovered(ctx context.Context, provider slipway.Provider, name string, want int, deadline time.Time) (slipway.ServerGroup, error) {
	var group slipway.ServerGroup
	err := until(ctx, provider, deadline, func() (bool, error) {
		var err error
		group, err = provider.ServerGroup(ctx, name)
		return err == nil && group.Healthy() >= want, err
	}, func() string { return Progress(ctx, provider, group) })
	return group, err
}

// Lost returns a Failed error, with the last lines of its log, if a machine of the group has died or turned unhealthy since
// the group was made.
func Lost(ctx context.Context, provider slipway.Provider, group slipway.ServerGroup) error {
	for _, instance := range group.Instances {
		if broken(instance) {
			return failed(ctx, provider, instance)
		}
	}
	if group.Replaced > 0 {
		return slipway.Errorf(slipway.Failed, "a machine of %s did not stay up and was replaced%s", group.Name, because(group.Trouble))
	}
	return nil
}

// Instance waits until the machine is healthy and returns it. Failed, with the last lines of its log, as soon as it has died or
// turned unhealthy; DeadlinePast after deadline.
func Instance(ctx context.Context, provider slipway.Provider, id string, deadline time.Time) (slipway.Instance, error) {
	var instance slipway.Instance
	err := until(ctx, provider, deadline, func() (bool, error) {
		var err error
		if instance, err = provider.Instance(ctx, id); err != nil {
			return false, err
		}
		if broken(instance) {
			return false, failed(ctx, provider, instance)
		}
		return instance.State == slipway.InstanceHealthy, nil
	}, func() string {
		return fmt.Sprintf("machine %s is %s%s%s", id, instance.State, because(instance.Reason), Tail(ctx, provider, id))
	})
	return instance, err
}

// Stays returns nil if the machine is not lost before end, and else what [Instance] returns. A worker, whose health is nothing
// but a live process, shows only so that it works.
func Stays(ctx context.Context, provider slipway.Provider, id string, end time.Time) error {
	err := until(ctx, provider, end, func() (bool, error) {
		instance, err := provider.Instance(ctx, id)
		if err == nil && broken(instance) {
			err = failed(ctx, provider, instance)
		}
		return false, err
	}, func() string { return "" })
	if slipway.CodeOf(err) == slipway.DeadlinePast {
		return nil
	}
	return err
}

// until calls done, at once, after every signal of the provider, and now and then in case signals fail, until it returns true or an
// error. After the deadline, an absolute time, it asks a last time and returns DeadlinePast with what progress says.
func until(ctx context.Context, provider slipway.Provider, deadline time.Time, done func() (bool, error), progress func() string) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	start := time.Now()
	signals := provider.Watch(ctx)
	ticks, end := time.NewTicker(pollEvery), time.NewTimer(time.Until(deadline))
	defer ticks.Stop()
	defer end.Stop()
	for late := false; ; {
		ok, err := done()
		if ok || err != nil {
			return err
		}
		if late {
			return slipway.Errorf(slipway.DeadlinePast, "not healthy after %s: %s", time.Since(start).Round(time.Second), progress())
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case _, open := <-signals:
			if !open {
				signals = nil
			}
		case <-ticks.C:
		case <-end.C:
			late = true
		}
	}
}

func broken(instance slipway.Instance) bool {
	return instance.State == slipway.InstanceDead || instance.State == slipway.InstanceUnhealthy
}

func failed(ctx context.Context, provider slipway.Provider, instance slipway.Instance) error {
	return slipway.Errorf(slipway.Failed, "machine %s is %s%s%s", instance.ID, instance.State, because(instance.Reason), Tail(ctx, provider, instance.ID))
}

// Progress says how far the group is, with the log of the first machine that is not healthy.
func Progress(ctx context.Context, provider slipway.Provider, group slipway.ServerGroup) string {
	text := fmt.Sprintf("%d of %d machines of %s are healthy%s", group.Healthy(), group.Size.Desired, group.Name, because(group.Trouble))
	for _, instance := range group.Instances {
		if instance.State != slipway.InstanceHealthy {
			return text + fmt.Sprintf("; %s is %s%s%s", instance.ID, instance.State, because(instance.Reason), Tail(ctx, provider, instance.ID))
		}
	}
	return text
}

func because(reason string) string {
	if reason == "" {
		return ""
	}
	return " (" + reason + ")"
}

// Tail returns the last lines of the machine's log as the end of a message, each on a line of its own: the first line of a
// message says all that is to be said in one.
func Tail(ctx context.Context, provider slipway.Provider, id string) string {
	text := Log(ctx, provider, id)
	if text == "" {
		return "; it logged nothing"
	}
	return "\nthe last lines of " + id + ":\n  " + strings.ReplaceAll(text, "\n", "\n  ")
}

// Log returns the last lines of the machine's log, "" if they cannot be had.
func Log(ctx context.Context, provider slipway.Provider, id string) string {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	r, err := provider.Logs(ctx, id, logLines, false)
	if err != nil {
		return ""
	}
	defer r.Close()
	text, _ := io.ReadAll(io.LimitReader(r, 16<<10)) // what was read of it is better than nothing
	return strings.TrimSpace(string(text))
}
