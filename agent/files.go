package agent

import (
	"archive/tar"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"syscall"
)

// unpack lays out a tar of files, directories and symbolic links below dir, all owned by uid and gid, dir included. Nothing is
// written outside of dir.
func unpack(r io.Reader, dir string, uid, gid int) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	modes := map[string]os.FileMode{".": 0o700} // of directories: set last, as one may be read-only
	archive := tar.NewReader(r)
	for {
		h, err := archive.Next()
		if errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return err
		}
		name := path.Clean(h.Name)
		if parent := path.Dir(name); parent != "." {
			if err := root.MkdirAll(parent, 0o755); err != nil {
				return err
			}
		}
		switch h.Typeflag {
		case tar.TypeDir:
			if name != "." {
				err = root.MkdirAll(name, 0o755)
			}
			modes[name] = os.FileMode(h.Mode & 0o777)
		case tar.TypeReg:
			err = unpackFile(root, name, archive, os.FileMode(h.Mode&0o777))
		case tar.TypeSymlink:
			err = root.Symlink(h.Linkname, name)
		default:
			err = fmt.Errorf("%s is no file, directory or link", h.Name)
		}
		if err == nil {
			err = root.Lchown(name, uid, gid)
		}
		if err != nil {
			return err
		}
	}
	for name, mode := range modes {
		if err := errors.Join(root.Chmod(name, mode), root.Lchown(name, uid, gid)); err != nil {
			return err
		}
	}
	return nil
}

func unpackFile(root *os.Root, name string, r io.Reader, mode os.FileMode) error {
	f, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, r)
	return errors.Join(err, f.Chmod(mode), f.Close())
}

// Look is what the host wants to know of a path in the machine.
type Look struct {
	Path    string `json:"path"`
	Content bool   `json:"content,omitempty"` // of a file
}

// FaultRecord is the PAX record of an entry that could not be read, with the reason.
const FaultRecord = "SLIPWAY.fault"

// ContentRecord is the PAX record of a file whose content was not asked for: its size.
const ContentRecord = "SLIPWAY.size"

// look writes a tar of what is at the paths that r, a list of [Look] in JSON, asks for. Links are not followed but in the directories
// on the way. What is not there has no entry.
func look(r io.Reader, w io.Writer) error {
	var wanted []Look
	if err := json.NewDecoder(r).Decode(&wanted); err != nil {
		return err
	}
	archive := tar.NewWriter(w)
	for _, l := range wanted {
		if err := show(archive, l); err != nil {
			return err
		}
	}
	return archive.Close()
}

func show(archive *tar.Writer, l Look) error {
	info, err := os.Lstat(l.Path)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
		return nil
	}
	h := &tar.Header{Name: l.Path, Format: tar.FormatPAX, PAXRecords: map[string]string{}}
	fault := func(err error) error {
		h.Typeflag, h.Size, h.PAXRecords[FaultRecord] = tar.TypeReg, 0, err.Error()
		return archive.WriteHeader(h)
	}
	if err != nil {
		return fault(err)
	}
	stat := info.Sys().(*syscall.Stat_t)
	h.Mode, h.Uid, h.Gid = int64(stat.Mode&0o7777), int(stat.Uid), int(stat.Gid)
	switch info.Mode().Type() {
	case 0:
		h.Typeflag = tar.TypeReg
	case fs.ModeDir:
		h.Typeflag = tar.TypeDir
	case fs.ModeSymlink:
		h.Typeflag = tar.TypeSymlink
		if h.Linkname, err = os.Readlink(l.Path); err != nil {
			return fault(err)
		}
	default:
		h.Typeflag = tar.TypeFifo // or a socket, or a device: none of what can be asked for
	}
	if h.Typeflag != tar.TypeReg || !l.Content {
		h.PAXRecords[ContentRecord] = fmt.Sprint(info.Size())
		return archive.WriteHeader(h)
	}
	f, err := os.Open(l.Path)
	if err != nil {
		return fault(err)
	}
	defer f.Close()
	h.Size = info.Size()
	if err := archive.WriteHeader(h); err != nil {
		return err
	}
	// A file that shrinks meanwhile is an error of the archive; one that grows is as long as it was.
	_, err = io.CopyN(archive, f, h.Size)
	return err
}
