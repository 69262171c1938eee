package diff

import (
	"cmp"
	"context"
	"maps"
	"runtime"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/slipway-sh/slipway"
)

// readers is how many files are compared at once, at most: more would only wait for the same memory.
const readers = 4

// difference is a path that differs, and where to read more about it.
type difference struct {
	slipway.FileDiff
	old, new *entry
}

// comparison walks two images side by side. One goroutine reads directories and attributes; the contents it cannot tell apart by them are
// compared by others.
type comparison struct {
	ctx  context.Context
	view view
	work *errgroup.Group

	paths int // looked at
	mu    sync.Mutex
	found []difference
	once  map[[2]inodeID]func() (bool, error) // contents with several names, so that none is read twice
}

// What is compared at most. A layer that was made to lead in circles ends here.
const (
	maxPaths = 4 << 20
	maxDepth = 500 // directories in each other
)

// inodeID names an inode.
type inodeID struct {
	layer *layer
	nid   int64
}

// compare returns the paths that differ between two stacks, topmost layer first, sorted.
func compare(ctx context.Context, a, b []*layer, v view) ([]difference, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	work, ctx := errgroup.WithContext(ctx)
	c := &comparison{ctx: ctx, view: v, work: work, once: map[[2]inodeID]func() (bool, error){}}
	c.work.SetLimit(max(2, min(readers, runtime.GOMAXPROCS(0))))
	err := c.roots(a, b)
	if err != nil {
		cancel()
	}
	if late := c.work.Wait(); err == nil {
		err = late
	}
	if err != nil {
		return nil, err
	}
	slices.SortFunc(c.found, func(a, b difference) int { return cmp.Compare(a.Path, b.Path) })
	return c.found, nil
}

func (c *comparison) roots(a, b []*layer) error {
	x, err := top(a, c.view)
	if err != nil {
		return err
	}
	y, err := top(b, c.view)
	if err != nil {
		return err
	}
	return c.spots("/", x, y)
}

// spots compares what is at a path, and all below it.
func (c *comparison) spots(p string, a, b spot) error {
	if a.same(b) {
		return nil
	}
	if c.ctx.Err() != nil {
		return context.Cause(c.ctx)
	}
	if c.paths++; c.paths > maxPaths || strings.Count(p, "/") > maxDepth {
		return slipway.Errorf(slipway.Corrupt, "cannot compare images with more than %d files, or more than %d directories in each other: %.100s…", maxPaths, maxDepth, p)
	}
	if p != "/" || c.view == bare { // a machine's root directory is its own, whatever its layers say of theirs
		if err := c.entries(p, a.entry, b.entry); err != nil {
			return err
		}
	}
	if !a.isDir() && !b.isDir() {
		return nil
	}
	lists := listings{}
	if err := lists.add(p, a.layers); err != nil {
		return err
	}
	if err := lists.add(p, b.layers); err != nil {
		return err
	}
	before, err := lists.merge(a.layers, c.view)
	if err != nil {
		return err
	}
	after, err := lists.merge(b.layers, c.view)
	if err != nil {
		return err
	}
	names := slices.Collect(maps.Keys(before))
	for name := range after {
		if _, ok := before[name]; !ok {
			names = append(names, name)
		}
	}
	slices.Sort(names) // about the order in which files lie in a blob
	for _, name := range names {
		if err := c.spots(join(p, name), before[name], after[name]); err != nil {
			return err
		}
	}
	return nil
}

// entries compares two entries of the same path; nil is none. What only their contents can tell is left to another goroutine.
func (c *comparison) entries(p string, a, b *entry) error {
	d := difference{old: a, new: b, FileDiff: slipway.FileDiff{Kind: slipway.DiffChanged, Path: p}}
	for _, e := range []*entry{a, b} {
		if e == nil {
			continue
		}
		if _, err := e.inode(); err != nil {
			return err
		}
	}
	switch {
	case a == nil:
		d.Kind = slipway.DiffAdded
	case b == nil:
		d.Kind = slipway.DiffRemoved
	case a.layer == b.layer:
		return nil // a directory into which other layers put something
	default:
		d.What = attributes(a.read, b.read, c.view)
		if a.read.isFile() && b.read.isFile() {
			return c.contents(d)
		}
		if len(d.What) == 0 {
			return nil
		}
	}
	c.add(d)
	return nil
}

// contents adds d, of two files, if anything of them differs.
func (c *comparison) contents(d difference) error {
	differ := func(yes bool) {
		if yes {
			d.What = slices.Insert(d.What, 0, slipway.AspectContent)
		}
		if len(d.What) > 0 {
			c.add(d)
		}
	}
	if size := d.old.read.stat.Size; size != d.new.read.stat.Size || size == 0 {
		differ(size != 0 || d.new.read.stat.Size != 0)
		return nil
	}
	compare := func() (bool, error) { return sameContent(c.ctx, d.old, d.new) }
	if d.old.read.stat.Nlink > 1 && d.new.read.stat.Nlink > 1 {
		compare = c.shared(d, compare)
	}
	c.work.Go(func() error {
		same, err := compare()
		if err == nil {
			differ(!same)
		}
		return err
	})
	return nil
}

// shared returns the comparison of two inodes that other names may have too: it is made once.
func (c *comparison) shared(d difference, compare func() (bool, error)) func() (bool, error) {
	key := [2]inodeID{{d.old.layer, d.old.read.stat.Ino}, {d.new.layer, d.new.read.stat.Ino}}
	if c.once[key] == nil { // only the goroutine that walks comes here
		c.once[key] = sync.OnceValues(compare)
	}
	return c.once[key]
}

// add notes a difference, with what a machine sees of both.
func (c *comparison) add(d difference) {
	if d.old != nil {
		d.Old = d.old.read.state()
	}
	if d.new != nil {
		d.New = d.new.read.state()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.found = append(c.found, d)
}

func join(p, name string) string {
	if p == "/" {
		return p + name
	}
	return p + "/" + name
}
