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

	"github.com/slipway-sh/slipway"
)

// finding is what a file of a layer says of what is installed.
type finding struct {
	Path    string   `json:"path"` // without a slash before it
	Parts   []part   `json:"parts,omitempty"`
	Release *release `json:"release,omitempty"` // of an os-release file
	Note    string   `json:"note,omitempty"`    // why it could not be read
}

// part is a package or module.
type part struct {
	Type         string `json:"type"` // of its purl
	Name         string `json:"name"`
	Version      string `json:"version,omitempty"`
	Architecture string `json:"architecture,omitempty"`
	Source       string `json:"source,omitempty"` // of a Debian package: the source package, if its name or version differ
	Hash         string `json:"hash,omitempty"`   // "SHA-512 <hex>" of what was installed, where it is known
}

// release says which system it is.
type release struct {
	ID      string `json:"id"`
	Version string `json:"version,omitempty"`
}

// kept is the file in which the findings of a layer are kept.
type kept struct {
	Format   string    `json:"format"`
	Findings []finding `json:"findings"`
}

// layer returns what is in a layer, from the kept file or by looking into it.
func (v *Inventory) layer(ctx context.Context, d slipway.Digest) ([]finding, error) {
	if err := d.Validate(); err != nil {
		return nil, err
	}
	path := filepath.Join(v.dir, d.Hex()+".json")
	var k kept
	if text, err := os.ReadFile(path); err == nil && json.Unmarshal(text, &k) == nil && k.Format == format {
		return k.Findings, nil
	}
	if err := v.images.Check(ctx, d); err != nil {
		return nil, err
	}
	l, err := openLayer(ctx, v.images, d)
	if err != nil {
		return nil, err
	}
	defer l.Close()
	k = kept{Format: format, Findings: []finding{}}
	err = l.walk(ctx, "/", func(f *file) error {
		read := readerOf(f.path)
		found, err := examine(f, read)
		if err == nil && found != nil {
			k.Findings = append(k.Findings, *found)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	text, err := json.Marshal(k)
	if err != nil {
		return nil, err
	}
	if err := v.keep(path, text); err != nil {
		return nil, fmt.Errorf("keep what is in a layer: %w", err)
	}
	return k.Findings, nil
}

// keep writes a file at once or not at all. It does not wait for the disk: one that a power cut shortened is no JSON, and made again.
func (v *Inventory) keep(path string, text []byte) error {
	if err := os.MkdirAll(v.dir, 0o755); err != nil {
		return err
	}
	f, err := os.CreateTemp(v.dir, ".new-")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // fails once it is renamed
	_, err = f.Write(text)
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}

// examine returns what a file says, nil if it is none that says anything. What is wrong with the file itself is a note. The readers are of
// other people's formats and get whatever is in an image, so that a panic in one is a note as well.
func examine(f *file, read reader) (found *finding, err error) {
	found = &finding{Path: f.path}
	defer func() {
		if p := recover(); p != nil {
			found, err = &finding{Path: f.path, Note: fmt.Sprint(p)}, nil
		}
	}()
	err = read(f, found)
	switch {
	case slipway.CodeOf(err) == slipway.Corrupt:
		return nil, err // the layer, not the file
	case err != nil:
		return &finding{Path: f.path, Note: err.Error()}, nil
	case len(found.Parts) == 0 && found.Release == nil:
		return nil, nil
	}
	return found, nil
}

// Prune removes what is kept of layers that nothing needs any more.
func (v *Inventory) Prune(keep func(slipway.Digest) bool) error {
	list, err := os.ReadDir(v.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("prune what is kept of layers: %w", err)
	}
	var errs []error
	for _, e := range list {
		d := slipway.Digest("sha256:" + e.Name()[:max(0, len(e.Name())-len(".json"))])
		if !strings.HasPrefix(e.Name(), ".new-") && (d.Validate() != nil || keep(d)) {
			continue // but what a killed process left half-written
		}
		errs = append(errs, os.Remove(filepath.Join(v.dir, e.Name())))
	}
	return errors.Join(errs...)
}
