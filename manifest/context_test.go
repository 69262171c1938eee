package manifest

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-sh/slipway"
)

// load writes slipway.yaml with the layers into a new directory, which make fills, and loads it.
func load(t *testing.T, layers string, make func(dir string)) *Manifest {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "app")
	writeFile(t, filepath.Join(dir, "slipway.yaml"), small+"  layers:\n"+layers)
	if make != nil {
		make(dir)
	}
	m, err := Load(filepath.Join(dir, "slipway.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestContext(t *testing.T) {
	m := load(t, `
    - copy: {from: dist, to: /opt}
    - copy: {from: current/app.tar, to: /srv, unpack: true}
    - template: {from: etc/a.tmpl, to: /etc/a}
    - run: {script: setup.sh, inputs: ["provision/**/*.deb", shared]}
`, func(dir string) {
		for _, name := range []string{"dist/a", "dist/sub/b", "v2/app.tar", "etc/a.tmpl", "etc/unused", "setup.sh", "provision/x/y/z.deb", "provision/w.deb", "provision/readme", "shared/s", "unused"} {
			writeFile(t, filepath.Join(dir, name), name)
		}
		for name, target := range map[string]string{"current": "v2", "dist/up": "../etc", "dist/sub/none": "nothing"} {
			if err := os.Symlink(target, filepath.Join(dir, name)); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.Chmod(filepath.Join(dir, "setup.sh"), 0o750); err != nil {
			t.Fatal(err)
		}
	})
	got, err := m.Context(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	dir := func(path string) slipway.ContextEntry {
		return slipway.ContextEntry{Path: path, Mode: 0o755, Dir: true}
	}
	link := func(path, to string) slipway.ContextEntry {
		return slipway.ContextEntry{Path: path, Mode: 0o777, Link: to}
	}
	file := func(path, content string) slipway.ContextEntry {
		return slipway.ContextEntry{Path: path, Mode: 0o644, Digest: slipway.DigestOf([]byte(content)), Size: int64(len(content))}
	}
	script := file("setup.sh", "setup.sh")
	script.Mode = 0o750
	want := []slipway.ContextEntry{
		dir("current"), file("current/app.tar", "v2/app.tar"), // named, so followed
		dir("dist"), file("dist/a", "dist/a"), dir("dist/sub"), file("dist/sub/b", "dist/sub/b"), link("dist/sub/none", "nothing"), link("dist/up", "../etc"),
		dir("etc"), file("etc/a.tmpl", "etc/a.tmpl"),
		dir("provision"), file("provision/w.deb", "provision/w.deb"), dir("provision/x"), dir("provision/x/y"), file("provision/x/y/z.deb", "provision/x/y/z.deb"),
		script,
		dir("shared"), file("shared/s", "shared/s"),
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if err := (slipway.BakeRequest{Spec: m.Spec, Context: got}).Validate(); err != nil {
		t.Errorf("the server refuses it: %v", err)
	}
}

func TestContextOfEverything(t *testing.T) {
	m := load(t, "    - copy: {from: ., to: /}\n", nil)
	got, err := m.Context(t.Context())
	if err != nil || len(got) != 1 || got[0].Path != "slipway.yaml" {
		t.Errorf("got %v, %v", got, err)
	}
}

func TestContextMistakes(t *testing.T) {
	link := func(target, name string) func(string) {
		return func(dir string) {
			writeFile(t, filepath.Join(filepath.Dir(dir), "secret"), "secret")
			writeFile(t, filepath.Join(dir, "dist/a"), "a")
			if err := os.Symlink(target, filepath.Join(dir, name)); err != nil {
				t.Fatal(err)
			}
		}
	}
	copyDist := "    - copy: {from: dist, to: /}\n"
	for name, test := range map[string]struct {
		layers string
		make   func(dir string)
		want   []string
	}{
		"missing":             {copyDist, nil, []string{"8:20: cannot find dist: there is no such file beside slipway.yaml; build it first?"}},
		"two missing":         {copyDist + copyDist, nil, []string{"8:20: cannot find dist", "9:20: cannot find dist"}},
		"directory as script": {"    - run: {script: dist}\n", func(dir string) { writeFile(t, filepath.Join(dir, "dist/a"), "") }, []string{"8:21: cannot use dist: want a file"}},
		"no match":            {"    - run: {script: s, inputs: ['x/**']}\n", func(dir string) { writeFile(t, filepath.Join(dir, "s"), "") }, []string{`8:33: cannot find anything that matches "x/**"`}},
		"bad pattern":         {"    - run: {script: s, inputs: ['x[']}\n", func(dir string) { writeFile(t, filepath.Join(dir, "s"), "") }, []string{`8:33: cannot use the pattern "x["`}},
		"link out":            {copyDist, link("../../secret", "dist/b"), []string{"8:20: cannot use the link dist/b to ../../secret: it leaves"}},
		"absolute link":       {copyDist, link("/etc/passwd", "dist/b"), []string{"8:20: cannot use the link dist/b to /etc/passwd: it leaves"}},
		"dangling link out":   {copyDist, link("../../none", "dist/b"), []string{"8:20: cannot use the link dist/b to ../../none: it leaves"}},
		"link to itself":      {copyDist, link("b", "dist/b"), []string{"8:20: cannot use the link dist/b to b: it leaves"}},
		"named link out":      {"    - copy: {from: s, to: /}\n", link("../secret", "s"), []string{"8:20: cannot read s: path escapes"}},
		"named below link":    {"    - copy: {from: s/secret, to: /}\n", link("..", "s"), []string{"8:20: cannot read s/secret: path escapes"}},
		"named pipe": {copyDist, func(dir string) {
			writeFile(t, filepath.Join(dir, "dist/a"), "")
			if err := syscall.Mkfifo(filepath.Join(dir, "dist/p"), 0o600); err != nil {
				t.Fatal(err)
			}
		}, []string{"8:20: cannot use dist/p: it is a named pipe"}},
	} {
		t.Run(name, func(t *testing.T) {
			m := load(t, test.layers, test.make)
			_, err := m.Context(t.Context())
			if err == nil {
				t.Fatal("no error")
			}
			got := strings.Split(err.Error(), "\n")
			ok := len(got) == len(test.want)
			for i := range min(len(got), len(test.want)) {
				ok = ok && strings.HasPrefix(got[i], m.Name+":"+test.want[i])
			}
			if !ok || slipway.CodeOf(err) != slipway.Invalid {
				t.Errorf("got %s: %v\nwant %q", slipway.CodeOf(err), err, test.want)
			}
		})
	}
}
