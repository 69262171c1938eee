package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/overview"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"slipway": func() {
			f := &Factory{In: os.Stdin, Out: os.Stdout, Err: os.Stderr, Width: func() int { return 80 }, Env: os.Getenv, Version: "v0.1.0"}
			os.Exit(Main(context.Background(), f, os.Args[1:]))
		},
	})
}

// TestScripts runs testdata/*.txtar. In them SLIPWAY_SERVER leads to a slipwayd of two environments that nothing changes.
func TestScripts(t *testing.T) {
	server := httptest.NewServer(still())
	t.Cleanup(server.Close)
	testscript.Run(t, testscript.Params{
		Dir: "testdata",
		Setup: func(e *testscript.Env) error {
			e.Setenv("SLIPWAY_SERVER", server.URL)
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exit": wantExit,
		},
	})
}

// wantExit implements "exit STATUS COMMAND…": the command must end with the status.
func wantExit(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exit STATUS COMMAND…")
	}
	err := ts.Exec(args[1], args[2:]...)
	status := 0
	if e, ok := err.(interface{ ExitCode() int }); ok {
		status = e.ExitCode()
	} else if err != nil {
		ts.Fatalf("%v", err)
	}
	if fmt.Sprint(status) != args[0] {
		ts.Fatalf("exit status %d, want %s", status, args[0])
	}
}

// still serves an application whose environment prod is at v2 and has an aborted deployment behind it.
func still() http.Handler {
	ago := func(d time.Duration) time.Time { return time.Now().Add(-d) }
	v1, v2, v3 := slipway.DigestOf([]byte("1")), slipway.DigestOf([]byte("2")), slipway.DigestOf([]byte("3"))
	prod := slipway.Cluster{Application: "hello", Environment: "prod"}
	spec := slipway.Spec{Application: "hello", Environments: map[string]slipway.Environment{
		"dev":  {},
		"prod": {Size: slipway.Size{Min: 2, Desired: 3, Max: 10}, LoadBalancer: &slipway.LoadBalancerSpec{Port: 8443}},
	}}
	images := []slipway.Image{
		{Digest: v3, Application: "hello", Version: "v3", State: slipway.ImageFailed, From: "scratch", Created: ago(time.Minute), Tests: &slipway.TestReport{Results: []slipway.TestResult{{}, {Passed: true}}}},
		{Digest: v2, Application: "hello", Version: "v2", State: slipway.ImageReady, From: "scratch", Created: ago(time.Hour), Layers: []slipway.LayerInfo{{Size: 6_000_000}}},
		{Digest: v1, Application: "hello", State: slipway.ImageReady, From: "scratch", Created: ago(72 * time.Hour)},
	}
	instance := func(id, group string, image slipway.Digest, state slipway.InstanceState) slipway.Instance {
		return slipway.Instance{ID: id, Group: group, Image: image, Address: "10.1.0.2", Port: 8080, State: state, Started: ago(time.Hour)}
	}
	of := func(i slipway.Instance, version string) slipway.Machine {
		return slipway.Machine{Instance: i, Version: version, Traffic: &slipway.MachineTraffic{Mode: slipway.Active, Weight: 256, Up: true}}
	}
	instances := []slipway.Instance{
		instance("i-1", "hello-prod-v001", v1, slipway.InstanceHealthy),
		instance("i-2", "hello-prod-v002", v2, slipway.InstanceHealthy),
		instance("i-3", "hello-prod-v002", v2, slipway.InstanceStarting),
		instance("i-4", "", v3, slipway.InstanceHealthy),
	}
	machines := []slipway.Machine{of(instances[0], ""), of(instances[1], "v2"), of(instances[2], "v2"), {Instance: instances[3], Version: "v3"}}
	machines[1].Disabled = &slipway.InstanceMark{Since: ago(time.Minute), By: "ann", Reason: "slow"}
	machines[1].Traffic.Mode = slipway.Off
	machines[2].Taint = &slipway.Taint{Path: "/etc/motd"}
	instances[2].Taint = machines[2].Taint
	group := func(name string, image slipway.Digest, size int, instances ...slipway.Instance) slipway.ServerGroup {
		return slipway.ServerGroup{ServerGroupSpec: slipway.ServerGroupSpec{Name: name, Cluster: prod, Image: image, Size: slipway.Size{Desired: size}}, Created: ago(time.Hour), Instances: instances}
	}
	target := func(instance, group string, mode slipway.TargetMode) slipway.TargetStatus {
		return slipway.TargetStatus{Target: slipway.Target{Instance: instance, Group: group, Mode: mode, Weight: 100}, Up: true}
	}
	deployment := slipway.Deployment{
		ID: "d-7", Kind: slipway.KindDeploy, Cluster: prod, Image: v3, State: slipway.DeploymentRolledBack, Source: "hello-prod-v002", Target: "hello-prod-v003",
		Error: slipway.Errorf(slipway.Failed, "cannot get 3 healthy instances"), Started: ago(time.Minute), Finished: ago(50 * time.Second),
	}
	status := slipway.ClusterStatus{
		Cluster: prod, Serving: "hello-prod-v002", Groups: []slipway.ServerGroup{group("hello-prod-v002", v2, 3, instances[1:3]...), group("hello-prod-v001", v1, 1, instances[0])},
		Pool:       &slipway.PoolStatus{Address: "127.0.0.1", Port: 8443, Requests: 42, Targets: []slipway.TargetStatus{target("i-2", "hello-prod-v002", slipway.Active), target("i-1", "hello-prod-v001", slipway.Standby)}},
		Deployment: &deployment,
	}
	state, _ := overview.Environment(overview.Facts{
		Cluster: slipway.Cluster{Environment: "prod"}, Now: time.Now(), Groups: status.Groups, Pools: map[string]slipway.PoolStatus{prod.String(): *status.Pool},
		Records: slipway.EnvironmentRecords{
			Known: map[string]bool{"hello": true}, Policies: map[string]slipway.Environment{"hello": spec.Environments["prod"]},
			Routes: map[string]slipway.Route{"hello": {Cluster: prod, Address: "127.0.0.1", Port: 8443, Groups: []slipway.GroupRoute{{Group: "hello-prod-v002", Mode: slipway.Active, Weight: 100}, {Group: "hello-prod-v001", Mode: slipway.Standby}}}},
			Last:   map[string]slipway.Placement{"hello": slipway.PlacementOf(deployment)},
			Placed: map[string]slipway.Placement{"hello-prod-v002": {Deployment: "d-6", Image: v2, By: "ann", Reason: "the sale", Since: ago(time.Hour)}},
			Images: map[slipway.Digest]slipway.RunningImage{v2: {Digest: v2, Version: "v2", Commit: "5c81e34f0b7d4a5c"}},
		},
	})
	event := slipway.Event{Seq: 9, Time: time.Now(), Kind: slipway.DeploymentFinished, Message: "rolled back", Application: "hello", Deployment: "d-7"}
	statuses, channel := gallery(images)
	items := func(v any) any { return map[string]any{"items": v} }
	mux := http.NewServeMux()
	answers := map[string]any{
		"GET /healthz":                      map[string]any{"ready": true},
		"GET /v1/applications/hello":        spec,
		"GET /v1/images":                    items(images),
		"GET /v1/catalog":                   items(statuses),
		"GET /v1/channels":                  items([]slipway.Channel{channel}),
		"GET /v1/images/hello/v1":           images[2],
		"GET /v1/images/hello/v2":           images[1],
		"GET /v1/images/hello/v3":           images[0],
		"GET /v1/clusters":                  items([]slipway.ClusterStatus{status}),
		"GET /v1/clusters/hello/prod":       status,
		"GET /v1/deployments":               items([]slipway.Deployment{deployment}),
		"GET /v1/environments":              items([]slipway.EnvironmentInfo{{Name: "prod", Applications: []slipway.EnvironmentMember{{Application: "hello"}}}}),
		"GET /v1/environments/prod/state":   state,
		"GET /v1/clusters/hello/prod/state": state.Clusters[0],
		"GET /v1/events":                    items([]slipway.Event{event}),
		"GET /v1/deployments/d-7":           deployment,
		"GET /v1/deployments/d-8":           slipway.Deployment{ID: "d-8", State: slipway.DeploymentRunning},
		"POST /v1/abort/d-8":                nil,
		"GET /v1/instances/i-2/logs":        "first\nlast\n",
		"POST /v1/deployments":              slipway.Errorf(slipway.Conflict, "cannot deploy hello to prod: d-8 is under way"),
		"POST /v1/rollbacks":                slipway.Errorf(slipway.Refused, "cannot roll back: there is nothing to roll back to"),
		"GET /":                             slipway.Errorf(slipway.NotFound, "cannot find it"),
		"POST /v1/abort/{id}":               slipway.Errorf(slipway.NotFound, "cannot find it"),

		"GET /v1/images/hello/v2/status":        statuses[1],
		"GET /v1/images/hello/stable/status":    statuses[1],
		"GET /v1/images/hello/v2/ancestry":      family(),
		"GET /v1/images/hello/v2/diff":          difference(images[1], images[0]),
		"GET /v1/images/hello/v3/diff":          slipway.ImageDiff{Old: slipway.DiffSide{Application: "hello", Version: "v3"}, New: slipway.DiffSide{Application: "hello", Version: "v3"}},
		"PUT /v1/images/hello/v2/revocation":    statuses[1],
		"PUT /v1/images/hello/v3/revocation":    statuses[0],
		"DELETE /v1/images/hello/v2/revocation": statuses[1],
		"PUT /v1/channels/hello/stable":         channel,
		"PUT /v1/channels/hello/beta":           slipway.Errorf(slipway.NotFound, "cannot find channel"),
		"PUT /v1/channels/hello/other":          slipway.Errorf(slipway.Conflict, "cannot move channel other of hello: it names image 1, not 2"),
		"DELETE /v1/channels/hello/stable":      nil,
		"DELETE /v1/channels/hello/beta":        slipway.Errorf(slipway.NotFound, "cannot find channel"),
		"POST /v1/prunes":                       pruned(images),
		"POST /v1/blobs/missing":                map[string]any{},
		"POST /v1/bakes/plan":                   slipway.BakePlan{Application: "hello", Layers: []slipway.LayerPlan{{Step: "run build.sh", Cached: true}}},
		"GET /v1/cache":                         cacheReport(true),
		"POST /v1/cache/prune":                  cacheReport(false),
	}
	maps.Copy(answers, busy())
	maps.Copy(answers, questions(v1, v2, difference(images[1], images[0])))
	for path, answer := range answers {
		mux.HandleFunc(path, func(w http.ResponseWriter, _ *http.Request) {
			switch v := answer.(type) {
			case string:
				fmt.Fprint(w, v)
			case nil:
				w.WriteHeader(http.StatusAccepted)
			case *slipway.Error:
				w.WriteHeader(http.StatusTeapot)
				json.NewEncoder(w).Encode(map[string]any{"code": v.Code, "detail": v.Message})
			default:
				json.NewEncoder(w).Encode(v)
			}
		})
	}
	mux.HandleFunc("GET /v1/instances", func(w http.ResponseWriter, r *http.Request) {
		is := func(name, got string) bool { want := r.URL.Query().Get(name); return want == "" || want == got }
		some := slices.DeleteFunc(slices.Clone(machines), func(m slipway.Machine) bool {
			return !is("application", map[bool]string{true: "hello"}[m.Group != ""]) || !is("environment", "prod")
		})
		json.NewEncoder(w).Encode(items(some))
	})
	return mux
}

// gallery is what slipwayd says of the images v3, v2 and one without a label, and the channel that names v2.
func gallery(images []slipway.Image) ([]slipway.ImageStatus, slipway.Channel) {
	prod := slipway.Cluster{Application: "hello", Environment: "prod"}
	channel := slipway.Channel{Application: "hello", Name: "stable", Image: images[1].Digest, Previous: images[2].Digest, Moved: time.Now().Add(-time.Hour), By: "ann"}
	v2 := images[1]
	v2.Base = &slipway.Base{From: "image:base", Application: "base", Version: "1", Layers: 1}
	v2.Service = slipway.Service{Command: []string{"/hello", "-x"}, User: "www", Port: 8080}
	v2.Source = &slipway.Source{Repository: "https://example.com/hello", Commit: "abc", Branch: "main", Dirty: true}
	v2.Revoked = &slipway.Revocation{At: time.Date(2026, 3, 4, 5, 6, 0, 0, time.UTC), Reason: "CVE-2026-1", By: "bob"}
	return []slipway.ImageStatus{
		{Image: images[0]},
		{
			Image: v2, Signed: new(bool), Channels: []slipway.Channel{channel}, Parent: &slipway.Outdated{Message: "parent is outdated: base is now 2"}, Children: 1,
			Uses: []slipway.ImageUse{{Instances: []string{"i-9"}}, {Cluster: &prod, Group: "hello-prod-v002", Serving: true, Instances: []string{"i-2", "i-3"}}},
		},
		{Image: images[2]},
	}, channel
}

// family is an image between what it is built on and what is built on it.
func family() slipway.Ancestry {
	relative := func(depth int, application, version string) slipway.Relative {
		return slipway.Relative{Application: application, Version: version, Digest: slipway.DigestOf([]byte(application + version)), State: slipway.ImageReady, Depth: depth}
	}
	base, shop, old, blog := relative(-1, "base", "1"), relative(1, "shop", "2"), relative(1, "shop", "1"), relative(2, "blog", "1")
	base.Channels = []string{"stable"}
	shop.Revoked = &slipway.Revocation{At: time.Date(2026, 3, 4, 5, 6, 0, 0, time.UTC), Reason: "broken"}
	old.Parent = &slipway.Outdated{Message: "parent is outdated: hello is now v2"}
	blog.State = slipway.ImageFailed
	return slipway.Ancestry{
		Ancestors: []slipway.Relative{{From: "debian:bookworm", Depth: -2}, base}, Image: relative(0, "hello", "v2"),
		Descendants: []slipway.Relative{shop, blog, old},
	}
}

func difference(older, newer slipway.Image) slipway.ImageDiff {
	state := func(mode string, size int64) *slipway.FileState {
		return &slipway.FileState{Type: "file", Mode: mode, Size: size}
	}
	return slipway.ImageDiff{
		Old: slipway.DiffSide{Application: "hello", Version: "v2", Digest: older.Digest, Size: 6_000_000},
		New: slipway.DiffSide{Application: "hello", Version: "v3", Digest: newer.Digest, Size: 6_200_000},
		Layers: []slipway.LayerDiff{
			{Kind: slipway.DiffRemoved, Step: "copy hello", Size: 6_000_000, Digest: older.Digest}, {Kind: slipway.DiffSame, Step: "debian bookworm", Size: 90_000_000},
			{Kind: slipway.DiffAdded, Step: "copy hello", Size: 6_200_000, Digest: newer.Digest},
		},
		Packages: []slipway.PackageDiff{{Kind: slipway.DiffAdded, Name: "curl", New: "7.88"}, {Kind: slipway.DiffChanged, Name: "nginx", Old: "1.22", New: "1.23"}, {Kind: slipway.DiffRemoved, Name: "perl", Old: "5.36"}},
		Files: []slipway.FileDiff{
			{Kind: slipway.DiffChanged, Path: "/etc/motd", Old: state("0644", 4), New: state("0600", 4), What: []string{"content", "mode"}, Text: "--- a/etc/motd\n+++ b/etc/motd\n@@ -1 +1 @@\n-one\n+two\n"},
			{Kind: slipway.DiffRemoved, Path: "/gone", Old: state("0644", 4)},
			{Kind: slipway.DiffAdded, Path: "/link", New: &slipway.FileState{Type: "symlink", Mode: "0777", Target: "hello"}},
		},
		Service:      []slipway.Change{{Input: "port", Old: "80", New: "8080"}, {Input: "env.LOG", New: "info"}},
		Environments: []slipway.Change{{Input: "prod.size.desired", Old: "2"}},
	}
}

func pruned(images []slipway.Image) slipway.Pruned {
	p := slipway.Pruned{DryRun: true, Freed: 12_000_000}
	for n, i := range images {
		p.Images = append(p.Images, slipway.PrunedImage{
			Application: "hello", Version: i.Version, Digest: i.Digest, State: i.State, Created: i.Created, Size: i.Size(), Removed: n == 2,
			Reasons: []string{[]string{"it is younger than 1 day", "channel stable names it", "it is not among the newest 1"}[n]},
		})
	}
	return p
}

func cacheReport(dry bool) slipway.CacheReport {
	return slipway.CacheReport{
		DryRun: dry, MaxBytes: 20e9, MaxAge: 720 * time.Hour, Bytes: 3_100_000_000, Layers: 12, CacheBytes: 400_000_000,
		RemovedLayers: 2, RemovedBlobs: 5, Freed: 20_000_000, Young: 1000,
	}
}
