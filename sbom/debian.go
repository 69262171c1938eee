package sbom

import (
	"bufio"
	"bytes"
	"strings"
)

// readDpkgStatus reads dpkg's database: paragraphs of fields. One without a Status is of status.d, where all are installed.
func readDpkgStatus(f file) (finding, error) {
	text, err := f.text()
	if err != nil {
		return finding{}, err
	}
	var found finding
	fields := map[string]string{}
	flush := func() {
		status, ok := fields["Status"]
		if fields["Package"] != "" && fields["Version"] != "" && (!ok || strings.HasSuffix(status, " installed")) {
			source, _, _ := strings.Cut(fields["Source"], " ") // "name (version)" where versions differ
			found.Components = append(found.Components, component{
				Type: "deb", Name: fields["Package"], Version: fields["Version"], Architecture: fields["Architecture"], Source: source,
			})
		}
		clear(fields)
	}
	lines := bufio.NewScanner(bytes.NewReader(text))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		line := lines.Text()
		if line == "" {
			flush()
			continue
		}
		if name, value, ok := strings.Cut(line, ":"); ok && line[0] != ' ' && line[0] != '\t' {
			fields[name] = strings.TrimSpace(value)
		}
	}
	flush()
	return found, lines.Err()
}

// readSystem reads os-release: lines of NAME=value, the value quoted or not.
func readSystem(f file) (finding, error) {
	text, err := f.text()
	if err != nil {
		return finding{}, err
	}
	values := map[string]string{}
	for line := range strings.Lines(string(text)) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), "="); ok {
			values[name] = strings.Trim(value, `"'`)
		}
	}
	if values["ID"] == "" {
		return finding{}, nil
	}
	return finding{System: &system{ID: values["ID"], Version: values["VERSION_ID"], Name: values["PRETTY_NAME"]}}, nil
}
