package bake

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"io"
	"maps"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/container"
	"github.com/slipway-sh/slipway/image"
)

const (
	runTimeout = 10 * time.Minute
	contextDir = "/context"
)

// planRun plans a layer of what a script changes.
func (b *Baker) planRun(s site, r slipway.RunLayer) (plan, error) {
	p := script{Baker: b, job: s.job, layer: r, what: "run " + r.Script, place: s.place + ".run", timeout: r.Timeout.Or(runTimeout)}
	var err error
	if p.file, err = s.files.file(r.Script, p.place+".script"); err != nil {
		return plan{}, err
	}
	if p.inputs, err = s.files.glob(r.Inputs, p.place+".inputs"); err != nil {
		return plan{}, err
	}
	r.Timeout = 0 // how long it may take is nothing to what it makes
	key := stepKey{Layer: &slipway.Layer{Run: &r}, Inputs: append([]slipway.ContextEntry{p.file}, p.inputs...)}
	return plan{place: p.place, key: key, build: p.build}, nil
}

// script is a layer of what a script changes, to be made.
type script struct {
	*Baker
	job         *Job
	layer       slipway.RunLayer
	what, place string
	timeout     time.Duration
	file        slipway.ContextEntry
	inputs      []slipway.ContextEntry
}

func (p script) build(ctx context.Context, below []slipway.Digest, out io.Writer) (slipway.LayerInfo, error) {
	var none slipway.LayerInfo
	values, err := p.secrets(ctx)
	if err != nil {
		return none, err
	}
	dir, err := p.newWork()
	if err != nil {
		return none, err
	}
	isKept := false
	defer func() {
		if !isKept {
			p.removeWork(dir)
		}
	}()
	s, err := p.sandbox(ctx, dir, below)
	if err != nil {
		return none, err
	}
	if len(values) > 0 {
		s.dirs = append(s.dirs, secretsDir)
	}
	g, err := p.raise(ctx, dir, s)
	if err != nil {
		return none, err
	}
	defer func() {
		if !isKept {
			_ = g.end() // it has been, and told of, unless there is another error
		}
	}()
	err = p.execute(ctx, g, s, values, out)
	leak := p.leak(ctx, g, values)
	if err != nil && p.job.Request.KeepOnFailure && ctx.Err() == nil && isCode(err, slipway.Failed, slipway.DeadlinePast) {
		if leak != nil {
			return none, noted(err, "its sandbox is not kept: %v", leak)
		}
		isKept, err = p.keepSandbox(p.job.ID, g, s, err)
	}
	if err = cmp.Or(err, leak); err != nil {
		return none, err
	}
	if err := g.end(); err != nil {
		return none, err
	}
	var info slipway.LayerInfo
	info.Digest, info.Size, err = p.images.WriteLayer(ctx, nil, func(l *image.Layer) error { return l.AddOverlay(ctx, g.upper, g.isTrace) })
	return info, err
}

// execute runs the script with its secrets, which nothing is left of when it returns.
func (p script) execute(ctx context.Context, g *ground, s sandbox, values []secret, out io.Writer) error {
	if len(values) == 0 {
		return p.Baker.execute(ctx, g, s, out)
	}
	dir, err := p.mountSecrets(g.dir, values)
	if err != nil {
		return err
	}
	s.mounts = append(s.mounts[:len(s.mounts):len(s.mounts)], container.Bind(dir, secretsDir, true))
	s.mask = newMask(values)
	err = p.Baker.execute(ctx, g, s, out)
	return cmp.Or(err, p.unmountSecrets(dir))
}

// sandbox returns the sandbox of the script, with what it sees beside the image laid out in dir.
func (p script) sandbox(ctx context.Context, dir string, below []slipway.Digest) (sandbox, error) {
	s := sandbox{
		what: p.what, place: p.place, below: below,
		dir: contextDir, dirs: []string{contextDir}, timeout: p.timeout,
		env: map[string]string{"PATH": searchPath, "HOME": "/root", "LC_ALL": "C.UTF-8", sourceDateEpochName: sourceDateEpoch},
	}
	if p.layer.Network {
		s.useHostNetwork()
	}
	maps.Copy(s.env, p.layer.Env)
	return s, p.prepareRun(ctx, dir, p.layer.Script, p.file, p.inputs, &s)
}

// prepareRun lays out in dir what the script sees beside the image.
func (b *Baker) prepareRun(ctx context.Context, dir, name string, script slipway.ContextEntry, inputs []slipway.ContextEntry, s *sandbox) error {
	toolDir, inputDir := filepath.Join(dir, "tools"), filepath.Join(dir, "context")
	script.Path, script.Mode = path.Base(name), 0o755
	if err := b.layOut(ctx, toolDir, []slipway.ContextEntry{script}); err != nil {
		return err
	}
	if err := b.layOut(ctx, inputDir, inputs); err != nil {
		return err
	}
	s.mounts = append(s.mounts, container.Bind(toolDir, tools, true), container.Bind(inputDir, contextDir, true))
	s.args = []string{path.Join(tools, script.Path)}
	interpreter, err := interpreterOf(filepath.Join(toolDir, script.Path))
	switch {
	case err != nil:
		return err
	case interpreter == "":
		interpreter = shell
		s.args = append([]string{shell}, s.args...)
	}
	if interpreter != native {
		s.needs = append(s.needs, interpreter)
	}
	return nil
}

// useHostNetwork lets the sandbox reach what the host reaches, by the same names and proxies.
func (s *sandbox) useHostNetwork() {
	s.network = true
	for _, v := range proxyEnv() {
		name, value, _ := strings.Cut(v, "=")
		s.env[name] = value
	}
	for _, file := range []string{"/etc/resolv.conf", "/etc/hosts"} {
		if real, err := filepath.EvalSymlinks(file); err == nil {
			s.files = append(s.files, file)
			s.mounts = append(s.mounts, container.Bind(real, file, true))
		}
	}
}

// native stands for the interpreter of a program: there is none.
const native = "the machine"

// interpreterOf returns the program that the file at p says it is for in its first line, native for a program, and "" if it does not say.
func interpreterOf(p string) (string, error) {
	f, err := os.Open(p)
	if err != nil {
		return "", err
	}
	defer f.Close()
	head := make([]byte, 256) // the kernel reads no more either
	n, err := io.ReadFull(f, head)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return "", err
	}
	if bytes.HasPrefix(head[:n], []byte("\x7fELF")) {
		return native, nil
	}
	line, _, _ := strings.Cut(string(head[:n]), "\n")
	said, ok := strings.CutPrefix(line, "#!")
	words := strings.Fields(said)
	if !ok || len(words) == 0 {
		return "", nil
	}
	return words[0], nil
}

// layOut writes entries of the context below dir, parents first. What the entries name stays inside: a context is a client's word.
func (b *Baker) layOut(ctx context.Context, dir string, entries []slipway.ContextEntry) error {
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	for _, e := range entries {
		switch {
		case e.Dir:
			err = errors.Join(root.Mkdir(e.Path, 0o700), root.Chmod(e.Path, os.FileMode(e.Mode&0o777)))
		case e.Link != "":
			err = root.Symlink(e.Link, e.Path)
		default:
			err = b.layOutFile(ctx, root, e)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (b *Baker) layOutFile(ctx context.Context, root *os.Root, e slipway.ContextEntry) error {
	if err := b.images.Verify(ctx, e.Digest); err != nil {
		return err
	}
	r, err := b.images.OpenBlob(ctx, e.Digest)
	if err != nil {
		return err
	}
	defer r.Close()
	f, err := root.OpenFile(e.Path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, r)
	return errors.Join(err, f.Chmod(os.FileMode(e.Mode&0o777)), f.Close())
}
