package packer

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/slipway-sh/slipway/manifest"
)

var update = flag.Bool("update", false, "write what templates become into testdata")

// TestTemplates reads the templates in testdata: each file there is one, with the files that it names, and what it becomes. The
// comment at its top has the options, as on the command line.
func TestTemplates(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) < 6 {
		t.Fatalf("%d templates, %v", len(files), err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			dir := t.TempDir()
			i := slices.IndexFunc(archive.Files, func(f txtar.File) bool { return f.Name == "became" })
			if i < 0 {
				t.Fatal("there is no file \"became\"")
			}
			want := string(archive.Files[i].Data)
			for _, f := range archive.Files[:i] {
				write(t, filepath.Join(dir, f.Name), string(f.Data))
			}
			o := options(t, dir, string(archive.Comment))
			got := strings.ReplaceAll(describe(t, o), dir, "DIR")
			if *update {
				archive.Files[i].Data = []byte(got)
				if err := os.WriteFile(file, txtar.Format(archive), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("want -, got +:\n%s", diff)
			}
		})
	}
}

// options reads the lines "bake TEMPLATE --var NAME=VALUE …" and "env NAME=VALUE" of a comment.
func options(t testing.TB, dir, comment string) Options {
	t.Helper()
	env := map[string]string{}
	o := Options{Dir: dir, Env: func(name string) string { return env[name] }}
	for line := range strings.Lines(comment) {
		words := strings.Fields(line)
		switch {
		case len(words) == 0 || words[0] == "#":
		case words[0] == "env":
			name, value, _ := strings.Cut(words[1], "=")
			env[name] = value
		case words[0] == "bake":
			o.Path = words[1]
			for i := 2; i+1 < len(words); i += 2 {
				value := words[i+1]
				switch words[i] {
				case "--var":
					o.Vars = append(o.Vars, value)
				case "--var-file":
					o.VarFiles = append(o.VarFiles, value)
				case "--only":
					o.Only = append(o.Only, value)
				case "--except":
					o.Except = append(o.Except, value)
				case "--from":
					o.From = value
				case "--application":
					o.Application = value
				default:
					t.Fatalf("no option %s", words[i])
				}
			}
		default:
			t.Fatalf("no line %q", line)
		}
	}
	return o
}

// describe loads a template and tells what it becomes: what slipwayd is asked for, and the scripts that are made.
func describe(t testing.TB, o Options) string {
	t.Helper()
	template, err := Load(o)
	if err != nil {
		return "error\n" + err.Error() + "\n"
	}
	var b strings.Builder
	for _, note := range template.Notes {
		fmt.Fprintf(&b, "note %s\n", note)
	}
	for _, build := range template.Builds {
		if build.File != nil {
			fmt.Fprintf(&b, "build %s (%s): file %s\n", build.Name, build.Type, build.File.target.string)
			continue
		}
		m, err := build.Manifest(t.Context(), "")
		if err != nil {
			return "error\n" + err.Error() + "\n"
		}
		fmt.Fprintf(&b, "build %s (%s): %s from %s\n", build.Name, build.Type, m.Spec.Application, m.Spec.Image.From)
		if len(m.Spec.Image.Service.Command) > 0 {
			fmt.Fprintf(&b, "service %s\n", oneLine(t, m.Spec.Image.Service))
		}
		for i, l := range m.Spec.Image.Layers {
			fmt.Fprintf(&b, "layer %d %s %s\n", i+1, build.layers[i], oneLine(t, l))
		}
		for _, name := range slices.Sorted(maps.Keys(build.Secrets())) {
			fmt.Fprintf(&b, "secret %s %s\n", name, build.Secrets()[name])
		}
		b.WriteString(describeContext(t, m))
	}
	return b.String()
}

func describeContext(t testing.TB, m *manifest.Manifest) string {
	t.Helper()
	entries, err := m.Context(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	tree, err := m.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer tree.Close()
	var b strings.Builder
	for _, e := range entries {
		if e.Digest == "" || e.Path == sudoPath {
			continue
		}
		content, err := fs.ReadFile(tree, e.Path)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&b, "file %s %04o\n", e.Path, e.Mode)
		for line := range strings.Lines(string(content)) {
			b.WriteString("\t" + strings.TrimSuffix(line, "\n") + "\n")
		}
	}
	return b.String()
}

func oneLine(t testing.TB, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func write(t testing.TB, name, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

// TestExamples reads the examples that the documentation shows.
func TestExamples(t *testing.T) {
	examples := filepath.Join("..", "examples", "packer")
	for name, o := range map[string]Options{
		"site":    {Path: filepath.Join(examples, "site", "site.json")},
		"worker":  {Path: filepath.Join(examples, "worker", "worker.pkr.hcl")},
		"ansible": {Path: filepath.Join(examples, "ansible", "ansible.pkr.hcl"), From: "debian:bookworm"},
	} {
		t.Run(name, func(t *testing.T) {
			template, err := Load(o)
			if err != nil {
				t.Fatal(err)
			}
			yaml := ""
			if name == "site" {
				yaml = filepath.Join(examples, "site", "slipway.yaml")
			}
			m, err := template.Builds[0].Manifest(context.Background(), yaml)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := m.Context(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}
