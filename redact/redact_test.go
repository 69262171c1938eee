package redact

import (
	"bytes"
	"encoding/json"
	"errors"
	"log/slog"
	"net/url"
	"strings"
	"testing"
)

func TestText(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"nothing of note", "nothing of note"},
		{"cannot reach https://ann:hunter2@host/path", "cannot reach https://[redacted]@host/path"},
		{"postgres://slipway:p@ss@db:5432/slipway?sslmode=require", "postgres://[redacted]@db:5432/slipway?sslmode=require"},
		{"https://hooks.example.com/x?token=hunter2&a=b", "https://hooks.example.com/x?token=[redacted]&a=b"},
		{"https://hooks.example.com/x?a=b&access%5Ftoken=hunter2", "https://hooks.example.com/x?a=b&access%5Ftoken=[redacted]"},
		{"https://example.com/a@b", "https://example.com/a@b"},
		{"cannot use \"ci:hunter2@127.0.0.1:1/x:1\"", "cannot use \"[redacted]@127.0.0.1:1/x:1\""},
		{"registry.example.com/x:1.0@sha256:abcd", "registry.example.com/x:1.0@sha256:abcd"},
		{"git@example.com:team/hello.git", "git@example.com:team/hello.git"},
		{"mail ann@example.com", "mail ann@example.com"},
		{"Authorization: Bearer hunter2hunter2", "Authorization: Bearer [redacted]"},
		{"bearer of news", "bearer of news"},
		{"slipway_abcdefghijklmnop1234", "slipway_[redacted]"},
		{"token slp_7AvsXqOhTuZJJHPCnvi3rlSMDLILqSOu3t98m5", "token slp_[redacted]"},
		{"key whsec_MfKQ9r8GKYqrTwjU", "key whsec_[redacted]"},
		{"ghp_0123456789abcdefXYZ", "ghp_[redacted]"},
		{"eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhbm4ifQ.c2lnbmF0dXJlc2ln", "[redacted]"},
		{"AGE-SECRET-KEY-1QQPZRY9X8", "[redacted]"},
		{"before\n-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQ\n-----END PRIVATE KEY-----\nafter", "before\n[redacted]\nafter"},
		{"cut -----BEGIN EC PRIVATE KEY-----\nMC4CAQ", "cut [redacted]"},
	} {
		if got := Text(c.text); got != c.want {
			t.Errorf("%q becomes %q, want %q", c.text, got, c.want)
		}
		if again := Text(Text(c.text)); again != c.want {
			t.Errorf("%q becomes %q the second time, want %q", c.text, again, c.want)
		}
	}
}

func TestJSON(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{`{"application":"hello","size":3,"big":12345678901234567890}`, `{"application":"hello","big":12345678901234567890,"size":3}`},
		{`{"values":{"npm_token":"aHVudGVyMg=="}}`, `{"values":{"npm_token":"[redacted]"}}`},
		{`{"password":["a",{"b":"c","d":true}]}`, `{"password":["[redacted]",{"b":"[redacted]","d":true}]}`},
		{`{"DB-PASSWORD":12}`, `{"DB-PASSWORD":"[redacted]"}`},
		{`{"keys":{"GREETING":{"value":"hi"},"DB":{"secret":true,"value":"hunter2"}}}`, `{"keys":{"DB":{"secret":true,"value":"[redacted]"},"GREETING":{"value":"hi"}}}`},
		{`{"type":"secret","value":"hunter2","name":"x"}`, `{"name":"x","type":"secret","value":"[redacted]"}`},
		{`{"webhook":{"url":"https://a:b@c/","headers":{"X-Key":"hunter2"}}}`, `{"webhook":{"headers":{"X-Key":"[redacted]"},"url":"https://[redacted]@c/"}}`},
		{`{"token_id":"t-1"}`, `{"token_id":"t-1"}`},
		{`{"secret":""}`, `{"secret":""}`},
		{`{"a":"<b>&"}`, `{"a":"<b>&"}`},
		{`hunter2`, `"[redacted]"`},
		{``, `"[redacted]"`},
	} {
		if got := string(JSON([]byte(c.text))); got != c.want {
			t.Errorf("%s becomes %s, want %s", c.text, got, c.want)
		}
	}
}

type made struct {
	Name, Password string
}

func TestHandler(t *testing.T) {
	var out bytes.Buffer
	log := slog.New(NewHandler(slog.NewTextHandler(&out, nil)))
	secret, _ := url.Parse("https://ann:marked@host/")
	log.With("password", "marked", "n", 1).WithGroup("g").Info("to https://ann:marked@host",
		"error", errors.New("cannot open postgres://x:marked@y"),
		"url", secret,
		"token", []byte("marked"),
		"token", 12345,
		"made", made{"x", "marked"},
		"list", []string{"https://ann:marked@host"},
		slog.Group("inner", "cookie", "marked", "fine", "kept"),
		"fine", "kept",
		"nothing", nil,
	)
	if strings.Contains(out.String(), "marked") || strings.Contains(out.String(), "12345") {
		t.Errorf("a secret is in the log: %s", &out)
	}
	for _, kept := range []string{"n=1", "g.fine=kept", "g.inner.fine=kept", `"Name\":\"x\"`, "[redacted]@host"} {
		if !strings.Contains(out.String(), kept) {
			t.Errorf("%s is missing: %s", kept, &out)
		}
	}
}

func FuzzJSON(f *testing.F) {
	for _, s := range []string{`{}`, `{"password":"x"}`, `[1,2,{"secret":true,"value":"x"}]`, `"\ud800"`, `{"a":1e999}`, "\xff"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		clean := JSON(text)
		if !json.Valid(clean) {
			t.Fatalf("%q becomes %q, which is no JSON", text, clean)
		}
		if again := JSON(clean); !bytes.Equal(again, clean) {
			t.Fatalf("%q becomes %q, and that %q", text, clean, again)
		}
	})
}
