package slipway

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// PromotionPolicy says what an image must have been through before it comes into an environment by promotion; with Enforce, by any deployment
// but a rollback.
type PromotionPolicy struct {
	From      string          `json:"from,omitempty"`      // the environment that it must serve in now
	Tested    bool            `json:"tested,omitempty"`    // it has tests, and they have passed; an image without any is not enough
	Signed    bool            `json:"signed,omitempty"`    // by a trusted key; whether it is is looked at anyway
	SignedBy  []string        `json:"signed_by,omitempty"` // by one of these keys: the first digits of their IDs
	Ran       Duration        `json:"ran,omitempty"`       // so long it must have served in From, healthy, without losing a machine
	Approvals *ApprovalPolicy `json:"approvals,omitempty"`
	Windows   []TimeWindow    `json:"windows,omitempty"`  // when it may begin; none: at any time
	Holidays  []string        `json:"holidays,omitempty"` // days on which no window is open: "2026-12-25", or "12-25" of every year
	Jitter    Duration        `json:"jitter,omitempty"`   // what waits for a window begins at some moment within so long of its opening
	DependsOn []Dependency    `json:"depends_on,omitempty"`
	Enforce   bool            `json:"enforce,omitempty"` // every deployment but a rollback must meet it, not only a promotion
}

// ApprovalPolicy says who must agree.
type ApprovalPolicy struct {
	Needed  int      `json:"needed"`            // so many people, none of whom has asked for it
	Of      []string `json:"of,omitempty"`      // their names or groups; default: approvers of the application there
	Expires Duration `json:"expires,omitempty"` // how long an approval may be asked for, and how long it counts; default 24h
	Comment bool     `json:"comment,omitempty"` // each must say why
}

// DefaultApprovalExpires is how long an approval is asked for, and counts.
const DefaultApprovalExpires = 24 * time.Hour

// TimeWindow is a time of the week. What the clock on the wall of its zone shows is what counts, so that one from 02:15 to 02:45 is open twice
// in the night in which the clock is set back, and not at all in that in which it is set forward.
type TimeWindow struct {
	Days string `json:"days,omitempty"` // "mon-fri", "sat,sun", "mon-thu,sat"; default every day
	From string `json:"from,omitempty"` // "09:00"; default the beginning of the day
	To   string `json:"to,omitempty"`   // "17:00", which does not belong to it; default the end of the day. Before From: of the next day
	Zone string `json:"zone,omitempty"` // "Europe/Berlin"; default UTC
}

// String says when the window is open: "mon-fri 09:00-17:00 Europe/Berlin".
func (w TimeWindow) String() string {
	text := func(s, fallback string) string {
		if s == "" {
			return fallback
		}
		return s
	}
	return text(w.Days, "every day") + " " + text(w.From, "00:00") + "-" + text(w.To, "24:00") + " " + text(w.Zone, "UTC")
}

// Dependency says what another application must serve.
type Dependency struct {
	Application string `json:"application"`
	Environment string `json:"environment,omitempty"` // default: the one that the policy is of
	Version     string `json:"version,omitempty"`     // what its image's version must be: ">=1.4", ">=1.4,<2"
	Image       string `json:"image,omitempty"`       // which image it must be: a channel, a version label or a digest
}

// weekdays are the names of days in the order of time.Weekday.
var weekdays = []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}

// WeekWindow is a [TimeWindow] that was read: ready to be asked whether it is open.
type WeekWindow struct {
	Days     [7]bool // by time.Weekday
	From, To int     // minutes after midnight; if From is not before To, To is of the next day
	Zone     *time.Location
}

// Parse reads the window. Invalid, with the field as place, if it makes no sense.
func (w TimeWindow) Parse() (WeekWindow, error) {
	p := WeekWindow{To: 24 * 60, Zone: time.UTC}
	var err error
	if p.Days, err = parseDays(w.Days); err != nil {
		return p, Errorf(Invalid, "cannot use %q as days: %w", w.Days, err).At("days")
	}
	if w.From != "" {
		if p.From, err = parseClock(w.From); err != nil || p.From == 24*60 {
			return p, Errorf(Invalid, "cannot use %q as a time of day: want a form such as \"09:00\"", w.From).At("from")
		}
	}
	if w.To != "" {
		if p.To, err = parseClock(w.To); err != nil {
			return p, Errorf(Invalid, "cannot use %q as a time of day: want a form such as \"17:00\", at most \"24:00\"", w.To).At("to")
		}
	}
	if p.From == p.To%(24*60) && (w.From != "" || w.To != "") && !(p.From == 0 && p.To == 24*60) {
		return p, Errorf(Invalid, "cannot have a window from %s to %s: it is never open; leave both out for the whole day", w.From, w.To).At("to")
	}
	if w.Zone != "" {
		if w.Zone == "Local" {
			return p, Errorf(Invalid, "cannot use the zone of whatever host this is: name one such as \"Europe/Berlin\"").At("zone")
		}
		if p.Zone, err = time.LoadLocation(w.Zone); err != nil {
			return p, Errorf(Invalid, "cannot find time zone %q: want a name such as \"Europe/Berlin\" or \"UTC\"", w.Zone).At("zone")
		}
	}
	return p, nil
}

// Holiday is a day of one year, or of every year if Year is 0.
type Holiday struct {
	Year  int
	Month time.Month
	Day   int
}

// ParseHoliday reads "2026-12-25", or "12-25" for every year.
func ParseHoliday(text string) (Holiday, error) {
	for _, form := range []string{"2006-01-02", "01-02"} {
		if len(text) != len(form) {
			continue
		}
		leap := text
		if form == "01-02" {
			form, leap = "2006-01-02", "2000-"+text // a leap year: 02-29 is a day
		}
		t, err := time.Parse(form, leap)
		if err != nil {
			break
		}
		h := Holiday{Year: t.Year(), Month: t.Month(), Day: t.Day()}
		if leap != text {
			h.Year = 0
		}
		return h, nil
	}
	return Holiday{}, Errorf(Invalid, "cannot use %q as a day: want a form such as \"2026-12-25\", or \"12-25\" for every year", text)
}

// On reports whether the day is the holiday.
func (h Holiday) On(year int, month time.Month, day int) bool {
	return (h.Year == 0 || h.Year == year) && h.Month == month && h.Day == day
}

// parseDays reads "mon-fri,sun"; "" is every day.
func parseDays(text string) (days [7]bool, err error) {
	if text == "" {
		return [7]bool{true, true, true, true, true, true, true}, nil
	}
	for part := range strings.SplitSeq(text, ",") {
		first, last, span := strings.Cut(strings.TrimSpace(part), "-")
		if !span {
			last = first
		}
		from, to := slices.Index(weekdays, first), slices.Index(weekdays, last)
		if from < 0 || to < 0 {
			return days, fmt.Errorf("want names of days such as \"mon-fri\" or \"sat,sun\"")
		}
		for d := from; ; d = (d + 1) % 7 {
			days[d] = true
			if d == to {
				break
			}
		}
	}
	return days, nil
}

// parseClock reads "09:00", "24:00" included, as minutes after midnight.
func parseClock(text string) (int, error) {
	hours, minutes, ok := strings.Cut(text, ":")
	h, err := strconv.ParseUint(hours, 10, 8)
	m, err2 := strconv.ParseUint(minutes, 10, 8)
	n := int(h*60 + m)
	if !ok || len(hours) != 2 || len(minutes) != 2 || err != nil || err2 != nil || m > 59 || n > 24*60 {
		return 0, fmt.Errorf("no time of day")
	}
	return n, nil
}
