package packer

import (
	"errors"
	"regexp"
	"slices"
	"strings"
)

// A sensitive variable never stands in a text that becomes part of a layer, of a key or of a log. What a template makes of it has a
// mark in its place, which only the shell script that needs the value turns into one: by reading the secret that the sandbox shows
// it. A mark is made of characters that Unicode leaves to private use.
const (
	markOpen  = "\uE5EC"
	markClose = "\uE5ED"
)

var (
	marked   = regexp.MustCompile(markOpen + `([A-Za-z0-9_][A-Za-z0-9_.-]*)` + markClose)
	oneMark  = regexp.MustCompile(`[` + markOpen + markClose + `]`)
	errWhole = errors.New("cannot make anything of a sensitive variable but a part of a longer text: its value is only known inside of the sandbox")
)

// secrets are the values of sensitive variables, by name.
type secrets struct {
	values map[string]string
}

// mark returns what stands for the value of the sensitive variable called name.
func (s *secrets) mark(name, value string) string {
	if value == "" {
		return "" // there is nothing to hide, and no secret that is empty
	}
	s.values[name] = s.reveal(value)
	return markOpen + name + markClose
}

// whole returns an error unless all marks in text are as they were made.
func (s *secrets) whole(text string) error {
	for _, name := range s.in(text) {
		if _, ok := s.values[name]; !ok {
			return errWhole
		}
	}
	if oneMark.MatchString(marked.ReplaceAllString(text, "")) {
		return errWhole
	}
	return nil
}

// in returns the names of the secrets whose marks are in texts, sorted.
func (s *secrets) in(texts ...string) []string {
	var names []string
	for _, text := range texts {
		for _, m := range marked.FindAllStringSubmatch(text, -1) {
			names = append(names, m[1])
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// reveal replaces the marks in text by the values.
func (s *secrets) reveal(text string) string {
	return marked.ReplaceAllStringFunc(text, func(mark string) string {
		return s.values[strings.Trim(mark, markOpen+markClose)]
	})
}

// plain adds a problem if t has a secret in it: it is for a place that is kept.
func (s *secrets) plain(p *problems, t text, what string) {
	if names := s.in(t.string); len(names) > 0 {
		p.add(t.at, "cannot use the sensitive variable %s in %s: that is kept with the image; hand it to a script in environment_vars", names[0], what)
	}
}

// quoted returns text as one word of a shell command, which reads secrets where they are marked.
func quoted(text string) string {
	var b strings.Builder
	b.WriteByte('\'')
	last := 0
	for _, m := range marked.FindAllStringSubmatchIndex(text, -1) {
		b.WriteString(strings.ReplaceAll(text[last:m[0]], "'", `'"'"'`))
		b.WriteString(`'"$(cat /run/secrets/` + text[m[2]:m[3]] + `)"'`)
		last = m[1]
	}
	b.WriteString(strings.ReplaceAll(text[last:], "'", `'"'"'`))
	b.WriteByte('\'')
	return b.String()
}
