package promote

import (
	"fmt"
	"testing"
	"time"
	_ "time/tzdata"

	"pgregory.net/rapid"

	"github.com/slipway-sh/slipway"
)

func calendar(t interface{ Fatal(...any) }, holidays []string, windows ...slipway.TimeWindow) Calendar {
	c, err := NewCalendar(slipway.PromotionPolicy{Windows: windows, Holidays: holidays})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// Each line is a moment in the window's own zone, and when it opens, or closes if it is open. 2026-03-29 is the night in which the clocks of
// Berlin go from 02:00 to 03:00, 2026-10-25 that in which they go from 03:00 back to 02:00; New York's are 2026-03-08 and 2026-11-01.
func TestCalendar(t *testing.T) {
	const berlin = "Europe/Berlin"
	office := slipway.TimeWindow{Days: "mon-fri", From: "09:00", To: "17:00", Zone: berlin}
	night := slipway.TimeWindow{Days: "fri", From: "22:00", To: "02:00", Zone: berlin}
	dark := slipway.TimeWindow{From: "02:15", To: "02:45", Zone: berlin}
	late := slipway.TimeWindow{From: "01:00", To: "02:30", Zone: berlin}
	for _, c := range []struct {
		name     string
		windows  []slipway.TimeWindow
		holidays []string
		at       string
		open     bool
		turns    string // in UTC; "" never
	}{
		{"in the office", []slipway.TimeWindow{office}, nil, "2026-03-04T09:00:00+01:00", true, "2026-03-04T16:00:00Z"},
		{"a moment before", []slipway.TimeWindow{office}, nil, "2026-03-04T08:59:59+01:00", false, "2026-03-04T08:00:00Z"},
		{"the end does not belong to it", []slipway.TimeWindow{office}, nil, "2026-03-04T17:00:00+01:00", false, "2026-03-05T08:00:00Z"},
		{"over the weekend", []slipway.TimeWindow{office}, nil, "2026-03-06T17:30:00+01:00", false, "2026-03-09T08:00:00Z"},
		{"over the weekend into summer", []slipway.TimeWindow{office}, nil, "2026-03-27T17:30:00+01:00", false, "2026-03-30T07:00:00Z"},
		{"over the weekend out of summer", []slipway.TimeWindow{office}, nil, "2026-10-23T17:30:00+02:00", false, "2026-10-26T08:00:00Z"},
		{"over Christmas", []slipway.TimeWindow{office}, []string{"2026-12-24", "12-25"}, "2026-12-23T20:00:00+01:00", false, "2026-12-28T08:00:00Z"},
		{"a year without Christmas Eve", []slipway.TimeWindow{office}, []string{"2026-12-24", "12-25"}, "2027-12-23T20:00:00+01:00", false, "2027-12-24T08:00:00Z"},
		{"past midnight", []slipway.TimeWindow{night}, nil, "2026-03-07T01:59:00+01:00", true, "2026-03-07T01:00:00Z"},
		{"not the other midnight", []slipway.TimeWindow{night}, nil, "2026-03-06T01:59:00+01:00", false, "2026-03-06T21:00:00Z"},
		{"a holiday ends it at midnight", []slipway.TimeWindow{night}, []string{"2026-03-07"}, "2026-03-06T23:00:00+01:00", true, "2026-03-06T23:00:00Z"},
		{"what would begin on a holiday does not go on after it", []slipway.TimeWindow{night}, []string{"2026-03-06"}, "2026-03-07T01:00:00+01:00", false, "2026-03-13T21:00:00Z"},
		{"not there in the night of spring", []slipway.TimeWindow{dark}, nil, "2026-03-29T01:59:59+01:00", false, "2026-03-30T00:15:00Z"},
		{"cut short in the night of spring", []slipway.TimeWindow{late}, nil, "2026-03-29T01:30:00+01:00", true, "2026-03-29T01:00:00Z"},
		{"twice in the night of autumn", []slipway.TimeWindow{dark}, nil, "2026-10-25T02:50:00+02:00", false, "2026-10-25T01:15:00Z"},
		{"the second time", []slipway.TimeWindow{dark}, nil, "2026-10-25T02:20:00+01:00", true, "2026-10-25T01:45:00Z"},
		{"again before the second end", []slipway.TimeWindow{late}, nil, "2026-10-25T02:45:00+02:00", false, "2026-10-25T01:00:00Z"},
		{"another continent", []slipway.TimeWindow{{Days: "sun", From: "02:30", To: "04:00", Zone: "America/New_York"}}, nil, "2026-03-07T12:00:00Z", false, "2026-03-08T07:00:00Z"},
		{"half an hour off", []slipway.TimeWindow{{From: "09:00", To: "10:00", Zone: "Asia/Kolkata"}}, nil, "2026-03-04T00:00:00Z", false, "2026-03-04T03:30:00Z"},
		{"two that touch are one", []slipway.TimeWindow{{From: "09:00", To: "12:00"}, {From: "12:00", To: "13:00"}}, nil, "2026-03-04T10:00:00Z", true, "2026-03-04T13:00:00Z"},
		{"the one that opens first", []slipway.TimeWindow{office, {Days: "sun"}}, nil, "2026-03-06T17:30:00+01:00", false, "2026-03-08T00:00:00Z"},
		{"always", []slipway.TimeWindow{{}}, nil, "2026-03-04T10:00:00Z", true, ""},
		{"always but on a holiday", []slipway.TimeWindow{{Zone: berlin}}, []string{"03-05"}, "2026-03-04T10:00:00Z", true, "2026-03-04T23:00:00Z"},
		{"never", []slipway.TimeWindow{{Days: "mon", Zone: berlin}}, everyMonday(), "2026-03-04T10:00:00Z", false, ""},
		{"no windows", nil, nil, "2026-03-04T10:00:00Z", true, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			at, err := time.Parse(time.RFC3339, c.at)
			if err != nil {
				t.Fatal(err)
			}
			cal := calendar(t, c.holidays, c.windows...)
			if cal.Open(at) != c.open {
				t.Errorf("open at %s: %v", c.at, !c.open)
			}
			turn := cal.Opens
			if c.open {
				turn = cal.Closes
			}
			got := ""
			if turns, ok := turn(at); ok {
				got = turns.UTC().Format(time.RFC3339)
			}
			if got != c.turns {
				t.Errorf("it turns at %q, want %q", got, c.turns)
			}
		})
	}
}

// everyMonday is every Monday of 2026 and 2027.
func everyMonday() (days []string) {
	for d := time.Date(2026, 1, 5, 0, 0, 0, 0, time.UTC); d.Year() < 2028; d = d.AddDate(0, 0, 7) {
		days = append(days, d.Format("2006-01-02"))
	}
	return days
}

// Whatever the windows, zones and holidays: it opens when the first minute comes that is open, as asking minute by minute shows.
func TestCalendarTurnsWhenItDoes(t *testing.T) {
	clock := rapid.Custom(func(t *rapid.T) string {
		return fmt.Sprintf("%02d:%02d", rapid.IntRange(0, 23).Draw(t, "hour"), rapid.SampledFrom([]int{0, 15, 30, 59}).Draw(t, "minute"))
	})
	rapid.Check(t, func(t *rapid.T) {
		var windows []slipway.TimeWindow
		for range rapid.IntRange(1, 3).Draw(t, "windows") {
			w := slipway.TimeWindow{
				Days: rapid.SampledFrom([]string{"", "mon-fri", "sat,sun", "sun-mon"}).Draw(t, "days"), From: clock.Draw(t, "from"), To: clock.Draw(t, "to"),
				Zone: rapid.SampledFrom([]string{"", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata", "Pacific/Apia", "America/Sao_Paulo"}).Draw(t, "zone"),
			}
			if w.From != w.To {
				windows = append(windows, w)
			}
		}
		if len(windows) == 0 {
			t.Skip()
		}
		// Around the nights in which clocks are set, of both hemispheres.
		day := rapid.SampledFrom([]string{"2026-03-07", "2026-03-28", "2026-04-04", "2026-10-03", "2026-10-24", "2026-10-31", "2026-06-10"}).Draw(t, "day")
		start, _ := time.Parse("2006-01-02", day)
		start = start.Add(time.Duration(rapid.IntRange(0, 48*3600).Draw(t, "seconds")) * time.Second)
		c := calendar(t, rapid.SliceOfN(rapid.SampledFrom([]string{"03-29", "2026-10-25", "11-01", "04-05"}), 0, 3).Draw(t, "holidays"), windows...)
		open := c.Open(start)
		turn, ok := c.turn(start, !open)
		for at := start; at.Sub(start) < 50*time.Hour; at = at.Truncate(time.Minute).Add(time.Minute) {
			if c.Open(at) != open {
				if !ok || !turn.Equal(at) {
					t.Fatalf("from %s it turns at %s, but %s was found (%v)", start, at, turn, ok)
				}
				return
			}
		}
		if ok && turn.Sub(start) < 49*time.Hour {
			t.Fatalf("from %s it does not turn, but %s was found", start, turn)
		}
	})
}
