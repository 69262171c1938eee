package bake

import (
	"archive/tar"
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/image"
)

// planBase plans what an image starts from that is baked here, which is one layer.
func (b *Baker) planBase(s site, from string) (plan, error) {
	place := s.place
	if suite, ok := strings.CutPrefix(from, "debian:"); ok {
		return b.planDebian(s, suite)
	}
	name, ok := rootfsFile(from)
	if !ok {
		return plan{}, slipway.Errorf(slipway.Invalid, "cannot bake from %q: want scratch, debian:<suite> or rootfs:<file.tar[.gz]>", from).At(place)
	}
	file, err := s.files.file(name, place)
	if err != nil {
		return plan{}, err
	}
	key := stepKey{From: from, Inputs: []slipway.ContextEntry{file}}
	return plan{place: place, key: key, add: func(ctx context.Context, l *image.Layer, _ io.Writer) error {
		if err := b.checkRootfs(ctx, file.Digest); err != nil {
			return err
		}
		return l.AddArchive(ctx, file.Digest, image.Options{Skip: inDev})
	}}, nil
}

func rootfsFile(from string) (string, bool) { return strings.CutPrefix(from, "rootfs:") }

// inDev selects what lies in /dev: a machine gets a /dev of its own.
func inDev(p string) bool { return strings.HasPrefix(p, "/dev/") }

// checkRootfs refuses, as Invalid and naming the entry, a root file system with names that lead out of it or with device nodes
// outside /dev. Absolute symbolic links are fine: the archive's root is the machine's.
func (b *Baker) checkRootfs(ctx context.Context, d slipway.Digest) error {
	if err := b.images.Verify(ctx, d); err != nil {
		return err
	}
	blob, err := os.Open(b.images.BlobPath(d))
	if err != nil {
		return err
	}
	defer blob.Close()
	var r io.Reader = blob
	if head := make([]byte, 2); readHead(blob, head) && bytes.Equal(head, []byte("\x1f\x8b")) {
		z, err := gzip.NewReader(bufio.NewReader(blob))
		if err != nil {
			return slipway.Errorf(slipway.Invalid, "cannot unpack the root file system: %w", err)
		}
		r = z
	}
	for archive := tar.NewReader(r); ; {
		if err := ctx.Err(); err != nil {
			return err
		}
		h, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return slipway.Errorf(slipway.Invalid, "cannot unpack the root file system: %w", err)
		}
		refuse := func(why string) error {
			return slipway.Errorf(slipway.Invalid, "cannot unpack the root file system: %s", why).At(fmt.Sprintf("archive entry %q", h.Name))
		}
		names := []string{h.Name}
		if h.Typeflag == tar.TypeLink {
			names = append(names, h.Linkname)
		}
		for _, name := range names {
			if path.IsAbs(name) || slices.Contains(strings.Split(name, "/"), "..") {
				return refuse("the name leads out of the archive")
			}
		}
		special := h.Typeflag == tar.TypeChar || h.Typeflag == tar.TypeBlock || h.Typeflag == tar.TypeFifo
		if special && !inDev(path.Clean("/"+h.Name)) {
			return refuse("it is a device node or FIFO")
		}
	}
}

// readHead fills head from the start of f and leaves f there.
func readHead(f *os.File, head []byte) bool {
	_, err := f.ReadAt(head, 0)
	return err == nil
}
