package attest_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	specs "github.com/opencontainers/image-spec/specs-go/v1"
	"pgregory.net/rapid"

	"github.com/slipway-sh/slipway"
)

const (
	provenanceType = "application/vnd.in-toto.provenance+dsse"
	testsType      = "application/vnd.in-toto.test-result+dsse"
	sbomType       = "application/vnd.in-toto.cyclonedx+dsse"
)

// parts names every blob that an image and what is signed about it consist of.
func (y *yard) parts(img slipway.Image) map[string]slipway.Digest {
	y.t.Helper()
	var m specs.Manifest
	if err := json.Unmarshal(y.blob(img.Digest), &m); err != nil {
		y.t.Fatal(err)
	}
	all := map[string]slipway.Digest{"manifest": img.Digest, "configuration": slipway.Digest(m.Config.Digest)}
	for _, l := range m.Layers {
		all["layer "+l.Digest.Encoded()[:12]] = slipway.Digest(l.Digest)
	}
	referrers, err := y.images.ReferrerParts(y.t.Context(), img.Digest)
	if err != nil {
		y.t.Fatal(err)
	}
	for _, d := range referrers {
		if d != slipway.Digest(specs.DescriptorEmptyJSON.Digest) { // it says nothing
			all["document "+d.Short()] = d
		}
	}
	return all
}

// wantFlaw checks that neither a server nor whoever has only the layout and the key trusts the image.
func (y *yard) wantFlaw(img slipway.Image, codes ...slipway.Code) {
	y.t.Helper()
	_, online := y.verifier.VerifyImage(y.t.Context(), img.Digest)
	if !slices.Contains(codes, slipway.CodeOf(online)) {
		y.t.Errorf("a server says %v, want %v", online, codes)
	}
	verifier, offline := y.offline()
	if offline == nil {
		_, offline = verifier.VerifyImage(y.t.Context(), img.Digest)
	}
	if !slices.Contains(codes, slipway.CodeOf(offline)) {
		y.t.Errorf("offline: %v, want %v", offline, codes)
	}
}

// TestEveryBlobCounts alters each blob of an image in turn, in each way, and wants it to be found by the server that wrote it, which has
// verified it before, and offline. Put back, the image is trusted again.
func TestEveryBlobCounts(t *testing.T) {
	y := newYard(t)
	img := y.signed("flask==1.0\n", "flask==2.0\n")
	if _, err := y.verifier.VerifyImage(t.Context(), img.Digest); err != nil {
		t.Fatal(err)
	}
	for name, d := range y.parts(img) {
		whole := y.blob(d)
		for change, text := range map[string][]byte{
			"flipped":   append([]byte{whole[0] ^ 1}, whole[1:]...),
			"truncated": whole[:len(whole)-1],
			"emptied":   {},
			"extended":  append(slices.Clone(whole), 0),
			"last byte": append(slices.Clone(whole[:len(whole)-1]), whole[len(whole)-1]^1),
		} {
			t.Run(name+" "+change, func(t *testing.T) {
				z := *y
				z.t = t
				z.overwrite(d, text)
				z.wantFlaw(img, slipway.Corrupt)
			})
			y.overwrite(d, whole)
		}
		t.Run(name+" removed", func(t *testing.T) {
			z := *y
			z.t = t
			if err := os.Remove(y.images.BlobPath(d)); err != nil {
				t.Fatal(err)
			}
			want := slipway.Corrupt
			if name == "manifest" {
				want = slipway.NotFound
			}
			z.wantFlaw(img, want)
		})
		if err := os.WriteFile(y.images.BlobPath(d), whole, 0o444); err != nil {
			t.Fatal(err)
		}
		if _, err := y.verifier.VerifyImage(t.Context(), img.Digest); err != nil {
			t.Fatalf("%s put back: %v", name, err)
		}
	}
}

func TestSwappedLayers(t *testing.T) {
	y := newYard(t)
	img := y.signed("flask==1.0\n", "flask==2.0\n")
	a, b := img.Layers[0].Digest, img.Layers[1].Digest
	first, second := y.blob(a), y.blob(b)
	y.overwrite(a, second)
	y.overwrite(b, first)
	y.wantFlaw(img, slipway.Corrupt)
	if _, err := y.verifier.VerifyImage(t.Context(), img.Digest); !strings.Contains(slipway.MessageOf(err), "layer 1, "+string(a)+", has been altered") {
		t.Errorf("it does not say which: %v", err)
	}
}

// TestForgedStatements puts documents of a forger in place of the real ones, as who can write to the layout, digests and lists included, can.
func TestForgedStatements(t *testing.T) {
	stranger := newYard(t)
	for _, kind := range []string{provenanceType, testsType, sbomType} {
		for name, forge := range map[string]func(y *yard, img slipway.Image, real []byte) []byte{
			"signed by another key": func(_ *yard, img slipway.Image, _ []byte) []byte {
				_, bake, req := stranger.baked("flask==1.0\n")
				stranger.attest(img, bake, req)
				return document(stranger, img, kind)
			},
			"with the signature of another key": func(y *yard, img slipway.Image, real []byte) []byte {
				_, bake, req := stranger.baked("flask==1.0\n")
				stranger.attest(img, bake, req)
				var e, other map[string]any
				mustJSON(y.t, real, &e)
				mustJSON(y.t, document(stranger, img, kind), &other)
				e["signatures"] = other["signatures"]
				return toJSON(y.t, e)
			},
			"another key under the name of the real one": func(y *yard, img slipway.Image, _ []byte) []byte {
				_, bake, req := stranger.baked("flask==1.0\n")
				stranger.attest(img, bake, req)
				var other map[string]any
				mustJSON(y.t, document(stranger, img, kind), &other)
				other["signatures"].([]any)[0].(map[string]any)["keyid"] = y.keys.Signing().ID()
				return toJSON(y.t, other)
			},
			"of another image": func(y *yard, _ slipway.Image, _ []byte) []byte {
				return document(y, y.signed("flask==3.0\n"), kind)
			},
			"of another kind": func(y *yard, img slipway.Image, _ []byte) []byte {
				next := map[string]string{provenanceType: testsType, testsType: sbomType, sbomType: provenanceType}
				return document(y, img, next[kind])
			},
			"with another payload": func(y *yard, _ slipway.Image, real []byte) []byte {
				return edited(y.t, real, func(payload []byte) []byte { return bytes.Replace(payload, []byte("hello"), []byte("jello"), 1) })
			},
			"with another payload type": func(y *yard, _ slipway.Image, real []byte) []byte {
				return bytes.Replace(real, []byte("application/vnd.in-toto+json"), []byte("application/vnd.in-toto+text"), 1)
			},
			"not signed": func(y *yard, _ slipway.Image, real []byte) []byte {
				var e map[string]any
				mustJSON(y.t, real, &e)
				e["signatures"] = []any{}
				return toJSON(y.t, e)
			},
			"no envelope": func(*yard, slipway.Image, []byte) []byte { return []byte("passed") },
			"nothing":     func(*yard, slipway.Image, []byte) []byte { return nil },
		} {
			t.Run(kind+" "+name, func(t *testing.T) {
				y := newYard(t)
				img := y.signed("flask==1.0\n")
				// The stranger's store has the image too, so that the stranger can sign it.
				copyBlobs(t, y, stranger)
				forged := forge(y, img, document(y, img, kind))
				if err := y.images.ReplaceReferrers(t.Context(), img.Digest, slipway.Document{Type: kind, Body: forged}); err != nil {
					t.Fatal(err)
				}
				y.wantFlaw(img, slipway.Refused)
			})
		}
	}
}

// TestMissingStatements checks that an image without any one of its statements is not trusted, nor is one that nobody signed.
func TestMissingStatements(t *testing.T) {
	for _, kind := range []string{provenanceType, testsType, sbomType, ""} {
		t.Run(kind, func(t *testing.T) {
			y := newYard(t)
			img := y.signed("flask==1.0\n")
			referrers, err := y.images.Referrers(t.Context(), img.Digest, "")
			if err != nil {
				t.Fatal(err)
			}
			if err := y.images.Unlist(t.Context(), img.Digest); err != nil {
				t.Fatal(err)
			}
			for _, r := range referrers {
				if kind != "" && r.Type != kind {
					if err := y.images.AdoptReferrer(t.Context(), img.Digest, r.Manifest); err != nil {
						t.Fatal(err)
					}
				}
			}
			y.wantFlaw(img, slipway.Refused)
		})
	}
}

// TestOtherPeoplesDocuments checks that what is said about an image by others neither helps nor harms.
func TestOtherPeoplesDocuments(t *testing.T) {
	y, stranger := newYard(t), newYard(t)
	img, bake, req := y.baked("flask==1.0\n")
	copyBlobs(t, y, stranger)
	stranger.attest(img, bake, req)
	for _, kind := range []string{provenanceType, testsType, sbomType, "application/vnd.example"} {
		body := []byte("anything")
		if kind != "application/vnd.example" {
			body = document(stranger, img, kind)
		}
		if _, err := y.images.PutReferrer(t.Context(), img.Digest, kind, body, nil); err != nil {
			t.Fatal(err)
		}
	}
	y.wantFlaw(img, slipway.Refused)
	// With its own key for the same image beside the stranger's it is trusted.
	for _, kind := range []string{provenanceType, testsType, sbomType} {
		own := newYard(t)
		own.signer.Key = y.keys.Signing()
		copyBlobs(t, y, own)
		own.attest(img, bake, req)
		if _, err := y.images.PutReferrer(t.Context(), img.Digest, kind, document(own, img, kind), nil); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := y.verifier.VerifyImage(t.Context(), img.Digest); err != nil {
		t.Error(err)
	}
}

// TestAnyByte checks that no single byte of any part of an image can be another.
func TestAnyByte(t *testing.T) {
	y := newYard(t)
	img := y.signed("flask==1.0\n")
	parts := y.parts(img)
	var names []string
	for name := range parts {
		names = append(names, name)
	}
	slices.Sort(names)
	rapid.Check(t, func(r *rapid.T) {
		d := parts[rapid.SampledFrom(names).Draw(r, "part")]
		whole := y.blob(d)
		text := slices.Clone(whole)
		text[rapid.IntRange(0, len(text)-1).Draw(r, "at")] ^= byte(rapid.IntRange(1, 255).Draw(r, "bits"))
		y.overwrite(d, text)
		_, err := y.verifier.VerifyImage(t.Context(), img.Digest)
		y.overwrite(d, whole)
		if slipway.CodeOf(err) != slipway.Corrupt {
			r.Fatalf("got %v", err)
		}
		if _, err := y.verifier.VerifyImage(t.Context(), img.Digest); err != nil {
			r.Fatalf("put back: %v", err)
		}
	})
}

// document returns the body of the image's document of a type.
func document(y *yard, img slipway.Image, kind string) []byte {
	y.t.Helper()
	list, err := y.images.Referrers(y.t.Context(), img.Digest, kind)
	if err != nil || len(list) == 0 {
		y.t.Fatalf("%s of %s: %v, %v", kind, img.Digest, list, err)
	}
	body, err := y.images.ReferrerBlob(y.t.Context(), list[0])
	if err != nil {
		y.t.Fatal(err)
	}
	return body
}

// edited changes the payload of an envelope and leaves its signature.
func edited(t testing.TB, envelope []byte, change func([]byte) []byte) []byte {
	var e map[string]any
	mustJSON(t, envelope, &e)
	payload, err := base64.StdEncoding.DecodeString(e["payload"].(string))
	if err != nil {
		t.Fatal(err)
	}
	e["payload"] = base64.StdEncoding.EncodeToString(change(payload))
	return toJSON(t, e)
}

func copyBlobs(t testing.TB, from, to *yard) {
	t.Helper()
	list, err := os.ReadDir(filepath.Join(from.dir, "blobs", "sha256"))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range list {
		d := slipway.Digest("sha256:" + e.Name())
		text := from.blob(d)
		if err := to.images.PutBlob(t.Context(), d, int64(len(text)), bytes.NewReader(text)); err != nil {
			t.Fatal(err)
		}
	}
}

func mustJSON(t testing.TB, text []byte, v any) {
	t.Helper()
	if err := json.Unmarshal(text, v); err != nil {
		t.Fatal(err)
	}
}

func toJSON(t testing.TB, v any) []byte {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return text
}
