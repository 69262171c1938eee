package acceptance

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// bench is a script's own program that stages of pipelines ask for its judgement, by path: /pass and /fail say what they are called, all else
// is inconclusive until it is decided.
type bench struct {
	mu      sync.Mutex
	decided string
	asked   []string // bodies
}

// judge gives the script a judge, whose URL is $JUDGE from then on, and speaks with it:
//
//	judge start
//	judge decide pass|fail|inconclusive
//	judge asked text           until somebody has asked with the text, and prints the question
func judge(ts *testscript.TestScript, neg bool, args []string) {
	script := ts.Value(daemonKey{}).(*script)
	if neg || len(args) == 0 || args[0] != "start" && (script.judge == nil || len(args) != 2) {
		ts.Fatalf("usage: judge start | decide pass|fail|inconclusive | asked text")
	}
	j := script.judge
	switch args[0] {
	case "start":
		j = &bench{decided: "inconclusive"}
		script.judge = j
		server := httptest.NewServer(j)
		ts.Defer(server.Close)
		ts.Setenv("JUDGE", server.URL)
	case "decide":
		j.mu.Lock()
		j.decided = args[1]
		j.mu.Unlock()
	case "asked":
		for until := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
			j.mu.Lock()
			all := strings.Join(j.asked, "\n")
			j.mu.Unlock()
			for question := range strings.SplitSeq(all, "\n") {
				if strings.Contains(question, args[1]) {
					fmt.Fprintln(ts.Stdout(), question)
					return
				}
			}
			if time.Now().After(until) {
				ts.Fatalf("nobody has asked with %q, but:\n%s", args[1], all)
			}
		}
	}
}

// ServeHTTP implements [http.Handler].
func (j *bench) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	j.mu.Lock()
	defer j.mu.Unlock()
	j.asked = append(j.asked, string(body))
	result := strings.TrimPrefix(r.URL.Path, "/")
	if result != "pass" && result != "fail" {
		result = j.decided
	}
	_ = json.NewEncoder(w).Encode(map[string]string{"result": result, "message": "the judge says " + result})
}
