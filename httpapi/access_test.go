package httpapi

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/auth"
	"github.com/slipway-sh/slipway/sqlstore"
)

// reach is how much a grant must cover for a route's sample to be allowed.
type reach int

const (
	ofCluster     reach = iota // hello in prod
	ofApplication              // hello, in any environment
	ofEnvironment              // any application, in prod
	ofEveryOne                 // hello, in every environment
	ofEverything               // every application in every environment
	ofAnything                 // anything: what is asked for is nobody's in particular, or a list of what may be seen
)

// sample is a request of a route about hello in prod.
type sample struct {
	reach reach
	path  map[string]string // values of the path's parameters that are not as in pathSample
	query string
	body  string
}

// pathSample are values of parameters of paths.
var pathSample = map[string]string{
	"application": "hello", "environment": "prod", "ref": "latest", "channel": "stable", "kind": "sbom", "name": "hello-prod-v001",
	"digest": string(slipway.DigestOf(nil)), "token": "ci", "account": "local",
}

const (
	sampleSpec    = `{"application":"hello","image":{"from":"scratch","service":{"command":["/a"],"port":80}},"environments":{"prod":{"size":1}}}`
	sampleCluster = `"cluster":{"application":"hello","environment":"prod"}`
)

func id(id string) map[string]string { return map[string]string{"id": id} }

// samples has a sample of every route. One that is missing is a route of which nobody has thought who may use it.
var samples = map[string]sample{
	"login": {}, "loginCallback": {}, "loginProvider": {}, "logout": {},
	"health": {}, "whoami": {}, "checkAccess": {body: `{"verb":"deploy"}`},

	"missingBlobs": {reach: ofAnything, body: `{"digests":[]}`},
	"putBlob":      {reach: ofAnything},
	"putSecrets":   {reach: ofAnything, body: `{"values":{}}`},

	"bake":       {reach: ofApplication, body: `{"spec":` + sampleSpec + `,"context":[]}`},
	"planBake":   {reach: ofApplication, body: `{"spec":` + sampleSpec + `,"context":[]}`},
	"listBakes":  {reach: ofAnything},
	"getBake":    {reach: ofApplication, path: id("b-1")},
	"getCache":   {reach: ofAnything},
	"pruneCache": {reach: ofEverything, body: `{}`},

	"ship":           {body: `{"spec":` + sampleSpec + `,"context":[],"environments":["prod"]}`},
	"listExecutions": {reach: ofAnything},
	"getExecution":   {reach: ofApplication, path: id("x-1")},

	"deploy":            {body: `{` + sampleCluster + `,"image":"latest"}`},
	"rollback":          {body: `{` + sampleCluster + `}`},
	"listDeployments":   {reach: ofAnything},
	"getDeployment":     {path: id("d-1")},
	"commandDeployment": {path: id("d-1"), body: `{"verb":"pause"}`},
	"retryDeployment":   {path: id("d-1"), body: `{}`},

	"release":      {body: `{"environment":"prod","members":[{"application":"hello","image":"latest"}]}`},
	"listReleases": {reach: ofAnything},
	"getRelease":   {path: id("r-1")},

	"listRestrictions": {reach: ofAnything},
	"restrict":         {body: `{"kind":"freeze",` + sampleCluster + `,"reason":"sale"}`},
	"lift":             {path: id("f-1"), query: "reason=over"},
	"getRestriction":   {path: id("f-1")},
	"promote":          {body: `{"application":"hello","to":"prod"}`},
	"planPromotion":    {body: `{"application":"hello","to":"prod"}`},
	"listPromotions":   {reach: ofAnything},
	"getPromotion":     {path: id("m-1")},
	"listApprovals":    {reach: ofAnything},
	"getApproval":      {path: id("a-1")},
	"diffApproval":     {path: id("a-1")},
	"vote":             {path: id("a-1"), body: `{"approve":true}`},
	"analyse":          {body: `{"deployment":"d-1"}`},
	"abort":            {path: id("d-1")},

	"listApplications":  {reach: ofAnything},
	"getApplication":    {reach: ofApplication},
	"listImages":        {reach: ofAnything},
	"getImage":          {reach: ofApplication},
	"getImageStatus":    {reach: ofApplication},
	"verifyImage":       {reach: ofApplication},
	"getStatement":      {reach: ofApplication},
	"listKeys":          {reach: ofAnything},
	"getAncestry":       {reach: ofApplication},
	"diffImages":        {reach: ofApplication, query: "with=hello"},
	"revokeImage":       {reach: ofEveryOne, body: `{"reason":"leaks"}`},
	"reinstateImage":    {reach: ofEveryOne},
	"pushImage":         {reach: ofApplication, body: `{"to":"registry.example.com/hello"}`},
	"pullImage":         {reach: ofApplication, body: `{"from":"registry.example.com/hello","application":"hello"}`},
	"listImageStatuses": {reach: ofAnything},
	"pruneImages":       {reach: ofEveryOne, body: `{"application":"hello"}`},
	"listChannels":      {reach: ofAnything},
	"getChannel":        {reach: ofApplication},
	"moveChannel":       {reach: ofEveryOne, body: `{"image":"latest"}`},
	"deleteChannel":     {reach: ofEveryOne},
	"imageTests":        {reach: ofApplication},
	"imageShell":        {reach: ofApplication, body: `{}`},
	"bakeShell":         {reach: ofApplication, path: id("b-1"), body: `{}`},
	"rebuildImage":      {reach: ofApplication, body: `{"application":"hello"}`},

	"listClusters":      {reach: ofAnything},
	"getCluster":        {},
	"listInstances":     {reach: ofAnything},
	"getInstance":       {path: id("i-1")},
	"listGroups":        {reach: ofAnything},
	"getGroup":          {},
	"instanceLogs":      {path: id("i-1")},
	"terminateInstance": {path: id("i-1")},
	"destroyGroup":      {},
	"events":            {reach: ofAnything},

	"listEnvironments":    {reach: ofAnything},
	"getEnvironment":      {reach: ofEnvironment},
	"getEnvironmentState": {reach: ofEnvironment},
	"getClusterState":     {},
	"listAccounts":        {reach: ofAnything},
	"getAccount":          {reach: ofAnything},
	"listLoadBalancers":   {reach: ofAnything},
	"getLoadBalancer":     {path: map[string]string{"name": "hello-prod"}},

	"restartExecution": {path: id("x-1"), body: `{}`},
	"stageLog":         {reach: ofApplication, path: map[string]string{"id": "x-1", "stage": "test"}},
	"runPipeline":      {body: `{"application":"hello"}`},
	"planPipeline":     {reach: ofApplication, body: `{"application":"hello"}`},

	"listTriggers":  {reach: ofAnything},
	"addTrigger":    {body: `{"application":"hello","name":"nightly","kind":"webhook","deploy":"prod"}`},
	"getTrigger":    {path: id("t-1")},
	"enableTrigger": {path: id("t-1"), body: `{"enabled":true}`},
	"rotateTrigger": {path: id("t-1"), body: `{}`},
	"testTrigger":   {path: id("t-1"), body: `{}`},
	"removeTrigger": {path: id("t-1")},
	"receiveHook":   {path: id("t-1"), body: `{}`},
	"pushArtifact":  {reach: ofApplication, path: map[string]string{"name": "hello"}},
	"listArtifacts": {reach: ofApplication},

	"listSubscriptions":  {reach: ofAnything},
	"addSubscription":    {body: `{"name":"ops","kind":"webhook","to":"https://example.com","applications":["hello"],"environments":["prod"]}`},
	"getSubscription":    {path: id("n-1")},
	"enableSubscription": {path: id("n-1"), body: `{"enabled":true}`},
	"rotateSubscription": {path: id("n-1"), body: `{}`},
	"testSubscription":   {path: id("n-1")},
	"removeSubscription": {path: id("n-1")},
	"listDeliveries":     {reach: ofAnything},
	"retryDelivery":      {reach: ofEverything, path: id("m-1")},
	"discardDelivery":    {reach: ofEverything, path: id("m-1")},

	"getConfig":        {},
	"listConfigs":      {},
	"getConfigVersion": {path: map[string]string{"number": "1"}},
	"diffConfigs":      {},
	"changeConfig":     {body: `{}`},

	"startInstance":     {body: `{"application":"hello","environment":"prod","image":"latest"}`},
	"disableInstance":   {path: id("i-1"), body: `{}`},
	"enableInstance":    {path: id("i-1")},
	"protectInstance":   {path: id("i-1"), body: `{}`},
	"unprotectInstance": {path: id("i-1")},
	"resizeCluster":     {body: `{"desired":2}`},

	"listAudit":       {reach: ofAnything},
	"exportAudit":     {reach: ofEverything},
	"auditCheckpoint": {reach: ofEverything},

	"listAccess":   {reach: ofAnything},
	"grantAccess":  {body: `{"subject":"ann@example.com","role":"viewer","application":"hello","environment":"prod"}`},
	"revokeAccess": {path: id("g-1")},
	"listTrust":    {reach: ofAnything},
	"getTrust":     {path: map[string]string{"name": "github"}},
	"setTrust":     {path: map[string]string{"name": "github"}, body: `{"issuer":"https://ci.example.com","claims":{"sub":"a"},"role":"viewer","application":"hello","environment":"prod"}`},
	"deleteTrust":  {path: map[string]string{"name": "github"}},
	"listRules":    {reach: ofEverything},
	"getRule":      {reach: ofEverything},
	"setRule":      {reach: ofEverything, body: `{"text":"forbid (principal, action, resource);"}`},
	"deleteRule":   {reach: ofEverything},
	"tryRule":      {reach: ofAnything, body: `{"text":"forbid (principal, action, resource);","check":{"verb":"deploy"}}`},
	"listTokens":   {reach: ofAnything},
	"createToken":  {body: `{"name":"ci-2","role":"viewer","application":"hello","environment":"prod"}`},
	"rotateToken":  {body: `{}`},
	"revokeToken":  {},
}

// questions are approvals that are pending.
type questions struct{ slipway.Approvals }

func (questions) Approval(_ context.Context, id string) (slipway.Approval, error) {
	if id != "a-1" {
		return slipway.Approval{}, slipway.Errorf(slipway.NotFound, "cannot find approval %q", id)
	}
	return slipway.Approval{ID: id, Application: "hello", Environment: "prod", Requester: "bob"}, nil
}

// promotions are under way, and nothing is ready to be promoted.
type promotions struct{ slipway.Promoter }

func (promotions) Promotion(_ context.Context, id string) (slipway.Promotion, error) {
	if id != "m-1" {
		return slipway.Promotion{}, slipway.Errorf(slipway.NotFound, "cannot find promotion %q", id)
	}
	return slipway.Promotion{ID: id, Application: "hello", From: "staging", To: "prod", By: "bob"}, nil
}

func (promotions) PlanPromotion(context.Context, slipway.PromoteRequest) (slipway.PromotionPlan, error) {
	return slipway.PromotionPlan{}, slipway.Errorf(slipway.NotFound, "cannot promote: nothing serves there")
}

// hooks and listeners are a trigger and a subscription.
type hooks struct{ slipway.Triggers }

func (hooks) TriggerStatus(_ context.Context, id string, _ int) (slipway.TriggerStatus, error) {
	spec := slipway.TriggerSpec{Application: "hello", Deploy: "prod"}
	return slipway.TriggerStatus{Trigger: slipway.Trigger{ID: id, TriggerSpec: spec}}, nil
}

type listeners struct{ slipway.Subscriptions }

func (listeners) GetSubscription(_ context.Context, id string) (slipway.Subscription, error) {
	return slipway.Subscription{ID: id, SubscriptionSpec: slipway.SubscriptionSpec{Applications: []string{"hello"}, Environments: []string{"prod"}}}, nil
}

// guarded is the API over a store that knows hello, in which every request that is allowed is answered with that: nothing is done.
type guarded struct {
	*server
	api    *api
	access *auth.Authority
}

// allowed is what an allowed request is answered with.
const allowed = "this is allowed"

func guardHello(t *testing.T, with ...func(*Config)) *guarded {
	t.Helper()
	config := parts(t, filepath.Join(t.TempDir(), "slipway.db"), slog.New(slog.DiscardHandler))
	store := config.Store.(*sqlstore.Store)
	// Time passes quickly, so that strangers are forgiven before they come again.
	var passed atomic.Int64
	later := func() time.Time { return time.Now().Add(time.Duration(passed.Add(6)) * time.Second) }
	g := &guarded{server: &server{}, access: auth.New(auth.Config{Store: store, Now: later})}
	hello := slipway.Cluster{Application: "hello", Environment: "prod"}
	image, now := slipway.DigestOf([]byte("hello")), time.Now()
	machine := slipway.Instance{ID: "i-1", Group: "hello-prod-v001", Image: image}
	config.Access, config.Approvals, config.Promoter, config.Triggers, config.Subscriptions = g.access, questions{}, promotions{}, hooks{}, listeners{}
	config.Provider = &provider{groups: []slipway.ServerGroup{
		{ServerGroupSpec: slipway.ServerGroupSpec{Name: "hello-prod-v001", Cluster: hello, Image: image}, Instances: []slipway.Instance{machine}},
	}}
	g.Config = config
	for _, change := range with {
		change(&g.Config)
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	ctx := t.Context()
	must(store.PutApplication(ctx, slipway.Spec{
		Application: "hello", Pipeline: []slipway.Stage{{Step: slipway.Step{Bake: &slipway.BakeStage{}}}, {Step: slipway.Step{Deploy: &slipway.DeployStage{Environment: "prod"}}}},
	}))
	must(store.PutImage(ctx, slipway.Image{Digest: image, Application: "hello", State: slipway.ImageReady, Created: now}))
	must(store.PutBake(ctx, slipway.Bake{ID: "b-1", Application: "hello", Started: now}))
	must(store.PutExecution(ctx, slipway.Execution{ID: "x-1", Application: "hello", Environments: []string{"prod"}, Started: now}))
	_, err := store.CreateDeployment(ctx, slipway.Deployment{ID: "d-1", Cluster: hello, Image: image, State: slipway.DeploymentRunning, By: "bob", Started: now})
	must(err)
	must(store.PutRoute(ctx, slipway.Route{Cluster: hello}))
	must(store.PutRelease(ctx, slipway.Release{
		ID: "r-1", Environment: "prod", Members: []slipway.ReleaseMember{{Application: "hello", Image: image}}, Started: now,
	}))
	_, err = store.PutRestriction(ctx, slipway.Restriction{ID: "f-1", Kind: slipway.RestrictionFreeze, Cluster: hello, Since: now})
	must(err)
	_, err = store.MoveChannel(ctx, slipway.ChannelMove{Application: "hello", Name: "stable", Image: image, Create: true})
	must(err)
	_, err = store.AppendEvent(ctx, slipway.Event{Kind: slipway.DeploymentStarted, Application: "hello", Environment: "prod", Time: now})
	must(err)
	_, err = store.PutBinding(ctx, slipway.Binding{ID: "g-1", Subject: "bob", Grant: slipway.Grant{Role: slipway.RoleViewer, Scope: slipway.Scope(hello)}})
	must(err)
	must(store.CreateToken(ctx, slipway.Token{ID: "t-1", Name: "ci", Grant: slipway.Grant{Role: slipway.RoleViewer, Scope: slipway.Scope(hello)}}, "0"))
	must(store.PutTrustRule(ctx, slipway.TrustRule{Name: "github", Grant: slipway.Grant{Role: slipway.RoleViewer, Scope: slipway.Scope(hello)}}))
	g.api = newAPI(g.Config)
	decide := g.api.decide
	g.api.decide = func(ctx context.Context, in any) error {
		if err := decide(ctx, in); err != nil {
			return err
		}
		return slipway.Errorf(slipway.Conflict, allowed)
	}
	h := httptest.NewServer(g.api.handler())
	t.Cleanup(h.Close)
	g.url = h.URL
	return g
}

// token makes a token, and returns what its bearer shows.
func (g *guarded) token(t *testing.T, r slipway.TokenRequest) string {
	t.Helper()
	made, err := g.access.CreateToken(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	return "Bearer " + made.Secret
}

// ask sends a route's sample with the credentials, and returns the code it is answered with; "" if it is allowed.
func (g *guarded) ask(t *testing.T, r route, s sample, credentials string) slipway.Code {
	t.Helper()
	path, body := samplePath(t, r, s)
	header := []string{"Upgrade", "slipway-console"}
	if credentials != "" {
		header = append(header, "Authorization", credentials)
	}
	status, text, answer := g.do(t, r.method, path, body, header...)
	var p Problem
	if err := json.Unmarshal([]byte(text), &p); err != nil {
		t.Fatalf("%s: %d %.200s: %v", r.id, status, text, err)
	}
	switch {
	case p.Detail == allowed:
		return ""
	case p.Code == slipway.Unauthenticated && (status != http.StatusUnauthorized || answer.Get("WWW-Authenticate") == ""),
		p.Code == slipway.Forbidden && status != http.StatusForbidden,
		p.Code != slipway.Unauthenticated && p.Code != slipway.Forbidden:
		t.Errorf("%s: %d %s", r.id, status, text)
	}
	return p.Code
}

// samplePath returns where a route's sample is sent to, and what.
func samplePath(t *testing.T, r route, s sample) (path, body string) {
	t.Helper()
	path = r.path
	for part := range strings.SplitSeq(r.path, "/") {
		name, ok := strings.CutPrefix(part, "{")
		if !ok {
			continue
		}
		name = strings.TrimSuffix(name, "}")
		value := s.path[name]
		if value == "" {
			value = pathSample[name]
		}
		if value == "" {
			t.Fatalf("%s: no sample of {%s}", r.id, name)
		}
		path = strings.Replace(path, part, value, 1)
	}
	if s.query != "" {
		path += "?" + s.query
	}
	return path, s.body
}

// covers reports whether a grant's scope is enough for the reach of a sample.
func (r reach) covers(s slipway.Scope) bool {
	return map[reach]bool{
		ofCluster:     s.Covers(slipway.Scope{Application: "hello", Environment: "prod"}),
		ofApplication: s.Covers(slipway.Scope{Application: "hello"}),
		ofEnvironment: s.Covers(slipway.Scope{Environment: "prod"}),
		ofEveryOne:    s.Covers(slipway.Scope{Application: "hello", Environment: slipway.Everywhere}),
		ofEverything:  s.Covers(everywhere),
		ofAnything:    true,
	}[r]
}

// TestEveryRouteWithEveryRole walks the table: every route, asked by nobody, by somebody whose token is none, and by every role in five scopes.
func TestEveryRouteWithEveryRole(t *testing.T) {
	g := guardHello(t)
	type bearer struct {
		grant       slipway.Grant
		credentials string
	}
	var bearers []bearer
	for _, role := range slipway.Roles {
		for _, scope := range []slipway.Scope{
			everywhere, {Application: "hello", Environment: slipway.Everywhere}, {Application: "hello", Environment: "prod"},
			{Application: "hello", Environment: "dev"}, {Application: "other", Environment: "prod"},
		} {
			name := string(role) + "-" + strings.ReplaceAll(scope.String(), " ", "-")
			bearers = append(bearers, bearer{slipway.Grant{Role: role, Scope: scope}, g.token(t, slipway.TokenRequest{
				Name: name, Role: role, Application: scope.Application, Environment: scope.Environment,
			})})
		}
	}
	routes := g.api.routes()
	for _, r := range routes {
		s, ok := samples[r.id]
		if !ok {
			t.Errorf("%s: samples has no request of it that is about hello in prod, so nobody knows who may use it", r.id)
			continue
		}
		if r.access.level == scoped && r.access.about == nil {
			t.Errorf("%s: the table does not say what its requests are about", r.id)
		}
		is := func(who, credentials string, want slipway.Code) {
			t.Helper()
			if got := g.ask(t, r, s, credentials); got != want {
				t.Errorf("%s, asked by %s: %q, want %q", r.id, who, got, want)
			}
		}
		unknown := slipway.Unauthenticated
		if r.access.level == public {
			unknown = ""
		}
		is("nobody", "", unknown)
		is("a stranger", "Bearer slp_00000000000000000000000000000000000000", unknown)
		is("a stranger with a password", "Basic cm9vdDpyb290", unknown)
		for _, b := range bearers {
			want := slipway.Forbidden
			if r.access.role == "" || b.grant.Role.Includes(r.access.role) && s.reach.covers(b.grant.Scope) {
				want = ""
			}
			is(b.grant.String(), b.credentials, want)
		}
	}
	for name := range samples {
		if !slices.ContainsFunc(routes, func(r route) bool { return r.id == name }) {
			t.Errorf("samples has %s, which is no route", name)
		}
	}
}

func (questions) ListApprovals(context.Context, slipway.ApprovalFilter, int) ([]slipway.Approval, error) {
	return []slipway.Approval{{ID: "a-1", Application: "hello", Environment: "prod"}}, nil
}

func (hooks) ListTriggers(context.Context, string) ([]slipway.Trigger, error) {
	return []slipway.Trigger{{ID: "t-1", TriggerSpec: slipway.TriggerSpec{Application: "hello", Deploy: "prod"}}}, nil
}

func (listeners) ListSubscriptions(context.Context) ([]slipway.Subscription, error) {
	return []slipway.Subscription{{ID: "n-1", SubscriptionSpec: slipway.SubscriptionSpec{Applications: []string{"hello"}, Environments: []string{"prod"}}}}, nil
}

func (listeners) ListDeliveries(context.Context, slipway.DeliveryFilter, int) ([]slipway.Delivery, error) {
	return []slipway.Delivery{{ID: "m-1", Event: slipway.Event{Application: "hello", Environment: "prod"}}}, nil
}

func (promotions) Promotions(context.Context, slipway.PromotionFilter, int) ([]slipway.Promotion, error) {
	return []slipway.Promotion{{ID: "m-1", Application: "hello", From: "dev", To: "prod"}}, nil
}

// shelf is a catalog of one image.
type shelf struct{ slipway.Catalog }

func (shelf) Statuses(context.Context, string) ([]slipway.ImageStatus, error) {
	return []slipway.ImageStatus{{Image: slipway.Image{Application: "hello"}}}, nil
}

// TestListsShowWhatMayBeSeen asks every route that lists something of everything: whoever has its role for hello sees hello's, and whoever has
// it elsewhere sees nothing.
func TestListsShowWhatMayBeSeen(t *testing.T) {
	g := guardHello(t, func(c *Config) { c.Catalog = shelf{} })
	g.api.decide = g.api.permit
	ask := func(name, application, environment string) string {
		return g.token(t, slipway.TokenRequest{Name: name, Role: slipway.RoleAdmin, Application: application, Environment: environment})
	}
	ours, others, elsewhere := ask("ours", "hello", "prod"), ask("others", "other", "prod"), ask("elsewhere", "hello", "dev")
	read := func(r route, credentials string) int {
		t.Helper()
		status, text, _ := g.do(t, r.method, r.path, "", "Authorization", credentials)
		var answer struct{ Items []any }
		if err := json.Unmarshal([]byte(text), &answer); status != http.StatusOK || err != nil {
			t.Fatalf("%s: %d %s", r.id, status, text)
		}
		return len(answer.Items)
	}
	// What is an application's, whatever its environment, is seen by whoever sees one of these.
	whole := []string{"listBakes", "listExecutions", "listApplications", "listImages", "listImageStatuses", "listChannels", "listEnvironments"}
	// Tokens and the audit log are of those who ask as well.
	own := []string{"listTokens", "listAudit"}
	for _, r := range g.api.routes() {
		if r.access.level != lists || slices.Contains(own, r.id) {
			continue
		}
		if n := read(r, ours); n == 0 {
			t.Errorf("%s: whoever administers hello in prod sees nothing", r.id)
		}
		if n := read(r, others); n != 0 {
			t.Errorf("%s: whoever administers another application sees %d of hello", r.id, n)
		}
		if n := read(r, elsewhere); n != 0 && !slices.Contains(whole, r.id) {
			t.Errorf("%s: whoever administers hello in dev sees %d of prod", r.id, n)
		}
	}
}
