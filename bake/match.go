package bake

import (
	"encoding/json"
	"strings"
)

// match finds, for each plan, the layer of an earlier bake that it is the successor of; nil where it has none. Layers keep their order but
// for those that are the same but for their place.
func match(plans []plan, pasts []past) []*past {
	// best[i][j] is the highest likeness of the plans from i on with the pasts from j on, each matched once and in order.
	best := make([][]int, len(plans)+1)
	for i := range best {
		best[i] = make([]int, len(pasts)+1)
	}
	for i := len(plans) - 1; i >= 0; i-- {
		for j := len(pasts) - 1; j >= 0; j-- {
			best[i][j] = max(best[i+1][j], best[i][j+1])
			if l := likeness(plans[i], pasts[j]); l > 0 {
				best[i][j] = max(best[i][j], l+best[i+1][j+1])
			}
		}
	}
	were, used := make([]*past, len(plans)), make([]bool, len(pasts))
	for i, j := 0, 0; i < len(plans) && j < len(pasts); {
		l := likeness(plans[i], pasts[j])
		switch {
		case l > 0 && best[i][j] == l+best[i+1][j+1]:
			were[i], used[j] = &pasts[j], true
			i, j = i+1, j+1
		case best[i][j] == best[i+1][j]:
			i++
		default:
			j++
		}
	}
	for i, p := range plans {
		for j := range pasts {
			if were[i] == nil && !used[j] && likeness(p, pasts[j]) >= named {
				were[i], used[j] = &pasts[j], true
			}
		}
	}
	return were
}

// How alike a layer and an earlier one are. One that is the same is worth more than any number that are only of its kind.
const (
	ofKind = 1
	named  = 100
	same   = 101
)

func likeness(p plan, old past) int {
	switch {
	case p.kind() != old.kind():
		return 0
	case p.ready == nil && digestOf(p.key.bare()) == digestOf(old.inputs.bare()):
		return same
	case p.step.Name == old.layer.Step:
		return named
	}
	return ofKind
}

// bare returns the key without what a layer shares with its neighbours.
func (k stepKey) bare() stepKey {
	k.Builder, k.Below = "", nil
	return k
}

func (p plan) kind() string { return kindOf(p.step.Index, p.step.Name, p.key) }

func (p past) kind() string { return kindOf(p.layer.Index, p.layer.Step, p.inputs) }

// kindOf returns which sort of layer it is: "from", or the word that stands for it in the specification.
func kindOf(index int, name string, key stepKey) string {
	if index == 0 {
		return "from"
	}
	if key.Layer == nil { // it is not known any more
		kind, _, _ := strings.Cut(name, " ")
		return kind
	}
	for kind := range fields(key.Layer) {
		return kind
	}
	return ""
}

// fields returns what v has in JSON.
func fields(v any) map[string]any {
	text, err := json.Marshal(v)
	if err != nil {
		return nil
	}
	var m map[string]any
	if json.Unmarshal(text, &m) != nil {
		return nil
	}
	return m
}
