package main

import (
	"testing"
	"time"
)

func TestResults(t *testing.T) {
	ms := func(all ...int) (d []time.Duration) {
		for _, v := range all {
			d = append(d, time.Duration(v)*time.Millisecond)
		}
		return d
	}
	for _, c := range []struct {
		name        string
		samples     []time.Duration
		references  []time.Duration
		on          string
		limit       float64
		min, median float64
		ratio       float64
		ok          bool
	}{
		{"odd number", ms(30, 10, 20), nil, "median", 20, 10, 20, 0, true},
		{"even number", ms(10, 20, 40, 30), nil, "median", 24, 10, 25, 0, false},
		{"ratio kept", ms(10, 20, 30), ms(10, 10, 10), "ratio", 2, 10, 20, 2, true},
		{"ratio missed", ms(10, 21, 30), ms(10, 10, 99), "ratio", 2, 10, 21, 2.1, false},
		{"worst counts", ms(1, 1, 9), nil, "max", 8, 1, 1, 0, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			var b bench
			reference := ""
			if c.references != nil {
				reference = "reference"
			}
			b.millis(c.name, c.samples, reference, c.references, c.on, c.limit)
			r := b.results[0]
			if r.N != len(c.samples) || r.Min != c.min || r.Median != c.median || r.Ratio != c.ratio || r.OK != c.ok {
				t.Errorf("got %+v", r)
			}
		})
	}
}
