package manifest

import (
	"maps"
	"slices"
	"strconv"
	"strings"
)

// Suggestion says which of the known names a wrong one was probably meant to be, or all of them.
func Suggestion(wrong string, known []string) string {
	best, least := "", max(2, len(wrong)/2)
	for _, name := range known {
		d := distance(strings.ToLower(wrong), name)
		if strings.HasPrefix(wrong, name) || len(wrong) > 2 && strings.HasPrefix(name, wrong) {
			d = 1
		}
		if d < least || d == least && best == "" {
			best, least = name, d
		}
	}
	if best != "" {
		return "did you mean " + strconv.Quote(best) + "?"
	}
	if len(known) == 0 {
		return "there are none"
	}
	return "want one of " + strings.Join(known, ", ")
}

// distance counts the letters to insert, delete, replace or swap with their neighbour to make b of a (Damerau, Levenshtein).
func distance(a, b string) int {
	before, last := make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := range len(a) {
		row := make([]int, len(b)+1)
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			row[j+1] = min(last[j+1]+1, row[j]+1, last[j]+cost)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
		before, last = last, row
	}
	return last[len(b)]
}

func names[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
