package haproxy

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/slipway-sh/slipway"
)

// A sticky pool keeps a client with a server group, not with a machine. Every client is a point of a circle: its cookie holds the
// point, or its header's hash is one. While several groups are active each of them owns an arc of the circle, as long as its
// share of the weights. So the shares hold for all clients, those known from before included, and when a group's arc grows nobody
// who was on it leaves it. Inside an arc a client's requests take turns on the group's targets.
//
// What is where on the circle is a map of HAProxy's, which is exchanged as a whole over the runtime socket:
//
//	0:3276       65536      points that belong to the group whose turns begin at 65536
//	3277:65535   131072
//	65536:131071 i-7:active a turn of the first group: its only target
//	...
//
// With one active group the map is empty, and the pool is balanced as one that is not sticky.
//
// A target that is down is passed over: the next turns are tried, then HAProxy's own balancing takes any target that is up,
// by weight, and as its last resort a standby target. As nothing of this is in the cookie, the client is back with its group afterwards.

// circle is the number of points, and of turns in a group.
const circle = 1 << 16

// stride is what is added to a point, or a turn, for the next: circle divided by the golden ratio, odd. Any stretch of such a
// sequence is spread evenly, so that a handful of requests already has the shares, which random points take thousands for.
const stride = 40503

// tries is how many turns are tried for a target that is up before the request leaves its group.
const tries = 8

// tokenForm is a token of RFC 9110, section 5.6.2, that is not so long as to be a mistake.
var tokenForm = regexp.MustCompile("^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,128}$")

// checkSticky says why HAProxy cannot know a client again by s.
func checkSticky(s slipway.Sticky) error {
	switch {
	case s.Cookie != "" && s.Header != "":
		return slipway.Errorf(slipway.Invalid, "cannot be sticky by the cookie %q and the header %q: want one of them", s.Cookie, s.Header)
	case s.Cookie != "" && !tokenForm.MatchString(s.Cookie):
		return slipway.Errorf(slipway.Invalid, "cannot use %q as name of a cookie: want a token, up to 128 letters, digits and !#$%%&'*+-.^_`|~", s.Cookie)
	case s.Header != "" && !tokenForm.MatchString(s.Header):
		return slipway.Errorf(slipway.Invalid, "cannot use %q as name of a header: want a token, up to 128 letters, digits and !#$%%&'*+-.^_`|~", s.Header)
	}
	return nil
}

func isSticky(pool slipway.Pool) bool { return proxiesHTTP(pool) && pool.Sticky != slipway.Sticky{} }

// mapName is the file of the pool's map, by which name HAProxy knows it too.
func mapName(pool slipway.Pool) string { return pool.LoadBalancer + ".map" }

// stickyRules returns the lines of a pool's section that send clients to their groups.
//
// Points without a client are drawn, and turns taken, with the counters of a table: that of key 0 for all clients that are not
// known yet, and one for each group. A worker that is about to end draws nothing: what comes to it goes on to the next worker.
func stickyRules(pool slipway.Pool) string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, "  "+format+"\n", args...) }
	in := fmt.Sprintf("map_int(%s)", mapName(pool))
	next := fmt.Sprintf("sc%%d_inc_gpc0,mul(%d),and(%d)", stride, circle-1)

	line("stick-table type integer size 1k expire 1h store gpc0")
	line("acl split int(0),%s -m found", in)
	line("acl known var(txn.point) -m found")
	if name := pool.Sticky.Cookie; name != "" {
		line("http-request set-var(txn.point) %s if { %s -m reg ^[0-9]{1,5}$ }",
			quoted("req.cook("+argument(name)+"),and("+strconv.Itoa(circle-1)+")"), quoted("req.cook("+argument(name)+")"))
	} else {
		header := "req.fhdr(" + argument(pool.Sticky.Header) + ")"
		line("http-request set-var(txn.point) %s if { %s -m len gt 0 }", quoted(header+",xxh32,and("+strconv.Itoa(circle-1)+")"), quoted(header))
	}
	line("http-request track-sc0 int(0) if split !known !{ stopping }")
	line("http-request set-var(txn.drawn) "+next+" if split !known !{ stopping }", 0)
	line("http-request set-var(txn.point) var(txn.drawn) if { var(txn.drawn) -m found }")
	line("http-request set-var(txn.group) var(txn.point),%s,add(0) if split known", in)
	line("http-request track-sc1 var(txn.group) if { var(txn.group) -m found }")
	line("http-request set-var(txn.turn) "+next+" if { var(txn.group) -m found }", 1)
	for i := range tries {
		line("use-server %%[var(txn.turn),add(%d),and(%d),add(txn.group),%s] if { var(txn.group) -m found }", i*stride, circle-1, in)
	}
	if name := pool.Sticky.Cookie; name != "" {
		// A cache that kept an answer for others would give all of them the same cookie.
		line("http-response add-header Set-Cookie %s if { var(txn.drawn) -m found }",
			quoted(strings.ReplaceAll(name, "%", "%%")+"=%[var(txn.drawn)]; path=/; HttpOnly"))
		line("http-response add-header Cache-Control private if { var(txn.drawn) -m found }")
	}
	return b.String()
}

// quoted returns text as one word of the configuration, in which no character stands for anything else.
func quoted(text string) string { return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'" }

// argument returns a token as the argument of a function of HAProxy's.
func argument(token string) string { return strings.ReplaceAll(token, "'", `\'`) }

// entry is a line of a map.
type entry struct{ key, value string }

// stickyMap returns the map that a sticky pool should have; it is empty while no more than one group is active.
func stickyMap(pool slipway.Pool) []entry {
	groups := map[string][]slipway.Target{}
	var names []string
	for _, t := range pool.Targets {
		if t.Mode != slipway.Active {
			continue
		}
		if groups[t.Group] == nil {
			names = append(names, t.Group)
		}
		groups[t.Group] = append(groups[t.Group], t)
	}
	if len(names) < 2 {
		return []entry{}
	}
	names, first := around(names)
	var points, turns []entry
	weights := make([]int, len(names))
	for i, name := range names {
		for _, t := range groups[name] {
			weights[i] += t.Weight
		}
	}
	for i, arc := range arcs(weights) {
		base := (i + 1) * circle
		for _, a := range arc.rotated(first) {
			points = append(points, entry{a.key(0), strconv.Itoa(base)})
		}
		of := groups[names[i]]
		weights := make([]int, len(of))
		for j, t := range of {
			weights[j] = t.Weight
		}
		for j, arc := range arcs(weights) {
			if arc.begin < arc.end {
				turns = append(turns, entry{arc.key(base), of[j].Instance + activeSuffix})
			}
		}
	}
	return append(points, turns...)
}

// around returns the groups in the order in which they lie on the circle, and the point at which the first of them begins.
//
// The younger ones begin and end the row, and the oldest, the source of a deployment, is between them. So a canary and its baseline
// grow into the source's arc and neither pushes the other away, whatever the steps. Where the row begins depends on the source
// alone: it stays while a deployment goes on, and it is not the same clients that try every canary first.
func around(names []string) (row []string, first int) {
	slices.SortFunc(names, func(a, b string) int {
		na, _ := slipway.GroupNumber(a)
		nb, _ := slipway.GroupNumber(b)
		return cmp.Or(cmp.Compare(nb, na), cmp.Compare(b, a))
	})
	source := sha256.Sum256([]byte(names[len(names)-1]))
	first = int(binary.BigEndian.Uint16(source[:]))
	var end []string
	for i, name := range names {
		if i%2 == 0 {
			row = append(row, name)
		} else {
			end = append(end, name)
		}
	}
	slices.Reverse(end)
	return append(row, end...), first
}

// arc is the points from begin up to, but without, end.
type arc struct{ begin, end int }

// arcs divides the circle by weights. As every one ends where the next begins, all are right to within one point.
func arcs(weights []int) []arc {
	total := 0
	for _, w := range weights {
		total += w
	}
	list := make([]arc, len(weights))
	sum := 0
	for i, w := range weights {
		list[i].begin = sum * circle / total
		sum += w
		list[i].end = sum * circle / total
	}
	return list
}

// rotated returns where the arc lies if the circle begins at first; two parts if it goes over the end.
func (a arc) rotated(first int) []arc {
	a.begin, a.end = a.begin+first, a.end+first
	switch {
	case a.begin >= a.end:
		return nil
	case a.begin >= circle:
		return []arc{{a.begin - circle, a.end - circle}}
	case a.end > circle:
		return []arc{{a.begin, circle}, {0, a.end - circle}}
	}
	return []arc{a}
}

// key returns the arc as the map has it.
func (a arc) key(base int) string { return fmt.Sprintf("%d:%d", base+a.begin, base+a.end-1) }

// renderMap returns the map as its file has it.
func renderMap(entries []entry) []byte {
	var b strings.Builder
	for _, e := range entries {
		b.WriteString(e.key + " " + e.value + "\n")
	}
	return []byte(b.String())
}

// parseMap reads the answer to "show map".
func parseMap(said string) ([]entry, error) {
	entries := []entry{}
	for line := range strings.Lines(said) {
		switch f := strings.Fields(line); {
		case len(f) == 0:
		case len(f) == 3 && strings.HasPrefix(f[0], "0x"):
			entries = append(entries, entry{f[1], f[2]})
		default:
			return nil, fmt.Errorf("cannot read the load balancer's map: %.100q", said)
		}
	}
	return entries, nil
}

// parsePrepared reads the answer to "prepare map".
func parsePrepared(said string) (version int, err error) {
	_, number, ok := strings.Cut(strings.TrimSpace(said), "New version created: ")
	if version, err = strconv.Atoi(number); !ok || err != nil {
		return 0, fmt.Errorf("cannot exchange the load balancer's map: %.100q", said)
	}
	return version, nil
}

// exchanged returns the commands that put entries into a prepared version of the pool's map, and that version in place of the one in use.
func exchanged(pool slipway.Pool, version int, entries []entry) []string {
	name := mapName(pool)
	commands := make([]string, 0, len(entries)+1)
	for _, e := range entries {
		commands = append(commands, fmt.Sprintf("add map @%d %s %s %s", version, name, e.key, e.value))
	}
	return append(commands, fmt.Sprintf("commit map @%d %s", version, name))
}
