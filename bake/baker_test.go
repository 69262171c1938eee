package bake_test

import (
	"archive/tar"
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/bake"
	"github.com/slipway-sh/slipway/container"
	"github.com/slipway-sh/slipway/image"
	"github.com/slipway-sh/slipway/rootfs"
)

// bakery is a baker with a data directory of its own.
type bakery struct {
	*bake.Baker
	t      *testing.T
	images *image.Store
	mounts *rootfs.Mounts
	dir    string
}

func newBakery(t *testing.T) *bakery {
	t.Helper()
	return openBakery(t, t.TempDir())
}

func openBakery(t *testing.T, dir string) *bakery {
	t.Helper()
	images, err := image.Open(filepath.Join(dir, "images"))
	if err != nil {
		t.Fatal(err)
	}
	b := &bakery{t: t, images: images, mounts: rootfs.New(filepath.Join(dir, "mounts"), images), dir: dir}
	b.Baker = bake.New(bake.Config{Images: images, Mounts: b.mounts, Dir: filepath.Join(dir, "cache"), Log: slog.New(slog.DiscardHandler)})
	t.Cleanup(func() {
		if err := b.mounts.Prune(func(slipway.Digest) bool { return false }); err != nil {
			t.Error(err)
		}
		b.wantNothingLeft()
	})
	return b
}

// wantNothingLeft fails the test if sandboxes, mounts or work directories are left.
func (b *bakery) wantNothingLeft() {
	b.t.Helper()
	for _, pattern := range []string{"cache/work/*", "cache/runc/*"} {
		if left, _ := filepath.Glob(filepath.Join(b.dir, pattern)); len(left) > 0 {
			b.t.Errorf("left behind: %v", left)
		}
	}
	if os.Geteuid() == 0 {
		runtime, err := container.NewRuntime(filepath.Join(b.dir, "cache/runc"))
		if err != nil {
			b.t.Fatal(err)
		}
		// It lists the control groups of sandboxes too.
		if ids, err := runtime.List(); err != nil || len(ids) > 0 {
			b.t.Errorf("left behind: sandboxes %v, %v", ids, err)
		}
	}
	text, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		b.t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if strings.Contains(line, filepath.Join(b.dir, "cache")) {
			b.t.Errorf("left behind: mount %s", line)
		}
	}
	if left, _ := filepath.Glob(filepath.Join(b.dir, "images/ingest/*")); len(left) > 0 {
		b.t.Errorf("left behind: %v", left)
	}
}

// entry is a file of a build context: its content, or what the prefixes say: "dir", "link:<target>".
type entry struct {
	path, content string
	mode          uint32
}

// request uploads a context and returns the request to bake layers on top of from.
func (b *bakery) request(from string, context []entry, layers ...slipway.Layer) *slipway.BakeRequest {
	b.t.Helper()
	req := &slipway.BakeRequest{Version: "1"}
	req.Spec = slipway.Spec{Application: "hello", Image: slipway.ImageSpec{From: from, Layers: layers, Service: slipway.Service{Command: []string{"/bin/hello"}}}}
	for _, e := range context {
		c := slipway.ContextEntry{Path: e.path, Mode: e.mode}
		if link, ok := strings.CutPrefix(e.content, "link:"); ok {
			c.Link, c.Mode = link, 0o777
		} else if e.content == "dir" {
			c.Dir = true
		} else {
			c.Digest, c.Size = slipway.DigestOf([]byte(e.content)), int64(len(e.content))
			if err := b.images.PutBlob(b.t.Context(), c.Digest, c.Size, strings.NewReader(e.content)); err != nil {
				b.t.Fatal(err)
			}
		}
		req.Context = append(req.Context, c)
	}
	if err := req.Validate(); err != nil {
		b.t.Fatalf("the test's own request is invalid: %v", err)
	}
	return req
}

// watch hears what layers print.
func watch(out io.Writer) bake.Watch {
	return bake.Watch{Started: func(bake.Step) {}, Output: func(bake.Step) io.Writer { return out }, Finished: func(bake.Step, slipway.LayerBake) {}}
}

// bake bakes a request and returns the layers and what was printed.
func (b *bakery) bake(ctx context.Context, req *slipway.BakeRequest) ([]slipway.LayerInfo, []slipway.LayerBake, string, error) {
	var out shared
	bakes, err := b.Build(ctx, bake.Job{ID: "b-test", Request: req, Watch: watch(&out)})
	var layers []slipway.LayerInfo
	for _, l := range bakes {
		layers = append(layers, l.LayerInfo)
	}
	return layers, bakes, out.String(), err
}

// shared is a buffer that several layers may print to.
type shared struct {
	mu sync.Mutex
	bytes.Buffer
}

func (s *shared) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.Buffer.Write(p)
}

func (b *bakery) mustBake(req *slipway.BakeRequest) []slipway.LayerInfo {
	b.t.Helper()
	layers, _, out, err := b.bake(b.t.Context(), req)
	if err != nil {
		b.t.Fatalf("%v\n%s", err, out)
	}
	return layers
}

// list mounts a layer and lists what is in it, a line an entry: type and mode, owner unless root, path, and content, link target
// or device number.
func (b *bakery) list(layer slipway.LayerInfo) []string {
	b.t.Helper()
	if os.Geteuid() != 0 {
		b.t.Skip("needs root to mount layers")
	}
	dir, err := b.mounts.Layer(b.t.Context(), layer.Digest)
	if err != nil {
		b.t.Fatal(err)
	}
	var lines []string
	err = filepath.WalkDir(dir, func(p string, _ fs.DirEntry, err error) error {
		if err != nil || p == dir {
			return err
		}
		line, err := describe(p)
		lines = append(lines, strings.Replace(line, dir, "", 1))
		return err
	})
	if err != nil {
		b.t.Fatal(err)
	}
	return lines
}

func describe(p string) (string, error) {
	var st unix.Stat_t
	if err := unix.Lstat(p, &st); err != nil {
		return "", err
	}
	owner, extra := "", ""
	if st.Uid != 0 || st.Gid != 0 {
		owner = fmt.Sprintf(" %d:%d", st.Uid, st.Gid)
	}
	kind := "?"
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFDIR:
		kind = "d"
	case unix.S_IFLNK:
		target, err := os.Readlink(p)
		if err != nil {
			return "", err
		}
		return fmt.Sprintf("l %s%s -> %s", p, owner, target), nil
	case unix.S_IFCHR:
		if st.Rdev == 0 {
			return "whiteout " + p, nil
		}
		kind = "c"
	case unix.S_IFREG:
		kind = "-"
		text, err := os.ReadFile(p)
		if err != nil {
			return "", err
		}
		extra = fmt.Sprintf(" %q", text[:min(len(text), 40)])
	}
	value := make([]byte, 64)
	for _, x := range []string{"trusted.overlay.opaque", "security.capability"} {
		if n, err := unix.Lgetxattr(p, x, value); err == nil {
			extra += fmt.Sprintf(" %s=%d bytes", strings.TrimPrefix(x, "trusted.overlay."), n)
		}
	}
	return fmt.Sprintf("%s%04o%s %s%s", kind, st.Mode&0o7777, owner, p, extra), nil
}

func wantLines(t *testing.T, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("got\n\t%s\nwant\n\t%s", strings.Join(got, "\n\t"), strings.Join(want, "\n\t"))
	}
}

// wantError checks code, place and a part of the message.
func wantError(t *testing.T, err error, code slipway.Code, place, message string) {
	t.Helper()
	var e *slipway.Error
	if !errors.As(err, &e) {
		t.Fatalf("got error %v, want code %s", err, code)
	}
	if e.Code != code || e.Place != place || !strings.Contains(e.Message, message) {
		t.Errorf("got %s at %q: %s\nwant %s at %q: …%s…", e.Code, e.Place, e.Message, code, place, message)
	}
}

// waitFor reads until a line contains text.
func waitFor(t *testing.T, r io.Reader, text string) {
	t.Helper()
	for lines := bufio.NewScanner(r); lines.Scan(); {
		if strings.Contains(lines.Text(), text) {
			return
		}
	}
	t.Fatalf("the output ended without %q", text)
}

// tarOf makes a tar archive of headers; those of regular files get their name as content.
func tarOf(t *testing.T, headers ...tar.Header) string {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, h := range headers {
		if h.Typeflag == tar.TypeReg {
			h.Size = int64(len(h.Name))
		}
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if h.Typeflag == tar.TypeReg {
			if _, err := w.Write([]byte(h.Name)); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// tinySystem returns a tar of a root file system with a shell and a few programs of the host, and without /proc, /dev and /sys.
func tinySystem(t *testing.T) string {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	put := func(h tar.Header, content []byte) {
		t.Helper()
		h.Size = int64(len(content))
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(content); err != nil {
			t.Fatal(err)
		}
	}
	for _, d := range []string{"usr", "usr/bin", "usr/lib", "etc", "var"} {
		put(tar.Header{Typeflag: tar.TypeDir, Name: d + "/", Mode: 0o755}, nil)
	}
	put(tar.Header{Typeflag: tar.TypeDir, Name: "tmp/", Mode: 0o1777}, nil)
	for _, l := range []string{"bin", "lib"} {
		put(tar.Header{Typeflag: tar.TypeSymlink, Name: l, Linkname: "usr/" + l}, nil)
	}
	put(tar.Header{Typeflag: tar.TypeSymlink, Name: "lib64", Linkname: "usr/lib"}, nil)
	for _, f := range []string{"etc/a", "etc/b", "var/tree/one", "var/tree/two"} {
		put(tar.Header{Typeflag: tar.TypeReg, Name: f, Mode: 0o644}, []byte(f))
	}
	libraries := map[string]bool{}
	for _, name := range []string{"sh", "rm", "mkdir", "mkfifo", "chmod", "chown", "ln", "ls", "cat", "mv", "sleep", "touch", "id", "setcap", "env", "base64", "od", "tr", "sed"} {
		program, err := exec.LookPath(name)
		if err != nil {
			continue // only setcap may be missing
		}
		text, err := os.ReadFile(program)
		if err != nil {
			t.Fatal(err)
		}
		put(tar.Header{Typeflag: tar.TypeReg, Name: "usr/bin/" + name, Mode: 0o755}, text)
		out, err := exec.Command("ldd", program).Output()
		if err != nil {
			t.Fatal(err)
		}
		for f := range strings.FieldsSeq(string(out)) {
			if strings.HasPrefix(f, "/") && !libraries[filepath.Base(f)] {
				libraries[filepath.Base(f)] = true
				text, err := os.ReadFile(f)
				if err != nil {
					t.Fatal(err)
				}
				put(tar.Header{Typeflag: tar.TypeReg, Name: "usr/lib/" + filepath.Base(f), Mode: 0o755}, text)
			}
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}
