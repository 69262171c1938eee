package simulate

import (
	"context"
	"flag"
	"fmt"
	"os"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/check"
	"github.com/slipway-sh/slipway/provider/sim"
)

var rollouts = flag.Int("rollouts", 0, "how many rollouts there are to be at least")

// carriedOut counts the rollouts of this run.
var carriedOut int

func TestMain(m *testing.M) {
	flag.Parse()
	set := func(name, value string) {
		if err := flag.Set(name, value); err != nil {
			panic(err) // rapid has that flag
		}
	}
	if *rollouts > 0 { // of which a life has one at least
		set("rapid.checks", strconv.Itoa(*rollouts))
	} else if flag.Lookup("rapid.seed").Value.String() == "0" {
		set("rapid.seed", "1") // among the other tests, nothing is left to chance
	}
	debug.SetGCPercent(400) // a life makes much garbage, and keeps nothing
	code := m.Run()
	if carriedOut > 0 {
		fmt.Printf("%d rollouts simulated\n", carriedOut)
		if code == 0 && carriedOut < *rollouts {
			fmt.Printf("that is fewer than the %d that were wanted\n", *rollouts)
			code = 1
		}
	}
	os.Exit(code)
}

// TestRollouts draws random clusters, strategies, versions, faults, mishaps and commands, and checks the invariants after every step.
// The numbers are those of docs/reliability.md.
func TestRollouts(t *testing.T) {
	failed := false
	rapid.Check(t, func(r *rapid.T) {
		if *rollouts > 0 && carriedOut >= *rollouts && !failed { // what failed is looked into all the same
			return
		}
		defer func() { failed = failed || r.Failed() }()
		simulate(r)
	})
}

// simulate is one life of a cluster.
func simulate(r *rapid.T) {
	s := &story{T: r, Bed: NewBed(rapid.Uint64().Draw(r, "seed")), vetoed: map[slipway.Digest]bool{}}
	s.environment()
	s.World.Traffic(s.Cluster.String(), float64(rapid.SampledFrom([]int{0, 5, 200}).Draw(r, "requests per second")))
	s.World.Observe = s.observe
	s.Step = func(name string) {
		s.note("· %s", name)
		s.step = name
		s.consistent()
		s.useHands()
		s.remember()
	}
	s.deploy(true)
	for range rapid.IntRange(1, 3).Draw(r, "deployments") {
		s.Pass(rapid.SampledFrom([]time.Duration{0, time.Minute, time.Hour}).Draw(r, "pause"))
		if rapid.IntRange(0, 3).Draw(r, "kind") == 0 {
			s.rollback()
		} else {
			s.environment()
			s.deploy(false)
		}
	}
}

// story is what happens to one cluster, and what is known of it.
type story struct {
	*rapid.T
	*Bed
	env      slipway.Environment
	versions int
	vetoed   map[slipway.Digest]bool
	dark     bool // checks have no data
	haunted  bool // a mishap was planned, which may come in a later rollout
	workers  bool // there is no load balancer
	turned   bool // there was one, or there was none
	log      []string

	// Of the rollout under way:
	current   slipway.Deployment // as it was last stored
	step      string             // the activity
	before    photo
	capacity  int  // after the last change
	disturbed int  // machines that were lost by mishap or fault
	late      bool // changes may come later than they were made
	gentle    bool // the world does nothing by itself
	sound     bool // what served before could serve

	// By hand:
	planned  []hand
	steps    int               // of the rollout so far
	touched  bool              // something was done in this rollout
	owed     bool              // what people did may be carried out later than they did it
	disabled map[string]bool   // machines
	guarded  map[string]bool   // machines that are protected
	groupOf  map[string]string // of those that are there
}

// photo is what a cluster is like at one moment.
type photo struct {
	serving string
	route   string
	groups  map[string]slipway.Size
}

func (s *story) photo() photo {
	p := photo{serving: s.Serving(), route: s.Route(), groups: map[string]slipway.Size{}}
	for _, name := range s.World.Groups(s.Cluster) {
		g, _ := s.World.Group(name)
		p.groups[name] = g.Size
	}
	return p
}

func (s *story) note(format string, args ...any) {
	s.log = append(s.log, s.Now().Sub(began).String()+" "+fmt.Sprintf(format, args...))
}

func (s *story) fail(invariant, format string, args ...any) {
	s.Fatalf("invariant %s: %s\n%s", invariant, fmt.Sprintf(format, args...), strings.Join(s.log[max(0, len(s.log)-60):], "\n"))
}

// environment draws a policy.
func (s *story) environment() {
	r := s.T
	desired := rapid.IntRange(1, 5).Draw(r, "size")
	least := rapid.IntRange(0, desired).Draw(r, "min")
	e := slipway.Environment{
		Account: "local", Size: slipway.Size{Min: least, Desired: desired, Max: desired + 2}, Healthy: slipway.Duration(2 * time.Minute),
		LoadBalancer: &slipway.LoadBalancerSpec{Port: 8443},
	}
	if s.versions == 0 {
		s.workers = rapid.IntRange(0, 5).Draw(r, "workers") == 0
	} else if rapid.IntRange(0, 19).Draw(r, "turns into workers, or back") == 0 {
		s.workers, s.turned = !s.workers, true
	}
	if s.workers {
		e.LoadBalancer = nil
	}
	e.Strategy = s.strategy(e)
	if rapid.IntRange(0, 4).Draw(r, "hold") == 0 {
		e.Policy.OnFailure, e.Policy.Hold = slipway.FailureHold, slipway.Duration(10*time.Minute)
	}
	for range rapid.IntRange(0, 2).Draw(r, "checks") {
		c := slipway.Check{PromQL: &slipway.PromQLCheck{Query: "up"}, Interval: slipway.Duration(10 * time.Second)}
		c.When = []slipway.Phase{rapid.SampledFrom([]slipway.Phase{slipway.PhaseBefore, slipway.PhaseDuring, slipway.PhaseAfter}).Draw(r, "phase")}
		c.NoData = rapid.SampledFrom([]slipway.NoDataPolicy{"", slipway.NoDataFail, slipway.NoDataHold, slipway.NoDataPass}).Draw(r, "no data")
		e.Checks = append(e.Checks, c)
	}
	s.env = e
}

func (s *story) strategy(e slipway.Environment) slipway.Strategy {
	r := s.T
	watch := slipway.Duration(rapid.SampledFrom([]time.Duration{time.Second, 30 * time.Second, 10 * time.Minute}).Draw(r, "watch"))
	names := []slipway.StrategyName{"highlander", "redblack", "rolling-redblack", "rolling", "none"}
	if e.LoadBalancer != nil {
		names = append(names, "canary", "custom")
	}
	steps := func() []int {
		list := rapid.SliceOfNDistinct(rapid.IntRange(1, 99), 1, 3, rapid.ID).Draw(r, "steps")
		slices.Sort(list)
		return list
	}
	switch rapid.SampledFrom(names).Draw(r, "strategy") {
	case "highlander":
		return slipway.Strategy{Highlander: &slipway.Highlander{Watch: watch}}
	case "rolling-redblack":
		return slipway.Strategy{RollingRedBlack: &slipway.RollingRedBlack{Steps: steps(), Watch: watch, Wait: slipway.Duration(time.Minute)}}
	case "rolling":
		x := slipway.Rolling{Batch: slipway.Amount{N: rapid.IntRange(1, 3).Draw(r, "batch")}, Watch: watch}
		if rapid.Bool().Draw(r, "in place") {
			low, high := rapid.IntRange(0, 100).Draw(r, "min healthy"), rapid.IntRange(100, 200).Draw(r, "max healthy")
			x.MinHealthy, x.MaxHealthy = &low, &high
		}
		if rapid.Bool().Draw(r, "checkpoints") {
			x.Checkpoints = steps()
		}
		x.SkipMatched = rapid.Bool().Draw(r, "skip matched")
		return slipway.Strategy{Rolling: &x}
	case "canary":
		x := slipway.Canary{Steps: steps(), Interval: slipway.Duration(30 * time.Second), Watch: watch, Analysis: &slipway.Analysis{MinSamples: 5}}
		x.Replace = rapid.IntRange(0, 3).Draw(r, "replace") == 0
		x.Analysis.LowTraffic = rapid.SampledFrom([]slipway.LowTrafficPolicy{"", slipway.LowTrafficHold, slipway.LowTrafficPass}).Draw(r, "low traffic")
		if rapid.Bool().Draw(r, "fixed size") {
			x.Size = slipway.Amount{N: 1}
		}
		return slipway.Strategy{Canary: &x}
	case "custom":
		amount, weight, all, wait := slipway.Amount{N: 1}, rapid.IntRange(1, 99).Draw(r, "weight"), 100, slipway.Duration(time.Minute)
		list := []slipway.CustomStep{{Create: &amount}, {Weight: &weight}, {Wait: &wait}}
		if s.versions > 0 && rapid.Bool().Draw(r, "approve") { // nobody approves the first
			list = append(list, slipway.CustomStep{Approve: &slipway.ApproveStep{Expires: slipway.Duration(time.Hour)}})
		}
		return slipway.Strategy{Custom: &slipway.Custom{Steps: append(list, slipway.CustomStep{Weight: &all}), Watch: watch}}
	case "none":
		return slipway.Strategy{None: &slipway.NoTraffic{}}
	}
	keep := rapid.IntRange(0, 2).Draw(r, "keep")
	return slipway.Strategy{RedBlack: &slipway.RedBlack{Watch: watch, Keep: &keep}}
}

// image draws a version.
func (s *story) image(good bool) slipway.Digest {
	s.versions++
	b := sim.Behaviour{Launch: rapid.SampledFrom([]time.Duration{0, time.Second, 20 * time.Second}).Draw(s.T, "launch"), Latency: 20 * time.Millisecond}
	if !good {
		switch rapid.IntRange(0, 9).Draw(s.T, "version") {
		case 0:
			b.NeverHealthy = true
		case 1:
			b.CrashAfter = 40 * time.Second
		case 2:
			b.ErrorRate = 0.5
		case 3:
			b.BootFailures = 1
		case 4:
			b.SickAfter = time.Minute
		}
	}
	return s.Image(fmt.Sprintf("v%d %v", s.versions, b), b)
}

// disturb draws what goes wrong.
func (s *story) disturb() {
	odds := sim.Odds{Longest: 40 * time.Second, Most: 4}
	s.disturbed, s.late, s.gentle, s.dark = 0, false, !s.haunted, false
	kind := rapid.IntRange(0, 5).Draw(s.T, "faults")
	switch kind {
	case 1:
		odds.Throttled, odds.Lost = 0.1, 0.1
	case 2:
		odds.Throttled, odds.Lost, odds.Late = 0.05, 0.05, 0.1
		s.late = true
	case 3:
		odds.Short = 0.3
		s.gentle = false
	case 4:
		for range rapid.IntRange(1, 3).Draw(s.T, "mishaps") {
			m := sim.Mishap{
				Kind: rapid.SampledFrom(sim.Mishaps).Draw(s.T, "mishap"), Machine: rapid.IntRange(0, 4).Draw(s.T, "machine"),
				After: time.Duration(rapid.IntRange(0, 300).Draw(s.T, "seconds")) * time.Second,
				Group: s.Cluster.GroupName(rapid.IntRange(1, s.highest()+2).Draw(s.T, "group")),
			}
			s.note("planned: %s", m)
			s.World.Plan(m)
		}
		s.gentle, s.haunted = false, true
	case 5:
		s.dark = true
	}
	s.World.Fault = nil
	if kind > 0 && kind < 4 {
		s.World.Fault = sim.Random(rapid.Uint64().Draw(s.T, "fault seed"), odds)
	}
	s.Measure = func(c slipway.Check, sub check.Subject) slipway.Measurement {
		m := slipway.Measurement{Check: check.CheckName(c), Phase: sub.Phase, Outcome: slipway.OutcomePass}
		if s.dark {
			m.Outcome, m.Detail = slipway.OutcomeNoData, "nothing answers"
		}
		return m
	}
}

// highest returns the greatest number of a server group so far.
func (s *story) highest() int {
	most := 0
	for _, name := range s.World.Groups(s.Cluster) {
		if n, ok := slipway.GroupNumber(name); ok {
			most = max(most, n)
		}
	}
	return most
}

// tell draws what people say meanwhile.
func (s *story) tell() []*Telling {
	var list []*Telling
	verbs := append([]slipway.Verb{""}, slipway.Verbs...)
	for range rapid.IntRange(0, 3).Draw(s.T, "commands") {
		list = append(list, &Telling{
			After: time.Duration(rapid.IntRange(0, 600).Draw(s.T, "after")) * time.Second, Verb: rapid.SampledFrom(verbs).Draw(s.T, "verb"),
		})
	}
	// Whoever pauses resumes in the end.
	if slices.ContainsFunc(list, func(t *Telling) bool { return t.Verb == slipway.VerbPause }) {
		list = append(list, &Telling{After: 3 * time.Hour, Verb: slipway.VerbResume}, &Telling{After: 4 * time.Hour, Verb: slipway.VerbResume})
	}
	return list
}

func (s *story) deploy(first bool) {
	image := s.image(first || rapid.Bool().Draw(s.T, "good"))
	var told []*Telling
	s.World.Fault, s.Measure, s.gentle, s.late, s.dark = nil, nil, true, false, false
	s.planned = nil
	if !first {
		s.disturb()
		s.hands()
		told = s.tell()
		if len(s.before.groups) > 0 && rapid.IntRange(0, 9).Draw(s.T, "again") == 0 {
			if g, ok := s.World.Group(s.Serving()); ok {
				image = g.Image
			}
		}
	}
	s.begin("deploy by %s, %v", s.env.Strategy.Name(), told)
	env := s.env
	d, err := s.Deploy(slipway.DeployRequest{Image: string(image), Environment: &env}, told...)
	if slipway.CodeOf(err) == slipway.Refused && s.vetoed[image] {
		return
	}
	if err != nil {
		s.fail("none", "the workflow failed: %v", err)
	}
	if s.vetoed[image] {
		s.fail("8", "%s was rolled back, and is deployed again", image.Short())
	}
	s.ended(d)
	if first && d.State != slipway.DeploymentSucceeded {
		s.fail("none", "nothing went wrong, and it is %s: %v", d.State, d.Error)
	}
}

func (s *story) rollback() {
	s.disturb()
	s.hands()
	told := s.tell()
	s.begin("roll back, %v", told)
	left := s.before.serving
	d, err := s.Rollback(slipway.RollbackRequest{}, told...)
	switch slipway.CodeOf(err) {
	case "":
	case slipway.Refused, slipway.NotFound, slipway.Unavailable:
		return
	default:
		s.fail("none", "the workflow failed: %v", err)
	}
	s.ended(d)
	if d.State == slipway.DeploymentSucceeded && d.Source != left {
		s.fail("5", "it was rolled back from %s, and %s served", d.Source, left)
	}
}

func (s *story) begin(format string, args ...any) {
	s.World.Advance()
	s.before, s.capacity = s.photo(), s.serve()
	source, _ := s.World.Group(s.before.serving)
	s.current, s.sound = slipway.Deployment{}, s.capacity > 0 && (source.Name == "" || source.Ready() > 0)
	s.note("### "+format+", by hand %v", append(args, s.planned)...)
	s.note("%+v", s.before)
	carriedOut++
}

// observe is called after every change of the world.
func (s *story) observe(change string) {
	before := s.capacity
	s.capacity = s.serve()
	s.note("%s (capacity %d, route %s)", change, s.capacity, s.Route())
	method, _, _ := strings.Cut(change, " ")
	if group, destroyed := strings.CutPrefix(change, "DestroyServerGroup "); destroyed && !s.Following {
		s.destroying(group)
	}
	ours := slices.Contains([]string{"SetPool", "ResizeServerGroup", "DestroyServerGroup", "RemovePool"}, method)
	if !ours || s.Following {
		if s.capacity < before {
			s.disturbed += before - s.capacity
		}
		return
	}
	// 7. What is paused stands still, but that what failed meanwhile is taken back.
	if s.current.Paused != nil { // a step that was let go stores so before it changes anything
		s.current, _ = s.Store.Deployment(context.Background(), s.current.ID)
	}
	theirs := s.owed && strings.HasSuffix(change, ", late")
	if s.current.Paused != nil && s.current.State == slipway.DeploymentRunning && !theirs && !slices.Contains([]string{"RestoreSize", "RestoreRoute", "DestroyGroup"}, s.step) {
		s.fail("7", "%s in %s, and it is paused", change, s.step)
	}
	// 1. No step takes capacity below the guard.
	least := max(1, minHealthy(s.env))
	if s.turned {
		return // what served without a load balancer is not what serves behind it
	}
	if s.capacity < before && s.capacity < least && s.gentle && !s.late && s.current.Kind == slipway.KindDeploy && len(s.before.groups) > 0 && !s.restoring(change) {
		s.fail("1", "%s left %d machines to serve, and %d must", change, s.capacity, least)
	}
	if s.capacity == 0 && before > 0 && !s.late && s.disturbed == 0 && s.current.ID != "" && s.before.route != "" {
		s.fail("1", "%s left nothing to serve", change)
	}
}

// serve returns how many machines serve.
func (s *story) serve() int {
	if !s.workers {
		return s.World.Capacity(s.Cluster.String())
	}
	n := 0
	for _, name := range s.World.Groups(s.Cluster) {
		g, _ := s.World.Group(name)
		n += g.Healthy()
	}
	return n
}

// restoring reports whether the change takes back what the deployment made: what serves then is what served before, however little that was.
func (s *story) restoring(change string) bool {
	name, destroyed := strings.CutPrefix(change, "DestroyServerGroup ")
	_, there := s.before.groups[name]
	return s.current.State == slipway.DeploymentUndoing || destroyed && !there
}

func minHealthy(e slipway.Environment) int {
	if !e.Policy.MinHealthy.IsZero() {
		return e.Policy.MinHealthy.Of(e.Size.Desired)
	}
	return e.Size.Min
}

// consistent checks at every step what the records say against what is so.
func (s *story) consistent() {
	all, err := s.Store.Deployments(context.Background(), s.Cluster, 1)
	if err != nil || len(all) == 0 {
		return
	}
	s.current = all[0]
	d := s.current
	if d.State.Done() {
		return
	}
	// 3. What differs from how it was is in the ledger.
	owes := func(kind slipway.UndoKind, group string) bool {
		return slices.ContainsFunc(d.Undo, func(u slipway.Undo) bool { return u.Kind == kind && (group == "" || u.Group == group) })
	}
	now := s.photo()
	for name, size := range now.groups {
		was, there := s.before.groups[name]
		switch {
		case !there && name != d.Target && name != d.Baseline:
			s.fail("6", "%s is there, and nobody asked for it", name)
		case !there && len(d.Undo) > 0 && !owes(slipway.UndoDestroyGroup, name) && !s.protects(name):
			s.fail("3", "%s was made, and the ledger has %+v", name, d.Undo)
		case there && size.Desired < was.Desired && len(d.Undo) > 0 && name == d.Source && !owes(slipway.UndoResizeGroup, name):
			s.fail("3", "%s was shrunk, and the ledger has %+v", name, d.Undo)
		}
	}
	// 2. Whatever waits says for what, and when it moves by itself or what would move it.
	if w := d.Waiting; w != nil && (w.For == "" || w.Until.IsZero() && w.Unblocks == "") {
		s.fail("2", "it waits, and nobody knows until when: %+v", w)
	}
}

// ended checks how a rollout ended.
func (s *story) ended(d slipway.Deployment) {
	s.World.Fault = nil
	s.World.Advance()
	after := s.photo()
	s.note("ended as %s (%v): %+v", d.State, d.Error, after)
	s.kept()
	if !d.State.Done() {
		s.fail("2", "the workflow is over, and the record says %s", d.State)
	}
	if len(d.Undo) > 0 != (d.State == slipway.DeploymentNeedsAttention) {
		s.fail("3", "it is %s, and the ledger has %+v", d.State, d.Undo)
	}
	if d.State == slipway.DeploymentNeedsAttention && s.gentle && !s.late && s.sound {
		s.fail("4", "it could not be undone though nothing happened: %v", d.Error)
	}
	if d.State == slipway.DeploymentNeedsAttention && s.touched {
		s.haunted = true // what serves from then on may be what failed
	}
	undone := d.State == slipway.DeploymentRolledBack || d.State == slipway.DeploymentAborted
	if undone {
		for name := range after.groups {
			if _, there := s.before.groups[name]; !there && !s.protects(name) {
				s.fail("3", "%s is left of a deployment that is %s", name, d.State)
			}
		}
		if after.serving != s.before.serving {
			s.fail("5", "%s served before, and now %s", s.before.serving, after.serving)
		}
		if after.route != s.before.route {
			s.fail("3", "the route was %q, and is %q", s.before.route, after.route)
		}
		for name, size := range s.before.groups {
			if now, there := after.groups[name]; there && now != size {
				s.fail("3", "%s had the size %v, and has %v", name, size, now)
			}
		}
	}
	if d.State == slipway.DeploymentRolledBack && d.Kind == slipway.KindDeploy && d.Error != nil &&
		(d.Error.Code == slipway.Failed || d.Error.Code == slipway.DeadlinePast) {
		s.vetoed[d.Image] = true
	}
	if d.State == slipway.DeploymentSucceeded && d.Target != "" && d.Environment.Strategy.Name() != slipway.StrategyNone {
		if after.serving != d.Target {
			s.fail("5", "%s took over, and %s serves", d.Target, after.serving)
		}
		if size := after.groups[d.Target]; s.gentle && !s.late && size.Desired != d.Environment.Size.Desired {
			s.fail("1", "%s serves with the size %v, want %v", d.Target, size, d.Environment.Size)
		}
		if d.Baseline != "" {
			if _, there := after.groups[d.Baseline]; there && d.Kind == slipway.KindDeploy && s.gentle && !s.late {
				s.fail("3", "the baseline %s is left", d.Baseline)
			}
		}
		if s.dark && d.Kind == slipway.KindDeploy {
			s.measured(d)
		}
		if d.Kind == slipway.KindRollback && d.Source != "" {
			if g, ok := s.World.Group(d.Source); ok && g.Image != d.Image {
				s.vetoed[g.Image] = true
			}
		}
	}
}

// measured checks that a deployment that succeeded without data says so.
func (s *story) measured(d slipway.Deployment) {
	for _, c := range d.Environment.Checks {
		if c.In(slipway.PhaseDuring) || len(d.Flags) > 0 {
			continue // it may not have had the phase, or says what it went on without
		}
		s.fail("9", "check %s had no data, and the deployment succeeded in silence", check.CheckName(c))
	}
}
