package bake

import (
	"slices"
	"strings"
	"testing"

	"github.com/slipway-sh/slipway"
)

func someFiles() files {
	return newFiles([]slipway.ContextEntry{
		{Path: "a/b/c", Digest: "c", Mode: 0o644},
		{Path: "a/b/d.sh", Digest: "d", Mode: 0o755},
		{Path: "a/e", Link: "b/c"},
		{Path: "a/up", Link: "../f"},
		{Path: "dir", Link: "a/b"},
		{Path: "f", Digest: "f"},
		{Path: "loop", Link: "loop"},
		{Path: "out", Link: "../x"},
		{Path: "empty", Dir: true, Mode: 0o700},
	})
}

func TestFind(t *testing.T) {
	f := someFiles()
	for _, c := range []struct{ name, want, err string }{
		{"f", "f", ""},
		{"a", "a", ""},
		{".", ".", ""},
		{"a/e", "a/b/c", ""},
		{"a/up", "f", ""},
		{"dir/c", "a/b/c", ""},
		{"dir/../e", "a/b/c", "cannot find"}, // a path is cleaned first, and there is no e
		{"loop", "", "leads to itself"},
		{"out", "", "leaves the build context"},
		{"a/b/x", "", "cannot find a/b/x in the build context"},
		{"b/d.sh", "", "did you mean a/b/d.sh?"},
		{"emtpy", "", "did you mean empty?"},
		{"f/x", "", "cannot find f/x"},
	} {
		got, err := f.find(c.name, "place")
		if c.err != "" {
			if err == nil || !strings.Contains(err.Error(), c.err) || !strings.HasPrefix(err.Error(), "place: ") {
				t.Errorf("find %s: got error %v, want %q at place", c.name, err, c.err)
			}
			continue
		}
		if err != nil || got.Path != c.want {
			t.Errorf("find %s: got %q, %v, want %q", c.name, got.Path, err, c.want)
		}
	}
}

func TestGlob(t *testing.T) {
	f := someFiles()
	for _, c := range []struct {
		patterns string
		want     string
		err      string
	}{
		{"", "", ""},
		{"f", "f", ""},
		{"a/**", "a a/b a/b/c a/b/d.sh a/e a/up", ""},
		{"a/b", "a a/b a/b/c a/b/d.sh", ""},
		{"./a/b/", "a a/b a/b/c a/b/d.sh", ""},
		{"**/*.sh f", "a a/b a/b/d.sh f", ""},
		{"{e,l}*", "empty loop", ""},
		{".", "a a/b a/b/c a/b/d.sh a/e a/up dir empty f loop out", ""},
		{"f nothing", "", "place[1]: cannot find nothing in the build context"},
		{"[", "", "place[0]: cannot use [ as a pattern"},
	} {
		entries, err := f.glob(strings.Fields(c.patterns), "place")
		if c.err != "" {
			if err == nil || !strings.HasPrefix(err.Error(), c.err) {
				t.Errorf("glob %s: got error %v, want %q", c.patterns, err, c.err)
			}
			continue
		}
		var got []string
		for _, e := range entries {
			got = append(got, e.Path)
		}
		if want := strings.Fields(c.want); err != nil || !slices.Equal(got, want) {
			t.Errorf("glob %s: got %v, %v, want %v", c.patterns, got, err, want)
		}
	}
}

func TestTree(t *testing.T) {
	f := someFiles()
	for name, want := range map[string]string{"f": "f", "dir": "a/b a/b/c a/b/d.sh", "empty": "empty", ".": ". a a/b a/b/c a/b/d.sh a/e a/up dir empty f loop out"} {
		entries, err := f.tree(name, "")
		var got []string
		for _, e := range entries {
			got = append(got, e.Path)
		}
		if err != nil || strings.Join(got, " ") != want {
			t.Errorf("tree %s: got %v, %v, want %s", name, got, err, want)
		}
	}
}
