package bake

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/image"
)

// cache remembers which layer a key gave: one small file a key. It holds nothing that could not be built again, so what cannot be
// read is as good as absent.
type cache struct {
	dir    string
	images *image.Store
}

func (c cache) get(key slipway.Digest) (slipway.LayerInfo, bool) {
	var info slipway.LayerInfo
	text, err := os.ReadFile(c.path(key))
	if err != nil || json.Unmarshal(text, &info) != nil || info.Key != key || info.Digest.Validate() != nil {
		return slipway.LayerInfo{}, false
	}
	st, err := os.Stat(c.images.BlobPath(info.Digest))
	if err != nil || st.Size() != info.Size {
		return slipway.LayerInfo{}, false
	}
	return info, true
}

// put stores an entry. It is not synced to disk: a lost entry costs one build.
func (c cache) put(info slipway.LayerInfo) error {
	text, err := json.Marshal(info)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(c.dir, 0o700); err != nil {
		return fmt.Errorf("cache layer: %w", err)
	}
	f, err := os.CreateTemp(c.dir, "new-")
	if err != nil {
		return fmt.Errorf("cache layer: %w", err)
	}
	defer os.Remove(f.Name()) // nothing, once renamed
	_, err = f.Write(text)
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = os.Rename(f.Name(), c.path(info.Key))
	}
	if err != nil {
		return fmt.Errorf("cache layer: %w", err)
	}
	return nil
}

func (c cache) path(key slipway.Digest) string { return filepath.Join(c.dir, key.Hex()+".json") }
