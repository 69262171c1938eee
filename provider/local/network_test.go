package local

import (
	"errors"
	"testing"

	"github.com/vishvananda/netlink"
)

// A list that changed while the kernel was listing is not taken for the truth.
func TestWhole(t *testing.T) {
	broken := errors.New("broken")
	for _, c := range []struct {
		name    string
		answers []error
		asked   int
		err     error
	}{
		{"at once", []error{nil}, 1, nil},
		{"interrupted", []error{netlink.ErrDumpInterrupted, netlink.ErrDumpInterrupted, nil}, 3, nil},
		{"broken", []error{netlink.ErrDumpInterrupted, broken}, 2, broken},
		{"for ever", nil, dumpTries, netlink.ErrDumpInterrupted},
	} {
		t.Run(c.name, func(t *testing.T) {
			asked := 0
			items, err := whole(func() ([]int, error) {
				asked++
				if c.answers == nil {
					return []int{asked}, netlink.ErrDumpInterrupted
				}
				return []int{asked}, c.answers[asked-1]
			})
			if !errors.Is(err, c.err) || asked != c.asked || len(items) != 1 || items[0] != asked {
				t.Errorf("got %v, %v, after asking %d times, want %v after %d", items, err, asked, c.err, c.asked)
			}
		})
	}
}
