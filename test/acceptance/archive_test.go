package acceptance

import (
	"archive/tar"
	"archive/zip"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"
)

// archive writes an archive by its entries' names, which may be what no honest program would write:
//
//	archive evil.tar ../etc/passwd       a file
//	archive evil.zip 'in -> /etc'        a symbolic link
//	archive evil.tar 'in => ../outside'  a hard link
//	archive evil.tar device:null         a device node
func archive(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: archive file entry…")
	}
	path := ts.MkAbs(args[0])
	ts.Check(os.MkdirAll(filepath.Dir(path), 0o755))
	file, err := os.Create(path)
	ts.Check(err)
	defer file.Close()
	if strings.HasSuffix(path, ".zip") {
		ts.Check(writeZip(file, args[1:]))
	} else {
		ts.Check(writeTar(file, args[1:]))
	}
}

const content = "content\n"

func writeTar(out io.Writer, entries []string) error {
	w := tar.NewWriter(out)
	for _, entry := range entries {
		h := &tar.Header{Name: entry, Typeflag: tar.TypeReg, Mode: 0o644, Size: int64(len(content))}
		if name, ok := strings.CutPrefix(entry, "device:"); ok {
			h = &tar.Header{Name: name, Typeflag: tar.TypeChar, Mode: 0o666, Devmajor: 1, Devminor: 3}
		} else if name, target, ok := strings.Cut(entry, " -> "); ok {
			h = &tar.Header{Name: name, Typeflag: tar.TypeSymlink, Mode: 0o777, Linkname: target}
		} else if name, target, ok := strings.Cut(entry, " => "); ok {
			h = &tar.Header{Name: name, Typeflag: tar.TypeLink, Mode: 0o644, Linkname: target}
		}
		if err := w.WriteHeader(h); err != nil {
			return err
		}
		if h.Size > 0 {
			if _, err := io.WriteString(w, content); err != nil {
				return err
			}
		}
	}
	return w.Close()
}

func writeZip(out io.Writer, entries []string) error {
	w := zip.NewWriter(out)
	for _, entry := range entries {
		h, text := &zip.FileHeader{Name: entry}, content
		h.SetMode(0o644)
		if name, target, ok := strings.Cut(entry, " -> "); ok {
			h, text = &zip.FileHeader{Name: name}, target
			h.SetMode(os.ModeSymlink | 0o777)
		}
		f, err := w.CreateHeader(h)
		if err != nil {
			return err
		}
		if _, err := io.WriteString(f, text); err != nil {
			return err
		}
	}
	return w.Close()
}
