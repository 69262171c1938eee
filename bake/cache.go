package bake

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/image"
)

// cache remembers which layer a key gave: one small file a key, whose modification time is when it was last of use. It holds nothing that
// could not be built again, so what cannot be read is as good as absent.
//
// A file has two JSON documents: the layer, and the inputs whose digest the key is. The second is only read to tell people what changed.
type cache struct {
	dir    string
	images *image.Store
}

// get returns the layer of a key if it is there, whole, and notes that it was of use.
func (c cache) get(key slipway.Digest) (slipway.LayerInfo, bool) {
	info, ok := c.peek(key)
	if ok {
		now := time.Now()
		_ = os.Chtimes(c.path(key), now, now) // an entry that is collected too early costs one build
	}
	return info, ok
}

// peek is get that notes nothing.
func (c cache) peek(key slipway.Digest) (slipway.LayerInfo, bool) {
	f, err := os.Open(c.path(key))
	if err != nil {
		return slipway.LayerInfo{}, false
	}
	defer f.Close()
	var info slipway.LayerInfo
	if json.NewDecoder(f).Decode(&info) != nil || info.Key != key || !c.holds(info) {
		return slipway.LayerInfo{}, false
	}
	return info, true
}

// holds reports whether the blobs of a layer are stored.
func (c cache) holds(info slipway.LayerInfo) bool {
	if info.Digest.Validate() != nil {
		return false
	}
	st, err := os.Stat(c.images.BlobPath(info.Digest))
	if err != nil || st.Size() != info.Size {
		return false
	}
	if info.Lock == "" {
		return true
	}
	_, err = os.Stat(c.images.BlobPath(info.Lock))
	return err == nil
}

// inputs returns what a key is the digest of, if its entry is there, whether or not its layer still is.
func (c cache) inputs(key slipway.Digest) (stepKey, bool) {
	f, err := os.Open(c.path(key))
	if err != nil {
		return stepKey{}, false
	}
	defer f.Close()
	var info slipway.LayerInfo
	var inputs stepKey
	documents := json.NewDecoder(f)
	if documents.Decode(&info) != nil || documents.Decode(&inputs) != nil || inputs.digest() != key {
		return stepKey{}, false
	}
	return inputs, true
}

// put stores an entry. It is not synced to disk: a lost entry costs one build.
func (c cache) put(info slipway.LayerInfo, inputs stepKey) error {
	if err := os.MkdirAll(c.dir, 0o700); err != nil {
		return fmt.Errorf("cache layer: %w", err)
	}
	f, err := os.CreateTemp(c.dir, "new-")
	if err != nil {
		return fmt.Errorf("cache layer: %w", err)
	}
	defer os.Remove(f.Name()) // nothing, once renamed
	documents := json.NewEncoder(f)
	err = documents.Encode(info)
	if err == nil {
		err = documents.Encode(inputs)
	}
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
