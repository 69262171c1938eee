package trigger

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/robfig/cron/v3"

	"github.com/slipway-sh/slipway"
)

// maxMissed bounds how many times of a schedule that were missed are counted.
const maxMissed = 100_000

// scheduleOf reads the schedule of a trigger. Invalid if it cannot be read, or is of no time that ever comes.
func scheduleOf(spec slipway.TriggerSpec) (cron.Schedule, error) {
	fail := func(why string) error {
		return slipway.Errorf(slipway.Invalid, "cannot read the schedule %q: %s; want five fields (minute hour day month weekday) such as \"30 2 * * 1-5\", or @hourly, @daily, @weekly, @monthly, @every 6h",
			spec.Schedule, why).At("schedule")
	}
	text := strings.TrimSpace(spec.Schedule)
	if strings.Contains(text, "TZ=") {
		return nil, fail("the time zone has a field of its own, time_zone")
	}
	schedule, err := cron.ParseStandard(text)
	if err != nil {
		return nil, fail(err.Error())
	}
	zone, err := time.LoadLocation(spec.TimeZone)
	if err != nil {
		return nil, slipway.Errorf(slipway.Invalid, "cannot find the time zone %q", spec.TimeZone).At("time_zone")
	}
	switch at := schedule.(type) {
	case *cron.SpecSchedule:
		at.Location = zone
		if at.Hour&everyHour == 0 {
			at.Location = time.UTC
			schedule = onClocks{at, zone}
		}
	case cron.ConstantDelaySchedule:
		if at.Delay < time.Minute {
			return nil, fail("it is more often than every minute")
		}
	}
	if schedule.Next(time.Unix(0, 0)).IsZero() {
		return nil, fail("there is no such day")
	}
	return schedule, nil
}

// everyHour is in the hours of a schedule that is for every hour there is.
const everyHour = 1 << 63

// onClocks is a schedule of times that clocks show, of which each comes once a day: one that is skipped when clocks are put forward comes as
// much later, one that is there twice when they are put back comes the first time.
type onClocks struct {
	shown *cron.SpecSchedule // in UTC, where every time is shown once
	zone  *time.Location
}

// Next implements [cron.Schedule].
func (c onClocks) Next(t time.Time) time.Time {
	local := t.In(c.zone)
	shown := time.Date(local.Year(), local.Month(), local.Day(), local.Hour(), local.Minute(), local.Second(), local.Nanosecond(), time.UTC)
	for {
		if shown = c.shown.Next(shown); shown.IsZero() {
			return shown
		}
		if next := c.when(shown); next.After(t) {
			return next.In(t.Location())
		}
	}
}

// when returns the moment at which clocks show a time, given in UTC: the first if there are two, and if there is none that at which they would
// if they had not been put forward.
func (c onClocks) when(shown time.Time) time.Time {
	at := func(near time.Duration) time.Time {
		_, offset := shown.Add(near).In(c.zone).Zone()
		return shown.Add(-time.Duration(offset) * time.Second)
	}
	first, last := at(-12*time.Hour), at(12*time.Hour)
	if last.Before(first) {
		first, last = last, first
	}
	if first.In(c.zone).Hour() == shown.Hour() && first.In(c.zone).Minute() == shown.Minute() {
		return first
	}
	return last
}

// upcoming returns the next times of a schedule.
func (s *Service) upcoming(spec slipway.TriggerSpec, n int) []time.Time {
	schedule, err := scheduleOf(spec)
	if err != nil {
		return nil
	}
	var all []time.Time
	for at := s.Now(); len(all) < n; {
		if at = schedule.Next(at); at.IsZero() {
			break
		}
		all = append(all, at)
	}
	return all
}

// tick lets triggers fire whose time has come, and returns when the next one's does. Of times that were missed, because no slipwayd ran, it
// makes up for the last alone.
func (s *Service) tick(ctx context.Context) (next time.Time, err error) {
	now := s.Now()
	next = now.Add(time.Hour)
	triggers, err := s.Store.Triggers(ctx, "")
	if err != nil {
		return next, err
	}
	for _, t := range triggers {
		if t.Kind != slipway.TriggerCron || t.Disabled {
			continue
		}
		schedule, err := scheduleOf(t.TriggerSpec)
		if err != nil {
			s.Log.Warn("cannot follow a schedule", "trigger", t.ID, "error", err)
			continue
		}
		due, err := s.tickOne(ctx, t, schedule, now)
		if err != nil {
			return next, err
		}
		if !due.IsZero() && due.Before(next) {
			next = due
		}
	}
	return next, nil
}

// tickOne stores a firing if the trigger's time has come since it came last, and returns when it comes next.
func (s *Service) tickOne(ctx context.Context, t slipway.Trigger, schedule cron.Schedule, now time.Time) (next time.Time, err error) {
	name := slipway.ScheduleCursor(t.ID)
	s.mu.Lock()
	place, known := s.ticks[t.ID]
	s.mu.Unlock()
	if !known {
		if place, err = s.Store.StartCursor(ctx, name, t.Created.Unix()); err != nil {
			return next, err
		}
	}
	last := time.Unix(max(place, t.Resumed.Unix()), 0)
	var due time.Time
	missed := -1
	for next = schedule.Next(last); !next.IsZero() && !next.After(now); next = schedule.Next(next) {
		due, missed = next, missed+1
		if missed == maxMissed {
			next = schedule.Next(now)
			break
		}
	}
	if due.IsZero() {
		s.remember(t.ID, place)
		return next, nil
	}
	f := s.firing(t, slipway.Cause{Trigger: "schedule", Event: due.UTC().Format(time.RFC3339)})
	if missed > 0 {
		f.Reason = fmt.Sprintf("it makes up for %d times that were missed", missed)
	}
	moved, err := s.Store.AddFirings(ctx, slipway.CursorMove{Name: name, From: place, To: due.Unix()}, []slipway.Firing{f})
	if err != nil {
		return next, err
	}
	if !moved { // another slipwayd did it
		s.mu.Lock()
		delete(s.ticks, t.ID)
		s.mu.Unlock()
		return now, nil
	}
	s.remember(t.ID, due.Unix())
	return next, nil
}

func (s *Service) remember(trigger string, place int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ticks[trigger] = place
}
