package manifest

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"

	"github.com/slipway-sh/slipway"
)

// maxNodes bounds what aliases may blow a file up to.
const maxNodes = 100_000

// reader walks a YAML tree along a Go type and its json tags, and gathers mistakes and positions on the way.
type reader struct {
	name     string
	problems []error
	marks    map[string]mark // of every place, as Spec.Validate names places
	nodes    int
	aliases  []*yaml.Node // being followed
}

func (r *reader) add(n *yaml.Node, format string, args ...any) {
	r.problems = append(r.problems, slipway.Errorf(slipway.Invalid, format, args...).At(position(n).in(r.name)))
}

// document parses data and returns its only document's top node, or nil after it added a problem.
func (r *reader) document(data []byte) *yaml.Node {
	loader, err := yaml.NewLoader(bytes.NewReader(data))
	if err != nil {
		r.syntax(data, err)
		return nil
	}
	var doc, second yaml.Node
	switch err := loader.Load(&doc); {
	case errors.Is(err, io.EOF):
		r.add(&doc, "cannot use an empty file: write at least application, image and its service's command")
		return nil
	case err != nil:
		r.syntax(data, err)
		return nil
	}
	switch err := loader.Load(&second); {
	case err == nil:
		r.add(&second, "cannot use a second document: write one application in one file")
		return nil
	case !errors.Is(err, io.EOF):
		r.syntax(data, err)
		return nil
	}
	if len(doc.Content) != 1 {
		r.add(&doc, "cannot use an empty file: write at least application, image and its service's command")
		return nil
	}
	return doc.Content[0]
}

// syntax adds what the YAML parser says of data.
func (r *reader) syntax(data []byte, err error) {
	at, message := mark{1, 1}, err.Error()
	var e *yaml.LoadError
	if errors.As(err, &e) {
		at, message = mark{max(e.Mark.Line, 1), max(e.Mark.Column, 1)}, e.Message
		if e.ContextMsg != "" {
			message += " " + e.ContextMsg
		}
		if e.Mark.Line == 0 { // it does not say where a byte that is no text stands
			at = firstBadByte(data)
		}
	}
	r.problems = append(r.problems, slipway.Errorf(slipway.Invalid, "cannot read it as YAML: %s", message).At(at.in(r.name)))
}

// value returns n in the form that encoding/json makes a t of. Place names n as Spec.Validate does.
func (r *reader) value(n *yaml.Node, t reflect.Type, place string) any {
	if r.nodes++; r.nodes > maxNodes {
		if r.nodes == maxNodes+1 {
			r.add(n, "cannot use it: its aliases blow it up to more than %d values", maxNodes)
		}
		return nil
	}
	if n.Kind == yaml.AliasNode {
		return r.alias(n, func(n *yaml.Node) any { return r.value(n, t, place) })
	}
	if _, ok := r.marks[place]; !ok || n.Kind == yaml.ScalarNode {
		r.marks[place] = position(n)
	}
	if t.Kind() == reflect.Pointer {
		return r.value(n, t.Elem(), place)
	}
	if items := lists[t]; items != nil && n.Kind == yaml.SequenceNode {
		return r.list(n, items, place)
	}
	special := reflect.PointerTo(t).Implements(reflect.TypeFor[json.Unmarshaler]())
	if special && (n.Kind != yaml.MappingNode || t.Kind() != reflect.Struct || len(fields(t)) == 0) {
		return r.special(n, t)
	}
	switch t.Kind() {
	case reflect.Struct:
		before := len(r.problems)
		v := r.object(n, t, place)
		if special && len(r.problems) == before {
			r.sound(n, t, v)
		}
		return v
	case reflect.Map:
		return r.mapping(n, t, place)
	case reflect.Slice:
		return r.list(n, t, place)
	default:
		return r.scalar(n, t)
	}
}

// special reads a scalar for a type that decodes itself.
func (r *reader) special(n *yaml.Node, t reflect.Type) any {
	var v any
	switch {
	case n.Kind != yaml.ScalarNode || n.ShortTag() == "!!null":
		r.add(n, "cannot use %s here: want %s", kind(n), forms[t])
		return nil
	case n.ShortTag() == "!!int":
		v = r.scalar(n, reflect.TypeFor[int]())
		count, _ := v.(int64)
		switch {
		case v != nil && count < 1 && t == reflect.TypeFor[slipway.Size]():
			r.add(n, "cannot have %d instances: want 1 or more", count)
			return nil
		case v != nil && count == 0 && t == reflect.TypeFor[slipway.Amount]():
			r.sound(n, t, v)
			return nil
		}
	default:
		v = n.Value
	}
	b, err := json.Marshal(v)
	if err == nil {
		err = json.Unmarshal(b, reflect.New(t).Interface())
	}
	if err != nil {
		r.add(n, "cannot use %q here: %s", n.Value, wanted(n.Value, t))
		return nil
	}
	return v
}

// sound adds what a type that decodes itself says of v.
func (r *reader) sound(n *yaml.Node, t reflect.Type, v any) {
	b, err := json.Marshal(v)
	if err == nil {
		err = json.Unmarshal(b, reflect.New(t).Interface())
	}
	if err != nil {
		r.add(n, "%s", slipway.MessageOf(err))
	}
}

func (r *reader) object(n *yaml.Node, t reflect.Type, place string) any {
	keys := map[string]reflect.Type{}
	for _, f := range fields(t) {
		keys[jsonName(f)] = f.Type
	}
	out := map[string]any{}
	for _, p := range r.pairs(n, "an object with the keys "+strings.Join(names(keys), ", ")) {
		ft, ok := keys[p.key.Value]
		switch {
		case ok:
			out[p.key.Value] = r.pair(p, ft, place)
		case elsewhere[t][p.key.Value] != "":
			r.add(p.key, "cannot use %q here: %s", p.key.Value, elsewhere[t][p.key.Value])
		default:
			r.add(p.key, "cannot use the key %q: %s", p.key.Value, Suggestion(p.key.Value, names(keys)))
		}
	}
	return out
}

func (r *reader) mapping(n *yaml.Node, t reflect.Type, place string) any {
	out := map[string]any{}
	for _, p := range r.pairs(n, "an object") {
		out[p.key.Value] = r.pair(p, t.Elem(), place)
	}
	return out
}

func (r *reader) pair(p pair, t reflect.Type, place string) any {
	place = strings.TrimPrefix(place+"."+p.key.Value, ".")
	r.marks[place] = position(p.key)
	return r.value(p.value, t, place)
}

func (r *reader) list(n *yaml.Node, t reflect.Type, place string) any {
	out := []any{}
	switch {
	case n.Kind == yaml.SequenceNode:
		for i, item := range n.Content {
			out = append(out, r.value(item, t.Elem(), place+"["+strconv.Itoa(i)+"]"))
		}
	case !isNull(n):
		r.add(n, "cannot use %s here: want a list", kind(n))
	}
	return out
}

func (r *reader) scalar(n *yaml.Node, t reflect.Type) any {
	tag := n.ShortTag()
	if n.Kind == yaml.ScalarNode {
		switch t.Kind() {
		case reflect.String:
			if all := words[t]; tag == "!!str" && len(all) > 0 && !slices.Contains(all, n.Value) {
				r.add(n, "cannot use %q here: %s", n.Value, Suggestion(n.Value, all))
				return nil
			}
			if tag == "!!str" {
				return n.Value
			}
			if !isNull(n) {
				r.add(n, "cannot use %s here: want text; write it in quotes: %q", kind(n), n.Value)
				return nil
			}
		case reflect.Int, reflect.Int64:
			var v int64
			if tag == "!!int" && n.Decode(&v) == nil && int64(int(v)) == v {
				return v
			}
		case reflect.Float64:
			var v float64
			if (tag == "!!int" || tag == "!!float") && n.Decode(&v) == nil && !math.IsInf(v, 0) && !math.IsNaN(v) {
				return v
			}
		case reflect.Bool:
			var v bool
			if tag == "!!bool" && n.Decode(&v) == nil {
				return v
			}
		}
	}
	want := map[reflect.Kind]string{reflect.String: "text", reflect.Int: "a whole number", reflect.Int64: "a whole number", reflect.Float64: "a number", reflect.Bool: "true or false"}
	r.add(n, "cannot use %s here: want %s", kind(n), want[t.Kind()])
	return nil
}

type pair struct{ key, value *yaml.Node }

// pairs returns the pairs of the mapping n, those it merges with << included; none for null. It adds a problem if n is
// something else, and for keys that are no text or there twice.
func (r *reader) pairs(n *yaml.Node, want string) []pair {
	if isNull(n) {
		return nil
	}
	if n.Kind != yaml.MappingNode {
		r.add(n, "cannot use %s here: want %s", kind(n), want)
		return nil
	}
	var own, merged []pair
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		p := pair{n.Content[i], n.Content[i+1]}
		switch {
		case p.key.ShortTag() == "!!merge":
			merged = append(merged, r.merged(p.value)...)
		case p.key.Kind != yaml.ScalarNode || p.key.ShortTag() != "!!str":
			r.add(p.key, "cannot use %s as a key: want text", kind(p.key))
		case seen[p.key.Value]:
			r.add(p.key, "cannot have the key %q twice", p.key.Value)
		default:
			seen[p.key.Value] = true
			own = append(own, p)
		}
	}
	for _, p := range merged { // what is written wins over what is merged, the earlier over the later
		if !seen[p.key.Value] {
			seen[p.key.Value] = true
			own = append(own, p)
		}
	}
	return own
}

// merged returns the pairs of n, the value of a << key: a mapping or a list of them.
func (r *reader) merged(n *yaml.Node) []pair {
	if r.nodes++; r.nodes > maxNodes {
		return nil
	}
	switch n.Kind {
	case yaml.AliasNode:
		pairs, _ := r.alias(n, func(n *yaml.Node) any { return r.merged(n) }).([]pair)
		return pairs
	case yaml.SequenceNode:
		var all []pair
		for _, item := range n.Content {
			all = append(all, r.merged(item)...)
		}
		return all
	}
	return r.pairs(n, "an object to merge")
}

// alias calls f with what the alias n stands for, unless n is inside of that.
func (r *reader) alias(n *yaml.Node, f func(*yaml.Node) any) any {
	if slices.Contains(r.aliases, n.Alias) {
		r.add(n, "cannot use the alias *%s inside of what it stands for", n.Value)
		return nil
	}
	r.aliases = append(r.aliases, n.Alias)
	defer func() { r.aliases = r.aliases[:len(r.aliases)-1] }()
	return f(n.Alias)
}

func position(n *yaml.Node) mark { return mark{max(n.Line, 1), max(n.Column, 1)} }

func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null" }

// kind describes n for people.
func kind(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "an object"
	case yaml.SequenceNode:
		return "a list"
	}
	switch n.ShortTag() {
	case "!!null":
		return "nothing"
	case "!!int", "!!float":
		return "the number " + n.Value
	case "!!bool":
		return n.Value
	case "!!str":
		return "the text " + strconv.Quote(n.Value)
	}
	return strconv.Quote(n.Value)
}

func firstBadByte(data []byte) mark {
	at := mark{1, 1}
	for _, c := range string(data) { // U+FFFD for what is no UTF-8
		switch {
		case c == '\n':
			at = mark{at.line + 1, 1}
			continue
		case c == '\uFFFD', c < ' ' && c != '\t' && c != '\r', c == 0x7f:
			return at
		}
		at.column++
	}
	return mark{1, 1}
}
