package sbom_test

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	cdx "github.com/CycloneDX/cyclonedx-go"
	"golang.org/x/sys/unix"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/image"
	"github.com/slipway-sh/slipway/sbom"
)

// files are a layer: contents by path, "-" for one that hides what is below.
type files map[string]string

const status = `Package: nginx-light
Status: install ok installed
Architecture: amd64
Source: nginx (1.22.1-9)
Version: 1.22.1-9+deb12u3
Description: small web server
 with a text: of its own

Package: gone
Status: deinstall ok config-files
Architecture: all
Version: 1.0

Package: tzdata
Status: install ok installed
Architecture: all
Version: 2025b-0+deb12u1
`

// base is a Debian system with something of everything.
var base = files{
	"/var/lib/dpkg/status":                               status,
	"/usr/lib/os-release":                                "PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nID=debian\nVERSION_ID=\"12\"\n",
	"/srv/app/package-lock.json":                         `{"lockfileVersion":3,"packages":{"":{"name":"app","version":"1.0.0"},"node_modules/@scope/left":{"version":"1.2.3"},"node_modules/a/node_modules/b":{"version":"2.0.0"},"node_modules/dev":{"version":"1.0.0","dev":true}}}`,
	"/srv/app/node_modules/right/package.json":           `{"name":"right","version":"3.0.0"}`,
	"/srv/app/node_modules/right/test/package.json":      `{"name":"right-test"}`,
	"/srv/old/package-lock.json":                         `{"dependencies":{"older":{"version":"0.1.0","dependencies":{"oldest":{"version":"0.0.1"}}}}}`,
	"/usr/lib/python3/Some_Thing-1.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: Some_Thing\nVersion: 1.0\n\nAny text: at all\n",
	"/srv/py/requirements.txt":                           "# a comment\nflask==2.3.1\nrequests[socks]==2.31.0 ; python_version > '3'\nunpinned>=1\n-r other.txt\n",
	"/srv/py/poetry.lock":                                "[[package]]\nname = \"rich\"\nversion = \"13.0.0\"\n",
	"/srv/py/Pipfile.lock":                               `{"default":{"click":{"version":"==8.1.0"}},"develop":{"pytest":{"version":"==7.0.0"}}}`,
}

var baseComponents = []string{
	"os:debian-12",
	"pkg:deb/debian/nginx-light@1.22.1-9%2Bdeb12u3?arch=amd64&distro=debian-12&upstream=nginx%401.22.1-9",
	"pkg:deb/debian/tzdata@2025b-0%2Bdeb12u1?arch=all&distro=debian-12",
	"pkg:npm/%40scope/left@1.2.3", "pkg:npm/b@2.0.0", "pkg:npm/older@0.1.0", "pkg:npm/oldest@0.0.1", "pkg:npm/right@3.0.0",
	"pkg:pypi/click@8.1.0", "pkg:pypi/flask@2.3.1", "pkg:pypi/requests@2.31.0", "pkg:pypi/rich@13.0.0", "pkg:pypi/some-thing@1.0",
}

func TestDocument(t *testing.T) {
	program := hello(t)
	without := func(all []string, parts ...string) []string {
		return slices.DeleteFunc(slices.Clone(all), func(s string) bool {
			return slices.ContainsFunc(parts, func(part string) bool { return strings.Contains(s, part) })
		})
	}
	for name, test := range map[string]struct {
		layers []files
		want   []string
		notes  []string
	}{
		"nothing":    {layers: []files{{"/etc/motd": "hello"}}},
		"everything": {layers: []files{base}, want: baseComponents},
		"replaced": {
			layers: []files{base, {"/var/lib/dpkg/status": "Package: tzdata\nStatus: install ok installed\nArchitecture: all\nVersion: 2026a\n"}},
			want: append(without(baseComponents[:1:1]), append([]string{"pkg:deb/debian/tzdata@2026a?arch=all&distro=debian-12"},
				without(baseComponents[1:], "pkg:deb")...)...),
		},
		"hidden":            {layers: []files{base, {"/srv/app": "-"}}, want: without(baseComponents, "left", "/b@", "right")},
		"hidden and again":  {layers: []files{base, {"/srv": "-"}, {"/srv/requirements-dev.txt": "flask==3.0.0\n"}}, want: append(without(baseComponents, "npm", "pypi"), "pkg:pypi/flask@3.0.0", "pkg:pypi/some-thing@1.0")},
		"beside":            {layers: []files{base, {"/srv/app/other": "x"}}, want: baseComponents},
		"what is no JSON":   {layers: []files{{"/a/package-lock.json": "{"}}, notes: []string{"/a/package-lock.json: "}},
		"what is no TOML":   {layers: []files{{"/a/poetry.lock": "= ="}}, notes: []string{"/a/poetry.lock: "}},
		"a nameless wheel":  {layers: []files{{"/a-1.dist-info/METADATA": "Version: 1\n\n"}}, notes: []string{"/a-1.dist-info/METADATA: it has no name or no version"}},
		"a broken program":  {layers: []files{{"/bin/x": "\x7fELF" + strings.Repeat("\x02", 100)}}, notes: []string{"/bin/x: it cannot be read as a program: "}},
		"half a program":    {layers: []files{{"/bin/x": program[:len(program)/2]}}, notes: []string{"/bin/x: it cannot be read as a program: "}},
		"odd names":         {layers: []files{{"/srv/requirements.txt.bak": "flask==1\n", "/var/lib/dpkg/status.d/base.md5sums": "x"}}},
		"a distroless base": {layers: []files{{"/var/lib/dpkg/status.d/libc6": "Package: libc6\nVersion: 2.36\nArchitecture: amd64\n"}}, want: []string{"pkg:deb/debian/libc6@2.36?arch=amd64"}},
	} {
		t.Run(name, func(t *testing.T) {
			y := newYard(t)
			img := y.image(test.layers...)
			bom := y.document(img)
			var got, notes []string
			for _, c := range *bom.Components {
				got = append(got, c.BOMRef)
			}
			if !slices.Equal(got, test.want) {
				t.Errorf("components\n\t%s\nwant\n\t%s", strings.Join(got, "\n\t"), strings.Join(test.want, "\n\t"))
			}
			if bom.Metadata.Properties != nil {
				for _, p := range *bom.Metadata.Properties {
					notes = append(notes, p.Value)
				}
			}
			if !slices.EqualFunc(notes, test.notes, strings.HasPrefix) {
				t.Errorf("notes %q, want %q", notes, test.notes)
			}
			if bom.Metadata.Component.BOMRef != string(img.Digest) {
				t.Errorf("it is about %s", bom.Metadata.Component.BOMRef)
			}
		})
	}
}

// hello returns the content of a Go program.
func hello(t *testing.T) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "hello")
	if out, err := exec.Command("go", "build", "-o", name, "../examples/hello").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	content, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

// TestProgram checks that a Go program tells of itself and what it was built with, and only where it can be run.
func TestProgram(t *testing.T) {
	program := hello(t)
	y := newYard(t)
	bom := y.document(y.image(files{"/usr/bin/program": program, "/usr/share/data": program}))
	seen := map[string]cdx.Component{}
	for _, c := range *bom.Components {
		seen[c.Name] = c
	}
	if c := seen["stdlib"]; c.Version == "" || len(*c.Evidence.Occurrences) != 1 || (*c.Evidence.Occurrences)[0].Location != "/usr/bin/program" {
		t.Errorf("the standard library is %+v", c)
	}
	if c := seen["github.com/slipway-sh/slipway"]; c.BOMRef == "" {
		t.Errorf("the program itself is not listed: %v", seen)
	}
}

// TestRemembered checks that a layer is looked into once, and that what is remembered gives the very same document.
func TestRemembered(t *testing.T) {
	y := newYard(t)
	img := y.image(base, files{"/etc/motd": "x"})
	first, err := y.BOM(t.Context(), img)
	if err != nil {
		t.Fatal(err)
	}
	// Only asking whether the upper layer hides something may open it: what the lower one has must not be looked for again.
	if err := os.Remove(y.images.BlobPath(img.Layers[0].Digest)); err != nil {
		t.Fatal(err)
	}
	again, err := y.BOM(t.Context(), img)
	if err != nil || !bytes.Equal(first, again) {
		t.Errorf("what is remembered differs, %v", err)
	}
	if err := y.Prune(func(d slipway.Digest) bool { return d != img.Layers[0].Digest }); err != nil {
		t.Fatal(err)
	}
	if _, err := y.BOM(t.Context(), img); slipway.CodeOf(err) != slipway.NotFound {
		t.Errorf("a forgotten layer that is gone: %v", err)
	}
}

// TestDamagedLayer checks that a layer that is none is an error, and not an empty document.
func TestDamagedLayer(t *testing.T) {
	y := newYard(t)
	img := y.image(base)
	name := y.images.BlobPath(img.Layers[0].Digest)
	if err := os.Chmod(name, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte("garbage"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := y.BOM(t.Context(), img); slipway.CodeOf(err) != slipway.Corrupt {
		t.Errorf("got %v", err)
	}
}

// yard is a generator with a store to make images in.
type yard struct {
	*sbom.Inventory
	t      *testing.T
	images *image.Store
}

func newYard(t *testing.T) *yard {
	t.Helper()
	dir := t.TempDir()
	images, err := image.Open(filepath.Join(dir, "images"))
	if err != nil {
		t.Fatal(err)
	}
	return &yard{sbom.New(images, filepath.Join(dir, "sbom")), t, images}
}

func (y *yard) image(layers ...files) slipway.Image {
	y.t.Helper()
	img := slipway.Image{Application: "hello", From: "scratch"}
	var below []slipway.Digest
	for _, layer := range layers {
		d, size, err := y.images.WriteLayer(y.t.Context(), below, func(l *image.Layer) error {
			for name, content := range layer {
				mode := uint32(0o644)
				if strings.Contains(name, "/bin/") {
					mode = 0o755
				}
				err := l.AddFile(name, image.Attr{Mode: mode}, []byte(content))
				if content == "-" {
					err = y.hide(l, name)
				}
				if err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			y.t.Fatal(err)
		}
		below = append(below, d)
		img.Layers = append(img.Layers, slipway.LayerInfo{Digest: d, Size: size})
	}
	digest, err := y.images.WriteImage(y.t.Context(), img)
	if err != nil {
		y.t.Fatal(err)
	}
	img.Digest = digest
	return img
}

// hide adds a whiteout, as what a script removes leaves one.
func (y *yard) hide(l *image.Layer, name string) error {
	upper := y.t.TempDir()
	at := filepath.Join(upper, name)
	if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
		return err
	}
	if err := unix.Mknod(at, unix.S_IFCHR, 0); err != nil {
		return err
	}
	return l.AddOverlay(context.Background(), upper, nil)
}

func (y *yard) document(img slipway.Image) *cdx.BOM {
	y.t.Helper()
	text, err := y.BOM(y.t.Context(), img)
	if err != nil {
		y.t.Fatal(err)
	}
	bom := new(cdx.BOM)
	bom.Components = &[]cdx.Component{} // what is empty is left out
	if err := cdx.NewBOMDecoder(bytes.NewReader(text), cdx.BOMFileFormatJSON).Decode(bom); err != nil {
		y.t.Fatal(err)
	}
	return bom
}
