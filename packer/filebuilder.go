package packer

import (
	"io"
	"os"
	"path/filepath"

	"github.com/google/renameio/v2"

	"github.com/slipway-sh/slipway"
)

// File is what a file builder makes: a file of this host.
type File struct {
	target  text
	content []byte
	source  string // on this host; "" for content
	path    string // of the target
}

// fileBuilder notes the file that a file builder writes. It is no image, and nothing of it is sent to slipwayd.
func (t *translation) fileBuilder() {
	c := t.draft.builder
	var s struct {
		Content setting `packer:"content"`
		Source  text    `packer:"source"`
		Target  text    `packer:"target"`
	}
	if !t.into(c, &s, manual{}) {
		return
	}
	t.Build.File = &File{target: s.Target, path: absolute(t.Dir, s.Target.string)}
	switch {
	case s.Target.string == "":
		t.problems.add(c.at, "cannot use the file builder without a target")
	case s.Source.given() && s.Content.value != nil:
		t.problems.add(c.at, "cannot use both source and content of the file builder")
	case s.Source.given():
		t.Build.File.source = absolute(t.Dir, s.Source.string)
		if info, err := os.Stat(t.Build.File.source); err != nil || !info.Mode().IsRegular() {
			t.problems.add(s.Source.at, "cannot find the file %s%s", s.Source.string, t.elsewhere(s.Source.string))
		}
	default:
		content := text{at: c.at}
		if s.Content.value != nil {
			content = t.text(s.Content, false)
		}
		t.secrets.plain(t.problems, content, "a file")
		t.Build.File.content = []byte(content.string)
	}
}

// Write writes the file, whole or not at all.
func (f *File) Write() error {
	fail := func(err error) error {
		return slipway.Errorf(slipway.Invalid, "cannot write %s: %w", f.target.string, err).At(f.target.at.String())
	}
	if err := os.MkdirAll(filepath.Dir(f.path), 0o755); err != nil {
		return fail(err)
	}
	out, err := renameio.NewPendingFile(f.path, renameio.WithPermissions(0o644))
	if err != nil {
		return fail(err)
	}
	defer func() { _ = out.Cleanup() }() // of what was not finished
	if f.source == "" {
		_, err = out.Write(f.content)
	} else {
		err = copyFile(out, f.source)
	}
	if err != nil {
		return fail(err)
	}
	if err := out.CloseAtomicallyReplace(); err != nil {
		return fail(err)
	}
	return nil
}

func copyFile(out io.Writer, name string) error {
	in, err := os.Open(name)
	if err != nil {
		return err
	}
	defer in.Close()
	_, err = io.Copy(out, in)
	return err
}
