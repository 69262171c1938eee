package sbom

import (
	"bytes"
	"debug/buildinfo"
	"errors"
	"io"
	"runtime/debug"
	"strings"
)

// maxProgram bounds a program that has to be read as a whole, bytes.
const maxProgram = 256 << 20

// readProgram reads from a Go program which modules it was built from. All other files say nothing.
func readProgram(f *file, to *finding) error {
	info, err := f.stat()
	if err != nil {
		return err
	}
	if info.Mode().Perm()&0o111 == 0 || info.Size() < 64 {
		return nil
	}
	r, err := f.at()
	if err != nil {
		return err
	}
	if r == nil {
		if info.Size() > maxProgram {
			return nil
		}
		text, err := f.bytes(maxProgram)
		if err != nil {
			return err
		}
		r = bytes.NewReader(text)
	}
	magic := make([]byte, 4)
	if _, err := r.ReadAt(magic, 0); err != nil && err != io.EOF {
		return f.layer.corrupt(err)
	}
	if string(magic) != "\x7fELF" {
		return nil
	}
	built, err := buildinfo.Read(r)
	if err != nil {
		if isNoGo(err) {
			return nil
		}
		return errors.New("it cannot be read as a program: " + err.Error())
	}
	if built.Main.Path != "" {
		to.Parts = append(to.Parts, modulePart(&built.Main))
	}
	for _, m := range built.Deps {
		to.Parts = append(to.Parts, modulePart(m))
	}
	if version, ok := strings.CutPrefix(built.GoVersion, "go"); ok {
		version, _, _ = strings.Cut(version, " ")
		to.Parts = append(to.Parts, part{Type: "golang", Name: "stdlib", Version: "v" + version})
	}
	return nil
}

// isNoGo reports whether an error of buildinfo says that the file is a whole program of another language.
func isNoGo(err error) bool { return strings.Contains(err.Error(), "not a Go executable") }

func modulePart(m *debug.Module) part {
	if m.Replace != nil {
		m = m.Replace
	}
	p := part{Type: "golang", Name: m.Path, Version: m.Version}
	if p.Version == "(devel)" {
		p.Version = ""
	}
	return p
}
