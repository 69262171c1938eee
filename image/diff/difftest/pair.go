// Package difftest makes images to compare.
package difftest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/image"
)

// What Pair makes: about what a Debian with a language's runtime has.
const (
	Files = 14_000
	Bytes = 400 << 20
)

// Pair writes two images of one layer each, of 400 MB in 14,000 files, that share no layer and differ in a handful of files: the hard
// case, in which every byte must be looked at. The images are returned without being listed anywhere.
func Pair(ctx context.Context, store *image.Store) (older, newer slipway.Image, err error) {
	content := make([]byte, Files+2*Bytes/Files)
	source := rand.NewChaCha8([32]byte{'d', 'i', 'f', 'f'})
	if _, err := source.Read(content); err != nil {
		return older, newer, err
	}
	make := func(version string, changed bool) (slipway.Image, error) {
		digest, size, err := store.WriteLayer(ctx, nil, func(l *image.Layer) error {
			for n := range Files {
				// Files have all sizes up to twice the mean, and hardly two of them the same bytes. Most are not copied.
				size := (n * 7919) % (2 * Bytes / Files)
				text := content[n : n+size]
				if changed && n%2000 == 1 {
					text = append(slices.Clone(text), "new"...)[3:]
				}
				if err := l.AddFile(fmt.Sprintf("/usr/lib/d%d/d%d/f%d", n%50, n%700, n), image.Attr{Mode: 0o644}, text); err != nil {
					return err
				}
			}
			return l.AddFile("/etc/version", image.Attr{Mode: 0o644}, []byte(version+"\n"))
		})
		return slipway.Image{
			Digest: slipway.DigestOf([]byte(version)), Application: "base", Version: version, State: slipway.ImageReady,
			Layers: []slipway.LayerInfo{{Digest: digest, Size: size, Step: "everything"}},
		}, err
	}
	if older, err = make("v1", false); err != nil {
		return older, newer, err
	}
	newer, err = make("v2", true)
	return older, newer, err
}
