package image

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
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
