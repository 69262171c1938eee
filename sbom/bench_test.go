package sbom_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/image"
	"github.com/slipway-sh/slipway/sbom"
)

// BenchmarkBOM lists what is in an image of this host's programs and libraries: the first time, and with all layers looked into before.
func BenchmarkBOM(b *testing.B) {
	dir := b.TempDir()
	images, err := image.Open(filepath.Join(dir, "images"))
	if err != nil {
		b.Fatal(err)
	}
	layer, size, err := images.WriteLayer(b.Context(), nil, func(l *image.Layer) error {
		for _, tree := range []string{"/usr/bin", "/usr/sbin", "/usr/lib", "/var/lib/dpkg"} {
			if err := l.AddTree(b.Context(), tree, image.Options{To: tree}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
	img := slipway.Image{Application: "host", Layers: []slipway.LayerInfo{{Digest: layer, Size: size}}}
	if img.Digest, err = images.WriteImage(b.Context(), img); err != nil {
		b.Fatal(err)
	}
	list := func(b *testing.B, forget bool) {
		kept := filepath.Join(dir, "sbom")
		inventory := sbom.New(images, kept)
		b.SetBytes(size)
		for b.Loop() {
			if forget {
				if err := os.RemoveAll(kept); err != nil {
					b.Fatal(err)
				}
			}
			if _, err := inventory.BOM(b.Context(), img); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.Run("first", func(b *testing.B) { list(b, true) })
	b.Run("again", func(b *testing.B) { list(b, false) })
}
