package packer

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/google/renameio/v2"

	"github.com/slipway-sh/slipway"
)

// manifestFile writes a JSON list of what was built, and adds to it with every run.
type manifestFile struct {
	output     text
	path       string
	stripPath  bool
	stripTime  bool
	custom     map[string]string
	name, kind string // of the build
	directory  string // that the artifact's files are relative to
}

// manifestList is the content of the file, with the names and in the order that Packer writes.
type manifestList struct {
	Builds  []manifestBuild `json:"builds"`
	LastRun string          `json:"last_run_uuid"`
}

type manifestBuild struct {
	Name       string            `json:"name"`
	Type       string            `json:"builder_type"`
	Time       int64             `json:"build_time,omitempty"`
	Files      []manifestEntry   `json:"files"`
	ArtifactID string            `json:"artifact_id"`
	Run        string            `json:"packer_run_uuid"`
	CustomData map[string]string `json:"custom_data"`
}

type manifestEntry struct {
	Name string `json:"name"`
	Size int64  `json:"size"`
}

func (t *translation) manifestFile(c component) postProcessor {
	s := struct {
		Output     text            `packer:"output"`
		StripPath  bool            `packer:"strip_path"`
		StripTime  bool            `packer:"strip_time"`
		CustomData map[string]text `packer:"custom_data"`
	}{Output: text{"packer-manifest.json", c.at}}
	t.into(c, &s, manual{})
	m := &manifestFile{
		output: s.Output, path: absolute(t.Dir, s.Output.string), stripPath: s.StripPath, stripTime: s.StripTime,
		name: t.Build.Name, kind: t.Type, directory: t.Dir,
	}
	for key, value := range s.CustomData {
		t.secrets.plain(t.problems, value, "a file")
		if m.custom == nil {
			m.custom = map[string]string{}
		}
		m.custom[key] = value.string
	}
	return m
}

func (m *manifestFile) process(run Run, a artifact) (artifact, error) {
	fail := func(err error) (artifact, error) {
		return a, slipway.Errorf(slipway.Invalid, "cannot write the manifest %s: %w", m.output.string, err).At(m.output.at.String())
	}
	var list manifestList
	old, err := os.ReadFile(m.path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return fail(err)
	default:
		if err := json.Unmarshal(old, &list); err != nil {
			return fail(errors.New("there is a file of this name that is no manifest"))
		}
	}
	b := manifestBuild{Name: m.name, Type: m.kind, Time: run.Time.Unix(), ArtifactID: a.id, Run: run.UUID, CustomData: m.custom}
	if m.stripTime {
		b.Time = 0
	}
	for _, name := range a.files {
		e := manifestEntry{Name: name}
		if info, err := os.Stat(absolute(m.directory, name)); err == nil {
			e.Size = info.Size()
		}
		if m.stripPath {
			e.Name = filepath.Base(name)
		}
		b.Files = append(b.Files, e)
	}
	list.Builds, list.LastRun = append(list.Builds, b), run.UUID
	text, err := json.MarshalIndent(list, "", "  ")
	if err != nil {
		return fail(err)
	}
	if err := os.MkdirAll(filepath.Dir(m.path), 0o755); err != nil {
		return fail(err)
	}
	if err := renameio.WriteFile(m.path, text, 0o644); err != nil {
		return fail(err)
	}
	return a, nil
}
