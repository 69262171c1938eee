package slipway

import (
	"strings"
	"testing"
	"time"
)

func TestTimeWindows(t *testing.T) {
	for _, c := range []struct {
		w     TimeWindow
		place string // of the mistake; "" if there is none
		says  string
	}{
		{TimeWindow{}, "", ""},
		{TimeWindow{Days: "mon-fri", From: "09:00", To: "17:00", Zone: "Europe/Berlin"}, "", ""},
		{TimeWindow{Days: "sat-mon,wed"}, "", ""},
		{TimeWindow{From: "22:00", To: "02:00"}, "", ""},
		{TimeWindow{From: "00:00", To: "24:00"}, "", ""},
		{TimeWindow{To: "24:00", Zone: "America/New_York"}, "", ""},
		{TimeWindow{Days: "mo-fr"}, "days", `want names of days such as "mon-fri"`},
		{TimeWindow{Days: "mon,"}, "days", "want names"},
		{TimeWindow{Days: "Mon"}, "days", "want names"},
		{TimeWindow{Days: "mon-tue-wed"}, "days", "want names"},
		{TimeWindow{From: "9:00"}, "from", `want a form such as "09:00"`},
		{TimeWindow{From: "24:00"}, "from", "want a form"},
		{TimeWindow{From: "09:60"}, "from", "want a form"},
		{TimeWindow{From: "+9:00"}, "from", "want a form"},
		{TimeWindow{To: "24:01"}, "to", `at most "24:00"`},
		{TimeWindow{To: "00:00"}, "to", "it is never open"},
		{TimeWindow{From: "09:00", To: "09:00"}, "to", "it is never open"},
		{TimeWindow{Zone: "Europe/Berlni"}, "zone", "cannot find time zone"},
		{TimeWindow{Zone: "Local"}, "zone", "of whatever host this is"},
		{TimeWindow{Zone: "../../etc/passwd"}, "zone", "cannot find time zone"},
	} {
		_, err := c.w.Parse()
		if c.place == "" && err != nil || c.place != "" && (err == nil || !strings.HasPrefix(err.Error(), c.place+": ") || !strings.Contains(err.Error(), c.says)) {
			t.Errorf("%+v: %v, want %s: %s", c.w, err, c.place, c.says)
		}
	}
	if got := (TimeWindow{Days: "mon-fri", From: "09:00"}).String(); got != "mon-fri 09:00-24:00 UTC" {
		t.Error(got)
	}
}

func TestHolidays(t *testing.T) {
	for text, want := range map[string]Holiday{
		"2026-12-25": {2026, time.December, 25}, "12-25": {0, time.December, 25}, "02-29": {0, time.February, 29}, "2028-02-29": {2028, time.February, 29},
	} {
		if h, err := ParseHoliday(text); err != nil || h != want {
			t.Errorf("%s: %+v, %v", text, h, err)
		}
	}
	for _, text := range []string{"", "25.12.2026", "2026-13-01", "2027-02-29", "13-01", "1225", "2026-12-25T", "12/25"} {
		if h, err := ParseHoliday(text); CodeOf(err) != Invalid {
			t.Errorf("%q was read as %+v", text, h)
		}
	}
}

func TestVersionRanges(t *testing.T) {
	for _, c := range []struct {
		r, version  string
		allowed, ok bool
	}{
		{">=1.4", "1.4", true, true},
		{">=1.4", "v1.4.0", true, true},
		{">=1.4", "1.10", true, true},
		{">=1.4", "1.3.9", false, true},
		{">=1.4", "1.4-rc.1", false, true},
		{">=1.4-rc.2", "1.4-rc.10", true, true},
		{">=1.4-rc.2", "1.4-rc.name", true, true},
		{">1.4", "1.4.0", false, true},
		{">= 1.4, < 2", "1.99.1", true, true},
		{">=1.4,<2", "2.0", false, true},
		{"1.4.2", "v1.4.2", true, true},
		{"=v1.4.2", "1.4.3", false, true},
		{"<=2", "2.0.0+build.7", true, true},
		{">=1", "main-7", false, false},
		{">=1", "", false, false},
		{">=1", "1.", false, false},
		{">=20260304", "20260305", true, true},
	} {
		r, err := ParseVersionRange(c.r)
		if err != nil {
			t.Errorf("%s: %v", c.r, err)
			continue
		}
		if allowed, ok := r.Allows(c.version); allowed != c.allowed || ok != c.ok {
			t.Errorf("%q in %q: %v %v", c.version, c.r, allowed, ok)
		}
	}
	for _, text := range []string{"", ">=", ">=latest", "1.4,", "~1.4", ">=1.4 <2", "1..2", "1.4-", "99999999999999999999"} {
		if r, err := ParseVersionRange(text); CodeOf(err) != Invalid {
			t.Errorf("%q was read as %+v", text, r)
		}
	}
}

// A range orders as it should: whatever is allowed by one bound is not by its opposite.
func FuzzVersionRange(f *testing.F) {
	for _, seed := range [][2]string{{">=1.4,<2", "1.5"}, {"v1-rc.1", "1-rc.2"}, {"<1.2.3+b", "1"}, {"\x00", "-"}} {
		f.Add(seed[0], seed[1])
	}
	f.Fuzz(func(t *testing.T, text, version string) {
		if _, err := ParseVersionRange(text); err != nil && CodeOf(err) != Invalid {
			t.Errorf("%q: %v", text, err)
		}
		less, errL := ParseVersionRange("<" + version)
		more, errM := ParseVersionRange(">=" + version)
		if errL != nil || errM != nil {
			return
		}
		a, okA := less.Allows(text)
		b, okB := more.Allows(text)
		if okA != okB || okA && a == b {
			t.Errorf("%q is both below %q and not: %v %v", text, version, a, b)
		}
	})
}

func FuzzTimeWindow(f *testing.F) {
	f.Add("mon-fri", "09:00", "17:00", "Europe/Berlin", "12-25")
	f.Add("sun-sun,,", "24:00", "0:0", "..", "0000-00-00")
	f.Fuzz(func(t *testing.T, days, from, to, zone, holiday string) {
		w, err := TimeWindow{Days: days, From: from, To: to, Zone: zone}.Parse()
		if err == nil && (w.Zone == nil || w.From < 0 || w.From >= 24*60 || w.To < 0 || w.To > 24*60 || w.Days == [7]bool{}) {
			t.Errorf("read as %+v", w)
		}
		if err != nil && CodeOf(err) != Invalid {
			t.Errorf("%v", err)
		}
		if _, err := ParseHoliday(holiday); err != nil && CodeOf(err) != Invalid {
			t.Errorf("%v", err)
		}
	})
}

func TestPromotionPolicies(t *testing.T) {
	spec := func(c PromotionPolicy) Spec {
		return Spec{
			Application: "shop", Image: ImageSpec{From: "scratch", Service: Service{Command: []string{"/shop"}, Port: 80}},
			Environments: map[string]Environment{"staging": {}, "prod": {Policy: Policy{Promotion: &c}}},
		}
	}
	good := PromotionPolicy{
		From: "staging", Tested: true, Signed: true, SignedBy: []string{"0123abcd"}, Ran: Duration(time.Hour), Approvals: &ApprovalPolicy{Needed: 2, Of: []string{"ops"}},
		Windows: []TimeWindow{{Days: "mon-fri"}}, Holidays: []string{"12-25"}, Jitter: Duration(time.Minute), DependsOn: []Dependency{{Application: "api", Version: ">=1.4"}, {Application: "shop", Environment: "staging"}},
	}
	if err := spec(good).Validate(); err != nil {
		t.Errorf("%v", err)
	}
	for place, change := range map[string]func(*PromotionPolicy){
		"from":                      func(c *PromotionPolicy) { c.From = "stagnig" },
		"from ":                     func(c *PromotionPolicy) { c.From = "prod" },
		"ran":                       func(c *PromotionPolicy) { c.From = "" },
		"signed_by[1]":              func(c *PromotionPolicy) { c.SignedBy = append(c.SignedBy, "ann") },
		"approvals.needed":          func(c *PromotionPolicy) { c.Approvals = &ApprovalPolicy{} },
		"approvals.needed ":         func(c *PromotionPolicy) { c.Approvals = &ApprovalPolicy{Needed: 51} },
		"approvals.of[0]":           func(c *PromotionPolicy) { c.Approvals = &ApprovalPolicy{Needed: 1, Of: []string{" "}} },
		"approvals.expires":         func(c *PromotionPolicy) { c.Approvals = &ApprovalPolicy{Needed: 1, Expires: Duration(MaxApproval + 1)} },
		"windows[1].days":           func(c *PromotionPolicy) { c.Windows = append(c.Windows, TimeWindow{Days: "noday"}) },
		"windows[0].zone":           func(c *PromotionPolicy) { c.Windows = []TimeWindow{{Zone: "Mars/Olympus"}} },
		"holidays[0]":               func(c *PromotionPolicy) { c.Holidays = []string{"Christmas"} },
		"holidays":                  func(c *PromotionPolicy) { c.Windows, c.Jitter = nil, 0 },
		"jitter":                    func(c *PromotionPolicy) { c.Windows, c.Holidays = nil, nil },
		"depends_on[0].version":     func(c *PromotionPolicy) { c.DependsOn[0].Version = "newest" },
		"depends_on[0]":             func(c *PromotionPolicy) { c.DependsOn[0].Image = "stable" },
		"depends_on[2]":             func(c *PromotionPolicy) { c.DependsOn = append(c.DependsOn, Dependency{Application: "shop"}) },
		"depends_on[2].application": func(c *PromotionPolicy) { c.DependsOn = append(c.DependsOn, Dependency{}) },
	} {
		c := good
		c.DependsOn = append([]Dependency{}, good.DependsOn...)
		change(&c)
		err := spec(c).Validate()
		if want := "environments.prod.policy.promotion." + strings.TrimSpace(place) + ": "; CodeOf(err) != Invalid || !strings.HasPrefix(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v", place, err)
		}
	}
}
