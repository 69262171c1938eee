package bake

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
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
	mu     sync.Mutex // held while an entry is found of use, or of none
}

// get returns the layer of a key if it is there, whole, and holds it. It notes that the entry was of use.
func (c *cache) get(key slipway.Digest, h *hold) (slipway.LayerInfo, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	info, ok := c.peek(key)
	if ok {
		h.on(info.Digest, info.Lock)
		now := time.Now()
		_ = os.Chtimes(c.path(key), now, now) // an entry that is collected too early costs one build
	}
	return info, ok
}

// peek is get that notes nothing.
func (c *cache) peek(key slipway.Digest) (slipway.LayerInfo, bool) {
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
func (c *cache) holds(info slipway.LayerInfo) bool {
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
func (c *cache) inputs(key slipway.Digest) (stepKey, bool) {
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
func (c *cache) put(info slipway.LayerInfo, inputs stepKey) error {
	if err := os.MkdirAll(c.dir, 0o700); err != nil {
		return fmt.Errorf("cache layer: %w", err)
	}
	f, err := os.CreateTemp(c.dir, halfWritten)
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
		c.mu.Lock()
		err = os.Rename(f.Name(), c.path(info.Key))
		c.mu.Unlock()
	}
	if err != nil {
		return fmt.Errorf("cache layer: %w", err)
	}
	return nil
}

// cacheEntry is an entry as the collector sees it.
type cacheEntry struct {
	key  slipway.Digest
	info slipway.LayerInfo
	used time.Time
}

// entries returns all entries. One that cannot be read, or whose layer is gone, has no layer.
func (c *cache) entries() ([]cacheEntry, error) {
	files, err := os.ReadDir(c.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var all []cacheEntry
	for _, f := range files {
		hex, ok := strings.CutSuffix(f.Name(), ".json")
		e := cacheEntry{key: slipway.Digest("sha256:" + hex)}
		if !ok || e.key.Validate() != nil {
			continue
		}
		st, err := f.Info()
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		e.info, _ = c.peek(e.key)
		e.used = st.ModTime()
		all = append(all, e)
	}
	return all, nil
}

// evict removes an entry unless it has been of use, or was replaced, since it was looked at.
func (c *cache) evict(e cacheEntry) (bool, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	st, err := os.Stat(c.path(e.key))
	if errors.Is(err, fs.ErrNotExist) {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	if st.ModTime().After(e.used) {
		return false, nil
	}
	return true, os.Remove(c.path(e.key))
}

// sweep removes entries that a killed process left half-written.
func (c *cache) sweep() error {
	halves, err := filepath.Glob(filepath.Join(c.dir, halfWritten+"*"))
	for _, p := range halves {
		err = errors.Join(err, os.Remove(p))
	}
	return err
}

// halfWritten is what the names of entries begin with that are being written.
const halfWritten = "new-"

func (c *cache) path(key slipway.Digest) string { return filepath.Join(c.dir, key.Hex()+".json") }
