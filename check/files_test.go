package check_test

import (
	"archive/tar"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/check"
)

// blobs are those of a build context.
type blobs map[slipway.Digest]string

func (b blobs) OpenBlob(_ context.Context, d slipway.Digest) (io.ReadCloser, error) {
	text, ok := b[d]
	if !ok {
		return nil, slipway.Errorf(slipway.NotFound, "no blob %s", d.Short())
	}
	return io.NopCloser(strings.NewReader(text)), nil
}

func (b blobs) Missing(context.Context, []slipway.Digest) ([]slipway.Digest, error) { return nil, nil }
func (b blobs) PutBlob(context.Context, slipway.Digest, int64, io.Reader) error     { return nil }

// carrier is a provider that keeps what programs bring along, and says how they end.
type carrier struct {
	slipway.Provider
	exec  slipway.Exec
	files map[string]string // mode and content or target
	says  func(slipway.Exec) (slipway.ExecResult, error)
}

func (c *carrier) Exec(_ context.Context, _ string, e slipway.Exec) (slipway.ExecResult, error) {
	c.exec, c.files = e, map[string]string{}
	r := tar.NewReader(e.Files)
	for {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return slipway.ExecResult{ExitCode: 127}, nil
		}
		text, err := io.ReadAll(r)
		if err != nil {
			return slipway.ExecResult{ExitCode: 127}, nil
		}
		c.files[h.Name] = os.FileMode(h.Mode).String() + " " + h.Linkname + string(text)
	}
	return c.says(e)
}

func contextOf(files map[string]string) ([]slipway.ContextEntry, blobs) {
	stored := blobs{}
	entries := []slipway.ContextEntry{
		{Path: "verify", Mode: 0o755, Dir: true}, {Path: "verify/data", Mode: 0o700, Dir: true}, {Path: "verify/link", Link: "data/file"},
	}
	for name, text := range files {
		d := slipway.DigestOf([]byte(text))
		stored[d] = text
		entries = append(entries, slipway.ContextEntry{Path: name, Mode: 0o640, Digest: d, Size: int64(len(text))})
	}
	return entries, stored
}

var contextFiles = map[string]string{
	"verify/run.sh": "#!/bin/sh", "verify/data/file": "data", "verify.sh": "not this", "app": "nor this",
	"test/goss.yaml": "file: {/a: {exists: true}}", "test/more/b.json": "{}", "test/run.sh": "nor this",
	"test/bad.yaml": "fiel: {}", "test/template.yaml": "file: {{ what }}",
}

func TestScript(t *testing.T) {
	entries, stored := contextOf(contextFiles)
	c := &carrier{says: func(e slipway.Exec) (slipway.ExecResult, error) {
		io.WriteString(e.Stdout, strings.Repeat("x", 1<<20)+"\nfirst\x1b[2J\n"+strings.Repeat("line\n", 19)+"last")
		return slipway.ExecResult{ExitCode: 4}, nil
	}}
	runner := check.Runner{Provider: c, Context: entries, Blobs: stored}
	script := slipway.ScriptTest{Directory: "verify/", Run: []string{"run.sh", "a"}, Env: map[string]string{"A": "b"}}
	result := runner.Run(t.Context(), slipway.Instance{Port: 80}, slipway.Service{}, slipway.Test{Script: &script})
	want := map[string]string{"data": "-rwx------ ", "data/file": "-rw-r----- data", "link": "---------- data/file", "run.sh": "-rw-r----- #!/bin/sh"}
	for name, content := range want {
		if c.files[name] != content {
			t.Errorf("%s: %q, want %q", name, c.files[name], content)
		}
	}
	if len(c.files) != len(want) {
		t.Errorf("the machine gets %v", c.files)
	}
	if e := c.exec; strings.Join(e.Command, " ") != "./run.sh a" || e.User != "0" || e.Env["A"] != "b" || e.Env["SLIPWAY_PORT"] != "80" {
		t.Errorf("%+v", e)
	}
	if result.Passed || result.Detail != "exit status 4\nits last lines:\n  "+strings.Repeat("line\n  ", 19)+"last" {
		t.Errorf("%q", result.Detail)
	}
}

func TestGoss(t *testing.T) {
	entries, stored := contextOf(contextFiles)
	program := filepath.Join(t.TempDir(), "probe")
	if err := os.WriteFile(program, []byte("the probe"), 0o755); err != nil {
		t.Fatal(err)
	}
	says := func(code int, text string) func(slipway.Exec) (slipway.ExecResult, error) {
		return func(e slipway.Exec) (slipway.ExecResult, error) {
			w := e.Stdout
			if code != 0 {
				w = e.Stderr
			}
			if _, err := io.WriteString(w, text); err != nil {
				code = 141
			}
			return slipway.ExecResult{ExitCode: code}, nil
		}
	}
	good := says(0, `{"results": [{"name": "file /a: exists", "passed": true}, {"name": "b", "skipped": true}]}`)
	for _, c := range []struct {
		name, file string
		says       func(slipway.Exec) (slipway.ExecResult, error)
		detail     string // empty: passes
	}{
		{"good", "test/goss.yaml", good, ""},
		{"failing", "test/goss.yaml", says(0, `{"results": [{"name": "a", "detail": "want x"}, {"name": "b", "passed": true}]}`), "1 of 2 failed\n  a: want x"},
		{"mistake", "test/goss.yaml", says(0, `{"error": "goss.yaml:3: what is this"}`), "test/goss.yaml:3: what is this"},
		{"nothing found", "test/goss.yaml", says(0, `{}`), "it has no tests"},
		{"no answer", "test/goss.yaml", says(0, ``), "cannot understand what goss found"},
		{"far too long an answer", "test/goss.yaml", says(0, strings.Repeat(" ", 9<<20)), "exit status 141"},
		{"crash", "test/goss.yaml", says(2, "panic: no"), "goss could not be run: exit status 2\nits last lines:\n  panic: no"},
		{"a mistake that is seen before", "test/bad.yaml", nil, `test/bad.yaml:1: goss has no resource "fiel"`},
		{"no such file", "test/none.yaml", nil, "no file test/none.yaml"},
	} {
		t.Run(c.name, func(t *testing.T) {
			provider := &carrier{says: c.says}
			runner := check.Runner{Provider: provider, Probe: program, Context: entries, Blobs: stored}
			result := runner.Run(t.Context(), slipway.Instance{}, slipway.Service{}, slipway.Test{Goss: c.file})
			if result.Passed != (c.detail == "") || !strings.Contains(result.Detail, c.detail) {
				t.Errorf("%+v, want %q", result, c.detail)
			}
			if c.says == nil {
				return
			}
			if f := provider.files; f[".slipway-probe"] != "-rwxr-xr-x the probe" || f["goss.yaml"] == "" || f["more/b.json"] == "" || f["run.sh"] != "" {
				t.Errorf("the machine gets %v", f)
			}
		})
	}
}

// What cannot be brought into the machine fails the test, with the reason.
func TestFilesThatAreNotThere(t *testing.T) {
	entries, stored := contextOf(contextFiles)
	c := &carrier{says: func(slipway.Exec) (slipway.ExecResult, error) { return slipway.ExecResult{}, nil }}
	run := func(dir string, entries []slipway.ContextEntry, stored blobs) slipway.TestResult {
		return check.Runner{Provider: c, Context: entries, Blobs: stored}.Run(t.Context(), slipway.Instance{}, slipway.Service{},
			slipway.Test{Script: &slipway.ScriptTest{Directory: dir, Run: []string{"run.sh"}}})
	}
	link := func(target string) []slipway.ContextEntry {
		return append(entries[:len(entries):len(entries)], slipway.ContextEntry{Path: "verify/out", Link: target})
	}
	damaged := blobs{}
	for d, text := range stored {
		damaged[d] = strings.Repeat("?", len(text))
	}
	for _, r := range []struct {
		result slipway.TestResult
		detail string
	}{
		{run("none", entries, stored), "no directory none"},
		{run("verify", entries, blobs{}), "cannot bring"},
		{run("verify", entries, damaged), "another digest"},
		{run("verify", link("../app"), stored), "verify/out leads to ../app"},
		{run("verify", link("/etc/passwd"), stored), "verify/out leads to /etc/passwd"},
		{run("verify", link(".."), stored), "leads to .."},
	} {
		if r.result.Passed || !strings.Contains(r.result.Detail, r.detail) {
			t.Errorf("%+v, want %q", r.result, r.detail)
		}
	}
	if result := run("verify", link("data"), stored); !result.Passed {
		t.Errorf("a link inside: %+v", result)
	}
}
