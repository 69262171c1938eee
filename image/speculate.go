package image

import (
	"context"
	"maps"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/slipway-sh/slipway"
)

// Guess is what the layers below a [Draft] are thought to be.
type Guess struct {
	System bool             // lowest: something with the directories that every system has
	Layers []slipway.Digest // that are there, lowest first
	Drafts []*Draft         // on top of them, lowest first
}

// Draft is a layer that is made before all the layers below it are there. It remembers what it asked them. If the real ones give the same
// answers, it is, byte for byte, the layer that would have been made on top of them: an entry's place, and the owners and modes of the
// directories on the way to it, are all that a layer takes from below.
//
// A draft is written once, and kept or discarded once. Methods must not be called by several goroutines at once, but Fits may be while
// Write goes on. Other drafts may be made on top of one as soon as [Store.NewDraft] has returned it, whatever becomes of it.
type Draft struct {
	store *Store
	layer *Layer
	over  Guess
	asked *view
	blob  *blob // nil until written
}

// NewDraft lays out a layer over a guess. build adds the entries, as for [Store.WriteLayer]; its error may be due to a wrong guess.
func (s *Store) NewDraft(ctx context.Context, over Guess, build func(*Layer) error) (*Draft, error) {
	v, closeView, err := s.openGuess(ctx, over)
	if err != nil {
		return nil, err
	}
	defer closeView()
	l, err := s.newLayer(v)
	if err != nil {
		return nil, err
	}
	if err := build(l); err != nil {
		l.release()
		return nil, err
	}
	return &Draft{store: s, layer: l, over: over, asked: v}, nil
}

// openGuess opens what a guess says is there.
func (s *Store) openGuess(ctx context.Context, g Guess) (*view, func(), error) {
	v, closeView, err := s.openView(ctx, g.Layers)
	if err != nil {
		return nil, nil, err
	}
	for _, d := range g.Drafts {
		v.layers = slices.Insert(v.layers, 0, lowerLayer(treeLayer{d.layer.root}))
	}
	if g.System {
		v.layers = append(v.layers, treeLayer{usualSystem()})
	}
	return v, closeView, nil
}

// Write writes the layer, under no name yet. After an error nothing is kept of it.
func (d *Draft) Write(ctx context.Context) error {
	defer d.layer.release()
	b, err := d.store.writeErofs(ctx, d.layer.root)
	d.blob = b
	return err
}

// Fits reports whether what is below is what the draft was made over, as far as the draft asked. That is certain of layers alone; over a
// better guess than the draft's own it says whether a new draft would be another.
func (d *Draft) Fits(ctx context.Context, below Guess) (bool, error) {
	if d.asked.deeply {
		// What was answered is not remembered.
		return d.over.System == below.System && slices.Equal(d.over.Layers, below.Layers) && slices.Equal(d.over.Drafts, below.Drafts), nil
	}
	v, closeView, err := d.store.openGuess(ctx, below)
	if err != nil {
		return false, err
	}
	defer closeView()
	for p, guess := range d.asked.known {
		if err := ctx.Err(); err != nil {
			return false, err
		}
		if real, err := v.lookup(p); err != nil || !alike(guess.node, real) {
			return false, err
		}
	}
	return true, nil
}

// Keep stores a layer that was written, and returns its digest and size in bytes.
func (d *Draft) Keep(ctx context.Context) (slipway.Digest, int64, error) {
	defer d.Discard()
	d.blob.ctx = ctx
	if err := d.blob.commit(); err != nil {
		return "", 0, err
	}
	return d.blob.digest(), d.blob.size, nil
}

// Discard removes a layer that was not kept.
func (d *Draft) Discard() {
	d.layer.release()
	if d.blob != nil {
		d.blob.discard()
	}
}

// alike reports whether a layer comes out the same above either entry. Of a file only that it is there matters, of a directory all that is
// repeated in the layer.
func alike(a, b *node) bool {
	switch {
	case a == nil || b == nil:
		return a == b
	case a.kind() != b.kind() || a.isWhiteout() != b.isWhiteout():
		return false
	case a.isDir():
		return a.mode == b.mode && a.uid == b.uid && a.gid == b.gid && maps.Equal(a.xattrs, b.xattrs)
	case a.isLink():
		return a.target == b.target
	}
	return true
}

// treeLayer shows the entries of a layer that is not written yet.
type treeLayer struct{ root *node }

func (t treeLayer) lstat(p string) (*node, error) { return t.root.find(p), nil }

// usualSystem returns what nearly every system has, merged /usr included: good enough for a guess.
func usualSystem() *node {
	root := &node{mode: unix.S_IFDIR | 0o755, children: map[string]*node{}}
	add := func(p string, n node) {
		dir, name := root, p
		for {
			first, rest, deeper := strings.Cut(name, "/")
			if !deeper {
				break
			}
			dir, name = dir.children[first], rest
		}
		if n.isDir() {
			n.children = map[string]*node{}
		}
		dir.children[name] = &n
	}
	for p := range strings.FieldsSeq(`
		boot dev etc etc/cron.d etc/default etc/init.d etc/profile.d etc/systemd etc/systemd/system home media mnt opt proc run
		srv sys usr usr/bin usr/games usr/include usr/lib usr/sbin usr/share usr/src
		usr/local usr/local/bin usr/local/etc usr/local/lib usr/local/sbin usr/local/share
		var var/cache var/lib var/log var/opt var/spool`) {
		add(p, node{mode: unix.S_IFDIR | 0o755})
	}
	add("root", node{mode: unix.S_IFDIR | 0o700})
	add("tmp", node{mode: unix.S_IFDIR | 0o1777})
	add("var/tmp", node{mode: unix.S_IFDIR | 0o1777})
	for _, name := range []string{"bin", "lib", "sbin"} {
		add(name, node{mode: unix.S_IFLNK | 0o777, target: "usr/" + name})
	}
	return root
}
