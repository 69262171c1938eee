package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/slipway-sh/slipway"
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
	instances := []slipway.Instance{
		instance("i-1", "hello-prod-v001", v1, slipway.InstanceHealthy),
		instance("i-2", "hello-prod-v002", v2, slipway.InstanceHealthy),
		instance("i-3", "hello-prod-v002", v2, slipway.InstanceStarting),
		instance("i-4", "", v3, slipway.InstanceHealthy),
	}
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
	event := slipway.Event{Seq: 9, Time: time.Now(), Kind: slipway.DeploymentFinished, Message: "rolled back", Application: "hello", Deployment: "d-7"}
	items := func(v any) any { return map[string]any{"items": v} }
	mux := http.NewServeMux()
	for path, answer := range map[string]any{
		"GET /healthz":                map[string]any{"ready": true},
		"GET /v1/applications/hello":  spec,
		"GET /v1/images":              items(images),
		"GET /v1/images/hello/v1":     images[2],
		"GET /v1/images/hello/v2":     images[1],
		"GET /v1/images/hello/v3":     images[0],
		"GET /v1/clusters":            items([]slipway.ClusterStatus{status}),
		"GET /v1/clusters/hello/prod": status,
		"GET /v1/instances":           items(instances),
		"GET /v1/deployments":         items([]slipway.Deployment{deployment}),
		"GET /v1/events":              items([]slipway.Event{event}),
		"GET /v1/deployments/d-7":     deployment,
		"GET /v1/deployments/d-8":     slipway.Deployment{ID: "d-8", State: slipway.DeploymentRunning},
		"POST /v1/abort/d-8":          nil,
		"GET /v1/instances/i-2/logs":  "first\nlast\n",
		"POST /v1/deployments":        slipway.Errorf(slipway.Conflict, "cannot deploy hello to prod: d-8 is under way"),
		"POST /v1/rollbacks":          slipway.Errorf(slipway.Refused, "cannot roll back: there is nothing to roll back to"),
		"GET /":                       slipway.Errorf(slipway.NotFound, "cannot find it"),
		"POST /v1/abort/{id}":         slipway.Errorf(slipway.NotFound, "cannot find it"),
	} {
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
	return mux
}
