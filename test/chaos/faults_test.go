package chaos

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/promql/promtest"
	"github.com/slipway-sh/slipway/test/daemon"
)

// fault is something that breaks while a deployment is at a step.
type fault struct {
	name, during string
	strategy     func() slipway.Strategy
	at           string       // the step, as the record has it
	arm          func(r *rig) // before the deployment begins; may be nil
	breaks       func(r *rig, d slipway.Deployment) error
	states       []slipway.DeploymentState // in one of which it may end
	kept         int                       // groups that are kept beside the one that serves, if it succeeded
	daily        bool                      // part of the share for every day
	lossless     bool                      // no request may fail
}

const (
	succeeded  = slipway.DeploymentSucceeded
	rolledBack = slipway.DeploymentRolledBack
)

var (
	goesOn   = []slipway.DeploymentState{succeeded}
	goesBack = []slipway.DeploymentState{rolledBack}
	either   = []slipway.DeploymentState{succeeded, rolledBack} // it depends on which step wants something first
)

// watched returns redblack with a watch that is long enough for something to break in it.
func watched() slipway.Strategy {
	return slipway.Strategy{RedBlack: &slipway.RedBlack{Watch: slipway.Duration(4 * time.Second)}}
}

func observed() slipway.Strategy { return quick(canary(3 * time.Second)) }

func stepped() slipway.Strategy { return quick(rolling(3 * time.Second)) }

var faults = []fault{
	{
		name: "HAProxy's master", during: "redblack watches", strategy: watched, at: "watching", states: goesOn, kept: 1, daily: true,
		breaks: func(r *rig, _ slipway.Deployment) error { return r.killHAProxy(true) },
	},
	{
		name: "HAProxy's worker", during: "redblack watches", strategy: watched, at: "watching", states: goesOn, kept: 1, daily: true,
		breaks: func(r *rig, _ slipway.Deployment) error { return r.killHAProxy(false) },
	},
	{
		name: "HAProxy's master, with slipwayd", during: "a canary is observed", strategy: observed, at: "observing", states: goesOn, kept: 1,
		breaks: func(r *rig, _ slipway.Deployment) error {
			r.Kill()
			return r.restartAfter(r.killHAProxy(true))
		},
	},
	{
		name: "a machine of the new group", during: "redblack watches", strategy: watched, at: "watching", states: goesBack, daily: true,
		breaks: func(r *rig, d slipway.Deployment) error { return r.killMachines(d.Target, 1) },
	},
	{
		name: "all machines of the new group", during: "redblack watches", strategy: watched, at: "watching", states: goesBack,
		breaks: func(r *rig, d slipway.Deployment) error { return r.killMachines(d.Target, machines) },
	},
	{
		name: "a machine of the new group, with slipwayd down", during: "redblack watches", strategy: watched, at: "watching", states: goesBack,
		breaks: func(r *rig, d slipway.Deployment) error {
			ids, err := r.instances(d.Target)
			if err != nil {
				return err
			}
			r.Kill()
			return r.restartAfter(r.KillMachine(r.t.Context(), ids[0]))
		},
	},
	{
		name: "a machine of the new group", during: "a canary is observed", strategy: observed, at: "observing", states: goesBack,
		breaks: func(r *rig, d slipway.Deployment) error { return r.killMachines(d.Target, 1) },
	},
	{
		name: "a machine of the new group", during: "rolling waits at its checkpoint", strategy: stepped, at: "watching", states: goesBack,
		breaks: func(r *rig, d slipway.Deployment) error { return r.killMachines(d.Target, 1) },
	},
	{
		name: "a machine of the old group", during: "a canary is observed", strategy: observed, at: "observing", states: goesOn, kept: 1, daily: true,
		breaks: func(r *rig, d slipway.Deployment) error { return r.killMachines(d.Source, 1) },
	},
	{
		name: "a machine of the old group", during: "rolling waits at its checkpoint", strategy: stepped, at: "watching", states: goesOn,
		breaks: func(r *rig, d slipway.Deployment) error { return r.killMachines(d.Source, 1) },
	},
	{
		name: "the disk is full for 3 s", during: "redblack watches and settles", at: "watching", states: either, kept: 1, daily: true, lossless: true,
		strategy: func() slipway.Strategy {
			return slipway.Strategy{RedBlack: &slipway.RedBlack{Watch: slipway.Duration(time.Second)}}
		},
		breaks: func(r *rig, _ slipway.Deployment) error { return r.fillDisk(3 * time.Second) },
	},
	{
		name: "the disk is full for 6 s", during: "a canary is observed and judged", strategy: observed, at: "observing",
		states: either, kept: 1, lossless: true,
		breaks: func(r *rig, _ slipway.Deployment) error { return r.fillDisk(6 * time.Second) },
	},
	{
		name: "Prometheus stops, and comes back", during: "redblack watches", strategy: watched, at: "waiting until",
		states: goesOn, kept: 1, daily: true, lossless: true,
		arm: asksPrometheus, breaks: func(r *rig, d slipway.Deployment) error {
			r.prometheus.Stop()
			r.await("wait for data", d.ID, at("waiting for data"))
			return r.prometheus.Start(r.t.Context())
		},
	},
	{
		name: "Prometheus stops for good", during: "redblack watches", strategy: watched, at: "waiting until", states: goesBack, lossless: true,
		arm: func(r *rig) {
			asksPrometheus(r)
			r.env.Healthy = slipway.Duration(3 * time.Second)
		},
		breaks: func(r *rig, _ slipway.Deployment) error { r.prometheus.Stop(); return nil },
	},
}

// TestFaults breaks what a rollout works with, one thing a deployment. It must end as it should after that, and leave nothing.
func TestFaults(t *testing.T) {
	if *record != "" {
		t.Skip("histories are recorded")
	}
	t.Parallel()
	for _, f := range faults {
		if !f.daily && !*all {
			continue
		}
		t.Run(f.name+" while "+f.during, func(t *testing.T) {
			t.Parallel()
			r := newDaemon(t)
			if strings.Contains(f.name, "disk") {
				r.ontoSmallDisk()
			}
			if err := r.Start(t.Context()); err != nil {
				t.Fatal(err)
			}
			r.serve()
			f.strike(r)
		})
	}
}

func (f fault) strike(r *rig) {
	if f.arm != nil {
		f.arm(r)
	}
	served, before := r.cluster(), r.requests.Counts()
	d := r.deploy(func(env *slipway.Environment) { env.Strategy = f.strategy() })
	if d = r.await("come to the step", d.ID, at(f.at)); ended(d) {
		r.t.Fatalf("it was %s before anything broke: %v", d.State, d.Error)
	}
	began := time.Now()
	if err := f.breaks(r, d); err != nil {
		r.t.Fatal(err)
	}
	d = r.await("end", d.ID, ended)
	took := time.Since(began)
	want := end{states: f.states, release: r.serving, serving: served.Serving, groups: len(served.Groups)}
	if d.State == succeeded {
		want.release, want.serving, want.groups = r.other(), d.Target, 1+f.kept
	}
	for _, wrong := range r.settles(d, want) {
		r.t.Error(wrong)
	}
	counts, why := r.failed(before)
	if f.lossless && counts.Failed > 0 {
		r.t.Errorf("%d of %d requests failed: %v", counts.Failed, counts.Sent, why)
	}
	if d.State == rolledBack && d.Error.Code == slipway.Failed { // it was the image's fault, and not what could not be measured or stored
		again, err := r.API.Deploy(r.t.Context(), slipway.DeployRequest{Cluster: prod, Image: r.other()})
		if slipway.CodeOf(err) != slipway.Refused {
			r.t.Errorf("8: what was rolled back is deployed again, as %s: %v", again.ID, err)
		}
	}
	// It is over for good: from here on nothing fails.
	after := r.requests.Counts()
	if err := r.requests.Await(r.t.Context(), rate/2); err != nil {
		r.t.Fatal(err)
	}
	if c, why := r.failed(after); c.Failed > 0 {
		r.t.Errorf("%d of %d requests failed when all was over: %v", c.Failed, c.Sent, why)
	}
	r.t.Logf("%s after %s, %d of %d requests failed: %v %v", d.State, took.Round(time.Millisecond), counts.Failed, counts.Sent, d.Error, why)
	found.broke(faultRow{fault: f.name, during: f.during, outcome: said(d), sent: counts.Sent, failed: counts.Failed, took: took})
}

// machine is how a failure names one of the new group's.
var machine = regexp.MustCompile(`machine i-\w+ of [\w-]+`)

// said returns how the deployment ended, and why, if not well.
func said(d slipway.Deployment) string {
	text := strings.ReplaceAll(string(d.State), "_", " ")
	if d.Error == nil {
		return text
	}
	why, _, _ := strings.Cut(strings.TrimPrefix(d.Error.Message, "cannot deploy hello to prod: "), "\n")
	why, _, _ = strings.Cut(why, " (")
	return text + ": " + strings.ReplaceAll(machine.ReplaceAllString(why, "a machine"), "|", "\\|")
}

// settles is as amiss, but gives what was lost the time to be replaced.
func (r *rig) settles(d slipway.Deployment, want end) (wrong []string) {
	for deadline := time.Now().Add(30 * time.Second); ; {
		if wrong = r.amiss(d, want); len(wrong) == 0 || time.Now().After(deadline) {
			return wrong
		}
	}
}

// restartAfter starts slipwayd again, if what was done while it was down was done.
func (r *rig) restartAfter(err error) error {
	if err != nil {
		return err
	}
	return r.Start(r.t.Context())
}

func (r *rig) instances(group string) ([]string, error) {
	for _, g := range r.cluster().Groups {
		if g.Name == group {
			var ids []string
			for _, i := range g.Instances {
				ids = append(ids, i.ID)
			}
			return ids, nil
		}
	}
	return nil, fmt.Errorf("there is no group %s", group)
}

// killMachines kills n machines of the group.
func (r *rig) killMachines(group string, n int) error {
	ids, err := r.instances(group)
	if err != nil || len(ids) < min(n, 1) {
		return fmt.Errorf("cannot kill %d machines of %v: %w", n, ids, err)
	}
	rand.Shuffle(len(ids), func(i, j int) { ids[i], ids[j] = ids[j], ids[i] })
	for _, id := range ids[:min(n, len(ids))] {
		if err := r.KillMachine(r.t.Context(), id); err != nil {
			return err
		}
	}
	return nil
}

// killHAProxy kills the master, or else the worker.
func (r *rig) killHAProxy(master bool) error {
	parents := map[int]int{}
	entries, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		return err
	}
	for _, entry := range entries {
		var pid, parent int
		stat, err := os.ReadFile(filepath.Join(entry, "stat"))
		if err != nil {
			continue
		}
		_, rest, _ := strings.Cut(string(stat), ") ")
		cwd, _ := os.Readlink(filepath.Join(entry, "cwd"))
		if fmt.Sscanf(rest, "%1s %d", new(string), &parent); !strings.Contains(string(stat), "(haproxy)") || !strings.HasPrefix(cwd, r.Data+"/") {
			continue
		}
		fmt.Sscanf(filepath.Base(entry), "%d", &pid)
		parents[pid] = parent
	}
	for pid, parent := range parents {
		if _, worker := parents[parent]; worker != master {
			return syscall.Kill(pid, syscall.SIGKILL)
		}
	}
	return fmt.Errorf("cannot find it among %v", parents)
}

// smallDisk is the size of a disk that is to be filled, in MiB.
const smallDisk = 256

// ontoSmallDisk moves the rig, before it is started, onto a file system of its own.
func (r *rig) ontoSmallDisk() {
	r.t.Helper()
	dir, err := os.MkdirTemp("/tmp", "sw") // t.TempDir is too long for sockets
	if err != nil {
		r.t.Fatal(err)
	}
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%dm", smallDisk)); err != nil {
		r.t.Fatal(err)
	}
	d, err := daemon.New(r.Programs, filepath.Join(dir, "d"))
	if err != nil {
		r.t.Fatal(err)
	}
	if err := os.Symlink(filepath.Join(r.t.TempDir(), "log"), d.LogPath()); err != nil { // it has space
		r.t.Fatal(err)
	}
	r.Daemon = d
	r.t.Cleanup(func() {
		if r.t.Failed() {
			r.t.Logf("the last lines of slipwayd's log:\n%s", d.LogTail(60))
		}
		if err := d.Destroy(); err != nil {
			r.t.Error(err)
			return
		}
		if err := unix.Unmount(dir, 0); err != nil {
			r.t.Error(err)
		}
		os.RemoveAll(dir)
	})
}

// fillDisk leaves no space on the rig's disk, makes some again after a while, and starts slipwayd if it could not go on.
func (r *rig) fillDisk(long time.Duration) error {
	ballast := filepath.Join(filepath.Dir(r.Data), "ballast")
	file, err := os.Create(ballast)
	if err != nil {
		return err
	}
	defer file.Close()
	for chunk := make([]byte, 1<<20); ; {
		_, err := file.Write(chunk)
		switch {
		case err == nil:
			continue
		case len(chunk) > 1:
			chunk = chunk[:len(chunk)/2]
			continue
		}
		break
	}
	ctx, cancel := context.WithTimeout(r.t.Context(), long)
	defer cancel()
	select {
	case <-r.Exited():
		r.t.Log("slipwayd ended, as the disk was full")
	case <-ctx.Done():
	}
	if err := os.Remove(ballast); err != nil {
		return err
	}
	if log := r.LogTail(1000); !strings.Contains(log, "no space left") && !strings.Contains(log, "is full") {
		return errors.New("nothing that slipwayd did wanted space")
	}
	select {
	case <-r.Exited():
		return r.Start(r.t.Context())
	default:
		return nil
	}
}

// asksPrometheus has the deployment ask a Prometheus after all traffic has moved.
func asksPrometheus(r *rig) {
	r.prometheus = promtest.Start(r.t)
	one := 1.0
	r.env.Prometheus = r.prometheus.URL
	r.env.Checks = append(slices.Clone(r.env.Checks), slipway.Check{
		PromQL: &slipway.PromQLCheck{Query: "vector(1)", Min: &one}, When: []slipway.Phase{slipway.PhaseAfter},
		Interval: slipway.Duration(200 * time.Millisecond),
	})
}
