// Package dpkg reads what dpkg notes about packages: files of paragraphs, each of fields, as deb-control(5) and dpkg-query(1) have them.
package dpkg

import (
	"iter"
	"strings"
)

// Paragraph is one package's fields by name, without the continued lines of any. Of a field that is there twice it is the first.
type Paragraph map[string]string

// Installed reports whether the package is installed. A paragraph without a Status is of a minimal image, which has a file for each
// package that it has.
func (p Paragraph) Installed() bool {
	status, ok := p["Status"]
	return p["Package"] != "" && p["Version"] != "" && (!ok || strings.HasSuffix(status, " installed"))
}

// Paragraphs returns the paragraphs of a file that have any text.
func Paragraphs(text string) iter.Seq[Paragraph] {
	return func(yield func(Paragraph) bool) {
		for block := range strings.SplitSeq(text, "\n\n") {
			if strings.TrimSpace(block) != "" && !yield(parse(block)) {
				return
			}
		}
	}
}

func parse(block string) Paragraph {
	p := Paragraph{}
	for line := range strings.SplitSeq(block, "\n") {
		name, value, ok := strings.Cut(line, ":")
		if !ok || name == "" || strings.ContainsAny(name, " \t") {
			continue
		}
		if _, twice := p[name]; !twice {
			p[name] = strings.TrimSpace(value)
		}
	}
	return p
}
