package packer

import (
	"fmt"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/ext/typeexpr"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/manifest"
)

// hclVariable is an input of a template.
type hclVariable struct {
	at         place
	fallback   hclsyntax.Expression // its default
	typ        cty.Type
	typed      bool
	sensitive  bool
	validation []*hclsyntax.Block
	value      cty.Value // NilVal until it has one
}

// hclLocal is a value with a name.
type hclLocal struct {
	at        place
	expr      hclsyntax.Expression
	sensitive bool
	value     cty.Value // NilVal until it is evaluated
	failed    bool
}

// sensitiveMark is what values are marked with that were made of a sensitive variable. It is the variable's name.
type sensitiveMark string

func (t *hclTemplate) declareAs(name string, v *hclVariable) {
	if other := t.variables[name]; other != nil {
		t.problems.add(v.at, "cannot have the variable %q twice: it is at %s too", name, other.at)
		return
	}
	t.variables[name] = v
}

// declare takes a variable block.
func (t *hclTemplate) declare(b *hclsyntax.Block) {
	v := &hclVariable{at: at(b.TypeRange), typ: cty.DynamicPseudoType}
	for _, a := range attributes(b.Body) {
		switch a.Name {
		case "type":
			typ, diags := typeexpr.TypeConstraint(a.Expr)
			t.diagnose(diags, "use this type")
			v.typ, v.typed = typ, true
		case "default":
			v.fallback = a.Expr
		case "sensitive":
			v.sensitive = t.truth(a)
		case "description":
		default:
			t.problems.add(at(a.NameRange), "cannot use %q of a variable: %s", a.Name,
				manifest.Suggestion(a.Name, []string{"type", "default", "sensitive", "description", "validation"}))
		}
	}
	for _, inner := range b.Body.Blocks {
		if inner.Type != "validation" || inner.Body.Attributes["condition"] == nil || inner.Body.Attributes["error_message"] == nil {
			t.problems.add(at(inner.TypeRange), "cannot use the block %q of a variable: want validation with condition and error_message", inner.Type)
			continue
		}
		v.validation = append(v.validation, inner)
	}
	t.declareAs(b.Labels[0], v)
}

func (t *hclTemplate) truth(a *hclsyntax.Attribute) bool {
	v, ok := t.evaluate(a.Expr, nil)
	if !ok {
		return false
	}
	if v.Type() != cty.Bool || v.IsNull() || !v.IsKnown() {
		t.problems.add(at(a.Expr.Range()), "cannot use this as %s: want true or false", a.Name)
		return false
	}
	v, _ = v.Unmark()
	return v.True()
}

func (t *hclTemplate) addLocal(name string, l *hclLocal) {
	if other := t.locals[name]; other != nil {
		t.problems.add(l.at, "cannot have the local %q twice: it is at %s too", name, other.at)
		return
	}
	t.locals[name] = l
}

// local takes a local block.
func (t *hclTemplate) local(b *hclsyntax.Block) {
	l := &hclLocal{at: at(b.TypeRange)}
	for _, a := range attributes(b.Body) {
		switch a.Name {
		case "expression":
			l.expr = a.Expr
		case "sensitive":
			l.sensitive = t.truth(a)
		default:
			t.problems.add(at(a.NameRange), "cannot use %q of a local: want expression or sensitive", a.Name)
		}
	}
	if l.expr == nil {
		t.problems.add(l.at, "cannot use the local %q without an expression", b.Labels[0])
		return
	}
	t.addLocal(b.Labels[0], l)
}

// giveValues gives every variable its value: what the command line says, or else files, the environment, the default.
func (t *hclTemplate) giveValues(isDir bool) {
	files := t.VarFiles
	if isDir {
		auto, err := t.filesNamed(".auto.pkrvars.hcl")
		if err != nil {
			t.problems = append(t.problems, err)
		}
		files = append(auto, files...)
	}
	for _, name := range keys(t.variables) {
		v := t.variables[name]
		if v.fallback != nil {
			value, ok := t.evaluateWith(v.fallback, &hcl.EvalContext{Functions: t.defaultFunctions()})
			if !ok {
				continue
			}
			if !v.typed && !value.IsNull() {
				v.typ = value.Type()
			}
			t.give(name, value, at(v.fallback.Range()))
		}
		if raw := t.Env("PKR_VAR_" + name); raw != "" {
			t.giveText(name, raw, place{file: "PKR_VAR_" + name})
		}
	}
	for _, file := range files {
		t.readVarFile(file)
	}
	for _, assignment := range t.Vars {
		name, raw, ok := strings.Cut(assignment, "=")
		switch {
		case !ok || name == "":
			t.problems = append(t.problems, slipway.Errorf(slipway.Invalid, "cannot use --var %s: want NAME=VALUE", name))
		case t.variables[name] == nil:
			t.problems = append(t.problems, slipway.Errorf(slipway.Invalid, "cannot use --var %s: the template has no such variable; %s",
				name, manifest.Suggestion(name, keys(t.variables))))
		default:
			t.giveText(name, raw, place{file: "--var " + name})
		}
	}
	for _, name := range keys(t.variables) {
		t.settle(name, t.variables[name])
	}
}

// settle checks the value that a variable came to have, and hides it if it is sensitive.
func (t *hclTemplate) settle(name string, v *hclVariable) {
	if v.value == cty.NilVal {
		if t.problems.err() == nil {
			t.problems.add(v.at, "cannot do without a value of the variable %q: add --var %s=VALUE", name, name)
		}
		return
	}
	for _, b := range v.validation {
		own := cty.ObjectVal(map[string]cty.Value{name: v.value})
		ctx := &hcl.EvalContext{Functions: t.hclFunctions(), Variables: map[string]cty.Value{"var": own}}
		condition, ok := t.evaluateWith(b.Body.Attributes["condition"].Expr, ctx)
		message, mok := t.evaluateWith(b.Body.Attributes["error_message"].Expr, ctx)
		switch {
		case !ok || !mok:
		case condition.Type() != cty.Bool, condition.IsNull(), message.Type() != cty.String, message.IsNull():
			t.problems.add(at(b.TypeRange), "cannot use this validation: want a condition that is true or false, and a text")
		case condition.False():
			t.problems.add(v.at, "cannot use the value of the variable %q: %s", name, message.AsString())
		}
	}
	if v.sensitive {
		v.value = t.hidden(name, v.value, v.at)
	}
}

// hidden returns what stands for a sensitive value.
func (t *hclTemplate) hidden(name string, value cty.Value, where place) cty.Value {
	value, _ = value.UnmarkDeep()
	if value.IsNull() {
		return value
	}
	if value.Type() != cty.String {
		t.problems.add(where, "cannot keep %q secret: it is no text", name)
		return cty.NilVal
	}
	if value.AsString() == "" {
		return value // there is nothing to hide
	}
	return cty.StringVal(t.secrets.mark(name, value.AsString())).Mark(sensitiveMark(name))
}

// give gives a variable a value.
func (t *hclTemplate) give(name string, value cty.Value, where place) {
	v := t.variables[name]
	converted, err := convert.Convert(value, v.typ)
	if err != nil {
		t.problems.add(where, "cannot use this as the variable %q: %s", name, err)
		return
	}
	v.value = converted
}

// giveText gives a variable the value that is meant by a text of the command line or the environment.
func (t *hclTemplate) giveText(name, raw string, where place) {
	v := t.variables[name]
	if v.typ.IsPrimitiveType() || v.typ == cty.DynamicPseudoType {
		t.give(name, cty.StringVal(raw), where)
		return
	}
	expr, diags := hclsyntax.ParseExpression([]byte(raw), where.file, hcl.InitialPos)
	if t.diagnose(diags, fmt.Sprintf("use this as the variable %q", name)); diags.HasErrors() {
		return
	}
	if value, ok := t.evaluateWith(expr, &hcl.EvalContext{}); ok {
		t.give(name, value, where)
	}
}

// readVarFile reads a file of variables. As with Packer it may have some that the template has not.
func (t *hclTemplate) readVarFile(file string) {
	if strings.HasSuffix(file, ".json") {
		data, err := t.readFile(file, place{file: file})
		var top setting
		if err == nil {
			top, err = parseJSON(file, data)
		}
		if err != nil {
			t.problems = append(t.problems, err)
			return
		}
		o, ok := top.value.(*object)
		if !ok {
			t.problems.add(top.at, "cannot use %s as variables: want an object", top.kind())
			return
		}
		for _, f := range o.fields {
			if t.variables[f.name] != nil {
				t.give(f.name, f.cty(), f.setting.at)
			}
		}
		return
	}
	body := t.parse(file)
	if body == nil {
		return
	}
	for _, b := range body.Blocks {
		t.problems.add(at(b.TypeRange), "cannot use a block in a file of variables: want NAME = VALUE")
	}
	for _, a := range attributes(body) {
		value, ok := t.evaluateWith(a.Expr, &hcl.EvalContext{Functions: t.hclFunctions()})
		if ok && t.variables[a.Name] != nil {
			t.give(a.Name, value, at(a.Expr.Range()))
		}
	}
}
