package chaos

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// found is what all tests of a run found, for the report.
var found findings

type findings struct {
	mu     sync.Mutex
	kills  []killRow
	works  []killRow
	faults []faultRow
}

type killRow struct {
	way            string
	undisturbed    time.Duration
	points, killed int
	finished       int
	sent, failed   int64
	took           []time.Duration
}

type faultRow struct {
	fault, during, outcome string
	sent, failed           int64
	took                   time.Duration
}

func (f *findings) killed(way string, undisturbed killing, points int, runs []killing) {
	row := rowOf(way, undisturbed, points, runs)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.kills = append(f.kills, row)
}

func (f *findings) worked(work string, undisturbed killing, points int, runs []killing) {
	row := rowOf(work, undisturbed, points, runs)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.works = append(f.works, row)
}

func rowOf(way string, undisturbed killing, points int, runs []killing) killRow {
	row := killRow{way: way, undisturbed: undisturbed.took, points: points}
	for _, k := range runs {
		row.sent, row.failed = row.sent+k.sent, row.failed+k.failed
		if k.died {
			row.killed++
			row.took = append(row.took, k.took)
		}
		if k.well {
			row.finished++
		}
	}
	slices.Sort(row.took)
	return row
}

func (f *findings) broke(row faultRow) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.faults = append(f.faults, row)
}

// TestMain writes the report once all is done.
func TestMain(m *testing.M) {
	flag.Parse()
	if f := flag.Lookup("test.parallel"); f.Value.String() == f.DefValue {
		_ = flag.Set("test.parallel", "4") // they wait, most of the time
	}
	code := m.Run()
	if *report != "" && code == 0 {
		if err := found.write(*report); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

// write replaces the tables of the file, each between "<!-- NAME -->" and "<!-- end of NAME -->".
func (f *findings) write(file string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	for name, table := range map[string]string{
		"kills":  killTable("deployment", f.kills, func(row killRow) int { return slices.IndexFunc(ways, func(w way) bool { return w.name == row.way }) }),
		"works":  killTable("what is under way", f.works, func(row killRow) int { return slices.IndexFunc(works, func(w work) bool { return w.name == row.way }) }),
		"faults": f.faultTable(),
	} {
		begin, end := []byte("<!-- "+name+" -->\n"), []byte("<!-- end of "+name+" -->\n")
		head, rest, ok := bytes.Cut(text, begin)
		_, tail, closed := bytes.Cut(rest, end)
		if !ok || !closed {
			return fmt.Errorf("%s has no place for the table of %s", file, name)
		}
		if table != "" { // otherwise these tests were left out
			text = slices.Concat(head, begin, []byte(table), end, tail)
		}
	}
	return os.WriteFile(file, text, 0o644)
}

func killTable(what string, rows []killRow, order func(killRow) int) string {
	if len(rows) == 0 {
		return ""
	}
	slices.SortFunc(rows, func(a, b killRow) int { return order(a) - order(b) })
	var b strings.Builder
	b.WriteString("| " + what + " | undisturbed | boundaries | killed there | ended well | requests | failed | from kill to end, median | worst |\n")
	b.WriteString("|---|---:|---:|---:|---:|---:|---:|---:|---:|\n")
	var sum killRow
	for _, row := range rows {
		row.line(&b, row.way, seconds(row.undisturbed))
		sum.points, sum.killed, sum.finished = sum.points+row.points, sum.killed+row.killed, sum.finished+row.finished
		sum.sent, sum.failed = sum.sent+row.sent, sum.failed+row.failed
		sum.took = append(sum.took, row.took...)
	}
	slices.Sort(sum.took)
	sum.line(&b, "**all**", "")
	return b.String()
}

func (row killRow) line(b *strings.Builder, name, undisturbed string) {
	median, worst := time.Duration(0), time.Duration(0)
	if n := len(row.took); n > 0 {
		median, worst = row.took[n/2], row.took[n-1]
	}
	fmt.Fprintf(b, "| %s | %s | %d | %d | %d | %d | %d | %s | %s |\n",
		name, undisturbed, row.points, row.killed, row.finished, row.sent, row.failed, seconds(median), seconds(worst))
}

func (f *findings) faultTable() string {
	if len(f.faults) == 0 {
		return ""
	}
	order := func(row faultRow) int {
		return slices.IndexFunc(faults, func(o fault) bool { return o.name == row.fault })
	}
	slices.SortFunc(f.faults, func(a, b faultRow) int { return order(a) - order(b) })
	var b strings.Builder
	b.WriteString("| what breaks | while | the deployment | requests | failed | from then to the end |\n|---|---|---|---:|---:|---:|\n")
	for _, row := range f.faults {
		fmt.Fprintf(&b, "| %s | %s | %s | %d | %d | %s |\n", row.fault, row.during, row.outcome, row.sent, row.failed, seconds(row.took))
	}
	return b.String()
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.1f s", d.Seconds()) }
