package traffic

import (
	"cmp"
	"math"
	"slices"

	"github.com/slipway-sh/slipway"
)

// maxWeight is the most that one target can weigh.
const maxWeight = 256

// DefaultWeight is the share of a group whose route names none.
const DefaultWeight = 100

// targets returns the route's instances that are in one of states. A group's share is divided equally among its instances, whose
// weights stand in proportion to those of the other groups that are in the same mode.
//
// Weights are whole numbers from 1 to 256, so not every proportion can be had. The scale is chosen that fits best. With it the
// shares of two groups are right to within 0.4 % of themselves (a group that should get 5 % gets 4.98 to 5.02 %), unless an
// instance of one group should get more than 256 times as much as one of the other: then it gets 256 times as much, and the other
// group more than its share. So 1 % for a group of 50 machines beside one machine becomes 16 %; 1 % for one machine beside 50 is exact.
// With three groups or more the smaller ones are less exact: a weight of w is right to within 1/2w.
func targets(route slipway.Route, groups map[string]slipway.ServerGroup, states ...slipway.InstanceState) []slipway.Target {
	list := []slipway.Target{}
	live := map[string]int{}
	for _, gr := range route.Groups {
		for _, i := range groups[gr.Group].Instances {
			if slices.Contains(states, i.State) && i.Address != "" && i.Port != 0 {
				target := slipway.Target{Instance: i.ID, Group: gr.Group, Address: i.Address, Port: i.Port, Mode: gr.Mode}
				if i.Disabled != nil { // its share is the others'
					target.Mode = slipway.Off
				} else {
					live[gr.Group]++
				}
				list = append(list, target)
			}
		}
	}
	weight := map[string]int{}
	for _, mode := range []slipway.TargetMode{slipway.Active, slipway.Standby, slipway.Off} {
		var names []string
		var shares, machines []int
		for _, gr := range route.Groups {
			if gr.Mode == mode && live[gr.Group] > 0 {
				names = append(names, gr.Group)
				shares, machines = append(shares, share(gr)), append(machines, live[gr.Group])
			}
		}
		for i, w := range weights(shares, machines) {
			weight[names[i]] = w
		}
	}
	for i := range list {
		list[i].Weight = max(1, weight[list[i].Group])
	}
	return list
}

// share returns the group's share, relative to those of other groups of its mode.
func share(g slipway.GroupRoute) int {
	if g.Weight <= 0 {
		return DefaultWeight
	}
	return g.Weight
}

// weights returns what one machine of each group weighs, so that the groups together have the shares. All scales are tried: the heaviest
// machine weighs 256, 255 and so on, the others as much less as whole numbers allow. The one wins whose worst share is off by the
// least part of itself.
func weights(shares, machines []int) []int {
	if len(shares) == 0 {
		return nil
	}
	each := make([]float64, len(shares))
	sum := 0
	for i := range shares {
		each[i] = float64(shares[i]) / float64(machines[i])
		sum += shares[i]
	}
	heaviest := slices.Max(each)
	var best []int
	least := math.Inf(1)
	for top := maxWeight; top > 0; top-- {
		scaled := make([]int, len(each))
		total := 0
		for i := range each {
			scaled[i] = max(1, int(math.Round(float64(top)*each[i]/heaviest)))
			total += machines[i] * scaled[i]
		}
		worst := 0.0
		for i := range scaled {
			got, want := float64(machines[i]*scaled[i])/float64(total), float64(shares[i])/float64(sum)
			worst = max(worst, math.Abs(got-want)/want)
		}
		if worst < least-1e-12 {
			best, least = scaled, worst
		}
	}
	return best
}

// portions returns the part of all weights that each group has, of the targets in service.
func portions(targets []slipway.Target) map[string]float64 {
	sums, total := map[string]float64{}, 0.0
	for _, t := range targets {
		if t.Mode == slipway.Active {
			sums[t.Group] += float64(cmp.Or(t.Weight, 1))
			total += float64(cmp.Or(t.Weight, 1))
		}
	}
	for group := range sums {
		sums[group] /= total
	}
	return sums
}
