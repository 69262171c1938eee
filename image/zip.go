package image

import (
	"archive/zip"
	"context"
	"errors"
	"io"
	"math"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/slipway-sh/slipway"
)

// AddZip adds the entries of a zip archive. r is read again when the layer is written, and must stay as it is until then. Entries
// that carry no Unix mode get 0644 and 0755; all are root's unless o.Owner says otherwise.
func (l *Layer) AddZip(ctx context.Context, r io.ReaderAt, size int64, o Options) error {
	z, err := zip.NewReader(r, size)
	if err != nil {
		return l.readError("zip archive", err)
	}
	var total uint64
	for _, f := range z.File {
		if total += f.UncompressedSize64; f.UncompressedSize64 > maxBytes || total > math.MaxInt64 {
			return slipway.Errorf(slipway.Invalid, "cannot unpack the zip archive: it says that it unpacks to more than any disk holds")
		}
	}
	if err := l.store.room("the unpacked archive", int64(total)); err != nil {
		return err
	}
	a := l.newArchive("zip archive", o)
	for _, f := range z.File {
		if err := ctx.Err(); err != nil {
			return err
		}
		if strings.Contains(f.Name, `\`) {
			return a.refuse(f.Name, `its name has a "\"; zip archives separate with "/"`)
		}
		n := &node{mode: unixMode(f.Mode()), size: int64(f.UncompressedSize64)}
		if f.Mode().Perm() == 0 {
			n.mode |= 0o644
		}
		switch n.kind() {
		case unix.S_IFDIR:
			n.mode |= dirMode(n.mode)
			n.size = 0
		case unix.S_IFLNK:
			if n.target, err = zipLink(f); err != nil {
				return a.refuse(f.Name, "%v", err)
			}
			n.mode, n.size = unix.S_IFLNK|0o777, 0
		case unix.S_IFREG:
			n.open = func(context.Context) (io.ReadCloser, error) {
				r, err := f.Open()
				if err != nil {
					return nil, a.refuse(f.Name, "%v", err)
				}
				return zipContent{r, a, f.Name}, nil
			}
		default:
			return a.refuse(f.Name, "it is a device node, FIFO or socket")
		}
		if err := a.add(f.Name, n); err != nil {
			return err
		}
	}
	return a.finish()
}

// zipContent names the entry when its content turns out to be damaged.
type zipContent struct {
	io.ReadCloser
	archive *archive
	name    string
}

func (c zipContent) Read(p []byte) (int, error) {
	n, err := c.ReadCloser.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		err = c.archive.refuse(c.name, "%v", err)
	}
	return n, err
}

func zipLink(f *zip.File) (string, error) {
	r, err := f.Open()
	if err != nil {
		return "", err
	}
	defer r.Close()
	target, err := io.ReadAll(io.LimitReader(r, unix.PathMax))
	return string(target), err
}
