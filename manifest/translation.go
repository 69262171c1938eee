package manifest

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"

	"github.com/slipway-sh/slipway"
)

// Translation is an image that a template of another kind describes, in the words of a spec.
type Translation struct {
	Name   string                 // the template's file, for messages
	Dir    string                 // its directory
	Spec   slipway.Spec           // the application, and the image
	Places map[string]string      // where places of the spec stand in the template: "image.layers[2]" → "web.json:14:5"
	Files  []slipway.ContextEntry // what the layers need of the build context
	Tree   fs.FS                  // the contents of Files
}

// Manifest returns the translation as if a slipway.yaml had been read. If file is not "", that slipway.yaml says what a template
// cannot: application, service, tests, environments and retention are its, and it must have neither image.from nor image.layers.
// Its errors are those of [Load].
func (t Translation) Manifest(file string) (*Manifest, error) {
	m := &Manifest{Name: t.Name, Dir: t.Dir, Spec: t.Spec, translation: &t}
	if file != "" {
		if err := m.around(file); err != nil {
			return nil, err
		}
	}
	if err := m.Spec.Validate(); err != nil {
		return nil, m.Locate(err)
	}
	return m, nil
}

// around reads the slipway.yaml of a translation.
func (m *Manifest) around(file string) error {
	data, err := readFile(file)
	if err != nil {
		return err
	}
	own, err := read(file, data)
	if err != nil {
		return err
	}
	m.Name, m.Dir, m.marks = file, filepath.Dir(file), own.marks
	var twice []error
	if own.Spec.Image.From != "" {
		twice = append(twice, slipway.Errorf(slipway.Invalid, "cannot have image.from beside a template: %s says what the image starts from; --file=\"\" bakes it without this file", m.translation.Name).At(m.at("image.from")))
	}
	if len(own.Spec.Image.Layers) > 0 {
		twice = append(twice, slipway.Errorf(slipway.Invalid, "cannot have image.layers beside a template: %s has the layers; --file=\"\" bakes it without this file", m.translation.Name).At(m.at("image.layers")))
	}
	if err := errors.Join(twice...); err != nil {
		return err
	}
	image := m.Spec.Image
	m.Spec = own.Spec
	m.Spec.Image.From, m.Spec.Image.Layers = image.From, image.Layers
	if reflect.DeepEqual(m.Spec.Image.Service, slipway.Service{}) {
		m.Spec.Image.Service = image.Service
	}
	return nil
}

// Tree lists a file, or a directory with all that is in it, by the rules of [Manifest.Context]. Paths are relative to name, which is
// itself the first entry, ".".
func Tree(ctx context.Context, name string) ([]slipway.ContextEntry, error) {
	dir, within := name, "."
	info, err := os.Stat(name)
	if err == nil && !info.IsDir() {
		dir, within = filepath.Split(name)
	}
	root, err := os.OpenRoot(filepath.Clean(dir))
	if err != nil {
		return nil, unreadable(name, err)
	}
	defer root.Close()
	c := collector{root: root, entries: map[string]slipway.ContextEntry{}}
	if info, err = root.Stat(within); err != nil {
		return nil, unreadable(name, err)
	}
	if err := c.add(within, info); err != nil {
		return nil, err
	}
	entries, err := c.digest(ctx)
	if err != nil {
		return nil, err
	}
	if within != "." {
		entries[0].Path = "."
		return entries, nil
	}
	return append([]slipway.ContextEntry{{Path: ".", Mode: uint32(info.Mode().Perm()), Dir: true}}, entries...), nil
}

// Files is an open build context: the file system of what [Manifest.Context] lists.
type Files struct {
	root *os.Root
	t    *Translation
}

// Open opens the build context. The caller closes it.
func (m *Manifest) Open() (*Files, error) {
	root, err := os.OpenRoot(m.Dir)
	if err != nil {
		return nil, slipway.Errorf(slipway.Invalid, "cannot read the directory of %s: %w", m.Name, err)
	}
	return &Files{root, m.translation}, nil
}

// Open implements [fs.FS].
func (f *Files) Open(name string) (fs.File, error) {
	if f.t != nil {
		if file, err := f.t.Tree.Open(name); err == nil || !errors.Is(err, fs.ErrNotExist) {
			return file, err
		}
	}
	return f.root.FS().Open(name)
}

// Close closes the directory. Files that were opened in it stay open.
func (f *Files) Close() error { return f.root.Close() }
