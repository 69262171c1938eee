package deploy

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/check"
)

// measurer has the outcomes, one after the other, and then the last for ever.
type measurer []slipway.Outcome

func (m *measurer) Measure(_ context.Context, c slipway.Check, _ check.Subject) slipway.Measurement {
	now := (*m)[0]
	if len(*m) > 1 {
		*m = (*m)[1:]
	}
	return slipway.Measurement{Check: check.CheckName(c), Outcome: now}
}

// A deployment that waits for a check's data goes on when there is some, not when the look is over.
func TestWatchUntilThereIsData(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.groups["new"] = &slipway.ServerGroup{ServerGroupSpec: slipway.ServerGroupSpec{Name: "new"}}
		nothing, some := slipway.OutcomeNoData, slipway.OutcomePass
		a := &Activities{Store: w, Bus: w, Provider: provider{world: w}, Measurer: &measurer{nothing, nothing, some}, Patience: time.Hour}
		d := slipway.Deployment{ID: "d-1", Target: "new", Environment: slipway.Environment{Checks: []slipway.Check{
			{PromQL: &slipway.PromQLCheck{Query: "up"}, Interval: slipway.Duration(time.Second)},
		}}}
		w.deployments = append(w.deployments, d)
		began := time.Now()
		look, err := a.WatchTarget(t.Context(), d, Wait{Phase: slipway.PhaseAfter, Until: began.Add(time.Minute), Data: true})
		if took := time.Since(began); err != nil || !look.Done || took > 10*time.Second {
			t.Errorf("after %s it was done: %v, %v", took, look.Done, err)
		}
	})
}
