package image

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	specs "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/slipway-sh/slipway"
)

// storedImage returns the digest of an image in s that has one small layer.
func storedImage(t testing.TB, s *Store, application string) slipway.Digest {
	t.Helper()
	layer, size, err := s.WriteLayer(t.Context(), nil, func(l *Layer) error {
		return l.AddFile("/etc/application", Attr{Mode: 0o644}, []byte(application))
	})
	if err != nil {
		t.Fatal(err)
	}
	d, err := s.WriteImage(t.Context(), slipway.Image{Application: application, Layers: []slipway.LayerInfo{{Digest: layer, Size: size}}})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func bodies(t *testing.T, s *Store, subject slipway.Digest, artifactType string) []string {
	t.Helper()
	list, err := s.Referrers(t.Context(), subject, artifactType)
	if err != nil {
		t.Fatal(err)
	}
	found := []string{}
	for _, r := range list {
		body, err := s.ReferrerBlob(t.Context(), r)
		if err != nil {
			t.Fatal(err)
		}
		found = append(found, r.Type+" "+string(body))
	}
	slices.Sort(found)
	return found
}

func TestReferrersAreListedByTypeAndSurviveAReopen(t *testing.T) {
	dir := t.TempDir()
	s, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	hello, other := storedImage(t, s, "hello"), storedImage(t, s, "other")
	put := func(subject slipway.Digest, artifactType, body string) slipway.Digest {
		t.Helper()
		d, err := s.PutReferrer(t.Context(), subject, artifactType, []byte(body), map[string]string{"a": "b"})
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	first := put(hello, "test/report", "passed")
	put(hello, "test/bom", "[]")
	put(other, "test/report", "failed")
	if again := put(hello, "test/report", "passed"); again != first {
		t.Errorf("stored again: %s, want %s", again, first)
	}

	for range 2 {
		if got := bodies(t, s, hello, ""); !slices.Equal(got, []string{"test/bom []", "test/report passed"}) {
			t.Errorf("all: %q", got)
		}
		if got := bodies(t, s, hello, "test/bom"); !slices.Equal(got, []string{"test/bom []"}) {
			t.Errorf("of one type: %q", got)
		}
		if got := bodies(t, s, other, ""); !slices.Equal(got, []string{"test/report failed"}) {
			t.Errorf("of the other image: %q", got)
		}
		if s, err = Open(dir); err != nil {
			t.Fatal(err)
		}
	}

	// What other tools find: the layout's index names the list, the list has the manifests, each with its subject.
	var index specs.Index
	readJSON(t, filepath.Join(dir, "index.json"), &index)
	at := slices.IndexFunc(index.Manifests, func(d specs.Descriptor) bool {
		return d.Annotations[specs.AnnotationRefName] == "sha256-"+hello.Hex()
	})
	if len(index.Manifests) != 4 || at < 0 {
		t.Fatalf("index: %v", index.Manifests)
	}
	var list specs.Index
	readJSON(t, s.BlobPath(slipway.Digest(index.Manifests[at].Digest)), &list)
	for _, d := range list.Manifests {
		var m specs.Manifest
		readJSON(t, s.BlobPath(slipway.Digest(d.Digest)), &m)
		if m.Subject == nil || slipway.Digest(m.Subject.Digest) != hello || m.ArtifactType != d.ArtifactType || m.Config.MediaType != specs.MediaTypeEmptyJSON {
			t.Errorf("manifest %+v", m)
		}
	}

	parts, err := s.ReferrerParts(t.Context(), hello)
	if err != nil || len(parts) != 6 { // the list, two manifests, two bodies, the empty configuration
		t.Errorf("parts: %v, %v", parts, err)
	}
	if missing, err := s.Missing(t.Context(), parts); err != nil || len(missing) > 0 {
		t.Errorf("missing: %v, %v", missing, err)
	}
}

func TestReplaceReferrers(t *testing.T) {
	s := newStore(t)
	d := storedImage(t, s, "hello")
	replace := func(documents ...slipway.Document) {
		t.Helper()
		if err := s.ReplaceReferrers(t.Context(), d, documents...); err != nil {
			t.Fatal(err)
		}
	}
	replace()
	replace(slipway.Document{Type: "a", Body: []byte("1")}, slipway.Document{Type: "b", Body: []byte("1")})
	replace(slipway.Document{Type: "a", Body: []byte("2")}, slipway.Document{Type: "c", Body: []byte("2")})
	if got := bodies(t, s, d, ""); !slices.Equal(got, []string{"a 2", "b 1", "c 2"}) {
		t.Errorf("%q", got)
	}
	if err := s.ReplaceReferrers(t.Context(), slipway.DigestOf([]byte("none")), slipway.Document{Type: "a"}); slipway.CodeOf(err) != slipway.NotFound {
		t.Errorf("of no image: %v", err)
	}
}

func TestAdoptReferrer(t *testing.T) {
	s := newStore(t)
	d, other := storedImage(t, s, "hello"), storedImage(t, s, "other")
	manifest, err := s.PutReferrer(t.Context(), d, "a", []byte("1"), nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.AdoptReferrer(t.Context(), other, manifest); slipway.CodeOf(err) != slipway.Invalid {
		t.Errorf("of another image: %v", err)
	}
	if err := s.Unlist(t.Context(), d); err != nil {
		t.Fatal(err)
	}
	if got := bodies(t, s, d, ""); len(got) > 0 {
		t.Errorf("after Unlist: %q", got)
	}
	if err := s.AdoptReferrer(t.Context(), d, manifest); err != nil {
		t.Fatal(err)
	}
	if got := bodies(t, s, d, "a"); !slices.Equal(got, []string{"a 1"}) {
		t.Errorf("%q", got)
	}
}

func TestUnlistLeavesOthersListed(t *testing.T) {
	s := newStore(t)
	d, other := storedImage(t, s, "hello"), storedImage(t, s, "other")
	for _, subject := range []slipway.Digest{d, other} {
		if _, err := s.PutReferrer(t.Context(), subject, "a", []byte("1"), nil); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		if err := s.Unlist(t.Context(), d); err != nil {
			t.Fatal(err)
		}
	}
	var index specs.Index
	readJSON(t, filepath.Join(s.dir, "index.json"), &index)
	if len(index.Manifests) != 2 || len(bodies(t, s, other, "")) != 1 {
		t.Errorf("listed: %v", index.Manifests)
	}
}

func TestAlteredReferrersAreSeenAndHealed(t *testing.T) {
	s := newStore(t)
	d := storedImage(t, s, "hello")
	document := slipway.Document{Type: "a", Body: []byte("passed")}
	if err := s.ReplaceReferrers(t.Context(), d, document); err != nil {
		t.Fatal(err)
	}
	parts, err := s.ReferrerParts(t.Context(), d)
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range parts {
		if part == slipway.Digest(specs.DescriptorEmptyJSON.Digest) {
			continue // it says nothing
		}
		damage(t, s.BlobPath(part), 0)
		err := func() error {
			list, err := s.Referrers(t.Context(), d, "a")
			if err != nil {
				return err
			}
			_, err = s.ReferrerBlob(t.Context(), list[0])
			return err
		}()
		if slipway.CodeOf(err) != slipway.Corrupt {
			t.Errorf("%s altered: %v, want corrupt", part, err)
		}
		if err := s.ReplaceReferrers(t.Context(), d, document); err != nil {
			t.Fatal(err)
		}
		if got := bodies(t, s, d, ""); !slices.Equal(got, []string{"a passed"}) {
			t.Errorf("%s stored again: %q", part, got)
		}
	}
}

func TestCheckHashesWhatWasChanged(t *testing.T) {
	s := newStore(t)
	d := put(t, s, []byte("hello"))
	if err := s.Check(t.Context(), d); err != nil {
		t.Fatal(err)
	}
	damage(t, s.BlobPath(d), 0)
	if err := s.Check(t.Context(), d); slipway.CodeOf(err) != slipway.Corrupt {
		t.Errorf("after a change: %v, want corrupt", err)
	}
	damage(t, s.BlobPath(d), 0)
	if err := s.Check(t.Context(), d); err != nil {
		t.Errorf("after the change was taken back: %v", err)
	}
}

// BenchmarkListAmongMany is what one more image costs where ten thousand are listed, each with its documents.
func BenchmarkListAmongMany(b *testing.B) {
	s, err := Open(b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	index := specs.Index{}
	for i := range 20_000 {
		d := slipway.DigestOf(fmt.Append(nil, i))
		index.Manifests = append(index.Manifests, specs.Descriptor{
			MediaType: specs.MediaTypeImageManifest, Digest: specs.DescriptorEmptyJSON.Digest.Algorithm().FromString(string(d)), Size: 1000,
			Annotations: map[string]string{specs.AnnotationRefName: referrersName(d)},
		})
	}
	text, err := json.Marshal(index)
	if err != nil {
		b.Fatal(err)
	}
	if err := os.WriteFile(s.index.path, text, 0o644); err != nil {
		b.Fatal(err)
	}
	subject := storedImage(b, s, "hello")
	for i := 0; b.Loop(); i++ {
		if err := s.ReplaceReferrers(b.Context(), subject, slipway.Document{Type: "a", Body: fmt.Append(nil, i)}); err != nil {
			b.Fatal(err)
		}
	}
}

func readJSON(t *testing.T, path string, v any) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, v); err != nil {
		t.Fatal(err)
	}
}
