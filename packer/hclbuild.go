package packer

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"github.com/slipway-sh/slipway/manifest"
)

// buildBlocks are what there may be in a build block, with the number of labels.
var buildBlocks = map[string]int{
	"source": 1, "provisioner": 1, "post-processor": 1, "post-processors": 0, "error-cleanup-provisioner": 1, "hcp_packer_registry": 0,
}

// usage is a source as a build uses it.
type usage struct {
	typ, label string
	name       string                 // "" for the label
	at         place                  // where the build names it
	more       []*hclsyntax.Attribute // what the build adds to it
	body       *hclsyntax.Body
}

// build returns the drafts of a build block: one for each of its sources.
func (t *hclTemplate) build(b *hclsyntax.Block) []draft {
	var name string
	var used []usage
	for _, a := range attributes(b.Body) {
		switch a.Name {
		case "name":
			name = t.plainText(a.Expr)
		case "description":
		case "sources":
			used = append(used, t.listed(a.Expr)...)
		default:
			t.problems.add(at(a.NameRange), "cannot use %q of a build: want name, description or sources", a.Name)
		}
	}
	for _, inner := range b.Body.Blocks {
		labels, known := buildBlocks[inner.Type]
		switch {
		case inner.Type == "dynamic":
			t.dynamic(inner)
		case !known:
			t.problems.add(at(inner.TypeRange), "cannot use the block %q in a build: %s", inner.Type, manifest.Suggestion(inner.Type, keys(buildBlocks)))
		case len(inner.Labels) != labels:
			t.problems.add(at(inner.TypeRange), "cannot use a %s block with %d labels: want %d", inner.Type, len(inner.Labels), labels)
		case inner.Type == "source":
			used = append(used, t.inner(inner)...)
		case inner.Type == "hcp_packer_registry":
			t.problems.add(at(inner.TypeRange), "cannot use hcp_packer_registry: slipway is the registry; leave it out")
		case inner.Type == "error-cleanup-provisioner":
			t.notes = append(t.notes, at(inner.TypeRange).String()+": error-cleanup-provisioner has no effect: nothing is left of a bake that failed")
		}
	}
	var drafts []draft
	for _, u := range used {
		drafts = append(drafts, t.draft(b, name, u))
	}
	return drafts
}

// listed returns the sources that a build lists by name.
func (t *hclTemplate) listed(expr hclsyntax.Expression) []usage {
	v, ok := t.evaluate(expr, t.references())
	if !ok {
		return nil
	}
	list, ok := t.setting(expr, v).value.([]setting)
	if !ok {
		t.problems.add(at(expr.Range()), "cannot use this as sources: want a list of names such as \"source.docker.web\"")
	}
	var used []usage
	for _, s := range list {
		name, _ := s.value.(string)
		if u, ok := t.source(name, s.at); ok {
			used = append(used, u)
		}
	}
	return used
}

// references makes source.docker.web, which is written without quotes, mean its name.
func (t *hclTemplate) references() map[string]cty.Value {
	types := map[string]map[string]cty.Value{}
	for name := range t.sources {
		typ, label, _ := strings.Cut(name, ".")
		if types[typ] == nil {
			types[typ] = map[string]cty.Value{}
		}
		types[typ][label] = cty.StringVal(name)
	}
	all := map[string]cty.Value{}
	for typ, labels := range types {
		all[typ] = cty.ObjectVal(labels)
	}
	return map[string]cty.Value{"source": cty.ObjectVal(all)}
}

// inner returns the source that a build takes and adds to.
func (t *hclTemplate) inner(b *hclsyntax.Block) []usage {
	u, ok := t.source(b.Labels[0], at(b.LabelRanges[0]))
	if !ok {
		return nil
	}
	for _, a := range attributes(b.Body) {
		if a.Name == "name" {
			u.name = t.plainText(a.Expr)
		} else {
			u.more = append(u.more, a)
		}
	}
	for _, inner := range b.Body.Blocks {
		t.problems.add(at(inner.TypeRange), "cannot use the block %q here: it is not supported", inner.Type)
	}
	return []usage{u}
}

// source finds a source by its name, "docker.web" or "source.docker.web".
func (t *hclTemplate) source(name string, where place) (usage, bool) {
	name = strings.TrimPrefix(name, "source.")
	b := t.sources[name]
	if b == nil {
		t.problems.add(where, "cannot find the source %q: %s%s", name, manifest.Suggestion(name, keys(t.sources)), t.beside)
		return usage{}, false
	}
	return usage{typ: b.Labels[0], label: b.Labels[1], at: at(b.TypeRange), body: b.Body}, true
}

// plainText evaluates what must be a text.
func (t *hclTemplate) plainText(expr hclsyntax.Expression) string {
	v, ok := t.evaluate(expr, nil)
	if !ok {
		return ""
	}
	s, ok := t.setting(expr, v).value.(string)
	if !ok {
		t.problems.add(at(expr.Range()), "cannot use this here: want text")
	}
	t.secrets.plain(&t.problems, text{s, at(expr.Range())}, "a name")
	return s
}

func (t *hclTemplate) draft(b *hclsyntax.Block, build string, u usage) draft {
	d := draft{name: u.name, source: u.typ + "." + u.label}
	if d.name == "" {
		d.name = u.label
	}
	d.path = u.typ + "." + d.name
	if build != "" {
		d.path = build + "." + d.path
	}
	d.scope = &scope{name: d.name, kind: u.typ, cwd: t.Dir, now: t.now, secrets: t.secrets}
	more := map[string]cty.Value{
		"source": cty.ObjectVal(map[string]cty.Value{"name": cty.StringVal(d.name), "type": cty.StringVal(u.typ)}),
		"build":  cty.ObjectVal(map[string]cty.Value{"name": cty.StringVal(d.name)}),
	}
	d.builder = component{kind: "builder", typ: u.typ, at: u.at, settings: &object{at: u.at}}
	if builders[u.typ] != nil { // what other builders say is not looked at
		d.builder.settings = t.object(u.body, more)
		for _, a := range u.more {
			d.builder.settings.set(t.field(a, more))
		}
	}
	for _, inner := range b.Body.Blocks {
		if len(inner.Labels) != buildBlocks[inner.Type] {
			continue // a problem already
		}
		switch inner.Type {
		case "provisioner":
			d.provisioners = append(d.provisioners, t.component(inner, "provisioner", more))
		case "post-processor":
			d.post = append(d.post, []component{t.component(inner, "post-processor", more)})
		case "post-processors":
			d.post = append(d.post, t.sequence(inner, more))
		}
	}
	return d
}

func (t *hclTemplate) sequence(b *hclsyntax.Block, more map[string]cty.Value) []component {
	var all []component
	for _, a := range attributes(b.Body) {
		t.problems.add(at(a.NameRange), "cannot use %q of post-processors: want post-processor blocks", a.Name)
	}
	for _, inner := range b.Body.Blocks {
		if inner.Type != "post-processor" || len(inner.Labels) != 1 {
			t.problems.add(at(inner.TypeRange), "cannot use the block %q here: want post-processor with its type", inner.Type)
			continue
		}
		all = append(all, t.component(inner, "post-processor", more))
	}
	return all
}

func (t *hclTemplate) component(b *hclsyntax.Block, kind string, more map[string]cty.Value) component {
	return component{kind: kind, typ: b.Labels[0], at: at(b.TypeRange), settings: t.object(b.Body, more)}
}

// object evaluates a body. A block in it becomes a field of its name.
func (t *hclTemplate) object(body *hclsyntax.Body, more map[string]cty.Value) *object {
	o := &object{at: at(body.SrcRange)}
	for _, a := range attributes(body) {
		o.fields = append(o.fields, t.field(a, more))
	}
	for _, b := range body.Blocks {
		if b.Type == "dynamic" {
			t.dynamic(b)
			continue
		}
		where := at(b.TypeRange)
		o.fields = append(o.fields, field{b.Type, where, setting{where, t.object(b.Body, more)}})
	}
	return o
}

func (t *hclTemplate) field(a *hclsyntax.Attribute, more map[string]cty.Value) field {
	f := field{name: a.Name, at: at(a.NameRange), setting: setting{at: at(a.Expr.Range())}}
	if v, ok := t.evaluate(a.Expr, more); ok {
		f.setting = t.setting(a.Expr, v)
	}
	return f
}

// setting returns a value as a setting. The items of a list that is written out have places of their own.
func (t *hclTemplate) setting(expr hclsyntax.Expression, v cty.Value) setting {
	where := at(expr.Range())
	v, marks := v.UnmarkDeepWithPaths()
	for _, m := range marks {
		inner, err := m.Path.Apply(v)
		for mark := range m.Marks {
			name, _ := mark.(sensitiveMark)
			if err == nil && inner.Type() == cty.String && !inner.IsNull() && slices.Contains(t.secrets.in(inner.AsString()), string(name)) {
				continue
			}
			t.problems.add(where, "cannot use it: %s", errWhole)
			return setting{at: where}
		}
	}
	return t.unmarked(expr, where, v)
}

func (t *hclTemplate) unmarked(expr hclsyntax.Expression, where place, v cty.Value) setting {
	s := setting{at: where}
	switch {
	case v.IsNull() || !v.IsWhollyKnown():
	case v.Type() == cty.String:
		s.value = v.AsString()
		if err := t.secrets.whole(v.AsString()); err != nil {
			t.problems.add(where, "%s", err)
		}
	case v.Type() == cty.Number:
		s.value = json.Number(v.AsBigFloat().Text('f', -1))
	case v.Type() == cty.Bool:
		s.value = v.True()
	case v.Type().IsObjectType() || v.Type().IsMapType():
		o := &object{at: where}
		for _, name := range keys(v.AsValueMap()) {
			o.fields = append(o.fields, field{name, where, t.unmarked(nil, where, v.AsValueMap()[name])})
		}
		s.value = o
	case !v.CanIterateElements():
		t.problems.add(where, "cannot use a value of the type %s here", v.Type().FriendlyName())
	default:
		items := []setting{}
		written, _ := expr.(*hclsyntax.TupleConsExpr)
		for i, item := range v.AsValueSlice() {
			if written != nil && i < len(written.Exprs) {
				items = append(items, t.unmarked(written.Exprs[i], at(written.Exprs[i].Range()), item))
			} else {
				items = append(items, t.unmarked(nil, where, item))
			}
		}
		s.value = items
	}
	return s
}
