package deploy

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"testing"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/memstore"
)

// recorder is a [slipway.Recorder] that can be full.
type recorder struct {
	full    bool
	entries []slipway.AuditEntry
}

func (r *recorder) AppendAudit(_ context.Context, e slipway.AuditEntry) (slipway.AuditEntry, error) {
	if r.full {
		return e, errors.New("full")
	}
	if i := slices.IndexFunc(r.entries, func(o slipway.AuditEntry) bool { return o.Action == e.Action && o.Key == e.Key }); i >= 0 {
		return r.entries[i], nil
	}
	r.entries = append(r.entries, e)
	return e, nil
}

// What slipwayd does by itself is on record, once, however often the activity is tried.
func TestDecisionsAreRecorded(t *testing.T) {
	broken := slipway.Errorf(slipway.Failed, "cannot deploy: broken")
	for name, c := range map[string]struct {
		state slipway.DeploymentState
		err   *slipway.Error
		want  []string
	}{
		"succeeded":    {succeeded, nil, nil},
		"rolled back":  {rolledBack, broken, []string{"deployment.back", "restriction.made"}},
		"stuck":        {attention, broken, []string{"deployment.stuck"}},
		"aborted":      {aborted, slipway.Errorf(slipway.ClosedByAbort, "aborted by ann"), nil},
		"host's fault": {rolledBack, slipway.Errorf(slipway.Unprepared, "no space"), []string{"deployment.back"}},
	} {
		t.Run(name, func(t *testing.T) {
			store, log := memstore.New(), &recorder{full: true}
			a := &Activities{Store: store, Bus: &memstore.Bus{}, Log: slog.New(slog.DiscardHandler), Audit: log}
			d := slipway.Deployment{ID: "d-1", Kind: slipway.KindDeploy, Cluster: slipway.Cluster{Application: "hello", Environment: "prod"}, Image: slipway.DigestOf(nil), Source: "hello-prod-v001", State: slipway.DeploymentRunning}
			if err := store.PutImage(t.Context(), slipway.Image{Digest: d.Image, Application: "hello", State: slipway.ImageReady}); err != nil {
				t.Fatal(err)
			}
			if _, err := store.CreateDeployment(t.Context(), d); err != nil {
				t.Fatal(err)
			}
			d.State, d.Error = c.state, c.err
			if _, err := a.FinishDeployment(t.Context(), d); (err != nil) != (len(c.want) > 0) {
				t.Errorf("with a log that is full: %v", err)
			}
			log.full = false
			for range 2 {
				if _, err := a.FinishDeployment(t.Context(), d); err != nil {
					t.Fatal(err)
				}
			}
			var got []string
			for _, e := range log.entries {
				got = append(got, e.Action)
				if e.Phase != slipway.AuditDecided || e.By.Kind != slipway.PrincipalSystem || e.Application != "hello" || e.Environment != "prod" || e.Reason == "" {
					t.Errorf("%+v", e)
				}
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("%q, want %q", got, c.want)
			}
		})
	}
}
