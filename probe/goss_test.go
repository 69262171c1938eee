package probe_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/slipway-sh/slipway/check"
	"github.com/slipway-sh/slipway/probe"
)

// run runs a goss file that is the last of files, and returns what the program tells.
func run(t *testing.T, content string, others map[string]string) check.Found {
	t.Helper()
	t.Chdir(t.TempDir())
	files := map[string]string{"goss.yaml": content}
	for name, text := range others {
		files[name] = text
	}
	for name, text := range files {
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o640); err != nil {
			t.Fatal(err)
		}
	}
	var out, problems bytes.Buffer
	if code := probe.Main([]string{"slipway-probe", "goss.yaml"}, &out, &problems); code != 0 || problems.Len() > 0 {
		t.Fatalf("exit status %d: %s", code, problems.String())
	}
	var found check.Found
	if err := json.Unmarshal(out.Bytes(), &found); err != nil {
		t.Fatalf("%v in %s", err, out.String())
	}
	return found
}

func TestFindings(t *testing.T) {
	t.Setenv("COLOUR", "red")
	found := run(t, `
file:
  goss.yaml: {exists: true, mode: "0644", contents: [purple]}
  more/a.yaml: {exists: true, contents: [purple]}
  /none: {exists: false}
command:
  echo {{.Env.COLOUR}}: {exit-status: 0, stdout: [red]}
  sleep 5: {exit-status: 0, timeout: 10}
group:
  root: {exists: true, gid: 0, skip: true}
gossfile:
  more/*.yaml: {}
`, map[string]string{"more/a.yaml": "user:\n  root: {exists: true, uid: 7}\n"})
	want := map[string]string{
		"file goss.yaml: exists":        "passed",
		"file goss.yaml: mode":          `want "0640" to equal "0644"`,
		"file goss.yaml: contents":      "passed", // the test itself says it
		"file more/a.yaml: contents":    `want it to have patterns ["purple"], missing ["purple"]`,
		"file /none: exists":            "passed",
		"command echo red: exit-status": "passed",
		"command echo red: stdout":      "passed",
		"command sleep 5: exit-status":  "timed out",
		"group root: exists":            "skipped",
		"user root: exists":             "passed",
		"user root: uid":                "want 0 to be numerically eq 7",
	}
	got := map[string]string{}
	for _, f := range found.Results {
		switch {
		case f.Skipped:
			got[f.Name] = "skipped"
		case f.Passed:
			got[f.Name] = "passed"
		default:
			got[f.Name] = f.Detail
		}
	}
	for name, detail := range want {
		if !strings.Contains(got[name], detail) || got[name] == "" {
			t.Errorf("%s: %q, want %q", name, got[name], detail)
		}
	}
	if found.Error != "" {
		t.Error(found.Error)
	}
}

// A mistake is told as one, and not as a panic.
func TestMistakes(t *testing.T) {
	for _, c := range []struct{ name, content, problem string }{
		{"unknown resource", "file:\n  /a: {exists: true}\nfiel: {}\n", `goss.yaml:3: goss has no resource "fiel"`},
		{"unknown resource behind a template", "{{if true}}file: {}{{end}}\nfiel: {}\n", `goss.yaml:2: goss has no resource "fiel"`},
		{"unknown attribute", "file:\n  /a: {exist: true}\n", "invalid Attribute for File:/a: exist"},
		{"wrong type", "file:\n  /a: {exists: [1]}\nuser:\n  root: {uid: {a: b}}\n", ""},
		{"syntax", "file: {\n", "goss.yaml:"},
		{"template syntax", "file: {{if}}\n", "goss.yaml: template: test:1"},
		{"template without a value", "file: {{.Env.NO_SUCH_VARIABLE}}\n", "NO_SUCH_VARIABLE"},
		{"template panics", `file: {{findStringSubmatch "(" "x"}}` + "\n", "goss.yaml: "},
		{"included file is missing", "gossfile:\n  none.yaml: {}\n", "none.yaml"},
		{"includes itself", "file: {/a: {exists: false}}\ngossfile:\n  goss.yaml: {}\n", "max depth"},
		{"nothing", "file: {}\n", "found 0 tests"},
	} {
		t.Run(c.name, func(t *testing.T) {
			found := run(t, c.content, nil)
			if c.problem == "" {
				for _, f := range found.Results {
					if f.Passed {
						t.Errorf("passed: %+v", f)
					}
				}
				return
			}
			if !strings.Contains(found.Error, c.problem) || len(found.Results) > 0 {
				t.Errorf("%+v, want %q", found, c.problem)
			}
		})
	}
}

func TestUsage(t *testing.T) {
	var out, problems bytes.Buffer
	if code := probe.Main([]string{"slipway-probe"}, &out, &problems); code != 2 || !strings.Contains(problems.String(), "usage") {
		t.Errorf("exit status %d, %q", code, problems.String())
	}
}
