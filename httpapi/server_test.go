package httpapi

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/slipway-sh/slipway"
	people "github.com/slipway-sh/slipway/approve"
	"github.com/slipway-sh/slipway/auth"
	"github.com/slipway-sh/slipway/catalog"
	"github.com/slipway-sh/slipway/cedar"
	"github.com/slipway-sh/slipway/config"
	"github.com/slipway-sh/slipway/container"
	"github.com/slipway-sh/slipway/natsbus"
	"github.com/slipway-sh/slipway/notify"
	"github.com/slipway-sh/slipway/promote"
	"github.com/slipway-sh/slipway/seal"
	"github.com/slipway-sh/slipway/sqlstore"
	"github.com/slipway-sh/slipway/trigger"
)

// server is the API over the real store and bus, served on a loopback port.
type server struct {
	Config
	url string
	log *bytes.Buffer
}

// serve returns a whole server: all that keeps records is the real thing; what would start work, or touch machines, is idle. Changes are made
// to its parts before the API is.
func serve(t testing.TB, with ...func(*Config)) *server {
	t.Helper()
	return serveOn(t, filepath.Join(t.TempDir(), "slipway.db"), with...)
}

// serveOn is serve with the store at an address.
func serveOn(t testing.TB, address string, with ...func(*Config)) *server {
	t.Helper()
	s := &server{log: &bytes.Buffer{}}
	s.Config = parts(t, address, slog.New(slog.NewTextHandler(s.log, nil)))
	for _, change := range with {
		change(&s.Config)
	}
	h := httptest.NewServer(asRoot(front(t, s.Config)))
	t.Cleanup(h.Close)
	s.url = h.URL
	return s
}

// parts are those of a whole server.
func parts(t testing.TB, address string, log *slog.Logger) Config {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	store, err := sqlstore.Open(t.Context(), address)
	must(err)
	t.Cleanup(func() { _ = store.Close() })
	bus, err := natsbus.Start(t.Context(), natsbus.Config{Dir: t.TempDir()})
	must(err)
	t.Cleanup(bus.Close)
	keys := t.TempDir()
	sealer, err := seal.Open(filepath.Join(keys, "webhooks.key"))
	must(err)
	vault, err := config.OpenVault(filepath.Join(keys, "config.key"))
	must(err)
	machines, content := &provider{}, &blobs{stored: map[slipway.Digest][]byte{}}
	says := statements{envelope: `{}`}
	return Config{
		Store: store, Bus: bus, Blobs: content, Provider: machines, Pools: pools{}, Accounts: accounts{}, StageLogs: store, Log: log, Version: "1.2.3",
		Operator: &operator{}, Pipelines: idle{}, Exchange: idle{}, Cache: idle{}, Guard: idle{}, Hands: idle{}, Sandboxes: idle{}, Secrets: vaults{},
		Statements: says, Checkpoint: signer{}, Access: auth.New(auth.Config{Store: store, Rules: &cedar.Rules{}, Log: log}), Limits: Limits{Rate: -1, Each: -1},
		Catalog:   catalog.New(catalog.Config{Store: store, Bus: bus, Provider: machines, Images: idle{}, Statements: says, Log: log}),
		Approvals: people.New(people.Config{Store: store, Events: store, Bus: bus, Audit: store, Log: log}),
		Promoter: promote.New(promote.Config{
			Gatherer: promote.Gatherer{Store: store, Provider: machines, Verifier: says}, Bus: bus, Log: log, Plan: idle{}.plan,
		}),
		Configs:       &config.Keeper{Launcher: config.Launcher{Store: store, Vault: vault}, Records: store, Provider: machines, Bus: bus, Deploy: idle{}.Deploy, Log: log},
		Triggers:      trigger.New(trigger.Config{Store: store, Bus: bus, Blobs: content, Operator: idle{}, Pipelines: idle{}, Sealer: sealer, Dir: t.TempDir(), Log: log}),
		Subscriptions: notify.New(notify.Config{Store: store, Bus: bus, Sealer: sealer, Notifiers: map[string]slipway.Notifier{slipway.NotifyWebhook: letterbox{}}, Log: log}),
	}
}

// asRoot serves requests that show nothing as if they came from a process of root's by a unix socket.
func asRoot(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), peerKey{}, unix.Ucred{})))
	})
}

// idle takes all there is to do, and does nothing.
type idle struct{}

// errIdle is what it says.
var errIdle = slipway.Errorf(slipway.Unavailable, "cannot do this: nobody works here")

func (idle) plan(context.Context, slipway.DeployRequest) (d slipway.Deployment, _ error) {
	return d, errIdle
}

func (idle) Ship(context.Context, slipway.ShipRequest) (x slipway.Execution, _ error) {
	return x, errIdle
}
func (idle) Bake(context.Context, slipway.BakeRequest) (b slipway.Bake, _ error) { return b, errIdle }
func (idle) PlanBake(context.Context, slipway.BakeRequest) (p slipway.BakePlan, _ error) {
	return p, errIdle
}
func (idle) Rebuild(context.Context, slipway.RebuildRequest) (b slipway.Bake, _ error) {
	return b, errIdle
}
func (idle) Deploy(context.Context, slipway.DeployRequest) (d slipway.Deployment, _ error) {
	return d, errIdle
}
func (idle) Rollback(context.Context, slipway.RollbackRequest) (d slipway.Deployment, _ error) {
	return d, errIdle
}
func (idle) Command(context.Context, string, slipway.Command) (d slipway.Deployment, _ error) {
	return d, errIdle
}
func (idle) Retry(context.Context, string, slipway.Command) (d slipway.Deployment, _ error) {
	return d, errIdle
}
func (idle) Release(context.Context, slipway.ReleaseRequest) (r slipway.Release, _ error) {
	return r, errIdle
}
func (idle) Restrict(context.Context, slipway.RestrictionRequest) (r slipway.Restriction, _ error) {
	return r, errIdle
}
func (idle) Lift(context.Context, slipway.LiftRequest) (r slipway.Restriction, _ error) {
	return r, errIdle
}
func (idle) Analyse(context.Context, slipway.AnalysisRequest) (v slipway.Verdict, _ error) {
	return v, errIdle
}
func (idle) Abort(context.Context, string) error { return errIdle }

func (idle) RunPipeline(context.Context, slipway.PipelineRequest) (x slipway.Execution, _ error) {
	return x, errIdle
}
func (idle) PlanPipeline(context.Context, slipway.PipelineRequest) (p slipway.PipelinePlan, _ error) {
	return p, errIdle
}
func (idle) RestartExecution(context.Context, string, slipway.RestartRequest) (x slipway.Execution, _ error) {
	return x, errIdle
}

func (idle) Push(context.Context, slipway.Image, string, func(slipway.Transfer)) (string, error) {
	return "", errIdle
}
func (idle) Pull(context.Context, string, string, func(slipway.Transfer)) (i slipway.Image, _ error) {
	return i, errIdle
}
func (idle) Collect(context.Context, slipway.CacheRequest) (r slipway.CacheReport, _ error) {
	return r, errIdle
}
func (idle) Unlist(context.Context, slipway.Digest) error { return errIdle }

func (idle) Terminate(context.Context, string, bool, string, string) error    { return errIdle }
func (idle) DestroyGroup(context.Context, string, bool, string, string) error { return errIdle }
func (idle) Disable(context.Context, string, bool, string, string) (i slipway.Instance, _ error) {
	return i, errIdle
}
func (idle) Enable(context.Context, string, string, string) (i slipway.Instance, _ error) {
	return i, errIdle
}
func (idle) Protect(context.Context, string, string, string) (i slipway.Instance, _ error) {
	return i, errIdle
}
func (idle) Unprotect(context.Context, string, string, string) (i slipway.Instance, _ error) {
	return i, errIdle
}
func (idle) Start(context.Context, slipway.StartRequest) (i slipway.Instance, _ error) {
	return i, errIdle
}
func (idle) Resize(context.Context, slipway.ResizeRequest) (g slipway.ServerGroup, _ error) {
	return g, errIdle
}
func (idle) Kept(string) bool                                               { return false }
func (idle) Enter(context.Context, string, container.Terminal) (int, error) { return 0, errIdle }

// vaults keeps secrets nowhere.
type vaults struct{ slipway.SecretStore }

func (vaults) PutSecrets(context.Context, map[string][]byte) (string, error) { return "", errIdle }

// signer signs with no key.
type signer struct{}

func (signer) ID() string         { return "none" }
func (signer) Sign([]byte) []byte { return nil }

// letterbox takes every notification.
type letterbox struct{}

func (letterbox) Validate(string) error                                      { return nil }
func (letterbox) Notify(context.Context, string, slipway.Notification) error { return nil }
