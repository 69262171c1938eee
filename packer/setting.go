package packer

import (
	"errors"
	"fmt"
	"slices"

	"github.com/slipway-sh/slipway"
)

// place is a position in a file, counted from one. Line 0 is the file as a whole.
type place struct {
	file         string
	line, column int
}

func (p place) String() string {
	if p.line == 0 {
		return p.file
	}
	return fmt.Sprintf("%s:%d:%d", p.file, p.line, p.column)
}

// setting is a value that a template gives, with where it stands. Its value is nil, a bool, a string, a number as it is written
// (json.Number), a []setting or an *object.
type setting struct {
	at    place
	value any
}

// object is a set of settings by name, in the order of the template.
type object struct {
	at     place
	fields []field
}

type field struct {
	name string
	at   place // of the name
	setting
}

// get returns the field called name, and nil if there is none.
func (o *object) get(name string) *field {
	for i := range o.fields {
		if o.fields[i].name == name {
			return &o.fields[i]
		}
	}
	return nil
}

// set adds the field, or puts it in the place of the one of its name.
func (o *object) set(f field) {
	if old := o.get(f.name); old != nil {
		*old = f
		return
	}
	o.fields = append(o.fields, f)
}

// with returns o with the fields of other put over its own.
func (o *object) with(other *object) *object {
	merged := &object{at: o.at, fields: append([]field(nil), o.fields...)}
	for _, f := range other.fields {
		merged.set(f)
	}
	return merged
}

// split returns the fields of o called names, and the others.
func (o *object) split(names ...string) (those, others *object) {
	those, others = &object{at: o.at}, &object{at: o.at}
	for _, f := range o.fields {
		if slices.Contains(names, f.name) {
			those.fields = append(those.fields, f)
		} else {
			others.fields = append(others.fields, f)
		}
	}
	return those, others
}

// kind describes the value for people.
func (s setting) kind() string {
	switch v := s.value.(type) {
	case nil:
		return "nothing"
	case bool:
		return fmt.Sprint(v)
	case string:
		return fmt.Sprintf("the text %q", v)
	case []setting:
		return "a list"
	case *object:
		return "an object"
	}
	return fmt.Sprintf("the number %v", s.value)
}

// problems gathers mistakes. Each of them is an Invalid [slipway.Error] with a place.
type problems []error

func (p *problems) add(at place, format string, args ...any) {
	*p = append(*p, slipway.Errorf(slipway.Invalid, format, args...).At(at.String()))
}

func (p *problems) err() error { return errors.Join(*p...) }
