package sbom

import (
	"bufio"
	"bytes"
	"fmt"
	"net/textproto"
	"regexp"
	"strings"

	"github.com/pelletier/go-toml/v2"
)

// readWheel reads the METADATA of an installed Python package: headers as of a mail, then its description.
func readWheel(f file) (finding, error) {
	text, err := f.text()
	if err != nil {
		return finding{}, err
	}
	header, err := textproto.NewReader(bufio.NewReader(bytes.NewReader(text))).ReadMIMEHeader()
	if header.Get("Name") == "" || header.Get("Version") == "" {
		if err == nil {
			err = fmt.Errorf("it has no name or no version")
		}
		return finding{}, err
	}
	// An error is for what comes after the two: a description may look like anything.
	return finding{Components: []component{pip(header.Get("Name"), header.Get("Version"))}}, nil
}

// pinned fits a line of requirements.txt that names one version: name[extra]==1.2 ; condition
var pinned = regexp.MustCompile(`^\s*([A-Za-z0-9][A-Za-z0-9._-]*)\s*(?:\[[^\]]*\])?\s*===?\s*([A-Za-z0-9][A-Za-z0-9._+!-]*)\s*(?:[;#\\].*|--hash.*)?$`)

// readRequirements reads what pip is told to install, as far as it is pinned.
func readRequirements(f file) (finding, error) {
	text, err := f.text()
	if err != nil {
		return finding{}, err
	}
	found := map[component]bool{}
	for line := range strings.Lines(string(text)) {
		if m := pinned.FindStringSubmatch(strings.TrimSpace(line)); m != nil {
			found[pip(m[1], m[2])] = true
		}
	}
	return listed(found), nil
}

func readPoetry(f file) (finding, error) {
	text, err := f.text()
	if err != nil {
		return finding{}, err
	}
	var lock struct {
		Package []struct{ Name, Version string }
	}
	if err := toml.Unmarshal(text, &lock); err != nil {
		return finding{}, fmt.Errorf("it is no such TOML: %w", err)
	}
	found := map[component]bool{}
	for _, p := range lock.Package {
		if p.Name != "" && p.Version != "" {
			found[pip(p.Name, p.Version)] = true
		}
	}
	return listed(found), nil
}

func readPipfile(f file) (finding, error) {
	var lock struct {
		Default map[string]struct {
			Version string `json:"version"`
		} `json:"default"`
	}
	if err := f.json(&lock); err != nil {
		return finding{}, err
	}
	found := map[component]bool{}
	for name, p := range lock.Default {
		if version, ok := strings.CutPrefix(p.Version, "=="); ok {
			found[pip(name, version)] = true
		}
	}
	return listed(found), nil
}

var runs = regexp.MustCompile(`[-_.]+`)

// pip returns a component by its name in the form that all spellings share: PEP 503.
func pip(name, version string) component {
	return component{Type: "pypi", Name: strings.ToLower(runs.ReplaceAllString(name, "-")), Version: version}
}
