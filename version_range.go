package slipway

import (
	"cmp"
	"strconv"
	"strings"
)

// VersionRange is what a version must be: all of its bounds hold.
type VersionRange []VersionBound

// VersionBound compares with a version.
type VersionBound struct {
	Op      string // one of = > >= < <=
	Version string
}

// versionOps are the comparisons, the longer ones first.
var versionOps = []string{">=", "<=", "=", ">", "<"}

// ParseVersionRange reads ">=1.4", ">=1.4, <2", "=v1.4.2" or "1.4.2".
func ParseVersionRange(text string) (VersionRange, error) {
	var r VersionRange
	for part := range strings.SplitSeq(text, ",") {
		b := VersionBound{Op: "=", Version: strings.TrimSpace(part)}
		for _, op := range versionOps {
			if rest, ok := strings.CutPrefix(b.Version, op); ok {
				b.Op, b.Version = op, strings.TrimSpace(rest)
				break
			}
		}
		if _, ok := parseVersion(b.Version); !ok {
			return nil, Errorf(Invalid, "cannot read %q as a range of versions: want a form such as \">=1.4\" or \">=1.4,<2\"", text)
		}
		r = append(r, b)
	}
	return r, nil
}

// Allows reports whether the version is in the range, and false for ok if it is no version that can be compared: numbers with dots between
// them, behind a "v" if you like, and before a "-" and a name that makes it earlier than the version without.
func (r VersionRange) Allows(version string) (allowed, ok bool) {
	v, ok := parseVersion(version)
	if !ok {
		return false, false
	}
	for _, b := range r {
		bound, ok := parseVersion(b.Version)
		if !ok {
			return false, false
		}
		c := v.compare(bound)
		holds := map[string]bool{"=": c == 0, ">": c > 0, ">=": c >= 0, "<": c < 0, "<=": c <= 0}[b.Op]
		if !holds {
			return false, true
		}
	}
	return true, true
}

// version is a version that can be compared.
type version struct {
	numbers []uint64
	pre     string // of one that comes before the version of the numbers
}

func parseVersion(text string) (version, bool) {
	text, _, _ = strings.Cut(strings.TrimPrefix(text, "v"), "+") // what follows + does not order
	numbers, pre, cut := strings.Cut(text, "-")
	v := version{pre: pre}
	if cut && pre == "" {
		return v, false
	}
	for part := range strings.SplitSeq(numbers, ".") {
		n, err := strconv.ParseUint(part, 10, 64)
		if err != nil {
			return v, false
		}
		v.numbers = append(v.numbers, n)
	}
	return v, true
}

func (v version) compare(o version) int {
	at := func(numbers []uint64, i int) uint64 {
		if i < len(numbers) {
			return numbers[i]
		}
		return 0
	}
	for i := range max(len(v.numbers), len(o.numbers)) {
		if c := cmp.Compare(at(v.numbers, i), at(o.numbers, i)); c != 0 {
			return c
		}
	}
	switch {
	case v.pre == o.pre:
		return 0
	case v.pre == "":
		return 1
	case o.pre == "":
		return -1
	}
	return comparePre(v.pre, o.pre)
}

// comparePre orders "rc.2" before "rc.10": part by part, numbers by what they count and before names.
func comparePre(a, b string) int {
	as, bs := strings.Split(a, "."), strings.Split(b, ".")
	for i := range min(len(as), len(bs)) {
		n, errN := strconv.ParseUint(as[i], 10, 64)
		m, errM := strconv.ParseUint(bs[i], 10, 64)
		c := cmp.Compare(as[i], bs[i])
		switch {
		case errN == nil && errM == nil:
			c = cmp.Compare(n, m)
		case errN == nil:
			c = -1
		case errM == nil:
			c = 1
		}
		if c != 0 {
			return c
		}
	}
	return cmp.Compare(len(as), len(bs))
}
