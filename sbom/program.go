package sbom

import (
	"bytes"
	"cmp"
	"debug/buildinfo"
	"io"
	"strings"
)

var elf = []byte("\x7fELF")

// readProgram reads which modules a Go program was built from. Programs in other languages tell nothing, and so do broken ones.
func readProgram(f file) (finding, error) {
	at := f.readerAt()
	if at == nil {
		text, err := f.text()
		if err != nil {
			return finding{}, err
		}
		at = bytes.NewReader(text)
	}
	head := make([]byte, len(elf))
	if _, err := at.ReadAt(head, 0); err != nil && err != io.EOF || !bytes.Equal(head, elf) {
		return finding{}, nil
	}
	info, err := buildinfo.Read(at)
	if err != nil {
		return finding{}, nil
	}
	found := finding{Components: []component{{Type: "golang", Name: "stdlib", Version: strings.TrimPrefix(info.GoVersion, "go")}}}
	if main := info.Main.Path; main != "" {
		// A program of no released version says "(devel)", which names none.
		version := strings.TrimPrefix(info.Main.Version, "(devel)")
		found.Components = append(found.Components, component{Type: "golang", Name: main, Version: version, Main: true})
	}
	for _, m := range info.Deps {
		used := cmp.Or(m.Replace, m)
		found.Components = append(found.Components, component{Type: "golang", Name: used.Path, Version: used.Version})
	}
	return found, nil
}
