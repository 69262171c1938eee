package deploy

import "testing"

func TestTolerates(t *testing.T) {
	for _, c := range []struct {
		name   string
		source Counted
		now    Counted
		want   bool
	}{
		{"nothing", Counted{}, Counted{}, true},
		{"all well", Counted{Requests: 100}, Counted{Requests: 100}, true},
		{"two of few", Counted{Requests: 100}, Counted{Requests: 10, Failed: 2}, true},
		{"three of few", Counted{Requests: 100}, Counted{Requests: 10, Failed: 3}, false},
		{"one in a hundred", Counted{}, Counted{Requests: 10000, Failed: 100}, true},
		{"chance", Counted{}, Counted{Requests: 10000, Failed: 130}, true},
		{"more", Counted{}, Counted{Requests: 10000, Failed: 131}, false},
		{"chance in few", Counted{}, Counted{Requests: 100, Failed: 4}, true},
		{"more in few", Counted{}, Counted{Requests: 100, Failed: 5}, false},
		{"no worse than before", Counted{Requests: 1000, Failed: 50}, Counted{Requests: 1000, Failed: 60}, true},
		{"far worse than before", Counted{Requests: 1000, Failed: 50}, Counted{Requests: 1000, Failed: 131}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := c.source.tolerates(c.now); got != c.want {
				t.Errorf("%v after %v: %v, want %v", c.now, c.source, got, c.want)
			}
		})
	}
}
