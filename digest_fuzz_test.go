package slipway

import (
	"regexp"
	"strings"
	"testing"
)

// FuzzDigest gives whatever it likes for digests, which become names of files: only one form is one.
func FuzzDigest(f *testing.F) {
	form := regexp.MustCompile(`\Asha256:[0-9a-f]{64}\z`)
	for _, s := range []string{string(DigestOf(nil)), "", "sha256:", "sha256:../../etc/passwd", "SHA256:" + strings.Repeat("0", 64), "sha256:" + strings.Repeat("0", 64) + "\n"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if err := Digest(text).Validate(); (err == nil) != form.MatchString(text) {
			t.Fatalf("%q: %v", text, err)
		}
	})
}

// FuzzNames gives whatever it likes for names of applications and channels, which become parts of names of machines and files.
func FuzzNames(f *testing.F) {
	form := regexp.MustCompile(`\A[a-z][a-z0-9-]*\z`)
	for _, s := range []string{"hello", "", ".", "..", "a/b", "a\x00", "-a", "a-", strings.Repeat("a", 33), "é", "a\n", "latest", "facade"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for what, err := range map[string]error{"application": ValidateName("application", text), "channel": ValidateChannel(text)} {
			if err == nil && (!form.MatchString(text) || len(text) > 32) {
				t.Fatalf("%s %q is good", what, text)
			}
		}
	})
}
