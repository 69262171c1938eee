package bake_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/bake"
)

// planned is a plan for people, a line a layer. Digests are shortened.
func planned(p slipway.BakePlan) []string {
	short := func(s string) string {
		if d := slipway.Digest(s); d.Validate() == nil {
			return d.Short()
		}
		return s
	}
	var list []string
	for _, l := range p.Layers {
		line := l.Step + ": build"
		switch {
		case l.Cached:
			line = l.Step + ": cached"
		case l.Pull:
			line = l.Step + ": pull"
		}
		for _, c := range l.Why {
			line += "; " + c.Input
			if c.Old != "" || c.New != "" {
				line += " [" + short(c.Old) + "|" + short(c.New) + "]"
			}
		}
		list = append(list, line)
	}
	return list
}

func TestPlan(t *testing.T) {
	x, y := slipway.DigestOf([]byte("x")).Short(), slipway.DigestOf([]byte("y")).Short()
	layers := func() []slipway.Layer {
		return []slipway.Layer{
			copyLayer(slipway.CopyLayer{From: "dist", To: "/opt"}),
			{Template: &slipway.TemplateLayer{From: "t", To: "/t", Values: map[string]string{"a": "1", "b": "2"}}},
			copyLayer(slipway.CopyLayer{From: "last", To: "/last", Mode: "0755"}),
		}
	}
	const anew = "the layer below is built anew"
	for _, c := range []struct {
		name   string
		change func(b *bakery, r *slipway.BakeRequest)
		want   string
	}{
		{"nothing", func(*bakery, *slipway.BakeRequest) {}, "copy dist: cached\ntemplate t: cached\ncopy last: cached"},
		{"a file", func(b *bakery, r *slipway.BakeRequest) { r.Context[0].Digest = slipway.DigestOf([]byte("y")) },
			"copy dist: build; dist/a [" + x + "|" + y + "]\ntemplate t: build; " + anew + "\ncopy last: build; " + anew},
		{"files come, go and change kind", func(b *bakery, r *slipway.BakeRequest) {
			r.Context[0].Mode = 0o600
			r.Context[1] = slipway.ContextEntry{Path: "dist/b", Link: "a", Mode: 0o777}
			r.Context = append(r.Context, slipway.ContextEntry{Path: "dist/c", Digest: r.Context[0].Digest, Size: 1, Mode: 0o644})
			r.Context = slices.DeleteFunc(r.Context, func(e slipway.ContextEntry) bool { return e.Path == "dist/d" })
		}, "copy dist: build; mode of dist/a [0644|0600]; dist/b [" + x + "|link to a]; dist/c [|" + x + "]; dist/d [directory|]\ntemplate t: build; " + anew + "\ncopy last: build; " + anew},
		{"an option", func(b *bakery, r *slipway.BakeRequest) { r.Spec.Image.Layers[2].Copy.Mode = "0700" },
			"copy dist: cached\ntemplate t: cached\ncopy last: build; mode [0755|0700]"},
		{"options come and go", func(b *bakery, r *slipway.BakeRequest) {
			r.Spec.Image.Layers[1].Template.Values = map[string]string{"a": "9", "c": "3"}
			r.Spec.Image.Layers[1].Template.Owner = "1:1"
		}, "copy dist: cached\ntemplate t: build; owner [|1:1]; values a [1|9]; values b [2|]; values c [|3]\ncopy last: build; " + anew},
		{"the application", func(b *bakery, r *slipway.BakeRequest) { r.Spec.Application = "other" },
			"copy dist: cached\ntemplate t: build; application [hello|other]\ncopy last: build; " + anew},
		{"a layer in between", func(b *bakery, r *slipway.BakeRequest) {
			r.Spec.Image.Layers = slices.Insert(r.Spec.Image.Layers, 1, copyLayer(slipway.CopyLayer{From: "last", To: "/new"}))
		}, "copy dist: cached\ncopy last: build; the layer is new\ntemplate t: build; " + anew + "\ncopy last: build; " + anew},
		{"one layer less", func(b *bakery, r *slipway.BakeRequest) {
			r.Spec.Image.Layers = slices.Delete(r.Spec.Image.Layers, 0, 1)
		},
			"template t: build; a layer below [LAYER0|]\ncopy last: build; " + anew},
		{"layers in another order", func(b *bakery, r *slipway.BakeRequest) {
			l := r.Spec.Image.Layers
			l[0], l[1] = l[1], l[0]
		}, "template t: build; a layer below [LAYER0|]\ncopy dist: build; " + anew + "\ncopy last: build; " + anew},
		{"no cache", func(b *bakery, r *slipway.BakeRequest) { r.NoCache = []string{"2"} },
			"copy dist: cached\ntemplate t: build; no cache is asked for\ncopy last: build; " + anew},
		{"the cache is gone", func(b *bakery, r *slipway.BakeRequest) {
			if err := os.RemoveAll(filepath.Join(b.dir, "cache/layers")); err != nil {
				b.t.Fatal(err)
			}
		}, "copy dist: build; it is not in the cache any more\ntemplate t: build; " + anew + "\ncopy last: build; " + anew},
		{"the cache is gone, and a file another", func(b *bakery, r *slipway.BakeRequest) {
			r.Context[0].Digest = slipway.DigestOf([]byte("y"))
			if err := os.RemoveAll(filepath.Join(b.dir, "cache/layers")); err != nil {
				b.t.Fatal(err)
			}
		}, "copy dist: build; dist/a [" + x + "|" + y + "]\ntemplate t: build; " + anew + "\ncopy last: build; " + anew},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBakery(t)
			files := []entry{{"dist/a", "x", 0o644}, {"dist/b", "x", 0o644}, {"dist/d", "dir", 0o755}, {"t", "{{.Values}}", 0o644}, {"last", "last", 0o644}, {"y", "y", 0o644}}
			before := b.request("scratch", files, layers()...)
			_, bakes, _, err := b.bake(t.Context(), before)
			if err != nil {
				t.Fatal(err)
			}
			req := b.request("scratch", files, layers()...)
			c.change(b, req)
			if err := req.Validate(); err != nil {
				t.Fatal(err)
			}
			stored, built := b.state(), len(bakes)
			plan, err := b.Plan(t.Context(), bake.Job{Request: req}, &bake.Job{Request: before}, bakes)
			if err != nil {
				t.Fatal(err)
			}
			want := strings.ReplaceAll(c.want, "LAYER0", bakes[0].Digest.Short())
			if got := strings.Join(planned(plan), "\n"); got != want {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
			if now := b.state(); now != stored {
				t.Errorf("planning left something: was\n%s\nis\n%s", stored, now)
			}
			// What the plan says is what happens.
			after, err := b.Build(t.Context(), bake.Job{Request: req, Watch: watch(&shared{})})
			if err != nil {
				t.Fatal(err)
			}
			for i, l := range plan.Layers {
				if l.Cached && (!after[i].Cached || after[i].Digest != l.Digest || after[i].Key != l.Key || after[i].Size != l.Size) {
					t.Errorf("planned %+v, got %+v", l, after[i])
				}
				if l.Key != "" && l.Key != after[i].Key {
					t.Errorf("planned the key %s, got %s", l.Key, after[i].Key)
				}
			}
			if first := slices.IndexFunc(plan.Layers, func(l slipway.LayerPlan) bool { return !l.Cached }); first >= 0 && after[first].Cached {
				t.Errorf("layer %d of %d was cached", first, built)
			}
		})
	}
}

// state lists the files of the cache and the store, with their times.
func (b *bakery) state() string {
	b.t.Helper()
	var list strings.Builder
	for _, pattern := range []string{"cache/*/*", "images/*", "images/*/*/*"} {
		names, err := filepath.Glob(filepath.Join(b.dir, pattern))
		if err != nil {
			b.t.Fatal(err)
		}
		for _, name := range names {
			st, err := os.Stat(name)
			if err != nil {
				b.t.Fatal(err)
			}
			fmt.Fprintln(&list, name, st.Size(), st.ModTime().UnixNano())
		}
	}
	return list.String()
}

func TestPlanOfFirstBake(t *testing.T) {
	b := newBakery(t)
	req := b.request("scratch", []entry{{"x", "x", 0o644}}, copyLayer(slipway.CopyLayer{From: "x", To: "/x"}), copyLayer(slipway.CopyLayer{From: "x", To: "/y"}))
	plan, err := b.Plan(t.Context(), bake.Job{Request: req}, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	wantLines(t, planned(plan), "copy x: build; there is no earlier bake", "copy x: build; there is no earlier bake; the layer below is built anew")
}

// A plan names some of the files that changed, and how many more there are.
func TestPlanOfManyFiles(t *testing.T) {
	b := newBakery(t)
	files := func(content string) []entry {
		var list []entry
		for i := range 50 {
			list = append(list, entry{fmt.Sprintf("dist/%02d", i), content, 0o644})
		}
		return list
	}
	layer := copyLayer(slipway.CopyLayer{From: "dist", To: "/x"})
	before := b.request("scratch", files("a"), layer)
	_, bakes, _, err := b.bake(t.Context(), before)
	if err != nil {
		t.Fatal(err)
	}
	plan, err := b.Plan(t.Context(), bake.Job{Request: b.request("scratch", files("b"), layer)}, &bake.Job{Request: before}, bakes)
	if err != nil {
		t.Fatal(err)
	}
	why := plan.Layers[0].Why
	if len(why) != 21 || why[0].Input != "dist/00" || why[20].Input != "and 30 more files" {
		t.Errorf("got %+v", why)
	}
}
