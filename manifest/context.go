package manifest

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"runtime"
	"slices"
	"strings"

	"github.com/bmatcuk/doublestar/v4"
	"golang.org/x/sync/errgroup"

	"github.com/slipway-sh/slipway"
)

// need is a path or pattern of the build context that a bake reads, and the place in the spec that says so.
type need struct {
	place string
	path  string
	glob  bool // path is a pattern
	file  bool // path must be a file
	goss  bool // path must be a goss file, and what it includes is needed too
}

// Context lists the files a bake of the spec needs, sorted by path, with the digests of their contents. It never looks
// outside m.Dir: a link that leaves it is an Invalid error, and so are missing, unreadable and special files. What the spec
// names is followed if it is a link; links further down stay links. The error joins one [slipway.Error] for each.
func (m *Manifest) Context(ctx context.Context) ([]slipway.ContextEntry, error) {
	root, err := os.OpenRoot(m.Dir)
	if err != nil {
		return nil, slipway.Errorf(slipway.Invalid, "cannot read the directory of %s: %w", m.Name, err)
	}
	defer root.Close()
	c := collector{root: root, entries: map[string]slipway.ContextEntry{}}
	var problems []error
	for _, n := range m.needs() {
		if n.goss {
			problems = append(problems, c.goss(n.path, map[string]bool{}))
		}
		var e *slipway.Error
		if err := c.need(n); errors.As(err, &e) {
			problems = append(problems, e.At(m.at(n.place)))
		} else if err != nil {
			return nil, err
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
	}
	if err := errors.Join(problems...); err != nil {
		return nil, err
	}
	entries, err := c.digest(ctx)
	if err != nil || m.translation == nil {
		return entries, err
	}
	return slices.SortedFunc(slices.Values(append(entries, m.translation.Files...)), byPath), nil
}

// needs returns what the spec names. What a template's layers need came with its translation.
func (m *Manifest) needs() []need {
	spec := m.Spec
	if m.translation != nil {
		spec.Image.From, spec.Image.Layers = "", nil
	}
	return needs(spec)
}

func needs(spec slipway.Spec) []need {
	var all []need
	if file, ok := strings.CutPrefix(spec.Image.From, "rootfs:"); ok {
		all = append(all, need{place: "image.from", path: file, file: true})
	}
	for i, l := range spec.Image.Layers {
		place := fmt.Sprintf("image.layers[%d]", i)
		switch {
		case l.Copy != nil:
			all = append(all, need{place: place + ".copy.from", path: l.Copy.From, file: l.Copy.Unpack})
		case l.Template != nil:
			all = append(all, need{place: place + ".template.from", path: l.Template.From, file: true})
		case l.Run != nil:
			all = append(all, need{place: place + ".run.script", path: l.Run.Script, file: true})
			for j, glob := range l.Run.Inputs {
				all = append(all, need{place: fmt.Sprintf("%s.run.inputs[%d]", place, j), path: glob, glob: true})
			}
		}
	}
	for _, name := range spec.PipelineNames() {
		p, _ := spec.PipelineNamed(name)
		p.EachStep(func(place string, s slipway.Step) {
			if s.Run == nil {
				return
			}
			if place = "pipelines." + name + "." + place; len(spec.Pipeline) > 0 && name == slipway.DefaultPipeline {
				place = "pipeline" + strings.TrimPrefix(place, "pipelines."+name+".stages")
			}
			for i, glob := range s.Run.Inputs {
				all = append(all, need{place: fmt.Sprintf("%s.run.inputs[%d]", place, i), path: glob, glob: true})
			}
		})
	}
	for i, t := range spec.Image.Tests {
		place := fmt.Sprintf("image.tests[%d]", i)
		switch {
		case t.Goss != "":
			all = append(all, need{place: place + ".goss", path: t.Goss, file: true, goss: true})
		case t.Script != nil:
			all = append(all, need{place: place + ".script.directory", path: t.Script.Directory})
		}
	}
	return all
}

// collector gathers entries below root.
type collector struct {
	root    *os.Root
	entries map[string]slipway.ContextEntry
}

func (c *collector) need(n need) error {
	if n.glob {
		return c.glob(n.path)
	}
	info, err := c.root.Stat(n.path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return slipway.Errorf(slipway.Invalid, "cannot find %s: there is no such file beside slipway.yaml; build it first?", n.path)
	case err != nil:
		return unreadable(n.path, err)
	case n.file && !info.Mode().IsRegular():
		return slipway.Errorf(slipway.Invalid, "cannot use %s: want a file", n.path)
	}
	return c.add(n.path, info)
}

func (c *collector) glob(pattern string) error {
	matches, err := doublestar.Glob(c.root.FS(), pattern, doublestar.WithNoFollow(), doublestar.WithFailOnIOErrors())
	switch {
	case errors.Is(err, doublestar.ErrBadPattern):
		return slipway.Errorf(slipway.Invalid, "cannot use the pattern %q: its brackets or braces do not close", pattern)
	case err != nil:
		return unreadable(pattern, err)
	case len(matches) == 0:
		return slipway.Errorf(slipway.Invalid, "cannot find anything that matches %q beside slipway.yaml", pattern)
	}
	for _, name := range matches {
		info, err := c.root.Lstat(name)
		if err != nil {
			return unreadable(name, err)
		}
		if err := c.add(name, info); err != nil {
			return err
		}
	}
	return nil
}

// add adds name, everything below it, and the directories above it.
func (c *collector) add(name string, info fs.FileInfo) error {
	for dir := path.Dir(name); dir != "."; dir = path.Dir(dir) {
		if _, ok := c.entries[dir]; ok {
			break
		}
		info, err := c.root.Stat(dir)
		if err != nil {
			return unreadable(dir, err)
		}
		c.entries[dir] = slipway.ContextEntry{Path: dir, Mode: uint32(info.Mode().Perm()), Dir: true}
	}
	entry := slipway.ContextEntry{Path: name, Mode: uint32(info.Mode().Perm())}
	switch info.Mode().Type() {
	case 0:
		entry.Size = info.Size() // and its digest later
	case fs.ModeSymlink:
		target, err := c.link(name)
		if err != nil {
			return err
		}
		entry.Link, entry.Mode = target, 0o777
	case fs.ModeDir:
		entry.Dir = true
		if err := c.children(name); err != nil {
			return err
		}
	default:
		return slipway.Errorf(slipway.Invalid, "cannot use %s: it is a %s; want files, directories and links only", name, special(info.Mode()))
	}
	if name != "." {
		c.entries[name] = entry
	}
	return nil
}

func (c *collector) children(dir string) error {
	list, err := fs.ReadDir(c.root.FS(), dir)
	if err != nil {
		return unreadable(dir, err)
	}
	for _, d := range list {
		name := path.Join(dir, d.Name())
		info, err := c.root.Lstat(name)
		if err != nil {
			return unreadable(name, err)
		}
		if err := c.add(name, info); err != nil {
			return err
		}
	}
	return nil
}

// link returns the target of the link at name, which need not exist but must be inside the root.
func (c *collector) link(name string) (string, error) {
	target, err := c.root.Readlink(name)
	if err != nil {
		return "", unreadable(name, err)
	}
	if _, err := c.root.Stat(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", slipway.Errorf(slipway.Invalid, "cannot use the link %s to %s: it leaves the directory of slipway.yaml, or leads in a circle", name, target)
	}
	return target, nil
}

// digest computes the digests of all files, several at once, and returns the entries sorted.
func (c *collector) digest(ctx context.Context) ([]slipway.ContextEntry, error) {
	entries := slices.SortedFunc(maps.Values(c.entries), byPath)
	work, ctx := errgroup.WithContext(ctx)
	work.SetLimit(runtime.GOMAXPROCS(0))
	for i := range entries {
		e := &entries[i]
		if e.Dir || e.Link != "" {
			continue
		}
		work.Go(func() error {
			if err := ctx.Err(); err != nil {
				return err
			}
			f, err := c.root.Open(e.Path)
			if err != nil {
				return unreadable(e.Path, err)
			}
			defer f.Close()
			sum := sha256.New()
			if e.Size, err = io.Copy(sum, f); err != nil {
				return unreadable(e.Path, err)
			}
			e.Digest = slipway.DigestFromSum(sum.Sum(nil))
			return nil
		})
	}
	if err := work.Wait(); err != nil {
		return nil, err
	}
	return entries, nil
}

func byPath(a, b slipway.ContextEntry) int { return cmp.Compare(a.Path, b.Path) }

func unreadable(name string, err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		err = p.Err
	}
	return slipway.Errorf(slipway.Invalid, "cannot read %s: %w", name, err)
}

func special(mode fs.FileMode) string {
	switch {
	case mode&fs.ModeNamedPipe != 0:
		return "named pipe"
	case mode&fs.ModeSocket != 0:
		return "socket"
	case mode&fs.ModeDevice != 0:
		return "device"
	}
	return "special file"
}
