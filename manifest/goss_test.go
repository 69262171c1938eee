package manifest

import (
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/slipway-sh/slipway"
)

func TestGossFiles(t *testing.T) {
	const spec = "application: hello\nimage: {from: scratch, service: {command: [/a]}, tests: [{goss: test/goss.yaml}]}\n"
	good := "file: {/a: {exists: true}}\n"
	for _, c := range []struct {
		name    string
		files   map[string]string
		context string // the paths of the files
		problem string
	}{
		{"alone", map[string]string{"goss.yaml": good, "other.yaml": good}, "test/goss.yaml", ""},
		{"includes", map[string]string{"goss.yaml": "gossfile: {a.yaml: {}, 'more/*.yaml': {}}\n", "a.yaml": "gossfile: {more/b.yaml: {}}", "more/b.yaml": good, "c.yaml": good},
			"test/a.yaml test/goss.yaml test/more/b.yaml", ""},
		{"includes itself", map[string]string{"goss.yaml": "gossfile: {goss.yaml: {}}\n"}, "test/goss.yaml", ""},
		{"is missing", nil, "", "cannot find test/goss.yaml"},
		{"mistake", map[string]string{"goss.yaml": "\nfiel: {}\n"}, "", `test/goss.yaml:2: goss has no resource "fiel"`},
		{"mistake further down", map[string]string{"goss.yaml": "gossfile: {a.yaml: {}}\n", "a.yaml": "- x"}, "", "test/a.yaml:1: cannot use it as a goss file"},
		{"included file is missing", map[string]string{"goss.yaml": "gossfile: {a.yaml: {}}\n"}, "", "test/goss.yaml: cannot include a.yaml: there is no such file"},
		{"included file is elsewhere", map[string]string{"goss.yaml": "gossfile: {../a.yaml: {}}\n"}, "", "want goss files beside or below this one"},
		{"included file is absolute", map[string]string{"goss.yaml": "gossfile: {/etc/a.yaml: {}}\n"}, "", "want goss files beside or below this one"},
		{"template", map[string]string{"goss.yaml": "gossfile: {a.yaml: {}}\nfile: {{range x}}{{end}}\n", "a.yaml": good}, "test/a.yaml test/goss.yaml", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			files := map[string]string{"../slipway.yaml": spec}
			maps.Copy(files, c.files)
			for name, text := range files {
				path := filepath.Join(dir, "test", name)
				if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			m, err := Load(filepath.Join(dir, "slipway.yaml"))
			if err != nil {
				t.Fatal(err)
			}
			entries, err := m.Context(t.Context())
			if c.problem != "" {
				if slipway.CodeOf(err) != slipway.Invalid || !strings.Contains(err.Error(), c.problem) {
					t.Errorf("%v, want %s", err, c.problem)
				}
				return
			}
			var got []string
			for _, e := range entries {
				if e.Digest != "" {
					got = append(got, e.Path)
				}
			}
			if err != nil || strings.Join(got, " ") != c.context {
				t.Errorf("%q, %v; want %s", got, err, c.context)
			}
		})
	}
}
