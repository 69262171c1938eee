package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// packer is Debian's packer with a template that builds nothing: what it takes to hash and copy the artifact is its floor, below
// which no template comes that makes an image of it.
type packer struct {
	dir      string
	template string
}

func newPacker(dir string) (*packer, error) {
	if _, err := exec.LookPath("packer"); err != nil {
		return nil, fmt.Errorf("needs packer: run `make bench`, which installs it, or apt-get install packer")
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	template, err := json.Marshal(map[string]any{
		"variables": map[string]string{"artifact": ""},
		"builders":  []map[string]string{{"type": "null", "communicator": "none"}},
		"provisioners": []map[string]any{{
			"type": "shell-local", "inline": []string{"sha256sum {{user `artifact`}}", "cp {{user `artifact`}} " + filepath.Join(dir, "copy")},
		}},
	})
	if err != nil {
		return nil, err
	}
	p := &packer{dir: dir, template: filepath.Join(dir, "template.json")}
	return p, os.WriteFile(p.template, template, 0o644)
}

// build runs the template, and returns how long that took.
func (p *packer) build(ctx context.Context, artifact string) (time.Duration, error) {
	c := exec.CommandContext(ctx, "packer", "build", "-var", "artifact="+artifact, p.template)
	c.Env = append(os.Environ(), "CHECKPOINT_DISABLE=1", "PACKER_CONFIG_DIR="+p.dir, "PACKER_CACHE_DIR="+filepath.Join(p.dir, "cache"))
	return timed(c)
}
