package durable

import (
	"testing"
	"time"
)

// Few activities beat often, so that a cancellation reaches them at once; of many none is taken for dead, and all together cost little.
func TestPace(t *testing.T) {
	for _, c := range []struct {
		running int64
		silence time.Duration
		want    time.Duration
	}{
		{1, silence, beat},
		{40, silence, beat},
		{80, silence, 800 * time.Millisecond},
		{1000, silence, time.Second},
		{1, patient, beat},
		{200, patient, 2 * time.Second},
		{1000, patient, 5 * time.Second},
		{1, 0, beat},
	} {
		if got := pace(c.running, c.silence); got != c.want {
			t.Errorf("of %d that run, each with a silence of %s, one beats every %s, want %s", c.running, c.silence, got, c.want)
		}
	}
}
