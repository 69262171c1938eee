package image

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"sync"

	"github.com/google/renameio/v2"
	specs "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/slipway-sh/slipway"
)

// index is the layout's index.json, which other tools of the OCI world start from. It is read once and then kept in memory with the JSON
// text of each entry, so that listing an image costs one write of the file however many are listed: a few milliseconds for ten thousand.
type index struct {
	mu      sync.Mutex
	path    string
	known   bool                      // what follows is what the file says
	entries []indexed                 // by digest
	named   map[string]slipway.Digest // by the annotation that names an entry
}

type indexed struct {
	digest slipway.Digest
	name   string // "" for most
	text   []byte
}

func (e indexed) compare(d slipway.Digest) int { return cmp.Compare(e.digest, d) }

// add lists a manifest, durably. One that is named takes the place of the entry that has its name. Adding an entry again is a no-op.
func (x *index) add(desc specs.Descriptor) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	if err := x.read(); err != nil {
		return err
	}
	e, err := newIndexed(desc)
	if err != nil {
		return err
	}
	if _, ok := slices.BinarySearchFunc(x.entries, e.digest, indexed.compare); ok {
		return nil
	}
	entries := x.entries
	if e.name != "" {
		entries = without(entries, x.named[e.name])
	}
	at, _ := slices.BinarySearchFunc(entries, e.digest, indexed.compare)
	return x.write(slices.Concat(entries[:at], []indexed{e}, entries[at:]))
}

// remove takes manifests off the list, durably; nil if they are not on it.
func (x *index) remove(digests ...slipway.Digest) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	if err := x.read(); err != nil {
		return err
	}
	entries := without(x.entries, digests...)
	if len(entries) == len(x.entries) {
		return nil
	}
	return x.write(entries)
}

// digests returns what is listed.
func (x *index) digests() (map[slipway.Digest]bool, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if err := x.read(); err != nil {
		return nil, err
	}
	listed := make(map[slipway.Digest]bool, len(x.entries))
	for _, e := range x.entries {
		listed[e.digest] = true
	}
	return listed, nil
}

// find returns the manifest that is listed under a name, "" if none is.
func (x *index) find(name string) (slipway.Digest, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	err := x.read()
	return x.named[name], err
}

func (x *index) read() error {
	if x.known {
		return nil
	}
	var file specs.Index
	text, err := os.ReadFile(x.path)
	switch {
	case err == nil:
		if err := json.Unmarshal(text, &file); err != nil {
			return slipway.Errorf(slipway.Corrupt, "cannot read %s: %w", x.path, err)
		}
	case !errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("list image: %w", err)
	}
	var entries []indexed
	for _, desc := range file.Manifests {
		e, err := newIndexed(desc)
		if err != nil {
			return err
		}
		entries = append(entries, e)
	}
	slices.SortFunc(entries, func(a, b indexed) int { return a.compare(b.digest) })
	x.set(entries)
	return nil
}

// write replaces the file, and only then what is known of it.
func (x *index) write(entries []indexed) error {
	var text bytes.Buffer
	fmt.Fprintf(&text, `{"schemaVersion":2,"mediaType":%q,"manifests":[`, specs.MediaTypeImageIndex)
	for i, e := range entries {
		if i > 0 {
			text.WriteByte(',')
		}
		text.Write(e.text)
	}
	text.WriteString("]}")
	if err := renameio.WriteFile(x.path, text.Bytes(), 0o644); err != nil {
		return fmt.Errorf("list image: %w", err)
	}
	x.set(entries)
	return nil
}

func (x *index) set(entries []indexed) {
	x.known, x.entries, x.named = true, entries, map[string]slipway.Digest{}
	for _, e := range entries {
		if e.name != "" {
			x.named[e.name] = e.digest
		}
	}
}

func newIndexed(desc specs.Descriptor) (indexed, error) {
	text, err := json.Marshal(desc)
	if err != nil {
		return indexed{}, fmt.Errorf("list image: %w", err)
	}
	return indexed{slipway.Digest(desc.Digest), desc.Annotations[specs.AnnotationRefName], text}, nil
}

// without returns a copy of entries that lacks some.
func without(entries []indexed, digests ...slipway.Digest) []indexed {
	return slices.DeleteFunc(slices.Clone(entries), func(e indexed) bool { return slices.Contains(digests, e.digest) })
}
