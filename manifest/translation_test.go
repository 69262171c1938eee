package manifest

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-sh/slipway"
)

// translated returns an image of one layer that comes from line 3 of a template.
func translated() Translation {
	content := []byte("#!/bin/sh\n")
	return Translation{
		Name: "t.json", Dir: ".",
		Spec: slipway.Spec{Application: "own", Image: slipway.ImageSpec{
			From:    "debian:bookworm",
			Layers:  []slipway.Layer{{Run: &slipway.RunLayer{Script: ".made/run"}}},
			Service: slipway.Service{Command: []string{"/own"}},
		}},
		Places: map[string]string{"image": "t.json:1:1", "image.layers[0]": "t.json:3:5"},
		Files: []slipway.ContextEntry{
			{Path: ".made", Mode: 0o755, Dir: true},
			{Path: ".made/run", Mode: 0o755, Digest: slipway.DigestOf(content), Size: int64(len(content))},
		},
		Tree: fstest.MapFS{".made/run": {Data: content}},
	}
}

func TestTranslationAlone(t *testing.T) {
	m, err := translated().Manifest("")
	if err != nil {
		t.Fatal(err)
	}
	err = m.Locate(slipway.Errorf(slipway.Failed, "cannot run it").At("image.layers[0].run: line 2"))
	if want := "t.json:3:5: line 2: cannot run it"; err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	wrong := translated()
	wrong.Spec.Image.Layers[0].Run.Script = "../run"
	if _, err := wrong.Manifest(""); err == nil || !strings.HasPrefix(err.Error(), "t.json:3:5: cannot use \"../run\"") {
		t.Errorf("got %v", err)
	}
}

func TestTranslationAround(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "slipway.yaml")
	writeFile(t, filepath.Join(dir, "test", "goss.yaml"), "{}")
	writeFile(t, file, "application: theirs\nimage:\n  service: {command: [/theirs]}\n  tests: [{goss: test/goss.yaml}]\nenvironments:\n  dev: {size: 2}\n")
	m, err := translated().Manifest(file)
	if err != nil {
		t.Fatal(err)
	}
	if got := m.Spec.Application + m.Spec.Image.From + m.Spec.Image.Service.Command[0]; got != "theirsdebian:bookworm/theirs" || len(m.Spec.Image.Layers) != 1 {
		t.Errorf("got %+v", m.Spec)
	}
	entries, err := m.Context(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	tree, err := m.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer tree.Close()
	var read []string
	for _, e := range entries {
		if e.Digest == "" {
			continue
		}
		content, err := fs.ReadFile(tree, e.Path)
		if err != nil || slipway.DigestOf(content) != e.Digest {
			t.Errorf("%s has %q, %v", e.Path, content, err)
		}
		read = append(read, e.Path)
	}
	if diff := cmp.Diff([]string{".made/run", "test/goss.yaml"}, read); diff != "" {
		t.Error(diff)
	}
	for place, want := range map[string]string{
		"image.layers[0].run":   "t.json:3:5",
		"image.tests[0].goss":   file + ":4:18",
		"environments.dev.size": file + ":6:15",
		"image.from":            file + ":2:1",
	} {
		var e *slipway.Error
		if err := m.Locate(slipway.Errorf(slipway.Invalid, "cannot").At(place)); !errors.As(err, &e) || e.Place != want {
			t.Errorf("%s became %s, want %s", place, e.Place, want)
		}
	}
}

func TestTranslationMistakes(t *testing.T) {
	dir := t.TempDir()
	for name, test := range map[string]struct{ file, want string }{
		"both":       {"application: a\nimage:\n  from: scratch\n  layers: [{packages: [a]}]\n", "slipway.yaml:3:9: cannot have image.from beside a template: t.json says;slipway.yaml:4:3: cannot have image.layers beside a template"},
		"form":       {"application: a\nimage: {form: x}\n", "slipway.yaml:2:9: cannot use the key"},
		"content":    {"application: A\n", "slipway.yaml:1:14: cannot use \"A\" as name"},
		"not there":  {"", "cannot find "},
		"own places": {"application: a\nimage: {service: {command: [/a], port: -1}}\n", "slipway.yaml:2:40: cannot use port -1"},
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(dir, "slipway.yaml")
			if err := os.RemoveAll(file); err != nil {
				t.Fatal(err)
			}
			if test.file != "" {
				writeFile(t, file, test.file)
			}
			_, err := translated().Manifest(file)
			if err == nil {
				t.Fatal("no error")
			}
			got, want := strings.Split(strings.ReplaceAll(err.Error(), dir+"/", ""), "\n"), strings.Split(test.want, ";")
			for i := range want {
				if len(got) != len(want) || !strings.HasPrefix(got[i], want[i]) {
					t.Fatalf("got\n%s\nwant\n%s", err, test.want)
				}
			}
		})
	}
}

func TestTree(t *testing.T) {
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, "a", "b"), "b")
	if err := os.Symlink("b", filepath.Join(dir, "a", "l")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/etc/passwd", filepath.Join(dir, "out")); err != nil {
		t.Fatal(err)
	}
	b := slipway.ContextEntry{Mode: 0o644, Digest: slipway.DigestOf([]byte("b")), Size: 1}
	file, below := b, b
	file.Path, below.Path = ".", "b"
	for name, want := range map[string][]slipway.ContextEntry{
		"a":   {{Path: ".", Mode: 0o755, Dir: true}, below, {Path: "l", Mode: 0o777, Link: "b"}},
		"a/b": {file},
	} {
		got, err := Tree(t.Context(), filepath.Join(dir, name))
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("%s: %v, want -, got +:\n%s", name, err, diff)
		}
	}
	if _, err := Tree(t.Context(), dir); slipway.CodeOf(err) != slipway.Invalid {
		t.Errorf("a link that leads out: %v", err)
	}
	if _, err := Tree(t.Context(), filepath.Join(dir, "gone")); slipway.CodeOf(err) != slipway.Invalid {
		t.Errorf("nothing there: %v", err)
	}
}
