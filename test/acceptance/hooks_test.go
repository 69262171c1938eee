package acceptance

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/test/daemon"
	"github.com/slipway-sh/slipway/test/mailserver"
	"github.com/slipway-sh/slipway/webhook"
)

// hook sends a webhook to $DATA's slipwayd as its sender would, and prints the status and the answer:
//
//	hook github trigger secret event delivery file
//	hook gitlab trigger secret delivery file
//	hook webhook trigger secret delivery file [age in seconds]
func hook(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 5 {
		ts.Fatalf("usage: hook github trigger secret event delivery file | hook gitlab|webhook trigger secret delivery file [age]")
	}
	header := http.Header{"Content-Type": {"application/json"}}
	kind, trigger, secret, rest := args[0], args[1], args[2], args[3:]
	var body []byte
	switch kind {
	case "github":
		body = []byte(ts.ReadFile(rest[2]))
		m := hmac.New(sha256.New, []byte(secret))
		m.Write(body)
		header.Set("X-Hub-Signature-256", "sha256="+hex.EncodeToString(m.Sum(nil)))
		header.Set("X-GitHub-Event", rest[0])
		header.Set("X-GitHub-Delivery", rest[1])
	case "gitlab":
		body = []byte(ts.ReadFile(rest[1]))
		header.Set("X-Gitlab-Token", secret)
		header.Set("Idempotency-Key", rest[0])
	default:
		body = []byte(ts.ReadFile(rest[1]))
		at := time.Now()
		if len(rest) > 2 {
			age, err := time.ParseDuration(rest[2] + "s")
			ts.Check(err)
			at = at.Add(-age)
		}
		key, err := webhook.Key(secret)
		ts.Check(err)
		webhook.SetHeaders(header, [][]byte{key}, rest[0], at, body)
	}
	req, err := http.NewRequest(http.MethodPost, "http://slipwayd"+slipway.HookPath(trigger), bytes.NewReader(body))
	ts.Check(err)
	req.Header = header
	socket := strings.TrimPrefix(ts.Getenv("SLIPWAY_SERVER"), "unix:")
	if len(body) > 1<<20 { // it is not sent to somebody who does not want it
		req.Header.Set("Expect", "100-continue")
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, ExpectContinueTimeout: time.Minute, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", socket)
	}}}
	res, err := client.Do(req)
	ts.Check(err)
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	ts.Check(err)
	fmt.Fprintf(ts.Stdout(), "%d %s\n", res.StatusCode, answer)
}

// inbox is a script's receiver of webhooks.
type inbox struct {
	mu     sync.Mutex
	secret string
	broken int      // the status that it answers with; 0: it takes them
	got    []string // "right", or what is wrong with the signature, and the body
	ids    map[string]int
}

// receiver gives the script a receiver of webhooks, whose URL is $RECEIVER from then on, and looks into it:
//
//	receiver start
//	receiver secret whsec_…          what it verifies with
//	receiver answer well | 500 | 410
//	receiver await text              until a webhook that is signed right has come in with the text, and prints it
//	receiver twice                   fails unless one of the same ID has come in more than once
func receiver(ts *testscript.TestScript, neg bool, args []string) {
	script := ts.Value(daemonKey{}).(*script)
	if neg || len(args) == 0 || args[0] != "start" && script.inbox == nil {
		ts.Fatalf("usage: receiver start | secret SECRET | answer well|STATUS | await text | twice")
	}
	in := script.inbox
	switch args[0] {
	case "start":
		in = &inbox{ids: map[string]int{}}
		script.inbox = in
		server := httptest.NewServer(in)
		ts.Defer(server.Close)
		ts.Setenv("RECEIVER", server.URL)
	case "secret":
		in.mu.Lock()
		in.secret = args[1]
		in.mu.Unlock()
	case "answer":
		in.mu.Lock()
		in.broken, _ = strconv.Atoi(args[1])
		in.mu.Unlock()
	case "await":
		until := time.Now().Add(time.Minute)
		for {
			in.mu.Lock()
			all := strings.Join(in.got, "\n")
			in.mu.Unlock()
			for _, line := range strings.Split(all, "\n") {
				if strings.HasPrefix(line, "right ") && strings.Contains(line, args[1]) {
					fmt.Fprintln(ts.Stdout(), line)
					return
				}
			}
			if time.Now().After(until) {
				ts.Fatalf("no webhook has come in with %q, but:\n%s", args[1], all)
			}
			time.Sleep(20 * time.Millisecond)
		}
	case "twice":
		in.mu.Lock()
		defer in.mu.Unlock()
		for _, n := range in.ids {
			if n > 1 {
				return
			}
		}
		ts.Fatalf("each has come in once: %v", in.ids)
	}
}

// ServeHTTP implements [http.Handler].
func (in *inbox) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	in.mu.Lock()
	defer in.mu.Unlock()
	in.ids[r.Header.Get(webhook.HeaderID)]++
	if in.broken > 0 {
		w.WriteHeader(in.broken)
		return
	}
	verdict := "right"
	if _, err := webhook.Verify(slipway.TriggerWebhook, r.Header, body, []string{in.secret}, time.Now()); err != nil {
		verdict = err.Error()
	}
	in.got = append(in.got, verdict+" "+string(body))
}

// mail gives the script a mail server and a slipwayd of its own that hands mails to it, and looks into the mailbox.
//
//	mail start
//	mail await text
func mail(ts *testscript.TestScript, neg bool, args []string) {
	script := ts.Value(daemonKey{}).(*script)
	switch {
	case !neg && len(args) == 1 && args[0] == "start":
		server, err := mailserver.Start(false)
		ts.Check(err)
		ts.Defer(func() { ts.Check(server.Stop()) })
		script.mail = server
		password := ts.MkAbs("smtp-password")
		ts.Check(os.WriteFile(password, []byte(mailserver.Password+"\n"), 0o600))
		startOwnWith(ts, nil, func(d *daemon.Daemon) {
			d.Args = append(d.Args, "--smtp", fmt.Sprintf("smtp://%s@127.0.0.1:%d", mailserver.User, server.Port), "--smtp-password-file", password,
				"--mail-from", "Slipway <slipway@example.com>")
			d.Env = append(d.Env, "SSL_CERT_FILE="+server.CAFile())
		})
	case !neg && len(args) == 2 && args[0] == "await" && script.mail != nil:
		mailbox, err := script.mail.Await(args[1])
		ts.Check(err)
		fmt.Fprint(ts.Stdout(), mailbox)
	default:
		ts.Fatalf("usage: mail start | await text")
	}
}
