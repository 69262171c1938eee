package packer

import (
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/manifest"
)

// text is a string of a template, rendered, with where it stands.
type text struct {
	string
	at place
}

// given reports whether the template has it at all.
func (t text) given() bool { return t.at != place{} }

// manual says what settings of a component mean that its Go type has no field for.
type manual struct {
	noted   map[string]string // settings that have no meaning for a bake, and why
	refused map[string]string // settings that would have a meaning which a bake cannot give them, and what to do
}

// decoder fills Go structs from settings. The tag of a field is `packer:"name"`; with ",raw" its text is rendered later.
type decoder struct {
	scope    *scope
	problems *problems
	notes    *[]string
}

// into fills *target, a struct, from the settings of c, and says which of them cannot be used. It reports whether all can.
func (d decoder) into(c component, target any, m manual) bool {
	before := len(*d.problems)
	v := reflect.ValueOf(target).Elem()
	fields := map[string]reflect.StructField{}
	for f := range v.Type().Fields() {
		if name, _, _ := strings.Cut(f.Tag.Get("packer"), ","); name != "" {
			fields[name] = f
		}
	}
	for _, s := range c.settings.fields {
		f, known := fields[s.name]
		noted, isNoted := m.noted[s.name]
		refused, isRefused := m.refused[s.name]
		switch {
		case known && s.value == nil: // null is as if it were not written
		case known:
			d.value(s.setting, v.FieldByIndex(f.Index), strings.HasSuffix(f.Tag.Get("packer"), ",raw"))
		case isNoted:
			d.note(s.at, "%s of %s has no effect: %s", s.name, c, noted)
		case isRefused:
			d.problems.add(s.at, "cannot use %q of %s: %s", s.name, c, refused)
		default:
			d.problems.add(s.at, "cannot use %q of %s: it is not supported; %s", s.name, c, manifest.Suggestion(s.name, slices.Sorted(maps.Keys(fields))))
		}
	}
	return len(*d.problems) == before
}

func (d decoder) note(at place, format string, args ...any) {
	note := slipway.Errorf(slipway.Invalid, format, args...).At(at.String()).Error()
	if !slices.Contains(*d.notes, note) {
		*d.notes = append(*d.notes, note)
	}
}

// value puts s into v, as loosely as Packer does: text is a list of what is between its commas, another value a list of one, and text
// that reads as a number or a truth is one.
func (d decoder) value(s setting, v reflect.Value, raw bool) {
	switch v.Type() {
	case reflect.TypeFor[text]():
		v.Set(reflect.ValueOf(d.text(s, raw)))
		return
	case reflect.TypeFor[time.Duration]():
		v.SetInt(int64(d.duration(s)))
		return
	case reflect.TypeFor[setting]():
		v.Set(reflect.ValueOf(s))
		return
	}
	switch v.Kind() {
	case reflect.Slice:
		d.list(s, v, raw)
	case reflect.Map:
		d.mapping(s, v, raw)
	case reflect.Bool:
		if b, ok := s.value.(bool); ok {
			v.SetBool(b)
			return
		}
		b, err := strconv.ParseBool(d.text(s, raw).string)
		if err != nil {
			d.problems.add(s.at, "cannot use %s here: want true or false", s.kind())
		}
		v.SetBool(b)
	case reflect.Int:
		n, err := strconv.Atoi(d.text(s, raw).string)
		if err != nil {
			d.problems.add(s.at, "cannot use %s here: want a whole number", s.kind())
		}
		v.SetInt(int64(n))
	default:
		panic("packer: a setting is read into a " + v.Type().String())
	}
}

// text renders s unless raw. What is no text or number adds a problem.
func (d decoder) text(s setting, raw bool) text {
	switch v := s.value.(type) {
	case json.Number:
		return text{v.String(), s.at}
	case bool:
		if d.scope.user == nil { // HCL's values are converted to the type that is wanted, those of JSON are not
			return text{strconv.FormatBool(v), s.at}
		}
	case string:
		if raw {
			return text{v, s.at}
		}
		rendered, err := d.scope.render(text{v, s.at}, nil)
		if err != nil {
			*d.problems = append(*d.problems, err)
		}
		return text{rendered, s.at}
	}
	d.problems.add(s.at, "cannot use %s here: want text", s.kind())
	return text{"", s.at}
}

func (d decoder) duration(s setting) time.Duration {
	t := d.text(s, false)
	v, err := time.ParseDuration(t.string)
	if err != nil || v < 0 {
		d.problems.add(s.at, "cannot use %s here: want a duration such as \"10s\" or \"1m30s\"", s.kind())
	}
	return v
}

func (d decoder) list(s setting, v reflect.Value, raw bool) {
	var items []setting
	switch value := s.value.(type) {
	case []setting:
		items = value
	case string:
		for _, part := range strings.Split(value, ",") {
			items = append(items, setting{s.at, part})
		}
	default:
		items = []setting{s}
	}
	for _, item := range items {
		e := reflect.New(v.Type().Elem()).Elem()
		d.value(item, e, raw)
		v.Set(reflect.Append(v, e))
	}
}

func (d decoder) mapping(s setting, v reflect.Value, raw bool) {
	o, ok := s.value.(*object)
	if !ok {
		d.problems.add(s.at, "cannot use %s here: want an object", s.kind())
		return
	}
	v.Set(reflect.MakeMap(v.Type()))
	for _, f := range o.fields {
		e := reflect.New(v.Type().Elem()).Elem()
		d.value(f.setting, e, raw)
		v.SetMapIndex(reflect.ValueOf(f.name), e)
	}
}
