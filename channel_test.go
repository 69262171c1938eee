package slipway

import (
	"strings"
	"testing"
	"time"
)

func TestValidateChannel(t *testing.T) {
	for _, name := range []string{"stable", "a", "release-2", "beef", "face1", "decades", strings.Repeat("s", 32)} {
		if err := ValidateChannel(name); err != nil {
			t.Errorf("%q: %v", name, err)
		}
	}
	for name, why := range map[string]string{
		"": "lower-case", "Stable": "lower-case", "1st": "lower-case", "a.b": "lower-case", "a-": "lower-case", strings.Repeat("s", 33): "lower-case",
		"latest": "newest", "facade": "digest", "a12345": "digest",
	} {
		if err := ValidateChannel(name); CodeOf(err) != Invalid || !strings.Contains(MessageOf(err), why) {
			t.Errorf("%q: %v, want Invalid because of %q", name, err, why)
		}
	}
}

func TestRevocation(t *testing.T) {
	r := Revocation{At: time.Date(2026, 3, 4, 5, 6, 7, 0, time.FixedZone("", 3600)), Reason: "CVE-2026-1", By: "ann"}
	i := Image{Digest: DigestOf(nil), Application: "hello", Version: "v1"}
	if err := i.NotRevoked("deploy it"); err != nil {
		t.Errorf("an image in good standing: %v", err)
	}
	i.Revoked = &r
	const want = "cannot deploy it: hello image v1 (e3b0c44298fc) was revoked on 2026-03-04 04:06 UTC by ann: CVE-2026-1; " +
		"take another, or lift it with `slipway image revoke hello@e3b0c44298fc --undo`"
	if err := i.NotRevoked("deploy it"); CodeOf(err) != Refused || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
	for _, r := range []Revocation{{At: r.At}, {Reason: "x"}, {At: r.At, Reason: strings.Repeat("x", maxReason+1)}} {
		if err := r.Validate(); CodeOf(err) != Invalid {
			t.Errorf("%v: %v, want Invalid", r, err)
		}
	}
	if err := r.Validate(); err != nil {
		t.Error(err)
	}
}
