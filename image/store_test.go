package image

import (
	"bytes"
	"context"
	"crypto/rand"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/slipway-sh/slipway"
)

func newStore(t testing.TB) *Store {
	t.Helper()
	s, err := Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func put(t testing.TB, s *Store, content []byte) slipway.Digest {
	t.Helper()
	d := slipway.DigestOf(content)
	if err := s.PutBlob(t.Context(), d, int64(len(content)), bytes.NewReader(content)); err != nil {
		t.Fatal(err)
	}
	return d
}

// wantBlobs fails unless the store holds exactly these blobs and nothing half-written.
func wantBlobs(t testing.TB, s *Store, want ...slipway.Digest) {
	t.Helper()
	if left, _ := os.ReadDir(s.ingest()); len(left) > 0 {
		t.Errorf("%d files left in %s", len(left), s.ingest())
	}
	list, err := os.ReadDir(s.BlobPath(""))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range list {
		if !slices.Contains(want, slipway.Digest("sha256:"+e.Name())) {
			t.Errorf("blob %s is stored", e.Name())
		}
	}
	if len(list) != len(want) {
		t.Errorf("%d blobs are stored, want %d", len(list), len(want))
	}
}

func TestBlobs(t *testing.T) {
	s := newStore(t)
	content := []byte("hello")
	d := put(t, s, content)
	put(t, s, content)
	other := slipway.DigestOf([]byte("other"))
	missing, err := s.Missing(t.Context(), []slipway.Digest{d, other})
	if err != nil || !slices.Equal(missing, []slipway.Digest{other}) {
		t.Errorf("Missing = %v, %v", missing, err)
	}
	if err := s.Verify(t.Context(), d); err != nil {
		t.Error(err)
	}
	wantBlobs(t, s, d)
}

func TestPutBlobRefuses(t *testing.T) {
	d := slipway.DigestOf([]byte("hello"))
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for _, test := range []struct {
		name    string
		ctx     context.Context
		want    slipway.Digest
		size    int64
		content string
		code    slipway.Code
		message string
	}{
		{"another digest", t.Context(), d, 5, "HELLO", slipway.Invalid, "the content has the digest sha256:3733"},
		{"too short", t.Context(), d, 6, "hello", slipway.Invalid, "got only 5 bytes, want 6"},
		{"too long", t.Context(), d, 4, "hello", slipway.Invalid, "got at least 5 bytes, want 4"},
		{"no digest", t.Context(), "sha256:../../x", 5, "hello", slipway.Invalid, "as a digest"},
		{"larger than the disk", t.Context(), d, 1 << 60, "hello", slipway.Unprepared, "1152921504606846976 bytes needed, "},
		{"context ended", ended, d, 5, "hello", slipway.Internal, "internal error"},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := newStore(t)
			err := s.PutBlob(test.ctx, test.want, test.size, strings.NewReader(test.content))
			if slipway.CodeOf(err) != test.code || !strings.Contains(slipway.MessageOf(err), test.message) {
				t.Errorf("PutBlob = %v, want %s: …%s…", err, test.code, test.message)
			}
			wantBlobs(t, s)
		})
	}
}

func TestVerifyFindsDamage(t *testing.T) {
	s := newStore(t)
	content := make([]byte, 3*copyBuffer+17)
	rand.Read(content)
	d := put(t, s, content)
	damage(t, s.BlobPath(d), copyBuffer+1)
	if err := s.Verify(t.Context(), d); slipway.CodeOf(err) != slipway.Corrupt || !strings.Contains(err.Error(), string(d)) {
		t.Errorf("Verify = %v, want Corrupt and the digest", err)
	}
	if err := s.Verify(t.Context(), slipway.DigestOf(nil)); slipway.CodeOf(err) != slipway.NotFound {
		t.Errorf("Verify of nothing = %v, want NotFound", err)
	}
	again, err := Open(s.dir)
	if err != nil {
		t.Fatal(err)
	}
	_, _, err = again.WriteLayer(t.Context(), nil, func(l *Layer) error { return l.AddBlob(t.Context(), "/x", Attr{}, d) })
	if slipway.CodeOf(err) != slipway.Corrupt {
		t.Errorf("AddBlob of a damaged blob = %v, want Corrupt", err)
	}
}

// damage flips a bit of a stored file.
func damage(t testing.TB, name string, at int64) {
	t.Helper()
	if err := os.Chmod(name, 0o644); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	b := make([]byte, 1)
	if _, err := f.ReadAt(b, at); err != nil {
		t.Fatal(err)
	}
	b[0] ^= 1
	if _, err := f.WriteAt(b, at); err != nil {
		t.Fatal(err)
	}
}

func TestOpenSweeps(t *testing.T) {
	s := newStore(t)
	d := put(t, s, []byte("kept"))
	if err := os.WriteFile(filepath.Join(s.ingest(), "blob-1"), []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	if s, err := Open(s.dir); err != nil {
		t.Error(err)
	} else {
		wantBlobs(t, s, d)
	}
}
