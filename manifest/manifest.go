// Package manifest reads slipway.yaml: it turns the file into a [slipway.Spec], says what is wrong with it by line and
// column, describes its form as JSON Schema, and collects the files a bake of it needs.
package manifest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/pipeline"
)

// maxBytes is the size of the largest slipway.yaml that is read.
const maxBytes = 1 << 20

// Manifest is a slipway.yaml that was read and found right.
type Manifest struct {
	Name string // the file's name as the user gave it, for messages
	Dir  string // the directory its paths are relative to
	Spec slipway.Spec

	marks       map[string]mark
	translation *Translation // of a template, which says what the image is made of
}

// Load reads the file. Its errors are those of [Parse], and NotFound if there is no such file.
func Load(file string) (*Manifest, error) {
	data, err := readFile(file)
	if err != nil {
		return nil, err
	}
	m, err := parse(file, data)
	if err != nil {
		return nil, err
	}
	m.Dir = filepath.Dir(file)
	return m, nil
}

// Parse reads data, the content of the file called name. Its error joins one Invalid [slipway.Error] for every mistake, with
// "name:line:column" as Place: first all mistakes of form (syntax, unknown and duplicate keys, wrong types), and, once there
// are none of those, all that [slipway.Spec.Validate] finds.
func Parse(name string, data []byte) (slipway.Spec, error) {
	m, err := parse(name, data)
	if err != nil {
		return slipway.Spec{}, err
	}
	return m.Spec, nil
}

// Locate returns err with every place in the spec ("image.layers[2].copy.to") replaced by where that stands in the file; what
// follows it ("…: archive entry ../x") stays. An error that names no place in the spec is returned as it is.
func (m *Manifest) Locate(err error) error {
	var joined interface{ Unwrap() []error }
	if errors.As(err, &joined) {
		var all []error
		for _, err := range joined.Unwrap() {
			all = append(all, m.Locate(err))
		}
		return errors.Join(all...)
	}
	var e *slipway.Error
	if !errors.As(err, &e) {
		return err
	}
	place, within, deeper := strings.Cut(e.Place, ": ")
	inSpec := false
	for _, top := range []string{"application", "image", "environments", "pipeline", "pipelines", "retention"} {
		rest, ok := strings.CutPrefix(place, top)
		inSpec = inSpec || ok && (rest == "" || rest[0] == '.' || rest[0] == '[')
	}
	if !inSpec {
		return err
	}
	at := m.at(place)
	if deeper {
		at += ": " + within
	}
	return e.At(at)
}

// at returns "name:line:column" of the place, or of the nearest thing around it that is written in the file.
func (m *Manifest) at(place string) string {
	for {
		if at, ok := m.marks[place]; ok {
			return at.in(m.Name)
		}
		if m.translation != nil {
			if at, ok := m.translation.Places[place]; ok {
				return at
			}
		}
		i := strings.LastIndexAny(place, ".[")
		if i < 0 {
			return mark{1, 1}.in(m.Name)
		}
		place = place[:i]
	}
}

func parse(name string, data []byte) (*Manifest, error) {
	m, err := read(name, data)
	if err != nil {
		return nil, err
	}
	if err := m.Spec.Validate(); err != nil {
		return nil, m.Locate(err)
	}
	if err := pipeline.Check(m.Spec); err != nil {
		return nil, m.Locate(err)
	}
	return m, nil
}

// read is as parse, without looking whether what is well formed makes sense.
func read(name string, data []byte) (*Manifest, error) {
	r := reader{name: name, marks: map[string]mark{}}
	doc := r.document(data)
	if doc == nil || len(r.problems) > 0 {
		return nil, errors.Join(r.problems...)
	}
	value := r.value(doc, reflect.TypeFor[slipway.Spec](), "")
	if len(r.problems) > 0 {
		return nil, errors.Join(r.problems...)
	}
	m := &Manifest{Name: name, Dir: ".", marks: r.marks}
	if err := decode(value, &m.Spec); err != nil {
		return nil, slipway.Errorf(slipway.Invalid, "cannot use it: %w", err).At(mark{1, 1}.in(name))
	}
	return m, nil
}

// decode puts value, which was made after the form of *spec, into *spec.
func decode(value any, spec *slipway.Spec) error {
	b, err := json.Marshal(value)
	if err != nil {
		return err
	}
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.DisallowUnknownFields()
	return dec.Decode(spec)
}

func readFile(file string) ([]byte, error) {
	info, err := os.Stat(file)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return nil, slipway.Errorf(slipway.NotFound, "cannot find %s: go to the directory of your slipway.yaml, or name it with --file", file)
	case err != nil:
		return nil, slipway.Errorf(slipway.Invalid, "cannot read %s: %w", file, err)
	case info.IsDir():
		return nil, slipway.Errorf(slipway.Invalid, "cannot read %s: it is a directory; name the file in it", file)
	case info.Size() > maxBytes:
		return nil, slipway.Errorf(slipway.Invalid, "cannot read %s: it is larger than %d bytes", file, maxBytes)
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, slipway.Errorf(slipway.Invalid, "cannot read %s: %w", file, err)
	}
	return data, nil
}

// mark is a position in the file, counted from one.
type mark struct{ line, column int }

func (m mark) in(name string) string { return fmt.Sprintf("%s:%d:%d", name, m.line, m.column) }
