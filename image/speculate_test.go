package image

import (
	"errors"
	"fmt"
	"path"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
	"pgregory.net/rapid"

	"github.com/slipway-sh/slipway"
)

// entries draws what a layer consists of: few names, so that layers meet often.
func entries(t *rapid.T, label string) func(*Layer) error {
	type entry struct {
		kind, p, target string
		attr            Attr
	}
	name := rapid.SampledFrom([]string{"a", "b", "usr", "tmp"})
	list := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) entry {
		return entry{
			kind:   rapid.SampledFrom([]string{"file", "file", "dir", "dir", "link", "whiteout"}).Draw(t, "kind"),
			p:      path.Join(append([]string{"/"}, rapid.SliceOfN(name, 1, 3).Draw(t, "path")...)...),
			target: rapid.SampledFrom([]string{"", "/", "../"}).Draw(t, "where") + name.Draw(t, "target"),
			attr:   Attr{Mode: rapid.SampledFrom([]uint32{0o755, 0o700}).Draw(t, "mode"), UID: rapid.SampledFrom([]uint32{0, 0, 7}).Draw(t, "uid")},
		}
	}), 1, 4).Draw(t, label)
	return func(l *Layer) error {
		for _, e := range list {
			// What cannot be added is left out, which depends on the layers below as well.
			switch e.kind {
			case "file":
				_ = l.AddFile(e.p, e.attr, []byte(e.p))
			case "dir":
				_ = l.AddDir(e.p, e.attr)
			case "link":
				_ = l.AddSymlink(e.p, e.target, e.attr)
			case "whiteout":
				_ = l.AddNode(e.p, unix.S_IFCHR, 0, Attr{})
			}
		}
		return nil
	}
}

// A draft that fits is the layer that would have been made on top of the real layers, whatever it was drafted over. Layers are drafted on
// top of each other with only some of them known.
func TestDrafts(t *testing.T) {
	s := newStore(t)
	fit, unfit := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 4).Draw(t, "layers")
		var real []slipway.Digest
		guess := Guess{System: rapid.Bool().Draw(t, "system")}
		for i := range n {
			build := entries(t, fmt.Sprintf("layer %d", i))
			draft, err := s.NewDraft(t.Context(), guess, build)
			if err != nil {
				t.Fatal(err)
			}
			if err := draft.Write(t.Context()); err != nil {
				t.Fatal(err)
			}
			want, size, err := s.WriteLayer(t.Context(), real, build)
			if err != nil {
				t.Fatal(err)
			}
			fits, err := draft.Fits(t.Context(), Guess{Layers: real})
			if err != nil {
				t.Fatal(err)
			}
			if fits {
				fit++
				got, gotSize, err := draft.Keep(t.Context())
				if err != nil || got != want || gotSize != size {
					t.Fatalf("layer %d: the draft is %s, want %s (%v)", i, got.Short(), want.Short(), err)
				}
			} else {
				unfit++
				draft.Discard()
			}
			real = append(real, want)
			switch rapid.SampledFrom([]string{"known", "drafted", "unknown"}).Draw(t, "what the next ones know") {
			case "known":
				if len(guess.Drafts) == 0 {
					guess.Layers = append(guess.Layers, want)
				}
			case "drafted":
				guess.Drafts = append(guess.Drafts, draft)
			}
		}
	})
	if fit == 0 || unfit == 0 {
		t.Errorf("%d drafts fit and %d did not: one of the two was not tested", fit, unfit)
	}
	if left, _ := filepath.Glob(filepath.Join(s.ingest(), "*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// A layer is drafted over what nearly every system has, and fits on a real one.
func TestDraftOnUsualSystem(t *testing.T) {
	s := newStore(t)
	system := layer(t, s, nil, func(l *Layer) error {
		return errors.Join(l.AddDir("/tmp", Attr{Mode: 0o1777}), l.AddDir("/opt", Attr{Mode: 0o755}), l.AddDir("/usr/bin", Attr{Mode: 0o755}),
			l.AddDir("/etc", Attr{Mode: 0o755}), l.AddSymlink("/bin", "usr/bin", Attr{}), l.AddDir("/srv/odd", Attr{Mode: 0o711}))
	})
	for p, want := range map[string]bool{"/opt/app/x": true, "/bin/x": true, "/tmp/x": true, "/etc/x.conf": true, "/x": true, "/srv/odd/x": false} {
		d, err := s.NewDraft(t.Context(), Guess{System: true}, func(l *Layer) error { return l.AddFile(p, Attr{Mode: 0o644}, []byte(p)) })
		if err != nil {
			t.Fatal(err)
		}
		if fits, err := d.Fits(t.Context(), Guess{Layers: []slipway.Digest{system}}); err != nil || fits != want {
			t.Errorf("%s: fits %v, %v, want %v", p, fits, err, want)
		}
		d.Discard()
	}
}

// A draft that is not kept leaves nothing, however it ends.
func TestDraftLeavesNothing(t *testing.T) {
	s := newStore(t)
	failure := errors.New("no")
	if _, err := s.NewDraft(t.Context(), Guess{}, func(*Layer) error { return failure }); !errors.Is(err, failure) {
		t.Errorf("got %v, want %v", err, failure)
	}
	if _, err := s.NewDraft(t.Context(), Guess{Layers: []slipway.Digest{slipway.DigestOf(nil)}}, nil); slipway.CodeOf(err) != slipway.NotFound {
		t.Errorf("got %v, want %s", err, slipway.NotFound)
	}
	d, err := s.NewDraft(t.Context(), Guess{}, func(l *Layer) error { return l.AddFile("/x", Attr{}, make([]byte, 1<<20)) })
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Write(t.Context()); err != nil {
		t.Fatal(err)
	}
	d.Discard()
	wantBlobs(t, s)
}
