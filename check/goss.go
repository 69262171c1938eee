package check

import (
	"archive/tar"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/gossfile"
)

const (
	// probeName is what slipway-probe is called beside the goss files in the machine.
	probeName = ".slipway-probe"
	// maxFound bounds what a probe may tell.
	maxFound = 8 << 20
)

// goss takes slipway-probe, the goss file and what it may include into the machine, and runs it there as root.
func (r Runner) goss(ctx context.Context, instance slipway.Instance, name string) error {
	files, err := r.gossFiles(ctx, name)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, scriptTimeout, fmt.Errorf("not done within %s", scriptTimeout))
	defer cancel()
	archive := r.pack(ctx, files, r.addProbe)
	defer archive.Close()
	var said last
	answer := &bounded{max: maxFound}
	result, err := r.Provider.Exec(ctx, instance.ID, slipway.Exec{
		Command: []string{"./" + probeName, path.Base(name)}, User: root, Files: archive, Stdout: answer, Stderr: &said,
	})
	switch {
	case err != nil:
		return reason(ctx, err)
	case archive.fault() != nil:
		return archive.fault()
	case result.ExitCode != 0:
		return fmt.Errorf("goss could not be run: exit status %d%s", result.ExitCode, said.lines())
	}
	var found Found
	if err := json.Unmarshal(answer.held, &found); err != nil {
		return fmt.Errorf("cannot understand what goss found: %w", err)
	}
	return found.problem(path.Dir(name))
}

// Found is what slipway-probe tells, in JSON.
type Found struct {
	Error   string    `json:"error,omitempty"` // what is wrong with the goss file; there are no results then
	Results []Finding `json:"results,omitempty"`
}

// Finding is what goss found out about one property of one resource.
type Finding struct {
	Name    string `json:"name"` // "file /etc/app.conf: mode"
	Passed  bool   `json:"passed"`
	Skipped bool   `json:"skipped,omitempty"`
	Detail  string `json:"detail,omitempty"`
}

// problem returns what failed of what was found.
func (f Found) problem(dir string) error {
	if f.Error != "" {
		return errors.New(path.Join(dir, f.Error))
	}
	var failed []string
	for _, r := range f.Results {
		if !r.Passed && !r.Skipped {
			failed = append(failed, r.Name+": "+r.Detail)
		}
	}
	switch {
	case len(f.Results) == 0:
		return errors.New("it has no tests")
	case len(failed) == 0:
		return nil
	}
	return fmt.Errorf("%d of %d failed\n  %s", len(failed), len(f.Results), strings.Join(failed, "\n  "))
}

// gossFiles returns the goss file, which must be one, and those that it may include, by paths relative to its directory.
func (r Runner) gossFiles(ctx context.Context, name string) ([]slipway.ContextEntry, error) {
	i := slices.IndexFunc(r.Context, func(e slipway.ContextEntry) bool { return e.Path == path.Clean(name) && e.Digest != "" })
	if i < 0 {
		return nil, fmt.Errorf("the build context has no file %s", name)
	}
	blob, err := r.Blobs.OpenBlob(ctx, r.Context[i].Digest)
	if err != nil {
		return nil, err
	}
	defer blob.Close()
	content, err := io.ReadAll(io.LimitReader(blob, gossfile.MaxSize+1))
	if err != nil {
		return nil, err
	}
	if err := gossfile.Check(name, content); err != nil {
		return nil, err
	}
	files := gossfile.Family(r.Context, name)
	for i, e := range files {
		files[i].Path, files[i].Mode = strings.TrimPrefix(e.Path, path.Dir(path.Clean(name))+"/"), 0o644
	}
	return files, nil
}

// addProbe puts the probe into an archive.
func (r Runner) addProbe(w *tar.Writer) error {
	f, err := os.Open(r.Probe)
	if err != nil {
		return slipway.Errorf(slipway.Unprepared, "cannot run goss tests: no slipway-probe: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if err := w.WriteHeader(&tar.Header{Name: probeName, Mode: 0o755, Typeflag: tar.TypeReg, Size: info.Size()}); err != nil {
		return err
	}
	_, err = io.Copy(w, f)
	return err
}

// bounded is a buffer that refuses to grow beyond max bytes.
type bounded struct {
	held []byte
	max  int
}

func (b *bounded) Write(p []byte) (int, error) {
	if len(b.held)+len(p) > b.max {
		return 0, fmt.Errorf("more than %d bytes", b.max)
	}
	b.held = append(b.held, p...)
	return len(p), nil
}
