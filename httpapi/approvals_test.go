package httpapi

import (
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/slipway-sh/slipway"
	people "github.com/slipway-sh/slipway/approve"
	"github.com/slipway-sh/slipway/sqlstore"
)

// differ compares two images by saying which those were.
type differ struct{ slipway.Catalog }

func (differ) Diff(_ context.Context, older, newer slipway.Image) (slipway.ImageDiff, error) {
	return slipway.ImageDiff{Old: slipway.DiffSide{Version: older.Version}, New: slipway.DiffSide{Version: newer.Version}}, nil
}

// Each line is asked of the same approvals, one after the other. What is refused changes nothing.
func TestApprovals(t *testing.T) {
	var keeper *people.Keeper
	s := serve(t, func(cfg *Config) {
		keeper = people.New(people.Config{Store: cfg.Store.(*sqlstore.Store), Events: cfg.Store, Bus: cfg.Bus, Log: slog.New(slog.DiscardHandler)})
		cfg.Approvals, cfg.Catalog = keeper, differ{}
	})
	one, two := slipway.DigestOf([]byte("1")), slipway.DigestOf([]byte("2"))
	for version, digest := range map[string]slipway.Digest{"v1": one, "v2": two} {
		if err := s.Store.PutImage(t.Context(), slipway.Image{Digest: digest, Application: "shop", Version: version, State: slipway.ImageReady}); err != nil {
			t.Fatal(err)
		}
	}
	now := time.Now().UTC()
	for _, a := range []slipway.Approval{
		{ID: "a-1", Subject: "x-1", Image: two, Against: one, Needed: 2, From: []string{"ann", "carl", "bob"}, Expires: now.Add(time.Hour)},
		{ID: "a-2", Subject: "x-1", Image: one, Needed: 1, Expires: now.Add(time.Hour)},
		{ID: "a-3", Subject: "x-2", Needed: 1, Asked: now.Add(-time.Hour), Expires: now.Add(-time.Second)},
	} {
		a.Application, a.Environment, a.Requester = "shop", "prod", "bob"
		if _, err := keeper.AskApproval(t.Context(), a); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		method, path, body string
		status             int
		answer             string
	}{
		{"GET", "/v1/approvals/a-1/diff", "", 200, `"version":"v1"`},
		{"GET", "/v1/approvals/a-1/diff", "", 200, `"version":"v2"`},
		{"GET", "/v1/approvals/a-2/diff", "", 404, "nothing served there when it was asked"},
		{"GET", "/v1/approvals/a-3/diff", "", 404, "it is about none"},
		{"GET", "/v1/approvals/a-9", "", 404, "a-9"},
		{"POST", "/v1/approvals/a-1/votes", `{"approve":true}`, 403, "root is none of them"},
		{"POST", "/v1/approvals/a-1/votes", `{"approve":true,"by":"bob"}`, 403, "bob has asked for it"},
		{"POST", "/v1/approvals/a-1/votes", `{"approve":true,"by":"eve"}`, 403, "eve is none of them"},
		{"POST", "/v1/approvals/a-1/votes", `{"by":"ann","approve":"yes"}`, 422, `"place":"approve"`},
		{"POST", "/v1/approvals/a-1/votes", `{"by":"ann"}`, 422, "approve"},
		{"POST", "/v1/approvals/a-1/votes", `{"by":"ann","approve":true,"comment":"` + strings.Repeat("x", 1001) + `"}`, 422, `"place":"comment"`},
		{"POST", "/v1/approvals/a-1/votes", `{"by":"ann","approve":false}`, 422, `"place":"comment"`},
		{"POST", "/v1/approvals/a-3/votes", `{"by":"ann","approve":true}`, 409, "it expired at"},
		{"GET", "/v1/approvals/a-1", "", 200, `"votes":[]`}, // nothing of all that has changed it
		{"POST", "/v1/approvals/a-1/votes", `{"approve":true,"by":"ann","comment":"fine"}`, 200, `"state":"pending"`},
		{"GET", "/v1/approvals?pending=true&subject=x-1", "", 200, `"id":"a-2"`},
		{"POST", "/v1/approvals/a-1/votes", `{"approve":true,"by":"carl"}`, 200, `"state":"granted"`},
		{"POST", "/v1/approvals/a-1/votes", `{"approve":false,"by":"ann","comment":"wait"}`, 409, "it was granted"},
		{"GET", "/v1/approvals/a-1", "", 200, `"state":"granted"`},
		{"GET", "/v1/approvals?application=blog", "", 200, `{"items":[]}`},
		{"GET", "/v1/approvals?limit=0", "", 422, `"place":"query.limit"`},
	} {
		if status, body, _ := s.do(t, c.method, c.path, c.body); status != c.status || !strings.Contains(body, c.answer) {
			t.Errorf("%s %s %.100s:\n%d %s", c.method, c.path, c.body, status, body)
		}
	}
}

// Only who is root on the host may say who it is that answers.
func TestWhoAnswers(t *testing.T) {
	for _, c := range []struct {
		p    slipway.Principal
		by   string
		want string
	}{
		{slipway.Principal{Kind: slipway.PrincipalUser, Name: "ann"}, "bob", "user ann"},
		{slipway.Principal{Kind: slipway.PrincipalToken, Name: "token:ci"}, "bob", "token token:ci"},
		{slipway.Principal{Kind: slipway.PrincipalWorkload, Name: "ci:hello"}, "", "workload ci:hello"},
		{slipway.Principal{Kind: slipway.PrincipalLocal, Name: "root"}, "bob", "local bob"},
		{slipway.Principal{Kind: slipway.PrincipalLocal, Name: "root"}, "", "local root"},
		{slipway.Principal{Kind: slipway.PrincipalSystem, Name: "slipwayd"}, "bob", "local bob"},
		{slipway.Principal{Kind: slipway.PrincipalSystem, Name: "slipwayd"}, "", "system slipwayd"},
	} {
		p := slipway.PrincipalOf(speaking(slipway.WithPrincipal(t.Context(), c.p), c.by))
		if got := string(p.Kind) + " " + p.Name; got != c.want {
			t.Errorf("%+v by %q: %s, want %s", c.p, c.by, got, c.want)
		}
	}
}
