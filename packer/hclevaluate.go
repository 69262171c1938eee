package packer

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"github.com/slipway-sh/slipway/manifest"
)

// evaluateLocals gives every local its value, each after those it needs.
func (t *hclTemplate) evaluateLocals() {
	for _, name := range keys(t.locals) {
		t.localValue(name, t.locals[name].at)
	}
}

// localValue returns the value of a local; NilVal after a problem.
func (t *hclTemplate) localValue(name string, where place) cty.Value {
	l := t.locals[name]
	switch {
	case l == nil:
		t.problems.add(where, "cannot use local.%s: there is none; %s%s", name, manifest.Suggestion(name, keys(t.locals)), t.beside)
		return cty.NilVal
	case l.value != cty.NilVal || l.failed:
		return l.value
	case slices.Contains(t.looking, name):
		t.problems.add(l.at, "cannot use the locals %s: each needs the next", strings.Join(append(t.looking, name), " → "))
		return cty.NilVal
	}
	t.looking = append(t.looking, name)
	value, ok := t.evaluate(l.expr, nil)
	t.looking = t.looking[:len(t.looking)-1]
	if ok && l.sensitive {
		value = t.hidden("local."+name, value, l.at)
		ok = value != cty.NilVal
	}
	l.failed = !ok
	if ok {
		l.value = value
	}
	return l.value
}

// evaluate returns the value of an expression that may use variables, locals, paths and what is in more.
func (t *hclTemplate) evaluate(expr hclsyntax.Expression, more map[string]cty.Value) (cty.Value, bool) {
	variables := map[string]cty.Value{
		"path":   cty.ObjectVal(map[string]cty.Value{"root": cty.StringVal(t.dir), "cwd": cty.StringVal(t.Dir)}),
		"packer": cty.ObjectVal(map[string]cty.Value{"version": cty.StringVal(packerVersion)}),
	}
	maps.Copy(variables, more)
	used := map[string]map[string]cty.Value{"var": {}, "local": {}}
	ok := true
	for _, traversal := range expr.Variables() {
		root, where := traversal.RootName(), at(traversal.SourceRange())
		name := second(traversal)
		value := cty.NilVal
		switch {
		case root == "var" && name != "":
			if v := t.variables[name]; v != nil {
				value = v.value
			} else {
				t.problems.add(where, "cannot use var.%s: the template has no such variable; %s%s", name, manifest.Suggestion(name, keys(t.variables)), t.beside)
			}
		case root == "local" && name != "":
			value = t.localValue(name, where)
		case root == "build" && name != "" && name != "name" && variables[root] != cty.NilVal:
			t.problems.add(where, "cannot use build.%s: it speaks of a running machine, and a bake has none", name)
		case root == "data":
			t.problems.add(where, "cannot use data here: slipway asks no cloud; hand the value in with a variable")
		case variables[root] != cty.NilVal, len(traversal) == 1 && slices.Contains(typeNames, root):
			continue
		default:
			t.problems.add(where, "cannot use %s here: %s", root, manifest.Suggestion(root, append(keys(variables), "var", "local")))
		}
		if value == cty.NilVal {
			ok = false
			continue
		}
		used[root][name] = value
	}
	if !ok {
		return cty.NilVal, false
	}
	for root, values := range used {
		variables[root] = cty.ObjectVal(values)
	}
	return t.evaluateWith(expr, &hcl.EvalContext{Variables: variables, Functions: t.hclFunctions()})
}

// typeNames look like variables where a function takes a type.
var typeNames = []string{"any", "bool", "number", "string"}

// second returns the name after the first dot.
func second(traversal hcl.Traversal) string {
	if len(traversal) > 1 {
		if a, ok := traversal[1].(hcl.TraverseAttr); ok {
			return a.Name
		}
		if i, ok := traversal[1].(hcl.TraverseIndex); ok && i.Key.Type() == cty.String {
			return i.Key.AsString()
		}
	}
	return ""
}

func (t *hclTemplate) evaluateWith(expr hclsyntax.Expression, ctx *hcl.EvalContext) (cty.Value, bool) {
	value, diags := expr.Value(ctx)
	if diags.HasErrors() {
		t.diagnose(diags, "evaluate it")
		return cty.NilVal, false
	}
	return value, true
}

// cty returns a setting as a value of HCL.
func (s setting) cty() cty.Value {
	switch v := s.value.(type) {
	case bool:
		return cty.BoolVal(v)
	case string:
		return cty.StringVal(v)
	case json.Number:
		if n, err := cty.ParseNumberVal(v.String()); err == nil {
			return n
		}
		return cty.StringVal(v.String())
	case []setting:
		var list []cty.Value
		for _, item := range v {
			list = append(list, item.cty())
		}
		return cty.TupleVal(list)
	case *object:
		fields := map[string]cty.Value{}
		for _, f := range v.fields {
			fields[f.name] = f.cty()
		}
		return cty.ObjectVal(fields)
	}
	return cty.NullVal(cty.DynamicPseudoType)
}

func keys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
