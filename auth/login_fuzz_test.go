package auth

import (
	"net/url"
	"testing"
)

// FuzzBack checks that a path that is gone back to leads nowhere else, and that what a browser may have kept never breaks anything.
func FuzzBack(f *testing.F) {
	for _, seed := range []string{"/", "//evil.example.com", "/\\evil", "https://evil.example.com", "/a?b=c#d", "/%2f%2fevil", "/..//evil", "javascript:x", "/\x00", ""} {
		f.Add(seed)
	}
	here, _ := url.Parse("https://slipway.example.com/v1/login/callback")
	attempts := newAttempts()
	f.Fuzz(func(t *testing.T, text string) {
		if _, ok := attempts.open(text); ok {
			t.Errorf("%q is taken for a login", text)
		}
		if ValidateBack(text) != nil {
			return
		}
		to, err := here.Parse(text)
		if err != nil || to.Host != here.Host || to.Scheme != here.Scheme || len(text) < 1 || text[0] != '/' || len(text) > 1 && (text[1] == '/' || text[1] == '\\') {
			t.Errorf("%q leads to %v, %v", text, to, err)
		}
	})
}
