package sbom

import (
	"errors"
	"strings"

	"github.com/slipway-sh/slipway/dpkg"
)

// readDpkg reads dpkg's list of packages. A paragraph without a Status is of a minimal image, which has a file for each package.
func readDpkg(f *file, to *finding) error {
	text, err := f.bytes(maxText)
	if err != nil {
		return err
	}
	for fields := range dpkg.Paragraphs(string(text)) {
		if fields["Package"] == "" || fields["Version"] == "" {
			err = errors.New("a paragraph names no package and version")
		}
		if !fields.Installed() {
			continue
		}
		p := part{Type: "deb", Name: fields["Package"], Version: fields["Version"], Architecture: fields["Architecture"]}
		if source := fields["Source"]; source != "" && source != p.Name {
			name, version, _ := strings.Cut(source, " ")
			if p.Source = name; version != "" {
				p.Source += "@" + strings.Trim(version, "()")
			}
		}
		to.Parts = append(to.Parts, p)
	}
	if len(to.Parts) > 0 {
		return nil
	}
	return err
}

// readRelease reads which system it is.
func readRelease(f *file, to *finding) error {
	text, err := f.bytes(maxText)
	if err != nil {
		return err
	}
	r := &release{}
	for line := range strings.Lines(string(text)) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		switch value = strings.Trim(value, `"'`); name {
		case "ID":
			r.ID = value
		case "VERSION_ID":
			r.Version = value
		}
	}
	if r.ID != "" {
		to.Release = r
	}
	return nil
}
