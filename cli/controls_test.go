package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/slipway-sh/slipway"
)

// busy is what slipwayd says of an application shop whose environment prod has a canary under way, others that wait, and restrictions.
func busy() map[string]any {
	ago := func(d time.Duration) time.Time { return time.Now().Add(-d) }
	in := ago(-6*time.Minute - 53*time.Second)
	v1, v2 := slipway.DigestOf([]byte("1")), slipway.DigestOf([]byte("2"))
	prod := slipway.Cluster{Application: "shop", Environment: "prod"}
	value := 0.0123456
	canary := slipway.Deployment{
		ID: "d-canary", Release: "r-1", Kind: slipway.KindDeploy, Cluster: prod, Image: v2, State: slipway.DeploymentRunning,
		Environment: slipway.Environment{Strategy: slipway.Strategy{Canary: &slipway.Canary{Steps: []int{5, 25}, Interval: slipway.Duration(10 * time.Minute)}}},
		Step:        "observing shop-prod-v002 at 25 % for 10m", Weight: 25, Source: "shop-prod-v001", Target: "shop-prod-v002", Baseline: "shop-prod-v003",
		Waiting: &slipway.Waiting{For: "time to pass", Unblocks: "slipway promote d-canary", Until: in, Then: "it goes to 100 %"},
		Undo: []slipway.Undo{
			{Kind: slipway.UndoDestroyGroup, Group: "shop-prod-v002"},
			{Kind: slipway.UndoDestroyGroup, Group: "shop-prod-v003"},
			{Kind: slipway.UndoRestoreRoute, Group: "shop-prod-v001", Route: &slipway.Route{Groups: []slipway.GroupRoute{{Group: "shop-prod-v001", Mode: slipway.Active}, {Group: "shop-prod-v000", Mode: slipway.Standby}}}},
			{Kind: slipway.UndoResizeGroup, Group: "shop-prod-v001", Size: slipway.Size{Min: 3, Desired: 3, Max: 3}},
		},
		Reason: "spring", By: "ann", Override: []string{"freeze f-aaaaaaaaaa (the sale): spring"}, Forced: "spring", Hotfix: true,
		Flags: []string{"check promql up has no data"},
		Measurements: []slipway.Measurement{
			{Check: "load_balancer errors", Phase: slipway.PhaseDuring, Time: ago(3 * time.Second), Outcome: slipway.OutcomePass, Value: &value, Detail: "below 0.02"},
			{Check: "webhook", Phase: slipway.PhaseBefore, Outcome: slipway.OutcomeNoData},
		},
		Verdicts: []slipway.Verdict{{
			Grade: slipway.GradePass, Score: 100, Canary: "shop-prod-v002", Control: "shop-prod-v003", From: ago(time.Hour), To: ago(time.Minute), Detail: "nothing is worse",
			Metrics: []slipway.MetricResult{{Name: "errors", Grade: slipway.GradePass, Critical: true, Canary: 0.01, Control: 0.01, Samples: [2]int{60, 60}, P: 1}},
		}},
		Started: ago(3 * time.Minute),
	}
	change := func(id string, f func(*slipway.Deployment)) slipway.Deployment {
		d := canary
		d.ID, d.Measurements, d.Verdicts, d.Flags, d.Override, d.Forced, d.Hotfix, d.Release = id, nil, nil, nil, nil, "", false, ""
		f(&d)
		return d
	}
	paused := change("d-paused", func(d *slipway.Deployment) {
		d.Paused = &slipway.Pause{Since: ago(2 * time.Minute), By: "bob", Reason: "lunch"}
		d.Waiting = &slipway.Waiting{For: "a person to resume it: it was paused by bob (lunch)", Unblocks: "slipway resume d-paused"}
	})
	approval := change("d-approval", func(d *slipway.Deployment) {
		d.Waiting = &slipway.Waiting{For: "approval: look at the numbers", Unblocks: "slipway approve d-approval, or slipway reject d-approval", Until: in, Then: "it is undone, as nobody approved"}
	})
	held := change("d-held", func(d *slipway.Deployment) {
		d.State, d.Error = slipway.DeploymentHeld, slipway.Errorf(slipway.Failed, "2 of 3 machines died")
		d.Waiting = &slipway.Waiting{For: "a person, as it failed: 2 of 3 machines died", Unblocks: "slipway retry d-held, or slipway abort d-held", Until: in, Then: "it is undone"}
	})
	queued := change("d-queued", func(d *slipway.Deployment) {
		d.State, d.Target, d.Source, d.Baseline, d.Weight, d.Undo, d.Step = slipway.DeploymentQueued, "", "", "", 0, nil, "waiting for its turn"
		d.Waiting = &slipway.Waiting{For: "another deployment of shop-prod to end", Unblocks: "its end; slipway abort ends either", Then: "it begins"}
	})
	working := change("d-working", func(d *slipway.Deployment) { d.Waiting, d.Deadline = nil, in })
	broken := change("d-broken", func(d *slipway.Deployment) {
		d.State, d.Error, d.Waiting, d.Finished = slipway.DeploymentNeedsAttention, slipway.Errorf(slipway.Unavailable, "cannot reach HAProxy"), nil, ago(time.Minute)
		d.Undo = d.Undo[:2]
	})
	good := change("d-good", func(d *slipway.Deployment) {
		d.State, d.Waiting, d.Undo, d.Shifted, d.Finished = slipway.DeploymentSucceeded, nil, nil, ago(2*time.Minute), ago(time.Minute)
	})
	freeze := slipway.Restriction{ID: "f-aaaaaaaaaa", Kind: slipway.RestrictionFreeze, Reason: "the sale", By: "ann", Since: ago(time.Hour), Until: in}
	pin := slipway.Restriction{ID: "p-aaaaaaaaaa", Kind: slipway.RestrictionPin, Cluster: prod, Image: v1, Reason: "audit", Since: ago(time.Hour)}
	veto := slipway.Restriction{ID: "v-aaaaaaaaaa", Kind: slipway.RestrictionVeto, Cluster: prod, Image: v2, Reason: "it was rolled back", Deployment: "d-7", Since: ago(time.Hour)}
	restrictions := []slipway.Restriction{freeze, pin, veto}
	release := slipway.Release{
		ID: "r-1", Environment: "prod", State: slipway.ReleaseRolledBack, By: "ann", Started: ago(time.Minute), Finished: ago(30 * time.Second),
		Error:   slipway.Errorf(slipway.Failed, "web failed\nmore of it"),
		Members: []slipway.ReleaseMember{{Application: "shop", Image: v2}, {Application: "web", Image: v1}},
	}
	next := slipway.Next{Restrictions: restrictions}
	for _, d := range []slipway.Deployment{canary, {ID: "d-hotfix", State: slipway.DeploymentQueued}, {ID: "d-queued", State: slipway.DeploymentQueued}} {
		next.Deployments = append(next.Deployments, slipway.NextDeployment{Placement: slipway.PlacementOf(d), Step: d.Step, Waiting: d.Waiting, Paused: d.Paused})
	}
	answers := map[string]any{
		"GET /v1/clusters/shop/prod/state": slipway.ClusterState{Cluster: prod, Condition: slipway.ConditionHealthy, Serving: "shop-prod-v001", Next: next},
		"GET /v1/applications/shop":        slipway.Spec{Application: "shop", Environments: map[string]slipway.Environment{"prod": {}}},
		"GET /v1/clusters/shop/prod": slipway.ClusterStatus{
			Cluster: prod, Serving: "shop-prod-v001", Deployment: &canary, Queued: []string{"d-hotfix", "d-queued"}, Restrictions: restrictions,
		},
		"GET /v1/images/shop/v1":                 slipway.Image{Digest: v1, Application: "shop", Version: "v1", State: slipway.ImageReady},
		"GET /v1/images/shop/v2":                 slipway.Image{Digest: v2, Application: "shop", Version: "v2", State: slipway.ImageReady},
		"GET /v1/restrictions":                   map[string]any{"items": restrictions},
		"POST /v1/restrictions":                  freeze,
		"DELETE /v1/restrictions/f-aaaaaaaaaa":   freeze,
		"DELETE /v1/restrictions/p-aaaaaaaaaa":   pin,
		"DELETE /v1/restrictions/v-aaaaaaaaaa":   veto,
		"DELETE /v1/restrictions/{id}":           slipway.Errorf(slipway.NotFound, "cannot find restriction"),
		"GET /v1/releases":                       map[string]any{"items": []slipway.Release{release}},
		"GET /v1/releases/r-1":                   release,
		"DELETE /v1/instances/i-1":               slipway.Errorf(slipway.Refused, "cannot terminate i-1: it is the last that serves; --force does it all the same"),
		"DELETE /v1/instances/i-2":               nil,
		"DELETE /v1/groups/shop-prod-v000":       nil,
		"POST /v1/deployments/d-canary/commands": canary,
		"POST /v1/deployments/d-good/commands":   slipway.Errorf(slipway.Conflict, "cannot pause d-good: it is over: succeeded"),
		"POST /v1/deployments/{id}/commands":     slipway.Errorf(slipway.NotFound, "cannot find deployment"),
		"POST /v1/deployments/{id}/retry":        slipway.Errorf(slipway.Conflict, "cannot retry d-good: it is succeeded"),
	}
	for _, d := range []slipway.Deployment{canary, paused, approval, held, queued, working, broken, good} {
		answers["GET /v1/deployments/"+d.ID] = d
	}
	return answers
}

// TestAsked sees what slipwayd is asked by commands that ask one thing.
func TestAsked(t *testing.T) {
	const shop = `"cluster":{"application":"shop","environment":"prod"}`
	for _, c := range []struct {
		args string // words that are separated by two blanks
		want string
	}{
		{"pause  d-1  --reason  lunch", `POST /v1/deployments/d-1/commands {"verb":"pause","reason":"lunch","by":"ann"}`},
		{"resume  d-1", `POST /v1/deployments/d-1/commands {"verb":"resume","by":"ann"}`},
		{"promote  d-1", `POST /v1/deployments/d-1/commands {"verb":"promote","by":"ann"}`},
		{"approve  d-1", `POST /v1/deployments/d-1/commands {"verb":"approve","by":"ann"}`},
		{"reject  d-1  --reason  too slow", `POST /v1/deployments/d-1/commands {"verb":"reject","reason":"too slow","by":"ann"}`},
		{"retry  d-1  --reason  again  --no-wait", `POST /v1/deployments/d-1/retry {"by":"ann","reason":"again"}`},
		{"freeze  --reason  sale", `POST /v1/restrictions {"kind":"freeze","cluster":{"application":"","environment":""},"reason":"sale","by":"ann"}`},
		{"freeze  shop  --reason  sale", `POST /v1/restrictions {"kind":"freeze","cluster":{"application":"shop","environment":""},"reason":"sale","by":"ann"}`},
		{"freeze  --env  prod  --reason  sale", `POST /v1/restrictions {"kind":"freeze","cluster":{"application":"","environment":"prod"},"reason":"sale","by":"ann"}`},
		{"freeze  shop  prod  --reason  sale", `POST /v1/restrictions {"kind":"freeze",` + shop + `,"reason":"sale","by":"ann"}`},
		{"pin  shop  prod  --reason  audit", `POST /v1/restrictions {"kind":"pin",` + shop + `,"reason":"audit","by":"ann"}`},
		{"pin  shop  prod  v1  --reason  audit", `POST /v1/restrictions {"kind":"pin",` + shop + `,"image":"v1","reason":"audit","by":"ann"}`},
		{"veto  shop  prod  v2  --reason  leaks", `POST /v1/restrictions {"kind":"veto",` + shop + `,"image":"v2","reason":"leaks","by":"ann"}`},
		{"unfreeze  f-aaaaaaaaaa  --reason  over", `DELETE /v1/restrictions/f-aaaaaaaaaa?by=ann&reason=over `},
		{"unfreeze  --reason  over", `DELETE /v1/restrictions/f-aaaaaaaaaa?by=ann&reason=over `},
		{"unpin  shop  prod  --reason  over", `DELETE /v1/restrictions/p-aaaaaaaaaa?by=ann&reason=over `},
		{"unveto  shop  prod  v2  --reason  over", `DELETE /v1/restrictions/v-aaaaaaaaaa?by=ann&reason=over `},
		{"terminate  i-2", `DELETE /v1/instances/i-2?by=ann `},
		{"terminate  i-2  --force  --reason  rooted", `DELETE /v1/instances/i-2?by=ann&force=true&reason=rooted `},
		{"group  destroy  shop-prod-v000  --force  --reason  rooted", `DELETE /v1/groups/shop-prod-v000?by=ann&force=true&reason=rooted `},
		{"release  prod  shop=v2  web=stable  --reason  spring  --no-wait", `POST /v1/releases {"environment":"prod","members":[{"application":"shop","image":"v2"},{"application":"web","image":"stable"}],"reason":"spring","by":"ann"}`},
		{"release  prod  shop=v2  --parallel  --no-wait", `POST /v1/releases {"environment":"prod","members":[{"application":"shop","image":"v2"}],"parallel":true,"by":"ann"}`},
		{"deploy  shop  prod  v2  --strategy  highlander  --on-conflict  queue  --no-wait", `POST /v1/deployments {` + shop + `,"image":"v2","strategy":{"highlander":{}},"on_conflict":"queue","by":"ann"}`},
		{"deploy  shop  prod  v2  --strategy  {\"canary\":{\"steps\":[10]}}  --no-wait", `POST /v1/deployments {` + shop + `,"image":"v2","strategy":{"canary":{"steps":[10]}},"by":"ann"}`},
		{"deploy  shop  prod  v2  --hotfix  --override  --force  --reason  on fire  --no-wait", `POST /v1/deployments {` + shop + `,"image":"v2","hotfix":true,"reason":"on fire","by":"ann","override":true,"force":true}`},
		{"rollback  shop  prod  --to  v1  --override  --force  --reason  on fire  --no-wait", `POST /v1/rollbacks {` + shop + `,"image":"v1","reason":"on fire","by":"ann","override":true,"force":true}`},
	} {
		t.Run(c.args, func(t *testing.T) {
			mux, asked := http.NewServeMux(), ""
			answers := busy()
			answers["POST /v1/deployments"], answers["POST /v1/rollbacks"] = slipway.Deployment{ID: "d-2"}, slipway.Deployment{ID: "d-2"}
			answers["POST /v1/releases"], answers["GET /v1/events"] = slipway.Release{ID: "r-2"}, map[string]any{"items": []any{}}
			answers["POST /v1/deployments/{id}/commands"], answers["POST /v1/deployments/{id}/retry"] = slipway.Deployment{ID: "d-1"}, slipway.Deployment{ID: "d-2"}
			answers["GET /v1/images"] = map[string]any{"items": []any{}}
			for path, answer := range answers {
				mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
					if r.Method != "GET" {
						body, _ := io.ReadAll(r.Body)
						asked += r.Method + " " + r.RequestURI + " " + string(body)
					}
					if answer != nil {
						json.NewEncoder(w).Encode(answer)
					}
				})
			}
			r := newRun(t, mux)
			env := r.f.Env
			r.f.Env = func(name string) string {
				if name == "SUDO_USER" {
					return "ann"
				}
				return env(name)
			}
			if exit := r.main(t, strings.Split(c.args, "  ")...); exit != exitGood || asked != c.want {
				t.Errorf("exit status %d, %s\nasked %s\nwant  %s", exit, r.errOut, asked, c.want)
			}
		})
	}
}

// A freeze that ends by itself ends as far from now as it was told to.
func TestFreezeFor(t *testing.T) {
	var req slipway.RestrictionRequest
	r := newRun(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == "POST" {
			json.NewDecoder(r.Body).Decode(&req)
		}
		fmt.Fprint(w, "{}")
	}))
	before := time.Now()
	if exit := r.main(t, "freeze", "--for", "2h", "--reason", "sale"); exit != exitGood {
		t.Fatalf("exit status %d, %s", exit, r.errOut)
	}
	if req.Until.Before(before.Add(2*time.Hour)) || req.Until.After(time.Now().Add(2*time.Hour)) {
		t.Errorf("until %s", req.Until)
	}
}

// Whoever waits for a deployment that waits for a person is told for what, until when, and what to do.
func TestWaitingForAPerson(t *testing.T) {
	for _, terminal := range []bool{false, true} {
		t.Run(fmt.Sprintf("terminal %v", terminal), func(t *testing.T) {
			s := newFake()
			r := newRun(t, s)
			r.f.Terminal = terminal
			go func() {
				s.change(func(s *fake) {
					s.tell(slipway.DeploymentStep, "observing")
					s.deployment.Waiting = &slipway.Waiting{For: "approval", Unblocks: "slipway approve d-1", Until: time.Now().Add(time.Hour), Then: "it is undone"}
					s.tell(slipway.DeploymentWaiting, "waiting for approval")
					s.events[len(s.events)-1].Data, _ = json.Marshal(s.deployment)
				})
				r.out.await("slipway deployment show d-1")
				s.change(func(s *fake) {
					s.tell(slipway.DeploymentCommand, "approve by ann")
					s.finishDeployment(slipway.DeploymentSucceeded)
				})
			}()
			if exit := r.main(t, "deploy", "hello", "prod", "v2"); exit != exitGood {
				t.Errorf("exit status %d: %s", exit, r.errOut)
			}
			wantIn(t, r.out.String(), "waiting for approval", "until "+time.Now().Add(time.Hour).Local().Format("2006-01-02"), "; then it is undone\n",
				"unblocked by: slipway approve d-1\n", "approve by ann")
		})
	}
}

func TestFollowDeployment(t *testing.T) {
	undone := func(s *fake) {
		s.deployment.Error = slipway.Errorf(slipway.Failed, "2 machines died")
		s.finishDeployment(slipway.DeploymentRolledBack)
	}
	for name, c := range map[string]struct {
		args     []string
		terminal bool
		end      func(*fake)
		exit     int
		out      []string
		errOut   string
	}{
		"in CI":          {[]string{"d-1"}, false, func(s *fake) { s.finishDeployment(slipway.DeploymentSucceeded) }, exitGood, []string{"\n\nd-1: deploy hello to prod", "state     succeeded\n"}, ""},
		"on a terminal":  {[]string{"d-1"}, true, func(s *fake) { s.finishDeployment(slipway.DeploymentSucceeded) }, exitGood, []string{up + erase + "d-1: ", "succeeded"}, ""},
		"it fails":       {[]string{"d-1"}, false, undone, exitRolledBack, []string{"rolled back"}, "d-1 failed and was rolled back"},
		"as JSON":        {[]string{"d-1", "--json"}, true, undone, exitRolledBack, []string{`"state":"running"`, `"state":"rolled_back"`}, `{"error":`},
		"of the cluster": {[]string{"hello", "prod"}, false, func(s *fake) { s.finishDeployment(slipway.DeploymentSucceeded) }, exitGood, []string{"d-1: deploy hello to prod"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := newFake()
			s.deployment.Step = "watching"
			r := newRun(t, s)
			r.f.Terminal = c.terminal
			go func() {
				r.out.await("watching")
				s.change(func(s *fake) { s.deployment.Step = "settling"; s.tell(slipway.DeploymentStep, "settling") })
				r.out.await("settling")
				s.change(c.end)
			}()
			if exit := r.main(t, append([]string{"deployment", "show", "--follow"}, c.args...)...); exit != c.exit {
				t.Errorf("exit status %d, want %d: %s", exit, c.exit, r.errOut)
			}
			wantIn(t, r.out.String(), c.out...)
			wantIn(t, r.errOut.String(), c.errOut)
		})
	}
}

// A deployment that is followed through a restart of slipwayd is followed on.
func TestFollowThroughRestart(t *testing.T) {
	s := newFake()
	s.deployment.Step = "watching"
	r := newRun(t, s)
	go func() {
		r.out.await("watching")
		s.change(func(s *fake) { s.down = true })
		s.change(func(s *fake) { s.down = false; s.finishDeployment(slipway.DeploymentSucceeded) })
	}()
	if exit := r.main(t, "deployment", "show", "d-1", "--follow"); exit != exitGood {
		t.Errorf("exit status %d: %s", exit, r.errOut)
	}
	wantIn(t, r.out.String(), "succeeded")
}

func TestRelease(t *testing.T) {
	for name, c := range map[string]struct {
		state  slipway.ReleaseState
		exit   int
		out    string
		errOut []string
	}{
		"succeeds":        {slipway.ReleaseSucceeded, exitGood, "prod: hello e3b0c44298fc, web e3b0c44298fc serve after ", nil},
		"is rolled back":  {slipway.ReleaseRolledBack, exitRolledBack, "", []string{"prod: r-1 failed and was rolled back; every application is as before\n  web failed\n"}},
		"is aborted":      {slipway.ReleaseAborted, exitAborted, "", []string{"prod: r-1 was aborted; every application is as before"}},
		"needs attention": {slipway.ReleaseNeedsAttention, exitAttention, "", []string{"could not be undone; look at it now", "\n  hello is not as before: slipway deployment show d-1\n"}},
	} {
		t.Run(name, func(t *testing.T) {
			s := newFake()
			s.tell(slipway.DeploymentStep, "what was long ago")
			r := newRun(t, s)
			end := func(s *fake) {
				s.release.State, s.release.Finished = c.state, time.Now()
				if c.state != slipway.ReleaseSucceeded {
					s.release.Error = slipway.Errorf(slipway.Failed, "web failed")
				}
				s.release.Members[0].Deployment = "d-1"
				if c.state == slipway.ReleaseNeedsAttention {
					s.release.Members[0].State = slipway.DeploymentNeedsAttention
				}
				for _, id := range []string{"r-0", "r-1"} { // another release of the environment ends, too
					s.tell(slipway.ReleaseFinished, "the end of "+id)
					s.events[len(s.events)-1].Data, _ = json.Marshal(slipway.Release{ID: id})
				}
			}
			s.accepted = func(s *fake) {
				s.deployment.Release = "r-1"
				s.tell(slipway.BakeStarted, "what is not about it")
				s.tell(slipway.DeploymentStep, "watching hello")
			}
			go func() {
				r.out.await("watching hello")
				s.change(end)
			}()
			if exit := r.main(t, "release", "prod", "hello=v2", "web=v3"); exit != c.exit {
				t.Errorf("exit status %d, want %d: %s", exit, c.exit, r.errOut)
			}
			wantIn(t, r.out.String(), "the end of r-1", c.out)
			wantIn(t, r.errOut.String(), c.errOut...)
			for _, not := range []string{"long ago", "not about it", "r-0"} {
				if strings.Contains(r.out.String(), not) {
					t.Errorf("it tells of what has nothing to do with it: %s", r.out)
				}
			}
		})
	}
}

// A retry of what was held does not tell again what had happened before.
func TestRetryWaits(t *testing.T) {
	s := newFake()
	s.tell(slipway.DeploymentStep, "what was before")
	r := newRun(t, s)
	s.accepted = func(s *fake) { s.tell(slipway.DeploymentStep, "replacing machines") } // it is the same deployment that goes on
	go func() {
		r.out.await("replacing machines")
		s.change(func(s *fake) { s.finishDeployment(slipway.DeploymentSucceeded) })
	}()
	if exit := r.main(t, "retry", "d-1"); exit != exitGood {
		t.Errorf("exit status %d: %s", exit, r.errOut)
	}
	wantIn(t, r.out.String(), "serves 100 %")
	if strings.Contains(r.out.String(), "what was before") {
		t.Errorf("told again: %s", r.out)
	}
}

func TestSpans(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0s", 45 * time.Second: "45s", time.Minute: "1m", 413 * time.Second: "6m53s", 2*time.Hour + 3*time.Minute + 4*time.Second: "2h3m",
		24 * time.Hour: "1d", 76 * time.Hour: "3d4h", 59*time.Second + 600*time.Millisecond: "1m",
	} {
		if got := span(d); got != want {
			t.Errorf("%s: %s, want %s", d, got, want)
		}
	}
	now := time.Date(2026, 3, 4, 5, 6, 7, 0, time.Local)
	for d, want := range map[time.Duration]string{time.Minute: "(in 1m)", -time.Hour: "(1h ago)", 0: "(now)"} {
		if got := moment(now.Add(d), now); !strings.HasPrefix(got, now.Add(d).Format("2006-01-02 15:04:05")) || !strings.HasSuffix(got, want) {
			t.Errorf("%s: %s, want %s", d, got, want)
		}
	}
}

// Every verb that is in a group of verbs is shown by help, and every command says what it is for.
func TestHelpIsThere(t *testing.T) {
	root := newRoot(newRun(t, newFake()).f)
	var names []string
	for _, c := range root.Commands() {
		names = append(names, c.Name())
		if c.Short == "" || c.GroupID != "" && c.Example == "" && !c.HasSubCommands() {
			t.Errorf("%s has no short help or no example", c.Name())
		}
	}
	for _, want := range []string{"pause", "resume", "promote", "approve", "reject", "retry", "abort", "freeze", "unfreeze", "pin", "unpin", "veto", "unveto",
		"restrictions", "release", "releases", "terminate", "group", "deployment"} {
		if !slices.Contains(names, want) {
			t.Errorf("there is no %s", want)
		}
	}
}
