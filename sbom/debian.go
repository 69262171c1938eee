package sbom

import (
	"errors"
	"strings"
)

// readDpkg reads dpkg's list of packages. A paragraph without a Status is of a minimal image, which has a file for each package.
func readDpkg(f *file, to *finding) error {
	text, err := f.bytes(maxText)
	if err != nil {
		return err
	}
	for paragraph := range strings.SplitSeq(string(text), "\n\n") {
		fields := paragraphFields(paragraph)
		if status, ok := fields["Status"]; ok && !strings.HasSuffix(status, " installed") {
			continue
		}
		if fields["Package"] == "" || fields["Version"] == "" {
			if strings.TrimSpace(paragraph) != "" {
				err = errors.New("a paragraph names no package and version")
			}
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

// paragraphFields returns the fields of a paragraph in the form of RFC 822, without the continued lines of any.
func paragraphFields(paragraph string) map[string]string {
	fields := map[string]string{}
	for line := range strings.SplitSeq(paragraph, "\n") {
		name, value, ok := strings.Cut(line, ":")
		if ok && name != "" && !strings.ContainsAny(name, " \t") {
			if _, twice := fields[name]; !twice {
				fields[name] = strings.TrimSpace(value)
			}
		}
	}
	return fields
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
