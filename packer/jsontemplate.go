package packer

import (
	"encoding/json"
	"path/filepath"
	"slices"
	"strings"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/manifest"
)

// jsonTemplate is a template in JSON, which Packer calls legacy.
type jsonTemplate struct {
	*reader
	problems  problems
	dir       string
	variables *object
	values    map[string]string // of variables that were given one
	sensitive []string
	known     map[string]string // values as they were found
	failed    map[string]error
	looking   []string // variables whose defaults are being rendered
}

// rootKeys are what a template may have at its top. Keys that begin with an underscore are comments.
var rootKeys = []string{"builders", "description", "min_packer_version", "post-processors", "provisioners", "sensitive-variables", "variables"}

// json reads the template in JSON.
func (r *reader) json() ([]draft, error) {
	data, err := r.readFile(r.Path, place{file: r.Path})
	if err != nil {
		return nil, err
	}
	top, err := parseJSON(r.Path, data)
	if err != nil {
		return nil, err
	}
	t := &jsonTemplate{
		reader: r, dir: filepath.Dir(absolute(r.Dir, r.Path)), variables: &object{},
		values: map[string]string{}, known: map[string]string{}, failed: map[string]error{},
	}
	root, ok := top.value.(*object)
	if !ok {
		t.problems.add(top.at, "cannot use %s as a template: want an object with builders", top.kind())
		return nil, t.problems.err()
	}
	for _, f := range root.fields {
		if !slices.Contains(rootKeys, f.name) && !strings.HasPrefix(f.name, "_") {
			t.problems.add(f.at, "cannot use the key %q: %s", f.name, manifest.Suggestion(f.name, rootKeys))
		}
	}
	t.readVariables(root)
	if f := root.get("min_packer_version"); f != nil {
		t.notes = append(t.notes, f.at.String()+": min_packer_version has no effect: slipway reads the template, and not Packer")
	}
	drafts := t.drafts(root)
	return drafts, t.problems.unique()
}

// readVariables reads what variables there are, and the values that were given.
func (t *jsonTemplate) readVariables(root *object) {
	if f := root.get("variables"); f != nil {
		o, ok := f.value.(*object)
		if !ok {
			t.problems.add(f.setting.at, "cannot use %s here: want an object of variables", f.kind())
			return
		}
		t.variables = o
	}
	if f := root.get("sensitive-variables"); f != nil {
		list, ok := f.value.([]setting)
		if !ok {
			t.problems.add(f.setting.at, "cannot use %s here: want a list of variables", f.kind())
		}
		for _, s := range list {
			name, ok := s.value.(string)
			switch {
			case !ok:
				t.problems.add(s.at, "cannot use %s here: want the name of a variable", s.kind())
			case t.variables.get(name) == nil:
				t.problems.add(s.at, "cannot keep the variable %q secret: there is none; %s", name, manifest.Suggestion(name, t.names()))
			default:
				t.sensitive = append(t.sensitive, name)
			}
		}
	}
	for _, file := range t.VarFiles {
		t.readVarFile(file)
	}
	for _, v := range t.Vars {
		name, value, ok := strings.Cut(v, "=")
		switch {
		case !ok || name == "":
			t.fail("cannot use --var %s: want NAME=VALUE", name)
		case t.variables.get(name) == nil:
			t.fail("cannot use --var %s: the template has no such variable; %s", name, manifest.Suggestion(name, t.names()))
		default:
			t.values[name] = value
		}
	}
	for _, f := range t.variables.fields {
		if _, given := t.values[f.name]; !given && f.value == nil {
			t.problems.add(f.at, "cannot do without a value of the variable %q: add --var %s=VALUE", f.name, f.name)
		}
	}
}

func (t *jsonTemplate) fail(format string, args ...any) {
	t.problems = append(t.problems, slipway.Errorf(slipway.Invalid, format, args...))
}

func (t *jsonTemplate) names() []string {
	var all []string
	for _, f := range t.variables.fields {
		all = append(all, f.name)
	}
	return all
}

// readVarFile reads a file of variables. As with Packer it may have some that the template has not.
func (t *jsonTemplate) readVarFile(file string) {
	data, err := t.readFile(file, place{file: file})
	if err != nil {
		t.problems = append(t.problems, err)
		return
	}
	top, err := parseJSON(file, data)
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
		if value, ok := scalar(f.setting); ok {
			t.values[f.name] = value
		} else {
			t.problems.add(f.setting.at, "cannot use %s as a variable: want text", f.kind())
		}
	}
}

// scalar returns the text of what may be the value of a variable.
func scalar(s setting) (string, bool) {
	switch v := s.value.(type) {
	case string:
		return v, true
	case json.Number:
		return v.String(), true
	case bool:
		if v {
			return "true", true
		}
		return "false", true
	}
	return "", false
}

// variable returns the value of a variable: what was given, or its default, which may speak of the environment and of others.
func (t *jsonTemplate) variable(name string) (string, error) {
	if value, ok := t.known[name]; ok {
		return value, nil
	}
	f := t.variables.get(name)
	if f == nil {
		return "", unavailable("cannot use the variable \"" + name + "\": the template has no such variable; " + manifest.Suggestion(name, t.names()))
	}
	if slices.Contains(t.looking, name) {
		return "", unavailable("cannot use the variables " + strings.Join(append(t.looking, name), " → ") + ": each needs the next")
	}
	if err := t.failed[name]; err != nil {
		return "", err
	}
	value, given := t.values[name]
	if !given {
		fallback, ok := scalar(f.setting)
		if !ok && f.value != nil {
			return "", unavailable("cannot use " + f.kind() + " as the variable \"" + name + "\": want text")
		}
		t.looking = append(t.looking, name)
		defer func() { t.looking = t.looking[:len(t.looking)-1] }()
		s := t.scope()
		s.env = t.Env
		var err error
		if value, err = s.render(text{fallback, f.setting.at}, nil); err != nil {
			for _, using := range t.looking { // all that led here
				t.failed[using] = err
			}
			return "", err
		}
	}
	if slices.Contains(t.sensitive, name) {
		value = t.secrets.mark(name, value)
	}
	t.known[name] = value
	return value, nil
}

func (t *jsonTemplate) scope() *scope {
	return &scope{dir: t.dir, cwd: t.Dir, now: t.now, user: t.variable, secrets: t.secrets}
}

// drafts returns the builds. Each has all provisioners and post-processors.
func (t *jsonTemplate) drafts(root *object) []draft {
	for _, name := range t.names() {
		if _, err := t.variable(name); err != nil { // also of those that nothing uses
			t.problem(err, t.variables.get(name).setting.at)
		}
	}
	var provisioners []component
	for _, s := range t.section(root, "provisioners") {
		if c, ok := t.component(s, "provisioner"); ok {
			provisioners = append(provisioners, c)
		}
	}
	var post [][]component
	for _, s := range t.section(root, "post-processors") {
		post = append(post, t.sequence(s))
	}
	var drafts []draft
	for _, s := range t.section(root, "builders") {
		if d, ok := t.draft(s); ok {
			d.provisioners, d.post = provisioners, post
			drafts = append(drafts, d)
		}
	}
	if f := root.get("builders"); len(drafts) == 0 && t.problems.err() == nil {
		at := root.at
		if f != nil {
			at = f.at
		}
		t.problems.add(at, "cannot build anything: the template has no builders")
	}
	for i, d := range drafts {
		for _, other := range drafts[:i] {
			if d.name == other.name {
				t.problems.add(d.builder.at, "cannot have two builds called %q: give one of the builders a name", d.name)
			}
		}
	}
	return drafts
}

// problem adds err, at a place unless it has one.
func (t *jsonTemplate) problem(err error, at place) {
	if slipway.CodeOf(err) == slipway.Invalid {
		t.problems = append(t.problems, err)
		return
	}
	t.problems.add(at, "%s", err)
}

func (t *jsonTemplate) section(root *object, name string) []setting {
	f := root.get(name)
	if f == nil || f.value == nil {
		return nil
	}
	list, ok := f.value.([]setting)
	if !ok {
		t.problems.add(f.setting.at, "cannot use %s here: want a list of %s", f.kind(), name)
	}
	return list
}

func (t *jsonTemplate) sequence(s setting) []component {
	list, ok := s.value.([]setting)
	if !ok {
		list = []setting{s}
	}
	var all []component
	for _, s := range list {
		if name, ok := s.value.(string); ok { // the name alone stands for one without settings
			s.value = &object{at: s.at, fields: []field{{name: "type", at: s.at, setting: setting{s.at, name}}}}
		}
		if c, ok := t.component(s, "post-processor"); ok {
			all = append(all, c)
		}
	}
	return all
}

// component reads an object with a type.
func (t *jsonTemplate) component(s setting, kind string) (component, bool) {
	o, ok := s.value.(*object)
	if !ok {
		t.problems.add(s.at, "cannot use %s here: want an object that is a %s", s.kind(), kind)
		return component{}, false
	}
	f := o.get("type")
	if f == nil {
		t.problems.add(s.at, "cannot tell what this %s is: write its type", kind)
		return component{}, false
	}
	typ, ok := f.value.(string)
	if !ok || typ == "" {
		t.problems.add(f.setting.at, "cannot use %s here: want the type of a %s", f.kind(), kind)
		return component{}, false
	}
	_, settings := o.split("type")
	return component{kind: kind, typ: typ, at: f.setting.at, settings: settings}, true
}

func (t *jsonTemplate) draft(s setting) (draft, bool) {
	c, ok := t.component(s, "builder")
	if !ok {
		return draft{}, false
	}
	d := draft{name: c.typ, scope: t.scope()}
	if f := c.settings.get("name"); f != nil {
		name, ok := f.value.(string)
		if !ok || name == "" {
			t.problems.add(f.setting.at, "cannot use %s here: want a name", f.kind())
			return d, false
		}
		rendered, err := d.scope.render(text{name, f.setting.at}, nil)
		if err != nil {
			t.problems = append(t.problems, err)
			return d, false
		}
		t.secrets.plain(&t.problems, text{rendered, f.setting.at}, "a name")
		d.name = rendered
	}
	_, c.settings = c.settings.split("name")
	d.path, d.source, d.builder = d.name, d.name, c
	d.scope.name, d.scope.kind = d.name, c.typ
	return d, true
}
