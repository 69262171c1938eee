package ship

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestLines(t *testing.T) {
	var got []string
	l := newLines(func(text string) { got = append(got, text) })
	write := func(text string) {
		if _, err := l.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	write("one\ntw")
	write("o\nthree")
	long := strings.Repeat("x", gatherBytes)
	write(long)
	l.Close()
	// A gathering may also end because its time is over, so only what the batches add up to is certain, and that lines stay whole.
	if diff := cmp.Diff("one\ntwo\nthree"+long, strings.Join(got, "\n")); diff != "" {
		t.Error(diff)
	}
}

func TestWords(t *testing.T) {
	for d, want := range map[time.Duration]string{
		400 * time.Microsecond: "0.4 ms", 41 * time.Millisecond: "41 ms", 1234 * time.Millisecond: "1.2 s", 192 * time.Second: "3m12s",
	} {
		if got := took(d); got != want {
			t.Errorf("%s took %q, want %q", d, got, want)
		}
	}
	if got := size(120) + ", " + size(6_100_000); got != "0.1 kB, 6.1 MB" {
		t.Errorf("sizes %s", got)
	}
	if got := gist("cannot run x: exit status 1\nits last lines:\n  no"); got != "cannot run x: exit status 1" {
		t.Errorf("gist %q", got)
	}
}
