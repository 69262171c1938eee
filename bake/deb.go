package bake

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/slipway-sh/slipway"
)

// deb is a Debian package that apt wants to install: which it is, and where an archive has it.
type deb struct {
	slipway.LockedPackage
	uri string
}

// printedURI is a line of what apt-get --print-uris prints: where a package is, the name apt would give it in its cache, its size, and the
// hash that the archive's signed index has of it.
var printedURI = regexp.MustCompile(`^'([^']+)' (\S+)\.deb (\d+) (?:SHA256:([0-9a-f]{64}))?`)

// parseURIs reads the packages out of what apt-get --print-uris prints, sorted by name and architecture. Failed if the archive has no
// SHA-256 of one: nothing would then say that it is what the archive signed.
func parseURIs(text string) ([]deb, error) {
	var debs []deb
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(line, "'") {
			continue
		}
		m := printedURI.FindStringSubmatch(line)
		if m == nil || m[4] == "" {
			return nil, slipway.Errorf(slipway.Failed, "cannot pin a package: its archive has no SHA-256 of it: %s", strings.TrimSpace(line))
		}
		d := deb{uri: m[1]}
		d.Digest = slipway.Digest("sha256:" + m[4])
		parts := strings.Split(m[2], "_") // apt escapes the ones that are part of a version
		size, err := strconv.ParseInt(m[3], 10, 64)
		for i, p := range parts {
			unescaped, uerr := url.PathUnescape(p)
			parts[i], err = unescaped, cmp.Or(err, uerr)
		}
		if len(parts) != 3 || err != nil {
			return nil, fmt.Errorf("read what apt would install: %q", line)
		}
		d.Name, d.Version, d.Architecture, d.Size = parts[0], parts[1], parts[2], size
		debs = append(debs, d)
	}
	slices.SortFunc(debs, func(a, b deb) int { return byName(a.LockedPackage, b.LockedPackage) })
	return debs, nil
}

// missing returns those packages whose blobs are not stored. One that is damaged is removed, and is missing. Those that are stored stay for
// as long as a bake may take.
func (b *Baker) missing(ctx context.Context, packages []slipway.LockedPackage) ([]slipway.LockedPackage, error) {
	digests := make([]slipway.Digest, len(packages))
	for i, p := range packages {
		digests[i] = p.Digest
	}
	absent, err := b.images.Missing(ctx, digests)
	if err != nil {
		return nil, err
	}
	var missing []slipway.LockedPackage
	for _, p := range packages {
		if slices.Contains(absent, p.Digest) {
			missing = append(missing, p)
			continue
		}
		err := b.images.Verify(ctx, p.Digest)
		if isCode(err, slipway.Corrupt) {
			missing = append(missing, p)
			err = os.Remove(b.images.BlobPath(p.Digest))
		}
		if err != nil {
			return nil, err
		}
	}
	return missing, nil
}

// keep stores packages that were downloaded into the directory dir, under the names of debFile. What is in there a sandbox has written,
// so it is taken for what its digest says or not at all.
func (b *Baker) keep(ctx context.Context, dir string, packages []slipway.LockedPackage) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	for _, p := range packages {
		f, err := openRegular(root, debFile(p))
		if err != nil {
			return fmt.Errorf("keep package %s: %w", p.Name, err)
		}
		err = b.images.PutBlob(ctx, p.Digest, p.Size, f)
		if err = errors.Join(err, f.Close()); err != nil {
			return fmt.Errorf("keep package %s: %w", p.Name, err)
		}
	}
	return nil
}

// debFile is what the file of a package is called while it is not a blob.
func debFile(p slipway.LockedPackage) string { return p.Digest.Hex() + ".deb" }

// openRegular opens a file below root that is nothing else: no device, no FIFO, no link that leads out.
func openRegular(root *os.Root, name string) (*os.File, error) {
	f, err := root.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	if st, err := f.Stat(); err != nil || !st.Mode().IsRegular() {
		return nil, errors.Join(err, fmt.Errorf("%s is no file", name), f.Close())
	}
	return f, nil
}

// readRegular returns the content of such a file, which must have at most limit bytes.
func readRegular(dir, name string, limit int64) (string, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return "", err
	}
	defer root.Close()
	f, err := openRegular(root, name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && int64(len(text)) > limit {
		err = fmt.Errorf("%s has more than %d bytes", name, limit)
	}
	return string(text), err
}

func isCode(err error, codes ...slipway.Code) bool {
	var known *slipway.Error
	return errors.As(err, &known) && slices.Contains(codes, known.Code)
}
