package attest

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	specs "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/slipway-sh/slipway"
)

// Directory is an OCI image layout on disk that is only read: a server's directory of images, a copy of it, or one that another tool of
// the OCI world has filled. It implements [Layout], and hashes what it is asked about every time.
type Directory struct {
	path  string
	index specs.Index
}

// OpenDirectory opens a layout. NotFound if there is none, Invalid if its index cannot be read.
func OpenDirectory(path string) (*Directory, error) {
	l := &Directory{path: path}
	text, err := os.ReadFile(filepath.Join(path, specs.ImageIndexFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, slipway.Errorf(slipway.NotFound, "cannot find an OCI image layout in %s: there is no %s", path, specs.ImageIndexFile)
	}
	if err != nil {
		return nil, slipway.Errorf(slipway.Invalid, "cannot read the image layout: %w", err)
	}
	if err := json.Unmarshal(text, &l.index); err != nil {
		return nil, slipway.Errorf(slipway.Invalid, "cannot read %s: %w", filepath.Join(path, specs.ImageIndexFile), err)
	}
	return l, nil
}

// OpenBlob implements [Layout].
func (l *Directory) OpenBlob(_ context.Context, d slipway.Digest) (io.ReadCloser, error) {
	if err := d.Validate(); err != nil {
		return nil, err
	}
	f, err := os.Open(filepath.Join(l.path, specs.ImageBlobsDir, "sha256", d.Hex()))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, slipway.Errorf(slipway.NotFound, "cannot find blob %s in %s", d, l.path)
	}
	if err != nil {
		return nil, slipway.Errorf(slipway.Invalid, "cannot read the image layout: %w", err)
	}
	return f, nil
}

// Check implements [Layout].
func (l *Directory) Check(ctx context.Context, d slipway.Digest) error {
	f, err := l.OpenBlob(ctx, d)
	if err != nil {
		return err
	}
	defer f.Close()
	h := sha256.New()
	buf := make([]byte, 1<<20)
	for {
		n, err := f.Read(buf)
		h.Write(buf[:n])
		if errors.Is(err, io.EOF) {
			break
		}
		if err = errors.Join(err, ctx.Err()); err != nil {
			return fmt.Errorf("read blob %s: %w", d.Short(), err)
		}
	}
	if got := slipway.DigestFromSum(h.Sum(nil)); got != d {
		return slipway.Errorf(slipway.Corrupt, "blob %s has the digest %s", d.Short(), got.Short())
	}
	return nil
}

// ReferrerManifests implements [Layout]. It finds what the layout lists under the tag that OCI has for an image's referrers, and what it lists
// itself and says of this subject.
func (l *Directory) ReferrerManifests(ctx context.Context, image slipway.Digest) ([]slipway.Digest, error) {
	v := Verifier{Layout: l}
	var found []slipway.Digest
	for _, desc := range l.index.Manifests {
		d := slipway.Digest(desc.Digest)
		switch {
		case d == image:
		case desc.Annotations[specs.AnnotationRefName] == "sha256-"+image.Hex():
			var list specs.Index
			if err := v.readJSON(ctx, d, &list); err != nil {
				return nil, err
			}
			for _, m := range list.Manifests {
				found = append(found, slipway.Digest(m.Digest))
			}
		case desc.MediaType == specs.MediaTypeImageManifest && desc.ArtifactType != machineType:
			var m specs.Manifest
			if v.readJSON(ctx, d, &m) == nil && m.Subject != nil && slipway.Digest(m.Subject.Digest) == image {
				found = append(found, d)
			}
		}
	}
	return found, nil
}

var _ Layout = (*Directory)(nil)
