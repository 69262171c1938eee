package cli

import "testing"

func TestImageArgs(t *testing.T) {
	for want, forms := range map[string][][]string{
		"hello@latest":        {{"hello"}, {"hello@latest"}, {"hello", "latest"}},
		"hello@stable":        {{"hello@stable"}, {"hello", "stable"}},
		"hello@sha256:abcdef": {{"hello@sha256:abcdef"}, {"hello", "sha256:abcdef"}},
	} {
		for _, args := range forms {
			if got, err := imageArgs(args); err != nil || got.String() != want {
				t.Errorf("%q: %v, %v, want %s", args, got, err, want)
			}
		}
	}
	for _, args := range [][]string{{"hello@"}, {"hello@a", "b"}, {"Hello"}, {"@a"}, {""}} {
		if got, err := imageArgs(args); exitOf(err) != exitUsage {
			t.Errorf("%q: %v, %v, want a mistake in the command line", args, got, err)
		}
	}
}
