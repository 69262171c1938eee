package bake

import (
	"slices"
	"testing"

	"github.com/slipway-sh/slipway"
)

// What is compared with the inputs that a cache entry has, or with those that a request comes to today.
func TestDifferences(t *testing.T) {
	a, b := slipway.DigestOf([]byte("a")), slipway.DigestOf([]byte("b"))
	run := func(r slipway.RunLayer) *slipway.Layer { return &slipway.Layer{Run: &r} }
	for _, c := range []struct {
		name     string
		old, now stepKey
		known    bool
		unsure   bool
		want     []slipway.Change
	}{
		{name: "nothing", old: stepKey{From: "x"}, now: stepKey{From: "x"}},
		{name: "the builder", old: stepKey{Builder: "1"}, now: stepKey{Builder: "2"}, want: []slipway.Change{{Input: "the builder", Old: "1", New: "2"}}},
		{name: "the base", old: stepKey{From: "debian:bookworm"}, now: stepKey{From: "debian:trixie"}, want: []slipway.Change{{Input: "image.from", Old: "debian:bookworm", New: "debian:trixie"}}},
		{
			name: "package sources", old: stepKey{Sources: "deb one\ndeb two\n"}, now: stepKey{Sources: "deb one\ndeb three\n"},
			want: []slipway.Change{{Input: "package sources", Old: "deb two"}, {Input: "package sources", New: "deb three"}},
		},
		{
			name: "packages", old: stepKey{Layer: &slipway.Layer{Packages: []string{"a", "b"}}}, now: stepKey{Layer: &slipway.Layer{Packages: []string{"b", "c"}}},
			want: []slipway.Change{{Input: "packages", Old: "a"}, {Input: "packages", New: "c"}},
		},
		{
			name: "a script's options", old: stepKey{Layer: run(slipway.RunLayer{Script: "s", Env: map[string]string{"A": "1"}})},
			now:  stepKey{Layer: run(slipway.RunLayer{Script: "s", Env: map[string]string{"A": "2"}, Network: true, Secrets: []string{"token"}})},
			want: []slipway.Change{{Input: "env A", Old: "1", New: "2"}, {Input: "network", New: "true"}, {Input: "secrets", New: "token"}},
		},
		{
			name: "the order of inputs", old: stepKey{Layer: run(slipway.RunLayer{Inputs: []string{"a", "b"}})}, now: stepKey{Layer: run(slipway.RunLayer{Inputs: []string{"b", "a"}})},
			want: []slipway.Change{{Input: "the order of inputs", Old: "a b", New: "b a"}},
		},
		{
			name: "the layer below", known: true, old: stepKey{Below: []slipway.Digest{a, a}}, now: stepKey{Below: []slipway.Digest{a, b}},
			want: []slipway.Change{{Input: "the layer below, second", Old: string(a), New: string(b)}},
		},
		{
			name: "one layer more below", known: true, old: stepKey{Below: []slipway.Digest{a}}, now: stepKey{Below: []slipway.Digest{a, b}},
			want: []slipway.Change{{Input: "the layer below, second", New: string(b)}},
		},
		{name: "a layer below that is not known yet", old: stepKey{Below: []slipway.Digest{a}}, now: stepKey{}},
		{
			name: "something that left no trace", unsure: true, old: stepKey{Builder: "1"}, now: stepKey{Builder: "1"},
			want: []slipway.Change{{Input: "the builder or the host's package sources", Old: string(a), New: string(stepKey{Builder: "1"}.digest())}},
		},
		{name: "something of which nothing is known", unsure: true, want: []slipway.Change{{Input: "all that decides it", Old: string(a)}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := why{
				plans: []plan{{step: Step{Name: "first"}}, {step: Step{Name: "second"}}}, now: c.now, known: c.known,
				was: &past{inputs: c.old, sure: !c.unsure, layer: slipway.LayerBake{LayerInfo: slipway.LayerInfo{Key: a}}},
			}
			if got := w.differences(); !slices.Equal(got, c.want) {
				t.Errorf("got %+v\nwant %+v", got, c.want)
			}
		})
	}
}

// Which layer is the successor of which.
func TestMatch(t *testing.T) {
	copies := func(from ...string) (keys []stepKey) {
		for _, f := range from {
			keys = append(keys, stepKey{Layer: &slipway.Layer{Copy: &slipway.CopyLayer{From: f}}})
		}
		return keys
	}
	packages := func(names ...string) stepKey { return stepKey{Layer: &slipway.Layer{Packages: names}} }
	for _, c := range []struct {
		name     string
		old, now []stepKey
		want     []int // the index of each one's predecessor; -1 for none
	}{
		{"the same", copies("a", "b"), copies("a", "b"), []int{0, 1}},
		{"one more, first", copies("a", "b"), copies("x", "a", "b"), []int{-1, 0, 1}},
		{"one more, between", copies("a", "b"), copies("a", "x", "b"), []int{0, -1, 1}},
		{"one less", copies("a", "b", "c"), copies("a", "c"), []int{0, 2}},
		{"one is another", copies("a", "b", "c"), copies("a", "x", "c"), []int{0, 1, 2}},
		{"two change places", copies("a", "b", "c"), copies("b", "a", "c"), []int{1, 0, 2}},
		{"other packages", []stepKey{packages("a"), packages("b")}, []stepKey{packages("a"), packages("c")}, []int{0, 1}},
		{"another kind", copies("a"), []stepKey{packages("a")}, []int{-1}},
		{"nothing before", nil, copies("a"), []int{-1}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var plans []plan
			for i, k := range c.now {
				plans = append(plans, plan{step: Step{i + 1, layerName(*k.Layer)}, key: k})
			}
			pasts := make([]past, len(c.old))
			for i, k := range c.old {
				pasts[i] = past{inputs: k, layer: slipway.LayerBake{Index: i + 1, LayerInfo: slipway.LayerInfo{Step: layerName(*k.Layer)}}}
			}
			for i, was := range match(plans, pasts) {
				got := -1
				for j := range pasts {
					if was == &pasts[j] {
						got = j
					}
				}
				if got != c.want[i] {
					t.Errorf("layer %d: got %d, want %d", i, got, c.want[i])
				}
			}
		})
	}
}
