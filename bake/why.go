package bake

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/slipway-sh/slipway"
)

// mostFiles is how many files a plan names for one layer; of the others it tells the number.
const mostFiles = 20

// why finds what sets a layer apart from its predecessor.
type why struct {
	plans    []plan
	plan     plan
	now      stepKey
	known    bool // whether now has what is below
	cached   bool
	asked    string // the wish that makes it be built anew
	compared bool   // there is an earlier bake
	was      *past  // nil: the layer is new
}

// changes returns why a layer must be built, or, of one that is cached, what is not as it was. They are nil only if it is cached and the
// same as before.
func (w why) changes() []slipway.Change {
	var list []slipway.Change
	if w.asked != "" {
		list = append(list, slipway.Change{Input: w.asked})
	}
	switch {
	case w.plan.ready != nil:
		if w.was != nil && w.was.layer.Digest != w.plan.ready.Digest {
			list = append(list, slipway.Change{Input: "the layer", Old: string(w.was.layer.Digest), New: string(w.plan.ready.Digest)})
		}
		return list
	case w.was == nil && w.compared:
		list = append(list, slipway.Change{Input: "the layer is new"})
	case w.was == nil && !w.cached:
		list = append(list, slipway.Change{Input: "there is no earlier bake"})
	case w.was != nil:
		list = append(list, w.differences()...)
	}
	if !w.known {
		list = append(list, slipway.Change{Input: "the layer below is built anew"})
	}
	if len(list) == 0 && !w.cached {
		list = append(list, slipway.Change{Input: "it is not in the cache any more"})
	}
	return list
}

// differences compares all that decides the layer with what decided its predecessor.
func (w why) differences() []slipway.Change {
	old := w.was.inputs
	if !w.was.sure && old.Builder == "" {
		// Neither the cache nor the request tell what decided it.
		return []slipway.Change{{Input: "all that decides it", Old: string(w.was.layer.Key)}}
	}
	var list []slipway.Change
	value := func(input, old, now string) {
		if old != now {
			list = append(list, slipway.Change{Input: input, Old: old, New: now})
		}
	}
	value("the builder", old.Builder, w.now.Builder)
	value("image.from", old.From, w.now.From)
	value("application", old.Application, w.now.Application)
	list = append(list, lines("package sources", old.Sources, w.now.Sources)...)
	list = append(list, options(old.Layer, w.now.Layer)...)
	list = append(list, inputFiles(old.Inputs, w.now.Inputs)...)
	if w.known {
		list = append(list, w.belowChanges(old.Below)...)
	}
	if len(list) == 0 && !w.was.sure {
		list = append(list, slipway.Change{Input: "the builder or the host's package sources", Old: string(w.was.layer.Key), New: string(w.now.digest())})
	}
	return list
}

// belowChanges names the lowest of the layers below that is another than before.
func (w why) belowChanges(old []slipway.Digest) []slipway.Change {
	now := w.now.Below
	for i := range max(len(old), len(now)) {
		var was, is slipway.Digest
		name := "a layer below"
		if i < len(old) {
			was = old[i]
		}
		if i < len(now) {
			is, name = now[i], "the layer below, "+w.plans[i].step.Name
		}
		if was != is {
			return []slipway.Change{{Input: name, Old: string(was), New: string(is)}}
		}
	}
	return nil
}

// options compares the entries of two layers in the specification.
func options(old, now *slipway.Layer) []slipway.Change {
	var list []slipway.Change
	before, after := fields(old), fields(now)
	for _, kind := range either(before, after) {
		list = append(list, compare(kind, before[kind], after[kind])...)
	}
	return list
}

// compare compares two JSON values: field by field, or as sets of strings, or as they are.
func compare(name string, old, now any) []slipway.Change {
	var list []slipway.Change
	switch cmp.Or(shape(now), shape(old)) {
	case "object":
		before, _ := old.(map[string]any)
		after, _ := now.(map[string]any)
		for _, key := range either(before, after) {
			label := key
			if name == "env" || name == "values" {
				label = name + " " + key
			}
			list = append(list, compare(label, before[key], after[key])...)
		}
		return list
	case "list":
		before, after := texts(old), texts(now)
		for _, v := range before {
			if !slices.Contains(after, v) {
				list = append(list, slipway.Change{Input: name, Old: v})
			}
		}
		for _, v := range after {
			if !slices.Contains(before, v) {
				list = append(list, slipway.Change{Input: name, New: v})
			}
		}
		if len(list) > 0 || slices.Equal(before, after) {
			return list
		}
		return []slipway.Change{{Input: "the order of " + name, Old: strings.Join(before, " "), New: strings.Join(after, " ")}}
	}
	if a, b := text(old), text(now); a != b {
		list = append(list, slipway.Change{Input: name, Old: a, New: b})
	}
	return list
}

func shape(v any) string {
	switch v.(type) {
	case map[string]any:
		return "object"
	case []any:
		return "list"
	}
	return ""
}

func texts(v any) []string {
	list, _ := v.([]any)
	all := make([]string, len(list))
	for i, e := range list {
		all[i] = text(e)
	}
	return all
}

func text(v any) string {
	if v == nil {
		return ""
	}
	return fmt.Sprint(v)
}

// either returns the keys of both, sorted.
func either(a, b map[string]any) []string {
	all := maps.Clone(a)
	if all == nil {
		all = map[string]any{}
	}
	maps.Copy(all, b)
	return slices.Sorted(maps.Keys(all))
}

// lines names the lines that only one of two texts has.
func lines(name, old, now string) []slipway.Change {
	before, after := strings.Split(old, "\n"), strings.Split(now, "\n")
	var list []slipway.Change
	for _, l := range before {
		if !slices.Contains(after, l) {
			list = append(list, slipway.Change{Input: name, Old: l})
		}
	}
	for _, l := range after {
		if !slices.Contains(before, l) {
			list = append(list, slipway.Change{Input: name, New: l})
		}
	}
	return list
}

// inputFiles names the files that are not as they were, up to a number.
func inputFiles(old, now []slipway.ContextEntry) []slipway.Change {
	before, after := map[string]slipway.ContextEntry{}, map[string]slipway.ContextEntry{}
	paths := map[string]bool{}
	for _, e := range old {
		before[e.Path], paths[e.Path] = e, true
	}
	for _, e := range now {
		after[e.Path], paths[e.Path] = e, true
	}
	var list []slipway.Change
	more := 0
	for _, p := range slices.Sorted(maps.Keys(paths)) {
		a, had := before[p]
		b, has := after[p]
		if had && has && a == b {
			continue
		}
		if len(list) == mostFiles {
			more++
			continue
		}
		c := slipway.Change{Input: p}
		if had {
			c.Old = content(a)
		}
		if has {
			c.New = content(b)
		}
		if c.Old == c.New {
			c = slipway.Change{Input: "mode of " + p, Old: octal(a.Mode), New: octal(b.Mode)}
		}
		list = append(list, c)
	}
	if more > 0 {
		list = append(list, slipway.Change{Input: fmt.Sprintf("and %d more files", more)})
	}
	return list
}

// content says what an entry of the context is.
func content(e slipway.ContextEntry) string {
	switch {
	case e.Dir:
		return "directory"
	case e.Link != "":
		return "link to " + e.Link
	}
	return string(e.Digest)
}

func octal(mode uint32) string { return "0" + strconv.FormatUint(uint64(mode), 8) }
