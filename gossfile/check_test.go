package gossfile_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/gossfile"
)

func TestCheck(t *testing.T) {
	for _, c := range []struct {
		name, file, content string
		problems            []string // none: it is good
	}{
		{"good", "g.yaml", "file:\n  /etc/hosts: {exists: true}\nport: {'tcp:80': {listening: true}}\n", nil},
		{"JSON", "g.json", `{"file": {"/etc/hosts": {"exists": true}}}`, nil},
		{"anchor", "g.yml", "file:\n  /a: &x {exists: true}\n  /b: *x\n", nil},
		{"included file without properties", "g.yaml", "gossfile:\n  other.yaml:\n", nil},
		{"template", "g.yaml", "file: {{range}} whatever", nil},
		{"empty", "g.yaml", "", []string{"g.yaml: cannot use an empty goss file"}},
		{"comment", "g.yaml", "# nothing\n", []string{"cannot use an empty goss file"}},
		{"list", "d/g.yaml", "\n- file\n", []string{"d/g.yaml:2: cannot use it as a goss file"}},
		{"unknown", "g.yaml", "file: {}\nfiles: {}\nprot: {}\n", []string{`g.yaml:2: goss has no resource "files"`, `g.yaml:3: goss has no resource "prot"`}},
		{"resource is a list", "g.yaml", "file:\n  - /etc/hosts\n", []string{"g.yaml:2: cannot use this as file"}},
		{"properties are none", "g.yaml", "file:\n  /a: {}\n  /b: yes\n", []string{"g.yaml:3: cannot use this as the properties of file /b"}},
		{"syntax", "g.yaml", "file:\n  /a: {exists: true\nport: {}\n", []string{"g.yaml:"}},
		{"tabs", "g.yaml", "file:\n\t/a: {}\n", []string{"g.yaml:2: cannot read it as YAML"}},
		{"binary", "g.yaml", "\x00\x01", []string{"g.yaml:1: cannot read it as YAML"}},
		{"name", "g.txt", "file: {}", []string{"g.txt: cannot use it as a goss file: want a name that ends in"}},
		{"size", "g.yaml", strings.Repeat("#", gossfile.MaxSize+1), []string{"larger than 4 MiB"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := gossfile.Check(c.file, []byte(c.content))
			if len(c.problems) == 0 {
				if err != nil {
					t.Error(err)
				}
				return
			}
			if slipway.CodeOf(err) != slipway.Invalid {
				t.Fatalf("%v, want Invalid", err)
			}
			for _, problem := range c.problems {
				if !strings.Contains(err.Error(), problem) {
					t.Errorf("%v\nwant %s", err, problem)
				}
			}
		})
	}
}

func TestIncludes(t *testing.T) {
	content := "gossfile:\n  b.yaml: {}\n  more/*.yaml:\n  alias: {file: a.yaml}\nfile: {{if .Env.X}}{}{{end}}\n"
	if got := gossfile.Includes([]byte(content)); !slices.Equal(got, []string{"a.yaml", "b.yaml", "more/*.yaml"}) {
		t.Errorf("got %q", got)
	}
}

func TestFamily(t *testing.T) {
	var context []slipway.ContextEntry
	for _, name := range []string{"app.json", "test", "test/g.yaml", "test/more/a.yml", "test/run.sh", "tests/b.yaml"} {
		e := slipway.ContextEntry{Path: name, Dir: name == "test"}
		if !e.Dir {
			e.Digest = slipway.DigestOf([]byte(name))
		}
		context = append(context, e)
	}
	for name, want := range map[string]string{"test/g.yaml": "test/g.yaml test/more/a.yml", "./g.yaml": "app.json test/g.yaml test/more/a.yml tests/b.yaml"} {
		var got []string
		for _, e := range gossfile.Family(context, name) {
			got = append(got, e.Path)
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s: %q, want %s", name, got, want)
		}
	}
}
