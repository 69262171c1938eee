package daemon

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/manifest"
)

// WriteHello writes a build context of examples/hello with one of its releases into dir, after change has had its way with
// the spec, and returns the path of its slipway.yaml. change may be nil.
func (p Programs) WriteHello(dir, release, example string, change func(*slipway.Spec)) (string, error) {
	program, err := os.ReadFile(p.Hello(release))
	if err != nil {
		return "", fmt.Errorf("cannot read release %s of hello: %w", release, err)
	}
	m, err := manifest.Load(example)
	if err != nil {
		return "", err
	}
	if change != nil {
		change(&m.Spec)
	}
	return WriteContext(dir, m.Spec, map[string][]byte{"dist/hello": program})
}

// WriteContext writes a build context into dir: a slipway.yaml and the files, all of them executable. It returns the path of the slipway.yaml.
func WriteContext(dir string, spec slipway.Spec, files map[string][]byte) (string, error) {
	text, err := json.MarshalIndent(spec, "", "  ") // JSON is YAML
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	for name, content := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return "", err
		}
		if err := os.WriteFile(path, content, 0o755); err != nil {
			return "", err
		}
	}
	path := filepath.Join(dir, "slipway.yaml")
	return path, os.WriteFile(path, text, 0o644)
}
