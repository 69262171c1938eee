// Package packer reads Packer's templates, JSON and HCL, and turns each of their builds into an image that slipwayd can bake: what
// the builder starts from, and a layer for each thing a provisioner does. It runs nothing and asks no one. What it cannot turn into
// something that does the same is an error with the place in the template; what has no meaning for a bake is noted.
package packer

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/slipway-sh/slipway"
)

// maxBytes is the size of the largest template, file of variables or script that is read into memory.
const maxBytes = 8 << 20

// epoch is what takes the place of the current time unless SOURCE_DATE_EPOCH is set: the time that every file of a layer has.
const epoch = 946684800

// Options says what to read, and how.
type Options struct {
	Path        string   // of a .json or .pkr.hcl file, or of a directory of .pkr.hcl files
	Vars        []string // "name=value"
	VarFiles    []string
	Only        []string // builds to take, all if empty: names, or in HCL patterns such as "*.docker.web"
	Except      []string // builds to leave out, by the same names, and post-processors, by name or type
	From        string   // what all builds start from instead of what their builders say: "debian:bookworm"
	Application string   // of the images; default: the name of the file or directory
	Dir         string   // relative paths are relative to it; default: the working directory
	Env         func(string) string
}

// Template is a template that was read and found right.
type Template struct {
	Builds []*Build
	Notes  []string // what has no effect, with places
}

// Load reads a template. It reads the scripts that it names, and not yet the files. Its error joins one [slipway.Error] for every
// mistake: Invalid with "file:line:column" as Place, NotFound if there is no such template.
func Load(o Options) (*Template, error) {
	dir, err := filepath.Abs(o.Dir)
	if err != nil {
		return nil, err
	}
	o.Dir = dir
	if o.Env == nil {
		o.Env = func(string) string { return "" }
	}
	info, err := os.Stat(absolute(o.Dir, o.Path))
	switch {
	case os.IsNotExist(err):
		return nil, slipway.Errorf(slipway.NotFound, "cannot find the template %s", o.Path)
	case err != nil:
		return nil, slipway.Errorf(slipway.Invalid, "cannot read the template %s: %w", o.Path, err)
	}
	now, err := o.now()
	if err != nil {
		return nil, err
	}
	r := reader{Options: o, now: now, secrets: &secrets{values: map[string]string{}}}
	var drafts []draft
	switch {
	case info.IsDir(), strings.HasSuffix(o.Path, ".pkr.hcl"):
		drafts, err = r.hcl(info.IsDir())
	case strings.HasSuffix(o.Path, ".pkr.json"):
		err = slipway.Errorf(slipway.Invalid, "cannot read HCL that is written as JSON: write it as .pkr.hcl").At(o.Path)
	case strings.HasSuffix(o.Path, ".hcl"):
		err = slipway.Errorf(slipway.Invalid, "cannot read it: a template in HCL has a name that ends with .pkr.hcl").At(o.Path)
	default:
		drafts, err = r.json()
	}
	if err != nil {
		return nil, err
	}
	images := 0
	for _, d := range drafts {
		for _, name := range []string{d.source, d.path} {
			if !slices.Contains(r.builds, name) {
				r.builds = append(r.builds, name)
			}
		}
		if d.builder.typ != "file" {
			images++
		}
	}
	if drafts, err = r.chosen(drafts); err != nil {
		return nil, err
	}
	return r.translate(drafts, images > 1)
}

// reader is a template being read.
type reader struct {
	Options
	now     time.Time
	secrets *secrets
	notes   []string
	builds  []string // names that only and except may have
}

// translate turns drafts into builds. If the template has several images, each is called after its build too.
func (r *reader) translate(drafts []draft, several bool) (*Template, error) {
	var mistakes problems
	t := &Template{}
	application := r.Application
	if application == "" {
		application = applicationName(absolute(r.Dir, r.Path))
	}
	for _, d := range drafts {
		b := r.build(d, &mistakes)
		b.application = application
		if several {
			b.application = shortened(application + "-" + clean(b.Name))
		}
		t.Builds = append(t.Builds, b)
	}
	if err := mistakes.unique(); err != nil {
		return nil, err
	}
	t.Notes = r.notes
	return t, nil
}

// readFile returns the content of a file that the template at names.
func (r *reader) readFile(name string, at place) ([]byte, error) {
	fail := func(format string, args ...any) ([]byte, error) {
		return nil, slipway.Errorf(slipway.Invalid, format, args...).At(at.String())
	}
	full := absolute(r.Dir, name)
	info, err := os.Stat(full)
	switch {
	case os.IsNotExist(err):
		return fail("cannot find %s%s", name, r.elsewhere(name))
	case err != nil:
		return fail("cannot read %s: %w", name, err)
	case !info.Mode().IsRegular():
		return fail("cannot use %s: want a file", name)
	case info.Size() > maxBytes:
		return fail("cannot use %s: it is larger than %d MiB", name, maxBytes>>20)
	}
	data, err := os.ReadFile(full)
	if err != nil {
		return fail("cannot read %s: %w", name, err)
	}
	return data, nil
}

// elsewhere says where relative paths begin, if the file lies beside the template instead.
func (r *reader) elsewhere(name string) string {
	if filepath.IsAbs(name) {
		return ""
	}
	dir := r.templateDir()
	if _, err := os.Stat(filepath.Join(dir, name)); err == nil && dir != r.Dir {
		return ": as with Packer, a path is relative to the working directory, and the file lies beside the template; go to " + dir + " first"
	}
	return ": a path is relative to the working directory"
}

// templateDir returns the directory of the template.
func (r *reader) templateDir() string {
	dir := absolute(r.Dir, r.Path)
	if info, err := os.Stat(dir); err == nil && !info.IsDir() {
		dir = filepath.Dir(dir)
	}
	return dir
}

// now returns what takes the place of the current time.
func (o Options) now() (time.Time, error) {
	said := o.Env("SOURCE_DATE_EPOCH")
	if said == "" {
		return time.Unix(epoch, 0).UTC(), nil
	}
	seconds, err := strconv.ParseInt(said, 10, 64)
	if err != nil {
		return time.Time{}, slipway.Errorf(slipway.Invalid, "cannot use SOURCE_DATE_EPOCH=%s: want seconds since 1970", said)
	}
	return time.Unix(seconds, 0).UTC(), nil
}

// unfit matches what the name of an application cannot have.
var unfit = regexp.MustCompile(`[^a-z0-9]+`)

// applicationName returns a name for the application of the template at path.
func applicationName(path string) string {
	name := filepath.Base(path)
	for _, ending := range []string{".json", ".hcl", ".pkr"} {
		name = strings.TrimSuffix(name, ending)
	}
	if name = clean(name); name == "" || name[0] >= '0' && name[0] <= '9' {
		name = "image-" + name
	}
	return shortened(name)
}

func clean(name string) string {
	return strings.Trim(unfit.ReplaceAllString(strings.ToLower(name), "-"), "-")
}

// shortened cuts a name to what an application may be called.
func shortened(name string) string { return strings.TrimRight(name[:min(len(name), 32)], "-") }
