package ship

import (
	"strings"
	"testing"

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
