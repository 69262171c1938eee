package image

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	specs "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/slipway-sh/slipway"
)

func anImage(t testing.TB, s *Store) slipway.Image {
	content := []byte("app")
	d := layer(t, s, nil, func(l *Layer) error { return l.AddFile("/app", Attr{Mode: 0o755}, content) })
	st, err := os.Stat(s.BlobPath(d))
	if err != nil {
		t.Fatal(err)
	}
	return slipway.Image{
		Application: "hello", From: "scratch",
		Layers:  []slipway.LayerInfo{{Digest: d, Size: st.Size(), Step: "copy app", Key: slipway.DigestOf(content)}},
		Service: slipway.Service{Command: []string{"/app"}, Env: map[string]string{"B": "2", "A": "1"}, Port: 80},
	}
}

func TestImage(t *testing.T) {
	s := newStore(t)
	want := anImage(t, s)
	d, err := s.WriteImage(t.Context(), want)
	if err != nil {
		t.Fatal(err)
	}
	want.Digest = d
	got, err := s.ReadImage(t.Context(), d)
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("ReadImage: %v %s", err, diff)
	}
	if _, err := s.ReadImage(t.Context(), want.Layers[0].Digest); slipway.CodeOf(err) == "" {
		t.Error("a layer can be read as an image")
	}
	if _, err := s.ReadImage(t.Context(), slipway.DigestOf(nil)); slipway.CodeOf(err) != slipway.NotFound {
		t.Errorf("ReadImage of nothing = %v, want NotFound", err)
	}

	// What is not content changes nothing, here or in another store.
	other := newStore(t)
	again := anImage(t, other)
	again.Version, again.State, again.Created, again.Tests = "7", slipway.ImageReady, time.Unix(1, 0), &slipway.TestReport{}
	for range 2 {
		if got, err := other.WriteImage(t.Context(), again); got != d || err != nil {
			t.Errorf("WriteImage = %s, %v, want %s", got, err, d)
		}
	}
	var index specs.Index
	text, err := os.ReadFile(filepath.Join(other.dir, "index.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &index); err != nil || len(index.Manifests) != 1 || slipway.Digest(index.Manifests[0].Digest) != d {
		t.Errorf("index.json is %s", text)
	}

	// What is irreversible is another image.
	again.Irreversible = true
	one, err := other.WriteImage(t.Context(), again)
	if got, readErr := other.ReadImage(t.Context(), one); err != nil || readErr != nil || one == d || !got.Irreversible {
		t.Errorf("an irreversible image is %+v, %v, %v, want it to say so, and another digest than %s", got, err, readErr, d)
	}

	damage(t, s.BlobPath(d), 20)
	if _, err := s.ReadImage(t.Context(), d); slipway.CodeOf(err) != slipway.Corrupt {
		t.Errorf("ReadImage of a damaged manifest = %v, want Corrupt", err)
	}
	again.Layers[0].Digest = slipway.DigestOf(nil)
	if _, err := s.WriteImage(t.Context(), again); slipway.CodeOf(err) != slipway.NotFound {
		t.Errorf("WriteImage without its layer = %v, want NotFound", err)
	}
}
