package image

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/slipway-sh/slipway"
)

const artifactSize = 20 << 20

// artifact is as compressible as a program: half noise, half text.
func artifact() []byte {
	b := make([]byte, artifactSize)
	rng := rand.NewChaCha8([32]byte{1})
	for at := 0; at < len(b); at += 2048 {
		rng.Read(b[at : at+1024])
		copy(b[at+1024:at+2048], bytes.Repeat([]byte("text "), 205))
	}
	return b
}

// BenchmarkReference is what the others are measured by: sha256 of the artifact's file and a copy of it.
func BenchmarkReference(b *testing.B) {
	dir := b.TempDir()
	from := filepath.Join(dir, "from")
	if err := os.WriteFile(from, artifact(), 0o644); err != nil {
		b.Fatal(err)
	}
	b.SetBytes(artifactSize)
	for b.Loop() {
		f, err := os.Open(from)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := io.CopyBuffer(struct{ io.Writer }{sha256.New()}, struct{ io.Reader }{f}, make([]byte, copyBuffer)); err != nil {
			b.Fatal(err)
		}
		if _, err := f.Seek(0, io.SeekStart); err != nil {
			b.Fatal(err)
		}
		to, err := os.Create(filepath.Join(dir, "to"))
		if err != nil {
			b.Fatal(err)
		}
		if _, err := io.Copy(to, f); err != nil {
			b.Fatal(err)
		}
		to.Close()
		f.Close()
	}
}

func BenchmarkPutBlob(b *testing.B) {
	s := newStore(b)
	content := artifact()
	d := slipway.DigestOf(content)
	b.SetBytes(artifactSize)
	for b.Loop() {
		if err := s.PutBlob(b.Context(), d, artifactSize, bytes.NewReader(content)); err != nil {
			b.Fatal(err)
		}
		if err := os.Remove(s.BlobPath(d)); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkLayer builds the layer of a 20 MB artifact that is stored as a blob: as a file, and unpacked from archives.
func BenchmarkLayer(b *testing.B) {
	content := artifact()
	var packed bytes.Buffer
	w := tar.NewWriter(&packed)
	for i := range 200 {
		part := content[i*artifactSize/200 : (i+1)*artifactSize/200]
		if err := w.WriteHeader(&tar.Header{Name: fmt.Sprintf("d%d/f%d", i%10, i), Mode: 0o644, Size: int64(len(part))}); err != nil {
			b.Fatal(err)
		}
		if _, err := w.Write(part); err != nil {
			b.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		b.Fatal(err)
	}
	for _, kind := range []struct {
		name string
		blob []byte
		add  func(*Layer, slipway.Digest) error
	}{
		{"file", content, func(l *Layer, d slipway.Digest) error {
			return l.AddBlob(b.Context(), "/opt/app", Attr{Mode: 0o755}, d)
		}},
		{"tar", packed.Bytes(), func(l *Layer, d slipway.Digest) error {
			return l.AddArchive(b.Context(), d, Options{To: "/opt", Untrusted: true})
		}},
		{"tar.gz", gzipOf(b, packed.Bytes()), func(l *Layer, d slipway.Digest) error {
			return l.AddArchive(b.Context(), d, Options{To: "/opt", Untrusted: true})
		}},
	} {
		b.Run(kind.name, func(b *testing.B) {
			s := newStore(b)
			d := put(b, s, kind.blob)
			b.SetBytes(artifactSize)
			for b.Loop() {
				made, _, err := s.WriteLayer(b.Context(), nil, func(l *Layer) error { return kind.add(l, d) })
				if err != nil {
					b.Fatal(err)
				}
				if err := os.Remove(s.BlobPath(made)); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkImage writes the manifest of another image each time.
func BenchmarkImage(b *testing.B) {
	s := newStore(b)
	image := anImage(b, s)
	for b.Loop() {
		image.Service.Port++
		if _, err := s.WriteImage(b.Context(), image); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkTree writes the layer of a tree as large as a base system: 14,000 files of 400 MB. The layer is on disk when it is done.
// mkfs.erofs, for comparison, does not hash what it writes; what it leaves in memory is here written to disk as well.
func BenchmarkTree(b *testing.B) {
	dir := b.TempDir()
	size := writeTree(b, dir, 14_000, 400_000_000)
	b.Run("WriteLayer", func(b *testing.B) {
		s := newStore(b)
		b.SetBytes(size)
		for b.Loop() {
			made, _, err := s.WriteLayer(b.Context(), nil, func(l *Layer) error { return l.AddTree(b.Context(), dir, Options{}) })
			if err != nil {
				b.Fatal(err)
			}
			if err := os.Remove(s.BlobPath(made)); err != nil {
				b.Fatal(err)
			}
		}
	})
	for _, sync := range []bool{true, false} {
		b.Run(fmt.Sprintf("mkfs.erofs/sync=%t", sync), func(b *testing.B) {
			out := filepath.Join(b.TempDir(), "out")
			b.SetBytes(size)
			for b.Loop() {
				if text, err := exec.Command("mkfs.erofs", out, dir).CombinedOutput(); err != nil {
					b.Fatalf("%v: %s", err, text)
				}
				if sync {
					f, err := os.Open(out)
					if err != nil {
						b.Fatal(err)
					}
					if err := f.Sync(); err != nil {
						b.Fatal(err)
					}
					f.Close()
				}
				if err := os.Remove(out); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// writeTree makes a tree of count files, whose sizes are spread as they are in a system: half of them are small, and have little of it all.
func writeTree(t testing.TB, dir string, count int, total float64) (size int64) {
	t.Helper()
	rng := rand.New(rand.NewPCG(1, 2))
	sizes, sum := make([]float64, count), 0.0
	for i := range sizes {
		sizes[i] = math.Exp(1.9 * rng.NormFloat64())
		sum += sizes[i]
	}
	noise := artifact()
	for i, share := range sizes {
		sub := filepath.Join(dir, fmt.Sprintf("usr/%d/%d", i%40, i%300))
		if err := os.MkdirAll(sub, 0o755); err != nil {
			t.Fatal(err)
		}
		length := min(int(share/sum*total), len(noise))
		from := rng.IntN(len(noise) - length + 1)
		if err := os.WriteFile(filepath.Join(sub, fmt.Sprintf("file-%d", i)), noise[from:from+length], 0o644); err != nil {
			t.Fatal(err)
		}
		size += int64(length)
	}
	return size
}
