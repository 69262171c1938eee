package promote

import (
	"time"

	"github.com/slipway-sh/slipway"
)

// farthest is how far ahead an opening is looked for: a year, and its holidays.
const farthest = 400 * 24 * time.Hour

// Calendar says when windows are open. The zero Calendar has none, and is always open.
type Calendar struct {
	windows  []slipway.WeekWindow
	holidays []slipway.Holiday
}

// NewCalendar reads the windows and holidays of a policy. Invalid if one makes no sense.
func NewCalendar(p slipway.PromotionPolicy) (Calendar, error) {
	var c Calendar
	for _, w := range p.Windows {
		parsed, err := w.Parse()
		if err != nil {
			return c, err
		}
		c.windows = append(c.windows, parsed)
	}
	for _, day := range p.Holidays {
		h, err := slipway.ParseHoliday(day)
		if err != nil {
			return c, err
		}
		c.holidays = append(c.holidays, h)
	}
	return c, nil
}

// Open reports whether a window is open.
func (c Calendar) Open(at time.Time) bool {
	for _, w := range c.windows {
		if c.open(w, at) {
			return true
		}
	}
	return len(c.windows) == 0
}

// Opens returns the first moment from at on in which a window is open: at itself if one is. False if none is within more than a year.
func (c Calendar) Opens(at time.Time) (time.Time, bool) { return c.turn(at, true) }

// Closes returns the first moment from at on in which no window is open. False if there is none within more than a year.
func (c Calendar) Closes(at time.Time) (time.Time, bool) { return c.turn(at, false) }

// turn looks for the first moment from at on in which it is open, or not. Between two boundaries nothing changes.
func (c Calendar) turn(at time.Time, open bool) (time.Time, bool) {
	for t := at; t.Sub(at) < farthest; t = c.boundary(t) {
		if c.Open(t) == open {
			return t, true
		}
		if len(c.windows) == 0 {
			break
		}
	}
	return time.Time{}, false
}

// open reports whether the window is. It belongs to the day on which it begins; on a holiday it neither begins nor goes on.
func (c Calendar) open(w slipway.WeekWindow, at time.Time) bool {
	local := at.In(w.Zone)
	minute := local.Hour()*60 + local.Minute()
	began := local
	switch {
	case w.From < w.To:
		if minute < w.From || minute >= w.To {
			return false
		}
	case minute < w.To: // since yesterday
		year, month, day := local.Date()
		began = time.Date(year, month, day-1, 12, 0, 0, 0, time.UTC) // noon, so that it is that day whatever the clocks do
	case minute < w.From:
		return false
	}
	return w.Days[began.Weekday()] && !c.holiday(began) && !c.holiday(local)
}

func (c Calendar) holiday(t time.Time) bool {
	year, month, day := t.Date()
	for _, h := range c.holidays {
		if h.On(year, month, day) {
			return true
		}
	}
	return false
}

// boundary returns the next moment at which a window may open or close: when the clock on the wall shows its beginning, its end or midnight, or
// is set to another time.
func (c Calendar) boundary(at time.Time) time.Time {
	next := at.Add(24 * time.Hour)
	for _, w := range c.windows {
		local := at.In(w.Zone)
		since := time.Duration(local.Hour())*time.Hour + time.Duration(local.Minute())*time.Minute +
			time.Duration(local.Second())*time.Second + time.Duration(local.Nanosecond())
		for _, minutes := range []int{w.From, w.To, 24 * 60} {
			ahead := time.Duration(minutes)*time.Minute - since
			if ahead <= 0 {
				ahead += 24 * time.Hour
			}
			if t := at.Add(ahead); t.Before(next) {
				next = t
			}
		}
		if _, end := local.ZoneBounds(); !end.IsZero() && end.After(at) && end.Before(next) {
			next = end
		}
	}
	return next
}
