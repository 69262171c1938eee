package sbom

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/google/renameio/v2"

	"github.com/slipway-sh/slipway"
)

// version is part of the name of what is remembered. It changes whenever a layer would give other findings than before.
const version = "1"

// Generator makes documents. Its methods are safe for concurrent use.
type Generator struct {
	blobs slipway.Blobs
	dir   string
}

// New returns a generator that reads layers from blobs and remembers what it found in dir.
func New(blobs slipway.Blobs, dir string) *Generator { return &Generator{blobs, dir} }

// Document returns the CycloneDX 1.6 document of an image, JSON. The same image always gives the same document. What cannot be read in
// a layer, such as a lock file that is none, is noted in the document and no error; a layer that is damaged itself is Corrupt.
func (g *Generator) Document(ctx context.Context, image slipway.Image) ([]byte, error) {
	var layers []*layer
	defer func() {
		for _, l := range layers {
			l.close()
		}
	}()
	for _, info := range image.Layers {
		l := &layer{blobs: g.blobs, digest: info.Digest}
		layers = append(layers, l)
		found, err := g.findings(ctx, l)
		if err != nil {
			return nil, err
		}
		l.found = found
	}
	seen, err := merge(ctx, layers)
	if err != nil {
		return nil, err
	}
	return document(image, seen)
}

// findings returns what is in a layer, from memory or by looking.
func (g *Generator) findings(ctx context.Context, l *layer) (findings, error) {
	name := filepath.Join(g.dir, l.digest.Hex()+"."+version+".json")
	var found findings
	if text, err := os.ReadFile(name); err == nil && json.Unmarshal(text, &found) == nil {
		return found, nil
	}
	found, err := l.look(ctx)
	if err != nil {
		return nil, err
	}
	text, err := json.Marshal(found)
	if err == nil {
		err = errors.Join(os.MkdirAll(g.dir, 0o700), renameio.WriteFile(name, text, 0o600))
	}
	if err != nil {
		return nil, fmt.Errorf("remember what is in layer %s: %w", l.digest.Short(), err)
	}
	return found, nil
}

// Forget drops what is remembered of layers that are not there any more.
func (g *Generator) Forget(has func(slipway.Digest) bool) error {
	entries, err := os.ReadDir(g.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	var errs []error
	for _, e := range entries {
		hex, rest, _ := strings.Cut(e.Name(), ".")
		if rest != version+".json" || !has(slipway.Digest("sha256:"+hex)) {
			errs = append(errs, os.Remove(filepath.Join(g.dir, e.Name())))
		}
	}
	return errors.Join(append(errs, err)...)
}
