package packer

import (
	"bytes"
	"context"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"time"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/manifest"
)

// contextRoot is the directory of the build context in which everything lies that comes from a template: scripts that are made,
// and copies of the files that it names, which may be anywhere on this host.
const contextRoot = ".packer"

// files are the build context of a template.
type files struct {
	made    map[string]madeFile
	uploads []upload
}

// upload is a file or directory of this host that becomes part of the context.
type upload struct {
	name   string // in the context
	host   string
	source text // as the template has it
}

// add makes a file with this content.
func (f *files) add(name string, mode uint32, content []byte) {
	if f.made == nil {
		f.made = map[string]madeFile{}
	}
	f.made[name] = madeFile{name: path.Base(name), mode: mode, content: content}
}

// copy puts a file or directory of this host into the context. What it has at a path takes the place of what was put there before.
func (f *files) copy(name, host string, source text) {
	f.uploads = append(f.uploads, upload{name, host, source})
}

// collect reads the files of this host, and returns the entries of the context and the file system of their contents.
func (f *files) collect(ctx context.Context) ([]slipway.ContextEntry, fs.FS, error) {
	entries := map[string]slipway.ContextEntry{}
	tree := contents{made: f.made, host: map[string]string{}}
	for name, file := range f.made {
		entries[name] = slipway.ContextEntry{Path: name, Mode: file.mode, Digest: slipway.DigestOf(file.content), Size: int64(len(file.content))}
	}
	var mistakes problems
	for _, u := range f.uploads {
		list, err := manifest.Tree(ctx, u.host)
		if ctx.Err() != nil {
			return nil, nil, ctx.Err()
		}
		if err != nil {
			mistakes.add(u.source.at, "cannot use %s: %s", u.source.string, slipway.MessageOf(err))
			continue
		}
		for _, e := range list {
			host := filepath.Join(u.host, filepath.FromSlash(e.Path))
			e.Path = path.Join(u.name, e.Path)
			entries[e.Path] = e
			if e.Digest != "" {
				tree.host[e.Path] = host
			}
		}
	}
	for name := range maps.Clone(entries) {
		for dir := path.Dir(name); dir != "."; dir = path.Dir(dir) {
			if _, ok := entries[dir]; !ok {
				entries[dir] = slipway.ContextEntry{Path: dir, Mode: 0o755, Dir: true}
			}
		}
	}
	var list []slipway.ContextEntry
	for _, name := range slices.Sorted(maps.Keys(entries)) {
		list = append(list, entries[name])
	}
	return list, tree, mistakes.err()
}

// contents is the file system of what the files of a context have in them.
type contents struct {
	made map[string]madeFile
	host map[string]string
}

// Open implements [fs.FS] for files.
func (c contents) Open(name string) (fs.File, error) {
	if host, ok := c.host[name]; ok {
		return os.Open(host)
	}
	file, ok := c.made[name]
	if !ok {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	return struct {
		*bytes.Reader
		madeFile
	}{bytes.NewReader(file.content), file}, nil
}

// madeFile is a file that is only there in memory, and its own description.
type madeFile struct {
	name    string
	mode    uint32
	content []byte
}

func (f madeFile) Stat() (fs.FileInfo, error) { return madeInfo{f}, nil }
func (f madeFile) Close() error               { return nil }

type madeInfo struct{ f madeFile }

func (i madeInfo) Name() string       { return i.f.name }
func (i madeInfo) Size() int64        { return int64(len(i.f.content)) }
func (i madeInfo) Mode() fs.FileMode  { return fs.FileMode(i.f.mode) }
func (i madeInfo) ModTime() time.Time { return time.Unix(epoch, 0) }
func (i madeInfo) IsDir() bool        { return false }
func (i madeInfo) Sys() any           { return nil }
