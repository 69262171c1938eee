package httpapi

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/auth"
	"github.com/slipway-sh/slipway/sqlstore"
)

// shelved is how many things of each kind there are, in three applications; one in three of them is hello's.
const shelved = 9

// applicationOf is whose the nth thing is.
func applicationOf(n int) string { return []string{"hello", "shop", "blog"}[n%3] }

// shelve puts some of everything that is listed into a server's store.
func shelve(t testing.TB, s *server) {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	ctx := auth.With(t.Context(), auth.Local("root"))
	store := s.Store.(*sqlstore.Store)
	began := time.Date(2026, 3, 4, 9, 30, 0, 0, time.UTC)
	var groups []slipway.ServerGroup
	for n := range shelved {
		application, at := applicationOf(n), began.Add(time.Duration(n/2)*time.Second) // two at a time
		environment := fmt.Sprintf("env-%d", n)
		cluster := slipway.Cluster{Application: application, Environment: environment}
		id := func(prefix string) string { return fmt.Sprintf("%s-%d", prefix, n) }
		digest := slipway.DigestOf([]byte{byte(n)})
		must(store.PutApplication(ctx, slipway.Spec{Application: fmt.Sprintf("%s-%d", application, n), Environments: map[string]slipway.Environment{}}))
		must(store.PutImage(ctx, slipway.Image{Digest: digest, Application: application, State: slipway.ImageReady, Created: at}))
		must(store.PutBake(ctx, slipway.Bake{ID: id("b"), Application: application, Started: at}))
		must(store.PutExecution(ctx, slipway.Execution{ID: id("x"), Application: application, Environments: []string{environment}, Started: at}))
		must(store.PutDeployment(ctx, slipway.Deployment{ID: id("d"), Cluster: cluster, Image: digest, State: slipway.DeploymentSucceeded, Started: at}))
		must(store.PutRoute(ctx, slipway.Route{Cluster: cluster}))
		must(store.PutRelease(ctx, slipway.Release{
			ID: id("r"), Environment: environment, Members: []slipway.ReleaseMember{{Application: application, Image: digest}}, Started: at,
		}))
		_, err := store.PutRestriction(ctx, slipway.Restriction{ID: id("f"), Kind: slipway.RestrictionFreeze, Cluster: cluster, Since: at})
		must(err)
		_, err = store.MoveChannel(ctx, slipway.ChannelMove{Application: application, Name: id("c"), Image: digest, Create: true})
		must(err)
		_, err = store.CreateApproval(ctx, slipway.Approval{
			ID: id("a"), Application: application, Environment: environment, State: slipway.ApprovalPending, Asked: at, Expires: time.Now().Add(time.Hour),
		})
		must(err)
		must(store.PutPromotion(ctx, slipway.Promotion{ID: id("m"), Application: application, To: environment, Started: at}))
		must(store.PutTrigger(ctx, slipway.Trigger{ID: id("t"), TriggerSpec: slipway.TriggerSpec{Application: application, Name: id("t"), Deploy: environment}}))
		must(store.PutArtifact(ctx, slipway.Artifact{ID: id("af"), Application: application, Name: id("f"), Pushed: at}))
		must(store.PutSubscription(ctx, slipway.Subscription{ID: id("n"), SubscriptionSpec: slipway.SubscriptionSpec{
			Name: id("n"), Applications: []string{application}, Environments: []string{environment},
		}}))
		must(store.PutDelivery(ctx, slipway.Delivery{
			ID: id("dl"), Subscription: id("n"), State: slipway.DeliveryDead, Created: at, Event: slipway.Event{Application: application, Environment: environment},
		}))
		_, err = store.AppendEvent(ctx, slipway.Event{Kind: slipway.DeploymentStarted, Application: application, Environment: environment, Time: at})
		must(err)
		grant := slipway.Grant{Role: slipway.RoleViewer, Scope: slipway.Scope(cluster)}
		_, err = store.PutBinding(ctx, slipway.Binding{ID: id("g"), Subject: "bob", Grant: grant})
		must(err)
		must(store.CreateToken(ctx, slipway.Token{ID: id("t"), Name: id("ci"), Grant: grant}, id("hash")))
		must(store.PutTrustRule(ctx, slipway.TrustRule{Name: id("github"), Grant: grant}))
		must(store.PutAccessRule(ctx, slipway.AccessRule{Name: id("rule"), Text: `forbid (principal, action, resource) when { context.hour > 24 };`}))
		_, err = store.AppendAudit(ctx, slipway.AuditEntry{Action: "deploy", Application: application, Environment: environment})
		must(err)
		_, err = s.Configs.ChangeConfig(ctx, slipway.ConfigChange{
			Cluster: slipway.Cluster{Application: "hello", Environment: "env-0"}, Set: []slipway.ConfigSetting{{Key: "GREETING", Value: id("hi")}},
		})
		must(err)
		group := cluster.GroupName(1)
		groups = append(groups, slipway.ServerGroup{
			ServerGroupSpec: slipway.ServerGroupSpec{Name: group, Cluster: cluster, Image: digest},
			Instances:       []slipway.Instance{{ID: id("i"), Group: group, Image: digest, State: slipway.InstanceHealthy}},
		})
	}
	slices.SortFunc(groups, func(a, b slipway.ServerGroup) int { return strings.Compare(a.Name, b.Name) }) // as providers list them
	s.Provider.(*provider).groups = groups
}

// listRoutes are the routes of the table whose answer is a list.
func listRoutes() (all []route) {
	for _, r := range (&api{}).routes() {
		answer := r.answers
		if r.item != nil {
			answer = r.item
		}
		if answer != nil && answer.Kind() == reflect.Struct && strings.HasPrefix(answer.Name(), "list[") {
			all = append(all, r)
		}
	}
	return all
}

// listPath is where hello's list of a route is.
func listPath(r route) string {
	return strings.NewReplacer("{application}", "hello", "{environment}", "env-0").Replace(r.path)
}

// read returns all items of a list, read in pages of a size, and how many pages that took.
func (s *server) read(t testing.TB, path string, size int, header ...string) (items []string, pages int) {
	t.Helper()
	separator := "?"
	if strings.Contains(path, "?") {
		separator = "&"
	}
	for next := fmt.Sprintf("%s%slimit=%d", path, separator, size); next != ""; pages++ {
		status, body, head := s.do(t, "GET", next, "", header...)
		var page struct {
			Items []json.RawMessage
			Next  string
		}
		if err := json.Unmarshal([]byte(body), &page); status != http.StatusOK || err != nil {
			t.Fatalf("%s: %d %s", next, status, body)
		}
		if next, _, _ = strings.Cut(strings.TrimPrefix(head.Get("Link"), "<"), ">"); (next == "") != (page.Next == "") {
			t.Fatalf("%s: next %q, link %q", path, page.Next, head.Get("Link"))
		}
		if next != "" && len(page.Items) != size || len(page.Items) > size {
			t.Errorf("%s: a page of %d items, want %d, and more follows", path, len(page.Items), size)
		}
		for _, item := range page.Items {
			items = append(items, string(item))
		}
		if pages > 1000 {
			t.Fatalf("%s: the pages never end", path)
		}
	}
	return items, pages
}

// TestEveryListHasPages walks the table: what answers a list takes limit and cursor, and says so, and a walk from page to page gives exactly
// the list, whatever the size of the pages.
func TestEveryListHasPages(t *testing.T) {
	s := serve(t)
	shelve(t, s)
	s.Accounts, s.Statements = accounts{{Name: "b"}, {Name: "a"}}, keyring{"2", "1", "3"}
	s.url = serveHandler(t, asRoot(New(s.Config)))
	described := describe(t)
	for _, r := range listRoutes() {
		var takes []string
		for _, p := range described.Paths[r.path].operation(r.method).Parameters {
			takes = append(takes, p.Name)
		}
		if !slices.Contains(takes, "limit") || !slices.Contains(takes, "cursor") {
			t.Errorf("%s takes %q, and has no pages", r.id, takes)
			continue
		}
		path := listPath(r)
		all, _ := s.read(t, path, 1000)
		if len(all) < 2 {
			t.Errorf("%s: %d items are no list to walk", r.id, len(all))
		}
		for size := 1; size <= 2; size++ {
			got, pages := s.read(t, path, size)
			if !slices.Equal(got, all) || pages != (len(all)+size-1)/size {
				t.Errorf("%s in pages of %d: %d items in %d pages, want %d:\n%.300s\n%.300s", r.id, size, len(got), pages, len(all), got, all)
			}
		}
	}
	// Those before the newest are on the next page, in order.
	newest, _ := s.read(t, "/v1/events?newest=true&kind=deployment.started", 4)
	all, _ := s.read(t, "/v1/events?kind=deployment.started", 4)
	if len(all) != 9 || !slices.Equal(newest, slices.Concat(all[5:9], all[1:5], all[:1])) {
		t.Errorf("newest events in pages of four:\n%s\nof\n%s", newest, all)
	}
}

// keyring are keys by their IDs.
type keyring []string

func (k keyring) VerifyImage(context.Context, slipway.Digest) (v slipway.Verification, _ error) {
	return v, errIdle
}

func (k keyring) Statement(context.Context, slipway.Digest, slipway.StatementKind) ([]byte, error) {
	return nil, errIdle
}

func (k keyring) Keys(context.Context) (all []slipway.PublicKey, _ error) {
	for _, id := range k {
		all = append(all, slipway.PublicKey{ID: id})
	}
	return all, nil
}

// TestPagesAreFull asks every list as somebody who sees one application of three: pages have as many items as was asked for as long as there
// are more, and no item of another application.
func TestPagesAreFull(t *testing.T) {
	s := serve(t)
	shelve(t, s)
	made, err := s.Access.CreateToken(auth.With(t.Context(), auth.Local("root")), slipway.TokenRequest{
		Name: "hello", Role: slipway.RoleAdmin, Application: "hello",
	})
	if err != nil {
		t.Fatal(err)
	}
	bearer := []string{"Authorization", "Bearer " + made.Secret}
	for _, r := range listRoutes() {
		if r.access.level != lists {
			continue
		}
		path := listPath(r)
		all, _ := s.read(t, path, 1000, bearer...)
		want := shelved / 3
		switch r.id {
		case "listTokens": // that which asks, too
			want++
		case "listApplications": // hello-0 is not hello
			want = 0
		case "events": // of its configuration
			want += shelved
		}
		if len(all) != want {
			t.Errorf("%s: %d items, want %d: %.300s", r.id, len(all), want, all)
		}
		for size := 1; size <= 2; size++ {
			if got, pages := s.read(t, path, size, bearer...); !slices.Equal(got, all) || pages != max(1, (len(all)+size-1)/size) {
				t.Errorf("%s in pages of %d: %d pages of %.300s, want %.300s", r.id, size, pages, got, all)
			}
		}
	}
}
