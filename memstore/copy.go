package memstore

import (
	"reflect"
	"sync"
	"time"
)

// Copied returns a deep copy of a record, as what JSON carries of it: fields that JSON leaves out are zero.
func Copied[T any](record T) T {
	v := reflect.ValueOf(&record).Elem()
	if c := copierOf(v.Type()); c != nil {
		c(v)
	}
	return record
}

// copier makes what a value points to its own. The value is a shallow copy already.
type copier func(v reflect.Value)

// copiers has those of all types that were met, nil for types that point to nothing.
var copiers sync.Map // reflect.Type to copier

func copierOf(t reflect.Type) copier {
	if c, ok := copiers.Load(t); ok {
		return c.(copier)
	}
	c := newCopier(t)
	copiers.Store(t, c)
	return c
}

func newCopier(t reflect.Type) copier {
	if t == reflect.TypeFor[time.Time]() {
		return nil
	}
	switch t.Kind() {
	case reflect.Pointer:
		inner := later(t.Elem())
		return func(v reflect.Value) {
			if v.IsNil() {
				return
			}
			to := reflect.New(t.Elem())
			to.Elem().Set(v.Elem())
			inner(to.Elem())
			v.Set(to)
		}
	case reflect.Slice:
		inner := later(t.Elem())
		return func(v reflect.Value) {
			if v.IsNil() {
				return
			}
			to := reflect.MakeSlice(t, v.Len(), v.Len())
			reflect.Copy(to, v)
			for i := range to.Len() {
				inner(to.Index(i))
			}
			v.Set(to)
		}
	case reflect.Map:
		inner := later(t.Elem())
		return func(v reflect.Value) {
			if v.IsNil() {
				return
			}
			to := reflect.MakeMapWithSize(t, v.Len())
			for entries := v.MapRange(); entries.Next(); {
				value := reflect.New(t.Elem()).Elem()
				value.Set(entries.Value())
				inner(value)
				to.SetMapIndex(entries.Key(), value)
			}
			v.Set(to)
		}
	case reflect.Array:
		if copierOf(t.Elem()) == nil {
			return nil
		}
		inner := later(t.Elem())
		return func(v reflect.Value) {
			for i := range v.Len() {
				inner(v.Index(i))
			}
		}
	case reflect.Interface:
		return func(v reflect.Value) {
			if v.IsNil() {
				return
			}
			if c := copierOf(v.Elem().Type()); c != nil {
				to := reflect.New(v.Elem().Type()).Elem()
				to.Set(v.Elem())
				c(to)
				v.Set(to)
			}
		}
	case reflect.Struct:
		return newStructCopier(t)
	}
	return nil
}

func newStructCopier(t reflect.Type) copier {
	type field struct {
		index int
		copy  copier // nil: it is not kept
	}
	var fields []field
	for i := range t.NumField() {
		switch f := t.Field(i); {
		case f.PkgPath != "" && !f.Anonymous:
		case f.Tag.Get("json") == "-":
			fields = append(fields, field{index: i})
		default:
			if c := copierOf(f.Type); c != nil {
				fields = append(fields, field{i, c})
			}
		}
	}
	if len(fields) == 0 {
		return nil
	}
	return func(v reflect.Value) {
		for _, f := range fields {
			if f.copy == nil {
				v.Field(f.index).SetZero()
				continue
			}
			f.copy(v.Field(f.index))
		}
	}
}

// later looks the copier up when it is needed, so that a type may hold itself.
func later(t reflect.Type) copier {
	find := sync.OnceValue(func() copier { return copierOf(t) })
	return func(v reflect.Value) {
		if c := find(); c != nil {
			c(v)
		}
	}
}
