package packer

import (
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/manifest"
)

// hclTemplate is a template in HCL: a file, or all files of a directory.
type hclTemplate struct {
	*reader
	problems  problems
	dir       string // path.root
	beside    string // what to say of files that may have what is missing
	variables map[string]*hclVariable
	locals    map[string]*hclLocal
	sources   map[string]*hclsyntax.Block // by "docker.web"
	plans     []*hclsyntax.Block          // build blocks
	looking   []string                    // locals that are being evaluated
}

// hcl reads the template in HCL.
func (r *reader) hcl(isDir bool) ([]draft, error) {
	t := &hclTemplate{
		reader: r, dir: absolute(r.Dir, r.Path),
		variables: map[string]*hclVariable{}, locals: map[string]*hclLocal{}, sources: map[string]*hclsyntax.Block{},
	}
	files := []string{r.Path}
	if isDir {
		var err error
		if files, err = t.filesNamed(".pkr.hcl"); err != nil {
			return nil, err
		}
		if len(files) == 0 {
			return nil, slipway.Errorf(slipway.NotFound, "cannot find a template in %s: there is no file whose name ends with .pkr.hcl", r.Path)
		}
	} else {
		t.dir = filepath.Dir(t.dir)
		if list, err := filepath.Glob(filepath.Join(t.dir, "*.pkr.hcl")); err == nil && len(list) > 1 {
			t.beside = "; the other files beside it are read if the directory is named"
		}
	}
	for _, file := range files {
		if body := t.parse(file); body != nil {
			t.top(body)
		}
	}
	if err := t.problems.err(); err != nil {
		return nil, err
	}
	if t.giveValues(isDir); t.problems.err() == nil && t.From == "" {
		t.evaluateLocals() // otherwise those that the builders alone need are not looked at, as the builders are not
	}
	if err := t.problems.err(); err != nil {
		return nil, err
	}
	var drafts []draft
	for _, b := range t.plans {
		drafts = append(drafts, t.build(b)...)
	}
	if len(drafts) == 0 && t.problems.err() == nil {
		t.problems.add(place{file: r.Path}, "cannot build anything: the template has no build with sources")
	}
	return drafts, t.problems.unique()
}

// filesNamed returns the files of the template's directory whose names have this ending, sorted.
func (t *hclTemplate) filesNamed(ending string) ([]string, error) {
	list, err := os.ReadDir(absolute(t.Dir, t.Path))
	if err != nil {
		return nil, slipway.Errorf(slipway.Invalid, "cannot read the directory %s: %w", t.Path, err)
	}
	var names []string
	for _, entry := range list {
		if strings.HasSuffix(entry.Name(), ending) && !entry.IsDir() {
			names = append(names, filepath.Join(t.Path, entry.Name()))
		}
	}
	return names, nil
}

// parse reads a file, and returns nil after adding a problem.
func (t *hclTemplate) parse(file string) *hclsyntax.Body {
	data, err := t.readFile(file, place{file: file})
	if err != nil {
		t.problems = append(t.problems, err)
		return nil
	}
	f, diags := hclsyntax.ParseConfig(data, file, hcl.InitialPos)
	if diags.HasErrors() {
		t.diagnose(diags, "read it as HCL")
		return nil
	}
	return f.Body.(*hclsyntax.Body) // as the parser of this syntax documents
}

// topBlocks are what there may be in a file, with the number of labels.
var topBlocks = map[string]int{"packer": 0, "variable": 1, "variables": 0, "local": 1, "locals": 0, "source": 2, "build": 0, "data": 2}

// top takes the blocks of a file.
func (t *hclTemplate) top(body *hclsyntax.Body) {
	for _, a := range attributes(body) {
		t.problems.add(at(a.NameRange), "cannot use %s here: want a block; %s", a.Name, manifest.Suggestion(a.Name, keys(topBlocks)))
	}
	for _, b := range body.Blocks {
		labels, known := topBlocks[b.Type]
		switch {
		case b.Type == "dynamic":
			t.dynamic(b)
		case !known:
			t.problems.add(at(b.TypeRange), "cannot use the block %q: %s", b.Type, manifest.Suggestion(b.Type, keys(topBlocks)))
		case len(b.Labels) != labels:
			t.problems.add(at(b.TypeRange), "cannot use a %s block with %d labels: want %d", b.Type, len(b.Labels), labels)
		default:
			t.block(b)
		}
	}
}

func (t *hclTemplate) block(b *hclsyntax.Block) {
	switch b.Type {
	case "packer":
		for _, name := range []string{"required_version", "required_plugins"} {
			if body, ok := has(b.Body, name); ok {
				t.notes = append(t.notes, body.String()+": "+name+" has no effect: slipway reads the template, and installs nothing")
			}
		}
	case "variable":
		t.declare(b)
	case "variables":
		for _, a := range attributes(b.Body) {
			t.declareAs(a.Name, &hclVariable{at: at(a.NameRange), fallback: a.Expr})
		}
	case "local":
		t.local(b)
	case "locals":
		for _, a := range attributes(b.Body) {
			t.addLocal(a.Name, &hclLocal{at: at(a.NameRange), expr: a.Expr})
		}
	case "source":
		name := b.Labels[0] + "." + b.Labels[1]
		if other := t.sources[name]; other != nil {
			t.problems.add(at(b.TypeRange), "cannot have the source %q twice: it is at %s too", name, at(other.TypeRange))
		}
		t.sources[name] = b
		t.builds = append(t.builds, name)
	case "build":
		t.plans = append(t.plans, b)
	case "data":
		if t.From != "" {
			t.notes = append(t.notes, at(b.TypeRange).String()+": data has no effect: the image starts from "+t.From)
			return
		}
		t.problems.add(at(b.TypeRange), "cannot use the data source %s.%s: slipway asks no cloud; "+
			"hand what it finds in with a variable, or add --from", b.Labels[0], b.Labels[1])
	}
}

// has returns where the body has an attribute or a block of this name.
func has(body *hclsyntax.Body, name string) (place, bool) {
	if a := body.Attributes[name]; a != nil {
		return at(a.NameRange), true
	}
	for _, b := range body.Blocks {
		if b.Type == name {
			return at(b.TypeRange), true
		}
	}
	return place{}, false
}

func (t *hclTemplate) dynamic(b *hclsyntax.Block) {
	t.problems.add(at(b.TypeRange), "cannot use a dynamic block: it is not supported; write its blocks out")
}

// attributes returns the attributes of a body in the order of the file.
func attributes(body *hclsyntax.Body) []*hclsyntax.Attribute {
	var list []*hclsyntax.Attribute
	for _, a := range body.Attributes {
		list = append(list, a)
	}
	slices.SortFunc(list, func(a, b *hclsyntax.Attribute) int { return a.NameRange.Start.Byte - b.NameRange.Start.Byte })
	return list
}

func at(r hcl.Range) place { return place{r.Filename, r.Start.Line, r.Start.Column} }

// diagnose adds a problem for every error among diags.
func (t *hclTemplate) diagnose(diags hcl.Diagnostics, doing string) {
	for _, d := range diags {
		if d.Severity != hcl.DiagError {
			continue
		}
		where := place{file: t.Path}
		if d.Subject != nil {
			where = at(*d.Subject)
		}
		message := strings.TrimSuffix(d.Detail, ".")
		if message == "" {
			message = d.Summary
		}
		t.problems.add(where, "cannot %s: %s", doing, strings.ToLower(message[:1])+message[1:])
	}
}
