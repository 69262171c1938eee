package audit

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/slipway-sh/slipway"
)

// maxLine bounds one line, bytes. What slipwayd writes is a hundredth of it.
const maxLine = 16 << 20

// Summary is what is known of lines that were verified.
type Summary struct {
	Entries  int64     `json:"entries"`
	First    int64     `json:"first"`    // seq of the first; 0 if there is none
	Last     int64     `json:"last"`     // seq of the last; 0 if there is none
	Previous string    `json:"previous"` // hash before the first
	Hash     string    `json:"hash"`     // of the last
	Began    time.Time `json:"began"`
	Ended    time.Time `json:"ended"`
	// Open are the seqs of what was asked for whose end is not told: it is under way, or slipwayd was killed meanwhile.
	Open []int64 `json:"open"`
}

// Chain verifies lines one after the other. The zero value begins with whatever entry comes first.
type Chain struct {
	// Checkpoints have to be met: where the chain has their entry, or the one after it, it must have their hash.
	Checkpoints []Checkpoint

	sum   Summary
	asked map[int64]bool
}

// Add verifies the next line. Corrupt, with what is wrong, if it is not the next of the chain.
func (c *Chain) Add(line string) (slipway.AuditEntry, error) {
	e, err := Open(line)
	if err != nil {
		return e, err
	}
	if c.sum.Entries == 0 {
		if e.Seq == 1 && e.Previous != Origin || e.Seq < 1 {
			return e, slipway.Errorf(slipway.Corrupt, "entry %d cannot be the first: there was something before it", e.Seq)
		}
		c.sum.First, c.sum.Previous, c.sum.Began = e.Seq, e.Previous, e.Time
		c.asked = map[int64]bool{}
		if err := c.meet(e.Seq-1, e.Previous); err != nil {
			return e, err
		}
	} else {
		switch want := c.sum.Last + 1; {
		case e.Seq > want:
			return e, slipway.Errorf(slipway.Corrupt, "%s missing between entry %d and entry %d", missing(want, e.Seq-1), c.sum.Last, e.Seq)
		case e.Seq < want:
			return e, slipway.Errorf(slipway.Corrupt, "entry %d comes after entry %d: they were moved, or one was added", e.Seq, c.sum.Last)
		case e.Previous != c.sum.Hash:
			return e, slipway.Errorf(slipway.Corrupt, "entry %d does not follow from entry %d: one of them was replaced", e.Seq, c.sum.Last)
		}
	}
	switch e.Phase {
	case slipway.AuditAsked:
		c.asked[e.Seq] = true
	case slipway.AuditDone:
		delete(c.asked, e.Asked)
	}
	c.sum.Entries, c.sum.Last, c.sum.Hash, c.sum.Ended = c.sum.Entries+1, e.Seq, e.Hash, e.Time
	return e, c.meet(e.Seq, e.Hash)
}

// meet returns an error if a checkpoint says something else of an entry's hash.
func (c *Chain) meet(seq int64, hash string) error {
	for _, p := range c.Checkpoints {
		if p.Seq == seq && p.Hash != hash {
			return slipway.Errorf(slipway.Corrupt, "entry %d is not the one of the checkpoint of %s: the log was written anew from there or before",
				seq, p.Time.Format(time.RFC3339))
		}
	}
	return nil
}

// End returns what was verified. Corrupt if a checkpoint knows of more than there is, or of what is before all of it.
func (c *Chain) End() (Summary, error) {
	for _, p := range c.Checkpoints {
		switch {
		case p.Seq > c.sum.Last:
			return c.summary(), slipway.Errorf(slipway.Corrupt, "the log ends with entry %d, and the checkpoint of %s knows entry %d: what came after was removed",
				c.sum.Last, p.Time.Format(time.RFC3339), p.Seq)
		case p.Seq < c.sum.First-1:
			return c.summary(), slipway.Errorf(slipway.Invalid, "cannot compare with the checkpoint of %s: it is of entry %d, and what there is begins with entry %d",
				p.Time.Format(time.RFC3339), p.Seq, c.sum.First)
		}
	}
	return c.summary(), nil
}

func (c *Chain) summary() Summary {
	sum := c.sum
	sum.Open = slices.Sorted(maps.Keys(c.asked))
	if sum.Open == nil {
		sum.Open = []int64{}
	}
	return sum
}

// Verify verifies all lines of r. Errors say at which line they are.
func Verify(r io.Reader, checkpoints ...Checkpoint) (Summary, error) {
	chain := Chain{Checkpoints: checkpoints}
	in := bufio.NewScanner(r)
	in.Buffer(nil, maxLine)
	in.Split(lines)
	n := 0
	for in.Scan() {
		n++
		if strings.TrimSpace(in.Text()) == "" {
			continue
		}
		if _, err := chain.Add(in.Text()); err != nil {
			return chain.summary(), at(n, err)
		}
	}
	if errors.Is(in.Err(), bufio.ErrTooLong) {
		return chain.summary(), at(n+1, slipway.Errorf(slipway.Corrupt, "is no entry of the audit log: it is longer than %d MiB", maxLine>>20))
	}
	if in.Err() != nil {
		return chain.summary(), in.Err()
	}
	return chain.End()
}

// lines is [bufio.ScanLines] that keeps a carriage return: it is not what was hashed.
func lines(data []byte, end bool) (int, []byte, error) {
	for i, b := range data {
		if b == '\n' {
			return i + 1, data[:i], nil
		}
	}
	if end && len(data) > 0 {
		return len(data), data, nil
	}
	return 0, nil, nil
}

func at(line int, err error) error {
	if e, ok := errors.AsType[*slipway.Error](err); ok {
		return e.At(fmt.Sprintf("line %d", line))
	}
	return err
}

func missing(first, last int64) string {
	if first == last {
		return fmt.Sprintf("entry %d is", first)
	}
	return fmt.Sprintf("entries %d to %d are", first, last)
}
