package deploy

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/slipway-sh/slipway"
)

// Random deployments and rollbacks under random faults. After every change the cluster that served still serves, no matter what
// fails; at the end of each the ledger is empty, and what serves is what the result says.
func TestInvariants(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		b := newBed(t)
		b.env.Size = slipway.Size{Min: 3, Desired: 3, Max: 3} // so that one dead machine is one too many
		if rapid.Bool().Draw(r, "workers") {
			b.env.LoadBalancer = nil
		}
		if rapid.Bool().Draw(r, "highlander") {
			b.env.Strategy = slipway.Strategy{Highlander: &slipway.Highlander{Watch: 1}}
		} else {
			keep := rapid.IntRange(0, 2).Draw(r, "keep")
			b.env.Strategy = slipway.Strategy{RedBlack: &slipway.RedBlack{Watch: 1, Keep: &keep}}
		}
		w := b.w
		b.deploy("0")
		left := map[string]bool{} // groups that were rolled back
		for n := range rapid.IntRange(1, 4).Draw(r, "deployments") {
			before, _, _ := serving(t.Context(), w, cluster)
			spoilt := false
			faults := rapid.SliceOfN(rapid.SampledFrom([]string{"none", "none", "none", "passing", "lost", "fatal", "dead"}), 12, 12).Draw(r, "faults")
			calls := 0
			seen := map[string]int{}
			had := before // the group with the traffic before a change
			w.check = func(call string) {
				if now := active(*cmp.Or(w.route, &slipway.Route{})); now != had || !strings.HasPrefix(call, "route") {
					guarded(r, w, call)
					had = now
				} // else a route has lost only what got no traffic anyway
			}
			w.fault = func(call string) (error, error) {
				seen[call]++
				if seen[call] > 1 || calls >= len(faults) || strings.HasPrefix(call, "step: giving") || strings.HasPrefix(call, "step: destroying") {
					return nil, nil
				}
				fault := faults[calls]
				calls++
				switch fault {
				case "passing":
					return errors.New("passing"), nil
				case "lost":
					if !strings.HasPrefix(call, "step: ") {
						return nil, errors.New("the reply is lost")
					}
				case "fatal":
					if !strings.HasPrefix(call, "step: ") && !strings.HasPrefix(call, "destroy") && !strings.HasPrefix(call, "route "+short(before)) && call != "prove "+short(before) && !strings.HasSuffix(call, " 0") {
						return slipway.Errorf(slipway.Failed, "fatal"), nil
					}
				case "dead":
					if d := w.deployments[0]; strings.HasPrefix(call, "step: ") && d.Kind == slipway.KindDeploy {
						spoilt = true
						w.spoil(d.Target, slipway.InstanceDead)
					}
				}
				return nil, nil
			}
			b.abort = ""
			if rapid.Bool().Draw(r, "abort") {
				b.abort = rapid.SampledFrom([]string{"step: recording", "create", "step: waiting", "route", "prove", "step: watching", "step: settling", "destroy", "resize"}).Draw(r, "at")
			}
			var d slipway.Deployment
			if rapid.IntRange(0, 2).Draw(r, "kind") == 0 {
				var err error
				if d, err = b.rollback(""); err != nil {
					w.fault, b.abort = nil, ""
					if slipway.CodeOf(err) != slipway.Refused {
						r.Fatalf("rollback: %v", err)
					}
					continue
				}
				if d.State == succeeded {
					if left[d.Target] {
						r.Fatalf("%s came back by itself", d.Target)
					}
					left[before] = true
				}
			} else {
				d = b.deploy(fmt.Sprint(n + 1))
			}
			w.fault, w.check = nil, nil
			after, _, _ := serving(t.Context(), w, cluster)
			switch {
			case d.State == succeeded && after != d.Target:
				r.Fatalf("%s succeeded and %s serves", d.Target, after)
			case (d.State == rolledBack || d.State == aborted) && after != before:
				r.Fatalf("%s ended as %s and %s serves, not %s", d.Target, d.State, after, before)
			case d.State == attention:
				r.Fatalf("needs attention: %v", d.Error)
			}
			if g := w.groups[after]; g == nil || g.Size.Desired < 3 {
				r.Fatalf("%s serves and is %v", after, g)
			}
			if d.State == rolledBack || d.State == aborted {
				if _, there := w.groups[d.Target]; there && d.Target != before && (d.Kind == slipway.KindDeploy || d.Clone != "") {
					r.Fatalf("%s is left of a deployment that ended as %s", d.Target, d.State)
				}
			}
			if d.State == succeeded {
				if n := len(w.groups) - 1; n > d.Environment.Strategy.Keep() && !spoilt && !slices.Contains(faults, "fatal") {
					r.Fatalf("%d groups are kept, want %d at most", n, d.Environment.Strategy.Keep())
				}
			}
			b.heal()
		}
	})
}

// guarded fails if, right after a change, what has the traffic is not able to serve it.
func guarded(r *rapid.T, w *world, call string) {
	able := func(name string) bool {
		g := w.groups[name]
		return g != nil && g.Healthy() >= g.Size.Min && g.Size.Desired > 0
	}
	if w.route != nil {
		var all []string
		for _, g := range w.route.Groups {
			if g.Mode != slipway.Off {
				all = append(all, g.Group)
			}
		}
		if !slices.ContainsFunc(all, able) {
			r.Fatalf("after %q none of %v, which has the traffic, is able to serve it", call, all)
		}
		return
	}
	for name := range w.groups {
		if able(name) {
			return
		}
	}
	r.Fatalf("after %q no group is able to serve", call)
}

// heal replaces what is dead, as a provider does.
func (b *bed) heal() {
	b.w.mu.Lock()
	defer b.w.mu.Unlock()
	for _, g := range b.w.groups {
		for i := range g.Instances {
			g.Instances[i].State = slipway.InstanceHealthy
		}
	}
}
