package slipway

import "testing"

func TestWithoutCredentials(t *testing.T) {
	for repository, want := range map[string]string{
		"":                                   "",
		"https://example.com/team/hello.git": "https://example.com/team/hello.git",
		"https://ann:hunter2@example.com/team/hello.git":   "https://example.com/team/hello.git",
		"https://hunter2@example.com/team/hello.git":       "https://example.com/team/hello.git",
		"https://ann:hunt%er2@example.com/team/hello.git":  "https://example.com/team/hello.git",
		"https://ann:hunt/er2@example.com/team/hello.git":  "https://example.com/team/hello.git",
		"https://ann:hunt er@2@example.com/team/hello.git": "https://example.com/team/hello.git",
		"https://example.com/@team/hello.git":              "https://example.com/@team/hello.git",
		"ssh://git@example.com/team/hello.git":             "ssh://git@example.com/team/hello.git",
		"ssh://ann:hunter2@example.com/team/hello.git":     "ssh://ann@example.com/team/hello.git",
		"git@example.com:team/hello.git":                   "git@example.com:team/hello.git",
		"../hello":                                         "../hello",
	} {
		if got := WithoutCredentials(repository); got != want {
			t.Errorf("%s: got %s, want %s", repository, got, want)
		}
	}
}
