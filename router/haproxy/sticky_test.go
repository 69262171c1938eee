package haproxy

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/slipway-sh/slipway"
)

// stickyPool returns a sticky pool whose groups, oldest first, have these weights, each on as many machines as it says.
func stickyPool(weights, machines []int) slipway.Pool {
	pool := slipway.Pool{LoadBalancer: "hello-prod", HTTP: true, Sticky: slipway.Sticky{Cookie: "slipway"}}
	for i, w := range weights {
		for m := range machines[i] {
			pool.Targets = append(pool.Targets, slipway.Target{
				Instance: fmt.Sprintf("i-%d-%d", i, m), Group: fmt.Sprintf("hello-prod-v%03d", 998+i), Mode: slipway.Active, Weight: w,
			})
		}
	}
	return pool
}

// owners returns, as a request would find it in the map, what every point has: its group's number, or the target of a turn.
func owners(t interface{ Fatalf(string, ...any) }, entries []entry, base int) (values [circle]string) {
	for _, e := range entries {
		from, to, _ := strings.Cut(e.key, ":")
		begin, err := strconv.Atoi(from)
		if err != nil {
			t.Fatalf("key %q", e.key)
		}
		end, err := strconv.Atoi(to)
		if err != nil || end < begin {
			t.Fatalf("key %q", e.key)
		}
		if begin < base || end >= base+circle {
			continue
		}
		for p := begin; p <= end; p++ {
			if values[p-base] != "" {
				t.Fatalf("point %d belongs to %s and %s", p, values[p-base], e.value)
			}
			values[p-base] = e.value
		}
	}
	return values
}

func count(values [circle]string) map[string]int {
	n := map[string]int{}
	for _, v := range values {
		n[v]++
	}
	return n
}

// Every point belongs to one group, every turn to one of its targets, and each has its share to within a point or two.
func TestStickyMapSharesTheCircle(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		weights := rapid.SliceOfN(rapid.IntRange(1, 256), 2, 5).Draw(t, "weights")
		machines := rapid.SliceOfN(rapid.IntRange(1, 5), len(weights), len(weights)).Draw(t, "machines")
		entries := stickyMap(stickyPool(weights, machines))
		total := 0
		for i := range weights {
			total += weights[i] * machines[i]
		}
		points := owners(t, entries, 0)
		groups := count(points)
		if len(groups) != len(weights) || groups[""] > 0 {
			t.Fatalf("%d groups own points, %d points have no owner", len(groups), groups[""])
		}
		for base := range groups {
			from, _ := strconv.Atoi(base)
			turns := count(owners(t, entries, from))
			if turns[""] > 0 {
				t.Fatalf("%d turns of %s have no target", turns[""], base)
			}
			var group, machine int
			for name, n := range turns {
				if _, err := fmt.Sscanf(name, "i-%d-%d:active", &group, &machine); err != nil {
					t.Fatalf("a turn of %q", name)
				}
				if want := circle / machines[group]; n < want-1 || n > want+1 {
					t.Fatalf("%s has %d turns, want %d", name, n, want)
				}
			}
			if len(turns) != machines[group] {
				t.Fatalf("%d of %d targets of group %d have turns", len(turns), machines[group], group)
			}
			if want := circle * weights[group] * machines[group] / total; groups[base] < want-1 || groups[base] > want+1 {
				t.Fatalf("group %d has %d points, want %d", group, groups[base], want)
			}
		}
	})
}

// However a canary and its baseline grow at the source's cost, no point of theirs goes elsewhere.
func TestStickyMapNobodyLeavesAGroupThatGrows(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		young := rapid.IntRange(1, 2).Draw(t, "young groups")
		before := make([]int, young)
		after := make([]int, young)
		for i := range young {
			before[i] = rapid.IntRange(1, 100).Draw(t, "before")
			after[i] = rapid.IntRange(before[i], 110).Draw(t, "after")
		}
		group := func(shares []int) [circle]string {
			weights, machines := []int{256}, []int{1}
			for _, n := range shares {
				weights[0] -= n
				weights, machines = append(weights, n), append(machines, 1)
			}
			entries := stickyMap(stickyPool(weights, machines))
			points := owners(t, entries, 0)
			targets := map[string]string{} // by where the turns begin, which changes with nothing but the order
			for p, base := range points {
				if targets[base] == "" {
					from, _ := strconv.Atoi(base)
					targets[base] = owners(t, entries, from)[0]
				}
				points[p] = targets[base]
			}
			return points
		}
		then, now := group(before), group(after)
		for p := range then {
			if then[p] != "i-0-0:active" && now[p] != then[p] {
				t.Fatalf("with shares from %v to %v point %d went from %s to %s", before, after, p, then[p], now[p])
			}
		}
	})
}

func TestStickyMapIsEmptyWithoutASplit(t *testing.T) {
	pool := stickyPool([]int{1, 1}, []int{2, 2})
	for i := range pool.Targets[2:] {
		pool.Targets[2+i].Mode = slipway.Standby
	}
	if got := stickyMap(pool); len(got) != 0 {
		t.Errorf("%v, want an empty map: one group is active", got)
	}
}

// It is not the same clients that try every canary first.
func TestStickyMapTurnsWithTheSource(t *testing.T) {
	seen := map[string]bool{}
	for release := range 20 {
		pool := stickyPool([]int{256, 13}, []int{1, 1})
		for i := range pool.Targets {
			pool.Targets[i].Group = fmt.Sprintf("hello-prod-v%03d", release+i)
		}
		seen[owners(t, stickyMap(pool), 0)[0]] = true
	}
	if len(seen) < 2 {
		t.Errorf("point 0 belongs to the same side of all 20 deployments")
	}
}

func TestParseMap(t *testing.T) {
	got, err := parseMap("0x7ff8a004ce80 0:3276 65536\n0x7ff8a004d0a0 65536:131071 c1:active\n\n")
	if diff := cmp.Diff([]entry{{"0:3276", "65536"}, {"65536:131071", "c1:active"}}, got, cmp.AllowUnexported(entry{})); diff != "" || err != nil {
		t.Errorf("%v\n%s", err, diff)
	}
	for _, said := range []string{"Unknown map identifier. Please use #<id> or <file>.", "0x7 0:1"} {
		if got, err := parseMap(said); err == nil {
			t.Errorf("%q was read as %v", said, got)
		}
	}
	if _, err := parsePrepared("Unknown map identifier."); err == nil {
		t.Error("a map that is not there was prepared")
	}
	if n, err := parsePrepared("New version created: 17\n\n"); n != 17 || err != nil {
		t.Errorf("version %d, %v, want 17", n, err)
	}
}
