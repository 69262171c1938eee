package bake_test

import (
	"archive/tar"
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/compression"
	"github.com/google/go-containerregistry/pkg/name"
	served "github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"
	"pgregory.net/rapid"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/bake"
	"github.com/slipway-sh/slipway/registry"
)

// hub is a registry in this process.
type hub struct {
	host  string
	fault atomic.Pointer[http.HandlerFunc] // answers requests for blobs instead, unless nil
	blobs atomic.Int32                     // how many were asked for
}

func newHub(t *testing.T) *hub {
	t.Helper()
	h := &hub{}
	inner := served.New(served.Logger(log.New(io.Discard, "", 0)))
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet && strings.Contains(r.URL.Path, "/blobs/") {
			h.blobs.Add(1)
			if fault := h.fault.Load(); fault != nil {
				(*fault)(w, r)
				return
			}
		}
		inner.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	h.host = strings.TrimPrefix(server.URL, "http://")
	return h
}

// push stores an image and returns the base that it is.
func (h *hub) push(t require, ref string, img v1.Image) *slipway.Base {
	t.Helper()
	r, err := name.ParseReference(h.host + "/" + ref)
	if err == nil {
		err = remote.Write(r, img)
	}
	if err != nil {
		t.Fatal(err)
	}
	d, err := img.Digest()
	if err != nil {
		t.Fatal(err)
	}
	return &slipway.Base{From: "oci:" + h.host + "/" + ref, Digest: slipway.Digest(d.String())}
}

// require is a test that can be ended.
type require interface {
	Helper()
	Fatal(...any)
}

// newPullingBakery is a bakery that knows registries.
func newPullingBakery(t *testing.T) *bakery {
	t.Helper()
	return openPullingBakery(t, t.TempDir())
}

func openPullingBakery(t *testing.T, dir string) *bakery {
	t.Helper()
	b := openBakery(t, dir)
	b.Baker = bake.New(bake.Config{
		Images: b.images, Mounts: b.mounts, Dir: filepath.Join(b.dir, "cache"), Log: slog.New(slog.DiscardHandler),
		Registry: registry.New(registry.Config{Patience: registry.Patience{Pauses: []time.Duration{}}}),
	})
	return b
}

// tarLayer packs entries into an OCI layer.
func tarLayer(t require, c compression.Compression, entries ...tar.Header) v1.Layer {
	t.Helper()
	var packed bytes.Buffer
	w := tar.NewWriter(&packed)
	for _, h := range entries {
		content := h.PAXRecords["content"]
		h.PAXRecords, h.Size = nil, int64(len(content))
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, content); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	media := map[compression.Compression]types.MediaType{
		compression.None: types.OCIUncompressedLayer, compression.GZip: types.OCILayer, compression.ZStd: types.OCILayerZStd,
	}[c]
	l, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(packed.Bytes())), nil },
		tarball.WithCompression(c), tarball.WithMediaType(media))
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func tarFile(name, content string) tar.Header {
	return tar.Header{Name: name, Typeflag: tar.TypeReg, Mode: 0o644, PAXRecords: map[string]string{"content": content}}
}

func tarDir(name string) tar.Header {
	return tar.Header{Name: name + "/", Typeflag: tar.TypeDir, Mode: 0o755}
}

func imageOf(t require, layers ...v1.Layer) v1.Image {
	t.Helper()
	var all []mutate.Addendum
	for _, l := range layers {
		media, _ := l.MediaType()
		all = append(all, mutate.Addendum{Layer: l, MediaType: media})
	}
	img, err := mutate.Append(mutate.MediaType(empty.Image, types.OCIManifestSchema1), all...)
	if err != nil {
		t.Fatal(err)
	}
	return img
}

// lines is what several layers print.
type lines struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// pull bakes an image that is nothing but its base.
func (b *bakery) pull(base *slipway.Base) ([]slipway.LayerBake, string, error) {
	var out lines
	layers, err := b.Build(b.t.Context(), bake.Job{ID: "b-test", Request: b.request(base.From, nil), Base: base, Watch: bake.Watch{
		Started:  func(bake.Step) {},
		Output:   func(bake.Step) io.Writer { return &out },
		Finished: func(bake.Step, slipway.LayerBake) {},
	}})
	return layers, out.String(), err
}

func digestsOf(layers []slipway.LayerBake) (digests []slipway.Digest) {
	for _, l := range layers {
		digests = append(digests, l.Digest)
	}
	return digests
}

// Whatever the layers of a registry's image do to each other, the machine's root is what unpacking them one over the other gives.
func TestOCITree(t *testing.T) {
	needsRoot(t)
	h := newHub(t)
	b := newPullingBakery(t)
	rapid.Check(t, func(t *rapid.T) {
		img := anyImage(t)
		layers, out, err := b.pull(h.push(t, "base:random", img))
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		got, want := b.tree(t, digestsOf(layers)), flattened(t, img)
		if !slices.Equal(got, want) {
			t.Fatalf("got\n\t%s\nwant\n\t%s", strings.Join(got, "\n\t"), strings.Join(want, "\n\t"))
		}
	})
}

// anyImage draws an image of a few layers that add, replace and remove each other's files.
//
// It leaves out what the flattening that it is compared with is known to get wrong: a name that is both removed and made in one layer,
// and a directory that becomes something else and then a directory again.
func anyImage(t *rapid.T) v1.Image {
	state := map[string]byte{} // what is there: 'd' or 'f'
	were := map[string]bool{}  // directories that became something else
	names := rapid.SampledFrom([]string{"a", "b", "c"})
	var layers []v1.Layer
	for n := range rapid.IntRange(1, 4).Draw(t, "layers") {
		var entries []tar.Header
		touched := map[string]bool{}
		free := func(p string) bool { // nothing in this layer is at p, or below it, or above it but directories
			for q := range touched {
				if q == p || strings.HasPrefix(q, p+"/") {
					return false
				}
			}
			return true
		}
		for range rapid.IntRange(0, 8).Draw(t, "entries") {
			p := names.Draw(t, "name")
			for range rapid.IntRange(0, 2).Draw(t, "depth") {
				if state[p] != 'd' {
					break
				}
				p += "/" + names.Draw(t, "name")
			}
			if !free(p) || state[path.Dir(p)] != 'd' && path.Dir(p) != "." {
				continue
			}
			ids := rapid.IntRange(0, 3)
			owner := tar.Header{Name: p, Uid: ids.Draw(t, "uid"), Gid: ids.Draw(t, "gid"), Mode: rapid.Int64Range(0, 0o7777).Draw(t, "mode")}
			forget := func() {
				for q := range state {
					if strings.HasPrefix(q, p+"/") {
						delete(state, q)
					}
				}
			}
			switch kind := rapid.SampledFrom([]string{"file", "file", "dir", "dir", "link", "fifo", "whiteout", "opaque"}).Draw(t, "kind"); kind {
			case "file":
				owner.Typeflag, owner.PAXRecords = tar.TypeReg, map[string]string{"content": rapid.StringN(0, 50, 100).Draw(t, "content")}
			case "link":
				owner.Typeflag, owner.Linkname, owner.Mode = tar.TypeSymlink, names.Draw(t, "target"), 0o777
			case "fifo":
				owner.Typeflag = tar.TypeFifo
			case "dir":
				if were[p] {
					continue
				}
				owner.Typeflag, owner.Name = tar.TypeDir, p+"/"
				entries = append(entries, owner)
				state[p], touched[p] = 'd', true
				continue
			case "whiteout":
				if state[p] == 0 {
					continue
				}
				forget()
				delete(state, p)
				touched[p] = true
				entries = append(entries, tarFile(path.Join(path.Dir(p), ".wh."+path.Base(p)), ""))
				continue
			case "opaque":
				if state[p] != 'd' {
					continue
				}
				forget()
				touched[p+"/.wh..wh..opq"] = true
				entries = append(entries, tarFile(p+"/.wh..wh..opq", ""))
				continue
			}
			were[p] = were[p] || state[p] == 'd'
			forget()
			state[p], touched[p] = 'f', true
			entries = append(entries, owner)
		}
		hard := fmt.Sprintf("hard%d", n)
		entries = append(entries, tarFile(hard, "linked"), tar.Header{Name: hard + "too", Typeflag: tar.TypeLink, Linkname: hard, Mode: 0o644})
		c := rapid.SampledFrom([]compression.Compression{compression.None, compression.GZip, compression.ZStd}).Draw(t, "compression")
		layers = append(layers, tarLayer(t, c, entries...))
	}
	return imageOf(t, layers...)
}

// flattened lists what unpacking an image gives, as go-containerregistry does it.
func flattened(t require, img v1.Image) []string {
	t.Helper()
	flat := mutate.Extract(img)
	defer flat.Close()
	listed := map[string]string{}
	for r := tar.NewReader(flat); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		p := path.Clean(h.Name)
		content, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		kind := map[byte]string{tar.TypeReg: "-", tar.TypeDir: "d", tar.TypeSymlink: "l", tar.TypeFifo: "p"}[h.Typeflag]
		listed[p] = entryLine(kind, uint32(h.Mode), h.Uid, h.Gid, string(content)+h.Linkname)
		if h.Typeflag == tar.TypeLink {
			listed[p] = listed[h.Linkname]
		}
	}
	var lines []string
	for p, line := range listed {
		lines = append(lines, p+" "+line)
	}
	slices.Sort(lines)
	return lines
}

// lineOf is entryLine of a file on disk.
func lineOf(p string) (string, error) {
	var st unix.Stat_t
	if err := unix.Lstat(p, &st); err != nil {
		return "", err
	}
	kind, content := "?", ""
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFREG:
		text, err := os.ReadFile(p)
		if err != nil {
			return "", err
		}
		kind, content = "-", string(text)
	case unix.S_IFDIR:
		kind = "d"
	case unix.S_IFLNK:
		target, err := os.Readlink(p)
		if err != nil {
			return "", err
		}
		kind, content = "l", target
	case unix.S_IFIFO:
		kind = "p"
	}
	return entryLine(kind, st.Mode&0o7777, int(st.Uid), int(st.Gid), content), nil
}

func entryLine(kind string, mode uint32, uid, gid int, content string) string {
	return fmt.Sprintf("%s%04o %d:%d %q", kind, mode, uid, gid, content)
}

// tree mounts layers one over the other and lists what can be seen.
func (b *bakery) tree(t require, layers []slipway.Digest) []string {
	t.Helper()
	dir, err := os.MkdirTemp(b.t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	root := filepath.Join(dir, "root")
	if err := b.mounts.Overlay(b.t.Context(), root, layers, filepath.Join(dir, "upper"), filepath.Join(dir, "work")); err != nil {
		t.Fatal(err)
	}
	defer b.mounts.Unmount(root)
	var lines []string
	err = filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err != nil || p == root {
			return err
		}
		line, err := lineOf(p)
		lines = append(lines, strings.TrimPrefix(p, root+"/")+" "+line)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(lines)
	return lines
}

func baseImage(t require) v1.Image {
	return imageOf(t,
		tarLayer(t, compression.GZip, tarDir("etc"), tarFile("etc/os", "1"), tarDir("var"), tarFile("var/gone", "x"),
			tarFile("dev/null", "not in a machine")),
		tarLayer(t, compression.ZStd, tarFile("etc/os", "2"), tarFile("var/.wh.gone", "")),
		tarLayer(t, compression.None, tarFile("etc/app", "3")))
}

// Layers are pulled once, whoever starts from them, and come out the same on any host. The output says how far pulling is.
func TestOCILayersAreShared(t *testing.T) {
	needsRoot(t)
	h := newHub(t)
	b := newPullingBakery(t)
	img := baseImage(t)
	first, out, err := b.pull(h.push(t, "base:1", img))
	if err != nil {
		t.Fatal(err)
	}
	if h.blobs.Load() != 3 || !strings.Contains(out, "pulling 0 of 3 layers, 0.0 of 0.0 MB\n") || !strings.Contains(out, "pulling 3 of 3 layers") {
		t.Errorf("%d blobs asked for; output:\n%s", h.blobs.Load(), out)
	}
	wantLines(t, b.tree(t, digestsOf(first)), `etc d0755 0:0 ""`, `etc/app -0644 0:0 "3"`, `etc/os -0644 0:0 "2"`, `var d0755 0:0 ""`)

	more, err := mutate.AppendLayers(img, tarLayer(t, compression.GZip, tarFile("etc/more", "4")))
	if err != nil {
		t.Fatal(err)
	}
	second, _, err := b.pull(h.push(t, "other:1", more))
	if err != nil {
		t.Fatal(err)
	}
	for i, l := range second {
		if cached := i < 3; l.Cached != cached || cached && l.Digest != first[i].Digest || l.Index != 0 {
			t.Errorf("layer %d: got %+v, want it cached: %v", i+1, l, cached)
		}
	}
	if h.blobs.Load() != 4 {
		t.Errorf("%d blobs asked for, want one more", h.blobs.Load())
	}

	elsewhere, _, err := newPullingBakery(t).pull(h.push(t, "base:1", img))
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(digestsOf(elsewhere), digestsOf(first)) {
		t.Errorf("on another host the layers are %v, want %v", digestsOf(elsewhere), digestsOf(first))
	}
}

// Bakes that start from the same image at once fetch each of its layers once.
func TestOCIAtOnce(t *testing.T) {
	needsRoot(t)
	h := newHub(t)
	b := newPullingBakery(t)
	base := h.push(t, "base:1", baseImage(t))
	var group errgroup.Group
	for range 8 {
		group.Go(func() error {
			layers, _, err := b.pull(base)
			if err == nil && len(layers) != 3 {
				err = fmt.Errorf("got %d layers, want 3", len(layers))
			}
			return err
		})
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	if n := h.blobs.Load(); n != 3 {
		t.Errorf("%d blobs asked for, want 3", n)
	}
}

// A registry that fails while layers are fetched fails the bake at image.from and leaves nothing that counts; the next bake works.
func TestOCIFaults(t *testing.T) {
	for name, c := range map[string]struct {
		fault http.HandlerFunc
		code  slipway.Code
		text  string
	}{
		"401":          {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(401) }, slipway.Unprepared, "cannot log in to"},
		"500":          {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) }, slipway.DeadlinePast, "500 Internal Server Error"},
		"wrong digest": {func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte("something else")) }, slipway.Corrupt, "cannot fetch blob"},
	} {
		t.Run(name, func(t *testing.T) {
			needsRoot(t)
			h := newHub(t)
			b := newPullingBakery(t)
			base := h.push(t, "base:1", baseImage(t))
			h.fault.Store(&c.fault)
			_, _, err := b.pull(base)
			wantError(t, err, c.code, "image.from", c.text)
			for _, pattern := range []string{"cache/layers/*", "images/blobs/sha256/*"} {
				if left, _ := filepath.Glob(filepath.Join(b.dir, pattern)); len(left) > 0 {
					t.Errorf("left behind: %v", left)
				}
			}
			b.wantNothingLeft()
			h.fault.Store(nil)
			if layers, _, err := b.pull(base); err != nil || len(layers) != 3 {
				t.Errorf("the next bake: got %d layers, %v", len(layers), err)
			}
		})
	}
}

// An image that does not fit on the disk is refused, leaves nothing, and one that fits is baked.
func TestOCIFullDisk(t *testing.T) {
	needsRoot(t)
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=3m"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	h := newHub(t)
	b := openPullingBakery(t, dir)
	noise := make([]byte, 2<<20)
	if _, err := rand.Read(noise); err != nil {
		t.Fatal(err)
	}
	big := tarLayer(t, compression.GZip, tarFile("big", string(noise)+string(noise)))
	_, _, err := b.pull(h.push(t, "big:1", imageOf(t, big)))
	wantError(t, err, slipway.Unprepared, "image.from", "bytes needed")
	// It fits as it is fetched, and not as it would be unpacked.
	_, _, err = b.pull(h.push(t, "half:1", imageOf(t, tarLayer(t, compression.GZip, tarFile("half", string(noise))))))
	wantError(t, err, slipway.Unprepared, "image.from", "")
	b.wantNothingLeft()
	if err := os.RemoveAll(filepath.Join(dir, "images/blobs/sha256")); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, "images/blobs/sha256"), 0o700); err != nil {
		t.Fatal(err)
	}
	if layers, _, err := b.pull(h.push(t, "base:1", baseImage(t))); err != nil || len(layers) != 3 {
		t.Errorf("the next bake: got %d layers, %v", len(layers), err)
	}
}

// A plan pulls nothing and says what would be.
func TestOCIPlan(t *testing.T) {
	needsRoot(t)
	h := newHub(t)
	b := newPullingBakery(t)
	base := h.push(t, "base:1", baseImage(t))
	plan := func() []slipway.LayerPlan {
		t.Helper()
		p, err := b.Plan(t.Context(), bake.Job{Request: b.request(base.From, nil), Base: base}, nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		return p.Layers
	}
	if layers := plan(); len(layers) != 3 || !layers[0].Pull || !layers[2].Pull || layers[0].Size == 0 || h.blobs.Load() != 0 {
		t.Errorf("got %+v after asking for %d blobs", layers, h.blobs.Load())
	}
	if _, _, err := b.pull(base); err != nil {
		t.Fatal(err)
	}
	for _, l := range plan() {
		if !l.Cached || l.Pull {
			t.Errorf("after the bake: got %+v, want it cached", l)
		}
	}
}

// Docker's most layers are none too many for a machine.
func TestOCIManyLayers(t *testing.T) {
	needsRoot(t)
	const many = 127
	var packed []v1.Layer
	for i := range many {
		packed = append(packed, tarLayer(t, compression.GZip, tarFile(fmt.Sprintf("etc/%d", i), "x"), tarFile("etc/last", fmt.Sprint(i))))
	}
	b := newPullingBakery(t)
	layers, _, err := b.pull(newHub(t).push(t, "many:1", imageOf(t, packed...)))
	if err != nil {
		t.Fatal(err)
	}
	lines := b.tree(t, digestsOf(layers))
	if len(lines) != many+2 || lines[len(lines)-1] != `etc/last -0644 0:0 "126"` {
		t.Errorf("got %d lines, the last %s", len(lines), lines[len(lines)-1])
	}
}

// More layers than the kernel can stack are refused before anything is built.
func TestTooManyLayers(t *testing.T) {
	b := newBakery(t)
	own := slipway.Layer{Copy: &slipway.CopyLayer{From: "f", To: "/f"}}
	job := bake.Job{Request: b.request("image:base", []entry{{"f", "x", 0o644}}, own), Base: &slipway.Base{}, Below: make([]slipway.LayerInfo, 500)}
	_, err := b.Plan(t.Context(), job, nil, nil)
	wantError(t, err, slipway.Invalid, "image.from", "an image of 501 layers, 500 of image:base and 1 of its own")
}
