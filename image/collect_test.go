package image

import (
	"bytes"
	"fmt"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/slipway-sh/slipway"
)

// age makes all blobs look as if they had been stored, and nobody asked for them, since so long ago.
func age(t testing.TB, s *Store, by time.Duration) {
	t.Helper()
	list, err := os.ReadDir(s.BlobPath(""))
	if err != nil {
		t.Fatal(err)
	}
	then := time.Now().Add(-by)
	for _, e := range list {
		if err := os.Chtimes(s.BlobPath(slipway.Digest("sha256:"+e.Name())), then, then); err != nil {
			t.Fatal(err)
		}
	}
	s.uses.at = nil
}

func keep(digests ...slipway.Digest) func(slipway.Digest) bool {
	return func(d slipway.Digest) bool { return slices.Contains(digests, d) }
}

// What is not needed goes, unless it is young, or someone was told lately that it is there.
func TestCollect(t *testing.T) {
	for _, c := range []struct {
		name   string
		happen func(t *testing.T, s *Store, b slipway.Digest)
		idle   bool
		stays  bool
	}{
		{"nothing", func(*testing.T, *Store, slipway.Digest) {}, false, false},
		{"a client asks for it", func(t *testing.T, s *Store, b slipway.Digest) {
			if missing, err := s.Missing(t.Context(), []slipway.Digest{b}); err != nil || len(missing) > 0 {
				t.Fatal(missing, err)
			}
		}, false, true},
		{"a client sends it again", func(t *testing.T, s *Store, b slipway.Digest) { put(t, s, []byte("b")) }, false, true},
		{"a client sends it again, before a restart", func(t *testing.T, s *Store, b slipway.Digest) {
			put(t, s, []byte("b"))
			s.uses.at = nil
		}, false, true},
		{"a client asks for it, though it is known to be idle", func(t *testing.T, s *Store, b slipway.Digest) { put(t, s, []byte("b")) }, true, true},
		{"it is stored lately", func(t *testing.T, s *Store, b slipway.Digest) {
			if err := os.Remove(s.BlobPath(b)); err != nil {
				t.Fatal(err)
			}
			put(t, s, []byte("b"))
		}, false, true},
		{"it is stored lately, and known to be idle", func(t *testing.T, s *Store, b slipway.Digest) {
			if err := os.Remove(s.BlobPath(b)); err != nil {
				t.Fatal(err)
			}
			put(t, s, []byte("b"))
		}, true, false},
		{"someone writes the same", func(t *testing.T, s *Store, b slipway.Digest) {
			blob, err := s.newBlob(t.Context(), false)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := blob.Write([]byte("b")); err != nil {
				t.Fatal(err)
			}
			if err := blob.commit(); err != nil {
				t.Fatal(err)
			}
		}, true, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newStore(t)
			a, b := put(t, s, []byte("a")), put(t, s, []byte("b"))
			age(t, s, time.Hour)
			c.happen(t, s, b)
			needs := Needs{Keep: keep(a), Since: time.Now().Add(-time.Minute), Idle: func(slipway.Digest) bool { return c.idle }}
			want := []slipway.Digest{a, b}
			wantRemoved := 0
			if !c.stays {
				want, wantRemoved = want[:1], 1
			}
			needs.DryRun = true
			dry, err := s.Collect(t.Context(), needs)
			if err != nil {
				t.Fatal(err)
			}
			wantBlobs(t, s, a, b)
			needs.DryRun = false
			got, err := s.Collect(t.Context(), needs)
			if err != nil || got != dry {
				t.Errorf("got %+v, %v; the dry run said %+v", got, err, dry)
			}
			if got.Blobs != 2 || got.Bytes != 2 || got.Removed != wantRemoved || got.Freed != int64(wantRemoved) || got.Young != 1-wantRemoved {
				t.Errorf("got %+v", got)
			}
			wantBlobs(t, s, want...)
		})
	}
}

// Nothing of an image is collected while its parts are kept, documents about it included; then all of it is, and it is off the index.
func TestCollectImage(t *testing.T) {
	s := newStore(t)
	deb := put(t, s, []byte("deb"))
	lock, err := s.WriteLock(t.Context(), slipway.Lock{Packages: []slipway.LockedPackage{{Name: "a", Digest: deb}}})
	if err != nil {
		t.Fatal(err)
	}
	image := anImage(t, s)
	image.Layers[0].Lock = lock
	d, err := s.WriteImage(t.Context(), image)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.PutReferrer(t.Context(), d, "application/x", []byte("about it"), nil); err != nil {
		t.Fatal(err)
	}
	age(t, s, time.Hour)
	stray := put(t, s, []byte("stray"))
	age(t, s, time.Hour)
	parts, err := s.Parts(t.Context(), d)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []slipway.Digest{d, image.Layers[0].Digest, lock, deb} {
		if !slices.Contains(parts, want) {
			t.Errorf("%s is not among the parts", want)
		}
	}
	needs := Needs{Keep: keep(parts...), Since: time.Now().Add(-time.Minute)}
	if c, err := s.Collect(t.Context(), needs); err != nil || c.Removed != 1 || c.Unlisted != 0 {
		t.Errorf("got %+v, %v, want %s removed", c, err, stray)
	}
	if _, err := s.ReadImage(t.Context(), d); err != nil {
		t.Error(err)
	}
	if documents, err := s.Referrers(t.Context(), d, ""); err != nil || len(documents) != 1 {
		t.Errorf("got the documents %v, %v", documents, err)
	}
	needs.Keep = keep()
	if c, err := s.Collect(t.Context(), needs); err != nil || c.Unlisted != 2 {
		t.Errorf("got %+v, %v, want the image and the list of its documents taken off", c, err)
	}
	wantBlobs(t, s)
	if listed, err := s.index.digests(); err != nil || len(listed) > 0 {
		t.Errorf("listed: %v, %v", listed, err)
	}
	if again, err := s.WriteImage(t.Context(), anImage(t, s)); err != nil || again == "" {
		t.Errorf("the next image: %v", err)
	}
}

// A collector that needs nothing runs all the time. What a writer was told is stored is there.
func TestCollectBesideWriters(t *testing.T) {
	s := newStore(t)
	since := time.Now()
	var writers, collector sync.WaitGroup
	stop := make(chan struct{})
	removed := 0
	collector.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
			}
			c, err := s.Collect(t.Context(), Needs{Keep: keep(), Since: since})
			if err != nil {
				t.Error(err)
				return
			}
			removed += c.Removed
		}
	})
	for i := range 4 {
		writers.Go(func() {
			for n := range 400 {
				content := fmt.Appendf(nil, "%d %d", i, n%3)
				d := slipway.DigestOf(content)
				// As if it had been stored long ago, and nobody had asked for it since.
				then := since.Add(-time.Hour)
				_ = os.Chtimes(s.BlobPath(d), then, then)
				s.uses.Lock()
				delete(s.uses.at, d)
				s.uses.Unlock()
				if err := s.PutBlob(t.Context(), d, int64(len(content)), bytes.NewReader(content)); err != nil {
					t.Error(err)
				}
				if err := s.Verify(t.Context(), d); err != nil {
					t.Error(err)
				}
			}
		})
	}
	writers.Wait()
	close(stop)
	collector.Wait()
	if removed == 0 {
		t.Error("the collector never removed anything")
	}
}
