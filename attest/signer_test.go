package attest_test

import (
	"encoding/base64"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/attest"
)

// TestWhatIsSignedIsTrusted is the property that all else rests on: whatever was baked and signed verifies, by the server, by the next
// process of it, and offline.
func TestWhatIsSignedIsTrusted(t *testing.T) {
	dir := t.TempDir()
	rapid.Check(t, func(r *rapid.T) {
		y := openYard(t, dir)
		texts := rapid.SliceOfN(rapid.StringMatching(`[a-z]{1,8}==[0-9]{1,3}\n`), 1, 4).Draw(r, "layers")
		img, bake, req := y.baked(texts...)
		req.Version = rapid.String().Draw(r, "version")
		img.Source.Repository = rapid.String().Draw(r, "repository")
		y.attest(img, bake, req)
		offline, err := y.offline()
		if err != nil {
			r.Fatal(err)
		}
		for _, v := range []*attest.Verifier{y.verifier, openYard(t, dir).verifier, offline} {
			if got, err := v.VerifyImage(t.Context(), img.Digest); err != nil || got.Layers != len(texts) || got.Tests != 1 || got.Bake == "" {
				r.Fatalf("got %+v, %v", got, err)
			}
		}
	})
}

// TestProvenance checks what is said of how an image was made, and what is not.
func TestProvenance(t *testing.T) {
	y := newYard(t)
	img := y.signed("flask==1.0\n", "flask==2.0\n")
	var p struct {
		BuildDefinition struct {
			ExternalParameters struct {
				Application, Version string
				Image                slipway.ImageSpec
			}
			InternalParameters   struct{ Layers []slipway.LayerInfo }
			ResolvedDependencies []struct {
				Name, URI string
				Digest    map[string]string
			}
		}
		RunDetails struct {
			Metadata struct {
				InvocationID          string `json:"invocationId"`
				StartedOn, FinishedOn time.Time
			}
		}
	}
	payload := payloadOf(t, document(y, img, provenanceType))
	var statement struct{ Predicate any }
	mustJSON(t, payload, &statement)
	mustJSON(t, toJSON(t, statement.Predicate), &p)
	d := p.BuildDefinition
	if d.ExternalParameters.Application != "hello" || d.ExternalParameters.Version != "v1" || len(d.InternalParameters.Layers) != 2 || p.RunDetails.Metadata.InvocationID != "b-first" {
		t.Errorf("%s", payload)
	}
	var got []string
	for _, r := range d.ResolvedDependencies {
		got = append(got, strings.TrimSpace(r.Name+" "+r.URI))
	}
	want := []string{
		"source git+https://git.example.com/hello.git@refs/heads/main", "base debian:bookworm", "context", "context/setup.sh",
		"pkg:deb/debian/nginx@1.22.1-9%2Bdeb12u3?arch=amd64",
	}
	if !slices.Equal(got, want) {
		t.Errorf("dependencies\n%q, want\n%q", got, want)
	}
	for _, secret := range []string{"hunter2", "a-handle"} {
		if strings.Contains(string(payload), secret) {
			t.Errorf("it gives %q away", secret)
		}
	}
	if !strings.Contains(string(payload), "npm_token") {
		t.Error("it does not name the secrets that were used")
	}
}

// TestAttestAgain checks that signing again changes nothing unless there is something else to say, and then replaces what was said.
func TestAttestAgain(t *testing.T) {
	y := newYard(t)
	img, bake, req := y.baked("flask==1.0\n")
	y.attest(img, bake, req)
	documents := func() map[string]slipway.Digest {
		all, err := y.images.Referrers(t.Context(), img.Digest, "")
		if err != nil {
			t.Fatal(err)
		}
		found := map[string]slipway.Digest{}
		for _, d := range all {
			if _, twice := found[d.Type]; twice {
				t.Errorf("two of %s", d.Type)
			}
			found[d.Type] = d.Body
		}
		return found
	}
	first := documents()
	for name, test := range map[string]struct {
		change func(img *slipway.Image, bake *slipway.Bake, req *slipway.BakeRequest)
		fresh  []string
	}{
		"a later bake": {func(_ *slipway.Image, b *slipway.Bake, r *slipway.BakeRequest) {
			b.ID, b.Finished, r.Secrets = "b-second", b.Finished.Add(time.Hour), "another"
		}, nil},
		"of another commit": {func(i *slipway.Image, _ *slipway.Bake, _ *slipway.BakeRequest) { i.Source.Commit = "f00" }, []string{provenanceType}},
		"of another label":  {func(_ *slipway.Image, _ *slipway.Bake, r *slipway.BakeRequest) { r.Version = "v2" }, []string{provenanceType}},
		"that failed its tests": {func(i *slipway.Image, _ *slipway.Bake, _ *slipway.BakeRequest) {
			i.State = slipway.ImageFailed
			i.Tests = &slipway.TestReport{Results: []slipway.TestResult{{Name: "http /", Detail: "500"}}}
		}, []string{testsType}},
	} {
		t.Run(name, func(t *testing.T) {
			img, bake, req := y.baked("flask==1.0\n")
			y.attest(img, bake, req)
			for range 2 {
				img, bake, req := y.baked("flask==1.0\n")
				test.change(&img, &bake, req)
				y.attest(img, bake, req)
			}
			var fresh []string
			for kind, d := range documents() {
				if first[kind] != d {
					fresh = append(fresh, kind)
				}
			}
			if !slices.Equal(fresh, test.fresh) {
				t.Errorf("new are %v, want %v", fresh, test.fresh)
			}
		})
	}
}

func TestFailedImageIsNotTrusted(t *testing.T) {
	y := newYard(t)
	img, bake, req := y.baked("flask==1.0\n")
	failed := img
	failed.State, failed.Tests = slipway.ImageFailed, &slipway.TestReport{Results: []slipway.TestResult{{Name: "http /", Detail: "500"}}}
	y.attest(failed, bake, req)
	y.wantFlaw(img, slipway.Refused)
	if _, err := y.verifier.VerifyImage(t.Context(), img.Digest); !strings.Contains(slipway.MessageOf(err), "http /") {
		t.Errorf("it does not say what failed: %v", err)
	}
	// Passing them later, as a test does that was the fault, makes it trusted; failing again does not.
	y.attest(img, bake, req)
	if _, err := y.verifier.VerifyImage(t.Context(), img.Digest); err != nil {
		t.Error(err)
	}
	y.attest(failed, bake, req)
	y.wantFlaw(img, slipway.Refused)
}

// TestBakingAgainHeals checks that what the server's advice says to do helps: whatever became of an image's documents and small parts, they
// are whole once it was baked again.
func TestBakingAgainHeals(t *testing.T) {
	y := newYard(t)
	img := y.signed("flask==1.0\n")
	for name, d := range y.parts(img) {
		if strings.HasPrefix(name, "layer") {
			continue
		}
		y.overwrite(d, []byte("{}"))
		y.wantFlaw(img, slipway.Corrupt)
		y.signed("flask==1.0\n")
		if _, err := y.verifier.VerifyImage(t.Context(), img.Digest); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestKeyRotation checks that an image stays trusted when the server's key is changed, until the old key is removed.
func TestKeyRotation(t *testing.T) {
	dir := t.TempDir()
	y := openYard(t, dir)
	img := y.signed("flask==1.0\n")
	old := y.keys.Signing().ID()

	if err := os.Remove(filepath.Join(dir, "keys", "server.pem")); err != nil {
		t.Fatal(err)
	}
	y = openYard(t, dir)
	if y.keys.Signing().ID() == old {
		t.Fatal("the key is the old one")
	}
	if v, err := y.verifier.VerifyImage(t.Context(), img.Digest); err != nil || !slices.Equal(v.Keys, []string{old}) {
		t.Errorf("after a rotation: %+v, %v", v, err)
	}
	keys, err := y.verifier.Keys(t.Context())
	if err != nil || len(keys) != 2 {
		t.Errorf("keys %v, %v", keys, err)
	}
	for _, k := range keys {
		if k.Signs != (k.ID != old) {
			t.Errorf("%s signs: %v", k.ID, k.Signs)
		}
	}

	if err := os.Remove(filepath.Join(dir, "keys", "trusted", old[:16]+".pem")); err != nil {
		t.Fatal(err)
	}
	y.wantFlaw(img, slipway.Refused)
	y.signed("flask==1.0\n") // baked again it has the new key's signatures
	if _, err := y.verifier.VerifyImage(t.Context(), img.Digest); err != nil {
		t.Error(err)
	}
}

func TestKeyFiles(t *testing.T) {
	dir := t.TempDir()
	y := openYard(t, dir)
	private := filepath.Join(dir, "keys", "server.pem")
	if st, err := os.Stat(private); err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("the private key: %v, %v", st, err)
	}
	again, err := attest.OpenKeyring(filepath.Join(t.TempDir(), "keys"), private)
	if err != nil || again.Signing().ID() != y.keys.Signing().ID() {
		t.Errorf("a key file: %v", err)
	}
	public := filepath.Join(dir, "keys", "server.pub.pem")
	if key, err := attest.ReadPublicKey(public); err != nil || key.ID() != y.keys.Signing().ID() {
		t.Errorf("its public half: %v", err)
	}
	garbage := filepath.Join(dir, "garbage.pem")
	if err := os.WriteFile(garbage, []byte("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]slipway.Code{garbage: slipway.Invalid, public: slipway.Invalid, filepath.Join(dir, "none"): slipway.NotFound} {
		if _, err := attest.ReadKey(path); slipway.CodeOf(err) != want {
			t.Errorf("ReadKey(%s): %v, want %s", path, err, want)
		}
	}
	for path, want := range map[string]slipway.Code{garbage: slipway.Invalid, private: slipway.Invalid, filepath.Join(dir, "none"): slipway.NotFound} {
		if _, err := attest.ReadPublicKey(path); slipway.CodeOf(err) != want {
			t.Errorf("ReadPublicKey(%s): %v, want %s", path, err, want)
		}
	}
}

// BenchmarkAttestAgain is what signing costs a bake that found everything cached.
func BenchmarkAttestAgain(b *testing.B) {
	y := newYard(b)
	img, bake, req := y.baked("flask==1.0\n")
	y.attest(img, bake, req)
	for b.Loop() {
		y.attest(img, bake, req)
	}
}

// BenchmarkAttestNew is what it costs a bake that made something new.
func BenchmarkAttestNew(b *testing.B) {
	y := newYard(b)
	for i := 0; b.Loop(); i++ {
		b.StopTimer()
		img, bake, req := y.baked("flask==" + strings.Repeat("1", 1+i%50) + "." + time.Duration(i).String() + "\n")
		b.StartTimer()
		y.attest(img, bake, req)
	}
}

func payloadOf(t testing.TB, envelope []byte) []byte {
	t.Helper()
	var e struct{ Payload string }
	mustJSON(t, envelope, &e)
	payload, err := base64.StdEncoding.DecodeString(e.Payload)
	if err != nil {
		t.Fatal(err)
	}
	return payload
}
