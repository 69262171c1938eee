package sbom

import (
	"errors"
	"io/fs"
	"path"

	"github.com/erofs/go-erofs"
)

// cover says which paths of the layers below a layer hides, as overlayfs does: by a file or a whiteout of that name, by something that is no
// directory on the way to it, or by an opaque directory.
type cover struct {
	layer *layer
	known map[string]covering // of directories
}

type covering int

const (
	absent covering = iota // the layer has nothing there
	merges                 // a directory, which shows what is below
	hides                  // nothing below is seen
)

// opaque marks a directory that hides the one of the same name in the layers below.
const opaque = "trusted.overlay.opaque"

func newCover(l *layer) *cover { return &cover{l, map[string]covering{".": merges, "/": merges}} }

// hides reports whether a file of a layer below is not seen.
func (c *cover) hides(p string) (bool, error) {
	dir, err := c.directory(path.Dir("/" + p))
	if err != nil || dir != merges {
		return dir == hides, err
	}
	_, err = c.layer.root.Lstat("/" + p)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, c.layer.corrupt(err)
	}
	return true, nil
}

func (c *cover) directory(p string) (covering, error) {
	if known, ok := c.known[p]; ok {
		return known, nil
	}
	is, err := c.directory(path.Dir(p))
	if err == nil && is == merges {
		is, err = c.look(p)
	}
	if err != nil {
		return absent, err
	}
	c.known[p] = is
	return is, nil
}

func (c *cover) look(p string) (covering, error) {
	info, err := c.layer.root.Lstat(p)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return absent, nil
	case err != nil:
		return absent, c.layer.corrupt(err)
	case !info.IsDir():
		return hides, nil
	}
	if st, ok := info.Sys().(*erofs.Stat); ok && st.Xattrs[opaque] == "y" {
		return hides, nil
	}
	return merges, nil
}
