package sbom

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"net/textproto"
	"regexp"
	"strings"

	"github.com/BurntSushi/toml"
)

// readPythonMetadata reads what an installed distribution says it is.
func readPythonMetadata(f *file, to *finding) error {
	text, err := f.bytes(maxText)
	if err != nil {
		return err
	}
	// The errors of a header are those of one that lacks what is wanted: it ends where the text does, or where a description begins.
	header, _ := textproto.NewReader(bufio.NewReader(bytes.NewReader(text))).ReadMIMEHeader()
	if header.Get("Name") == "" || header.Get("Version") == "" {
		return errors.New("it has no name or no version")
	}
	to.python(header.Get("Name"), header.Get("Version"))
	return nil
}

// pinned is a line of a requirements file that allows one version only.
var pinned = regexp.MustCompile(`^([A-Za-z0-9][A-Za-z0-9._-]*)(?:\[[^\]]*\])?\s*===?\s*([^\s;#,*\\]+)\s*(?:[;#\\]|--|$)`)

// readRequirements reads a requirements file. What it does not pin it does not say which version of there is.
func readRequirements(f *file, to *finding) error {
	text, err := f.bytes(maxText)
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(text)) {
		if m := pinned.FindStringSubmatch(strings.TrimSpace(line)); m != nil {
			to.python(m[1], m[2])
		}
	}
	return nil
}

// readPoetryLock reads the lock file of Poetry or uv.
func readPoetryLock(f *file, to *finding) error {
	text, err := f.bytes(maxText)
	if err != nil {
		return err
	}
	var lock struct {
		Package []struct {
			Name    string `toml:"name"`
			Version string `toml:"version"`
		} `toml:"package"`
	}
	if err := toml.Unmarshal(text, &lock); err != nil {
		return err
	}
	for _, p := range lock.Package {
		to.python(p.Name, p.Version)
	}
	return nil
}

// readPipfileLock reads the lock file of Pipenv, but for what is there to develop with.
func readPipfileLock(f *file, to *finding) error {
	text, err := f.bytes(maxText)
	if err != nil {
		return err
	}
	var lock struct {
		Default map[string]struct {
			Version string `json:"version"`
		} `json:"default"`
	}
	if err := json.Unmarshal(text, &lock); err != nil {
		return err
	}
	for name, p := range lock.Default {
		to.python(name, strings.TrimPrefix(p.Version, "=="))
	}
	return nil
}

var separators = regexp.MustCompile(`[-_.]+`)

// python adds a distribution, its name as the package index has it.
func (f *finding) python(name, version string) {
	if name != "" && version != "" {
		f.Parts = append(f.Parts, part{Type: "pypi", Name: strings.ToLower(separators.ReplaceAllString(name, "-")), Version: version})
	}
}
