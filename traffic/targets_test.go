package traffic

import (
	"fmt"
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/slipway-sh/slipway"
)

// machines returns a route whose active groups have these weights, and the groups with as many healthy instances each.
func machines(weights, counts []int) (slipway.Route, map[string]slipway.ServerGroup) {
	route, groups := slipway.Route{Cluster: prod, Port: 80}, map[string]slipway.ServerGroup{}
	for i, w := range weights {
		name := fmt.Sprintf("hello-prod-v%03d", i+1)
		route.Groups = append(route.Groups, slipway.GroupRoute{Group: name, Mode: slipway.Active, Weight: w})
		g := slipway.ServerGroup{ServerGroupSpec: slipway.ServerGroupSpec{Name: name, Cluster: prod}}
		for m := range counts[i] {
			g.Instances = append(g.Instances, slipway.Instance{ID: fmt.Sprintf("i-%d-%d", i, m), Address: "10.0.0.1", Port: 80, State: slipway.InstanceHealthy})
		}
		groups[name] = g
	}
	return route, groups
}

func TestShares(t *testing.T) {
	for _, c := range []struct {
		name           string
		weights, count []int
		want           []float64 // percent, of the first groups
	}{
		{"one group", []int{0}, []int{3}, []float64{100}},
		{"no weight is the default weight", []int{0, 100}, []int{1, 1}, []float64{50}},
		{"no weight, beside a small one", []int{0, 25}, []int{4, 1}, []float64{80}},
		{"one machine has 1 % beside 50", []int{1, 99}, []int{1, 50}, []float64{1}},
		{"one machine has half beside 50", []int{50, 50}, []int{1, 50}, []float64{50}},
		{"one machine has 99 % beside two", []int{99, 1}, []int{1, 2}, []float64{99}},
		{"5 % for one of ten", []int{5, 95}, []int{1, 10}, []float64{5}},
		{"a canary and its baseline", []int{5, 5, 90}, []int{1, 1, 10}, []float64{5, 5}},
		{"out of reach: 50 machines cannot have 1 % beside one", []int{1, 99}, []int{50, 1}, []float64{100 * 50. / 306}},
		{"out of reach: a thousandth", []int{1, 999}, []int{1, 1}, []float64{100 * 1. / 257}},
	} {
		t.Run(c.name, func(t *testing.T) {
			route, groups := machines(c.weights, c.count)
			got := portions(targets(route, groups, slipway.InstanceHealthy))
			for i, want := range c.want {
				if has := 100 * got[route.Groups[i].Group]; math.Abs(has-want) > want*0.004 {
					t.Errorf("group %d has %.3f %%, want %.3f %%", i, has, want)
				}
			}
		})
	}
}

// What stands by has a scale of its own: its weight takes nothing of the exactness of the others.
func TestWeightsOfStandbyGroupsAreTheirOwn(t *testing.T) {
	route, groups := machines([]int{2, 1, 100}, []int{1, 1, 1})
	route.Groups[2].Mode = slipway.Standby
	var got []int
	for _, target := range targets(route, groups, slipway.InstanceHealthy) {
		got = append(got, target.Weight)
	}
	if diff := cmp.Diff([]int{256, 128, 256}, got); diff != "" {
		t.Error(diff)
	}
}

func TestSharesOfTwoGroupsAreRight(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		weights := rapid.SliceOfN(rapid.IntRange(1, 100), 2, 2).Draw(t, "weights")
		counts := rapid.SliceOfN(rapid.IntRange(1, 100), 2, 2).Draw(t, "machines")
		route, groups := machines(weights, counts)
		list := targets(route, groups, slipway.InstanceHealthy)
		ratio := float64(weights[0]*counts[1]) / float64(weights[1]*counts[0])
		for _, target := range list {
			if target.Weight < 1 || target.Weight > maxWeight {
				t.Fatalf("a weight of %d", target.Weight)
			}
		}
		if ratio > maxWeight || ratio < 1./maxWeight {
			if first, last := list[0].Weight, list[len(list)-1].Weight; first*last != maxWeight {
				t.Fatalf("out of reach, and the weights are %d and %d, want 256 and 1", first, last)
			}
			return
		}
		for i, got := range portions(list) {
			want := float64(weights[0]) / float64(weights[0]+weights[1])
			if i != route.Groups[0].Group {
				want = 1 - want
			}
			if math.Abs(got-want) > 0.004*want {
				t.Fatalf("%s has %.4f, want %.4f", i, got, want)
			}
		}
	})
}

// A weight is never further from what it should be than whole numbers are from each other on the finest scale.
func TestSharesOfManyGroups(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		weights := rapid.SliceOfN(rapid.IntRange(1, 100), 3, 6).Draw(t, "weights")
		counts := rapid.SliceOfN(rapid.IntRange(1, 20), len(weights), len(weights)).Draw(t, "machines")
		route, groups := machines(weights, counts)
		heaviest, total := 0.0, 0
		for i := range weights {
			heaviest = max(heaviest, float64(weights[i])/float64(counts[i]))
			total += weights[i]
		}
		allowed := 0.0 // the worst weight's rounding, and as much again for that of all others in the sum
		for i := range weights {
			w := maxWeight * float64(weights[i]) / float64(counts[i]) / heaviest
			allowed = max(allowed, max(0.5, 1-w)/w)
		}
		allowed = 2*allowed + 1e-9
		for i, got := range portions(targets(route, groups, slipway.InstanceHealthy)) {
			for j, gr := range route.Groups {
				want := float64(weights[j]) / float64(total)
				if gr.Group == i && math.Abs(got-want)/want > allowed {
					t.Fatalf("%s has %.4f, want %.4f to within %.4f of it", i, got, want, allowed)
				}
			}
		}
	})
}
