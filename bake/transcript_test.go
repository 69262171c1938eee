package bake

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
)

func TestTranscript(t *testing.T) {
	long := strings.Repeat("x", transcriptLine)
	for _, c := range []struct {
		name   string
		writes []string
		want   string
	}{
		{"lines", []string{"a\nb\n"}, "a\nb\n"},
		{"in pieces", []string{"a", "b\nc", "", "\n"}, "ab\nc\n"},
		{"no last line break", []string{"a\nb"}, "a\nb\n"},
		{"empty lines", []string{"\n\n"}, "\n\n"},
		{"too long", []string{long + "yz\n"}, long + "\nyz\n"},
		{"just not too long", []string{long + "\n"}, long + "\n"},
		{"control characters", []string{"\x1b[31mred\x07\tand\x00 more\r\n"}, "[31mred\tand more\n"},
		{"not UTF-8", []string{"a\xffb\n"}, "a\uFFFDb\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var out bytes.Buffer
			tr := &transcript{out: &out}
			for _, w := range c.writes {
				if n, err := tr.Write([]byte(w)); n != len(w) || err != nil {
					t.Fatalf("wrote %d, %v", n, err)
				}
			}
			tail := strings.Join(tr.lines(), "\n")
			if out.String() != c.want {
				t.Errorf("got %q, want %q", out.String(), c.want)
			}
			if want := strings.TrimSuffix(c.want, "\n"); tail != want {
				t.Errorf("got last lines %q, want %q", tail, want)
			}
		})
	}
	tr := &transcript{out: &bytes.Buffer{}}
	for i := range 100 {
		fmt.Fprintln(tr, i)
	}
	if got := tr.lines(); len(got) != 20 || got[0] != "80" || got[19] != "99" {
		t.Errorf("got last lines %q", got)
	}
}
