package diff

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/slipway-sh/slipway"
)

// changes returns which values differ between two structures, by their path in JSON ("health.http"). Lists are compared as wholes.
func changes(older, newer any) []slipway.Change {
	before, after := flat(older), flat(newer)
	names := slices.Collect(maps.Keys(before))
	for name := range after {
		if _, ok := before[name]; !ok {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	all := []slipway.Change{}
	for _, name := range names {
		x, was := before[name]
		y, is := after[name]
		if was != is || x != y {
			all = append(all, slipway.Change{Input: name, Old: x, New: y})
		}
	}
	return all
}

// flat returns the values in v by their path.
func flat(v any) map[string]string {
	text, _ := json.Marshal(v) // the domain's types always can be
	var tree any
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber() // as it is written, not 1e+06
	_ = d.Decode(&tree)
	values := map[string]string{}
	var down func(place string, v any)
	down = func(place string, v any) {
		switch v := v.(type) {
		case nil:
		case map[string]any:
			for name, value := range v {
				down(place+"."+name, value)
			}
		case []any:
			text, _ := json.Marshal(v)
			values[place] = string(text)
		default:
			values[place] = fmt.Sprint(v)
		}
	}
	down("", tree)
	bare := map[string]string{}
	for place, value := range values {
		bare[place[min(1, len(place)):]] = value // without the leading dot
	}
	return bare
}
