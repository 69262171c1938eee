package dpkg_test

import (
	"slices"
	"testing"

	"github.com/slipway-sh/slipway/dpkg"
)

func TestInstalled(t *testing.T) {
	for name, test := range map[string]struct {
		text string
		want []string
	}{
		"nothing":       {text: "\n\n\n"},
		"a full system": {text: "Package: a\nStatus: install ok installed\nVersion: 1:2.0\n\nPackage: b\nStatus: hold ok installed\nVersion: 3\n", want: []string{"a 1:2.0", "b 3"}},
		"not any more":  {text: "Package: a\nStatus: deinstall ok config-files\nVersion: 1\n\nPackage: b\nStatus: purge ok not-installed\nVersion: 1\n"},
		"half way":      {text: "Package: a\nStatus: install reinstreq half-installed\nVersion: 1\n"},
		"minimal image": {text: "Package: a\nVersion: 1\n", want: []string{"a 1"}},
		"continued":     {text: "Package: a\nDescription: x\n Version: 9\n Package: b\nVersion: 1\n", want: []string{"a 1"}},
		"twice":         {text: "Package: a\nVersion: 1\nVersion: 2\n", want: []string{"a 1"}},
		"no version":    {text: "Package: a\nStatus: install ok installed\n"},
		"no paragraph":  {text: "nothing of the kind"},
	} {
		t.Run(name, func(t *testing.T) {
			var got []string
			for p := range dpkg.Paragraphs(test.text) {
				if p.Installed() {
					got = append(got, p["Package"]+" "+p["Version"])
				}
			}
			if !slices.Equal(got, test.want) {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}
