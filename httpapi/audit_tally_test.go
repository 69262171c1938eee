package httpapi

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/slipway-sh/slipway"
)

// Strangers write a few entries a minute, whatever they do, and what is not written is counted.
func TestStrangersDoNotFillTheAuditLog(t *testing.T) {
	var written []slipway.AuditEntry
	var ends []func()
	tally := newTally(func(e slipway.AuditEntry) { written = append(written, e) })
	tally.after = func(d time.Duration, f func()) { ends = append(ends, f) }
	add := func(address string, times int) {
		for i := range times {
			tally.add(address, slipway.AuditEntry{Action: "deploy", Message: fmt.Sprint("no. ", i+1), By: slipway.Principal{Kind: unknownKind, Address: address}})
		}
	}
	sums := func() (counted int) {
		for _, e := range written {
			counted += max(1, e.Count)
		}
		return counted
	}

	add("192.0.2.1", 3)
	if len(written) != 3 || len(ends) != 1 {
		t.Fatalf("%d entries, %d timers", len(written), len(ends))
	}
	add("192.0.2.1", 1000)
	add("192.0.2.2", 1)
	if len(written) != toldEach+1 {
		t.Errorf("%d entries", len(written))
	}
	ends[0]()
	last := written[len(written)-1]
	if len(written) != toldEach+2 || sums() != 1004 || last.Count != 1003-toldEach || last.By.Address != "192.0.2.1" || !strings.HasPrefix(last.Message, "998 more were turned away, this the last: no. 1000") {
		t.Errorf("%d entries of %d, the last %+v", len(written), sums(), last)
	}

	written = nil
	for i := range 1000 {
		add(fmt.Sprint("10.0.0.", i), 10)
	}
	if len(ends) != 2 {
		t.Errorf("%d timers", len(ends))
	}
	ends[1]()
	if most := toldAddresses*(toldEach+1) + 1; len(written) > most || sums() != 10_000 {
		t.Errorf("%d entries of %d, want %d at most", len(written), sums(), most)
	}
	tally.flush() // nothing is told twice
	if sums() != 10_000 {
		t.Error(sums())
	}
}

// Whoever shows what is not good is on record, also where nothing would have been changed; who shows nothing is not.
func TestQuestionsOfStrangersAreRecorded(t *testing.T) {
	g := guardHello(t)
	ask := func(method, path, token string) {
		t.Helper()
		req, err := http.NewRequest(method, g.url+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		if token != "" {
			req.Header.Set("Authorization", "Bearer "+token)
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode != http.StatusUnauthorized {
			t.Errorf("%s %s: %d", method, path, res.StatusCode)
		}
	}
	ask("GET", "/v1/deployments", "")
	ask("GET", "/v1/deployments", "slp_nonsense")
	ask("POST", "/v1/prunes", "")
	for range 20 {
		ask("GET", "/v1/images", "a.b.c")
	}
	g.api.strangers.flush()
	entries, err := g.api.Audit.AuditEntries(t.Context(), slipway.AuditFilter{}, 0)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range entries {
		got = append(got, fmt.Sprintf("%s %s %s %d", e.Phase, e.Action, e.By.Name, max(1, e.Count)))
	}
	want := "refused listImages unknown 17|refused listImages unknown 1|refused listImages unknown 1|refused listImages unknown 1|refused pruneImages unknown 1|refused listDeployments unknown 1"
	if strings.Join(got, "|") != want {
		t.Errorf("%s\nwant %s", strings.Join(got, "|"), want)
	}
}
