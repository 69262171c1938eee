package bases

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"github.com/google/renameio/v2"

	"github.com/slipway-sh/slipway"
)

// memory keeps what registries said: a small file a reference, and one a manifest. Nothing in it could not be asked again, so what cannot
// be read is as good as absent.
type memory struct{ dir string }

// said is a file of the memory: Digest is set in one of a reference, Layers in one of a manifest.
type said struct {
	Of     string                `json:"of"` // the reference or the manifest's digest
	Digest slipway.Digest        `json:"digest,omitempty"`
	Layers []slipway.RemoteLayer `json:"layers,omitempty"`
}

func (m memory) digest(ref string) (slipway.Digest, bool) {
	s, ok := m.read(m.reference(ref), ref)
	return s.Digest, ok && s.Digest.Validate() == nil
}

func (m memory) keepDigest(ref string, digest slipway.Digest) error {
	return m.write(m.reference(ref), said{Of: ref, Digest: digest})
}

func (m memory) layers(manifest slipway.Digest) ([]slipway.RemoteLayer, bool) {
	s, ok := m.read(m.manifest(manifest), string(manifest))
	for _, l := range s.Layers {
		ok = ok && l.Digest.Validate() == nil
	}
	return s.Layers, ok
}

func (m memory) keepLayers(manifest slipway.Digest, layers []slipway.RemoteLayer) error {
	return m.write(m.manifest(manifest), said{Of: string(manifest), Layers: layers})
}

func (m memory) reference(ref string) string {
	return filepath.Join(m.dir, "ref-"+slipway.DigestOf([]byte(ref)).Hex()+".json")
}

func (m memory) manifest(d slipway.Digest) string {
	return filepath.Join(m.dir, "manifest-"+d.Hex()+".json")
}

func (m memory) read(file, of string) (said, bool) {
	var s said
	text, err := os.ReadFile(file)
	return s, err == nil && json.Unmarshal(text, &s) == nil && s.Of == of
}

func (m memory) write(file string, s said) error {
	text, err := json.Marshal(s)
	if err == nil {
		err = os.MkdirAll(m.dir, 0o700)
	}
	if err == nil {
		err = renameio.WriteFile(file, text, 0o600)
	}
	if err != nil {
		return fmt.Errorf("remember what a registry said: %w", err)
	}
	return nil
}
