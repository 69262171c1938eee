package slipway

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
)

func TestError(t *testing.T) {
	err := Errorf(Conflict, "cannot listen on port %d: %w", 80, io.ErrClosedPipe)
	placed := err.At("environments.prod")
	wrapped := fmt.Errorf("deploy: %w", placed)
	if err.Place != "" || placed.Error() != "environments.prod: cannot listen on port 80: io: read/write on closed pipe" {
		t.Errorf("got %q, %q", err.Place, placed)
	}
	if !errors.Is(wrapped, io.ErrClosedPipe) || CodeOf(wrapped) != Conflict || MessageOf(wrapped) != placed.Error() {
		t.Errorf("got %v, %s, %s", wrapped, CodeOf(wrapped), MessageOf(wrapped))
	}
	if CodeOf(nil) != "" || MessageOf(nil) != "" {
		t.Error("nil has a code or a message")
	}
	if secret := errors.New("password"); CodeOf(secret) != Internal || strings.Contains(MessageOf(secret), "password") {
		t.Errorf("an internal error is shown as %s: %s", CodeOf(secret), MessageOf(secret))
	}
}

func TestDigest(t *testing.T) {
	empty := DigestOf(nil)
	if empty != "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" || empty.Short() != "e3b0c44298fc" || empty.Validate() != nil {
		t.Errorf("got %s, %s, %v", empty, empty.Short(), empty.Validate())
	}
	for _, d := range []Digest{"", "sha256:", Digest(empty.Hex()), empty + "0", Digest(strings.ToUpper(string(empty))), "sha512:" + Digest(empty.Hex()), "sha256:../../" + empty[13:]} {
		if CodeOf(d.Validate()) != Invalid {
			t.Errorf("%q is taken", d)
		}
	}
	if Digest("").Short() != "" {
		t.Error("no digest has digits")
	}
}

func TestNames(t *testing.T) {
	for name, ok := range map[string]bool{
		"a": true, "hello": true, "a-1": true, strings.Repeat("a", 32): true,
		"": false, "A": false, "1a": false, "-a": false, "a-": false, "a.b": false, "a/b": false, "ä": false, "a\n": false, strings.Repeat("a", 33): false,
	} {
		if err := ValidateName("application", name); (err == nil) != ok {
			t.Errorf("%q: %v", name, err)
		}
	}
}

func TestGroupNames(t *testing.T) {
	c := Cluster{"hello", "prod"}
	for _, n := range []int{1, 42, 999, 1000, 123456} {
		name := c.GroupName(n)
		if got, ok := GroupNumber(name); !ok || got != n {
			t.Errorf("%s: %d, %v", name, got, ok)
		}
	}
	if name := c.GroupName(7); name != "hello-prod-v007" {
		t.Errorf("got %s", name)
	}
	for _, name := range []string{"", "hello", "hello-prod-v1", "hello-prod-v0001234567", "-v001", "hello-prod-vabc", "hello-prod-v001x"} {
		if n, ok := GroupNumber(name); ok {
			t.Errorf("%q has number %d", name, n)
		}
	}
}

func TestEventFilter(t *testing.T) {
	e := Event{Seq: 5, Application: "hello", Environment: "prod", Execution: "x", Bake: "b", Deployment: "d"}
	for f, want := range map[EventFilter]bool{
		{}: true, {After: 4}: true, {After: 5}: false,
		{Application: "hello", Environment: "prod", Execution: "x", Bake: "b", Deployment: "d"}: true,
		{Application: "other"}: false, {Environment: "dev"}: false, {Execution: "y"}: false, {Bake: "c"}: false, {Deployment: "e"}: false,
	} {
		if f.Matches(e) != want {
			t.Errorf("%+v: %v", f, !want)
		}
	}
}

func TestDone(t *testing.T) {
	for what, done := range map[string]bool{
		"running bake": BakeRunning.Done(), "running deployment": DeploymentRunning.Done(), "running execution": ExecutionRunning.Done(),
	} {
		if done {
			t.Errorf("a %s is done", what)
		}
	}
	for what, done := range map[string]bool{
		"failed bake": BakeFailed.Done(), "aborted bake": BakeAborted.Done(), "good bake": BakeSucceeded.Done(),
		"good deployment": DeploymentSucceeded.Done(), "rolled back deployment": DeploymentRolledBack.Done(), "aborted deployment": DeploymentAborted.Done(), "deployment in need": DeploymentNeedsAttention.Done(),
		"good execution": ExecutionSucceeded.Done(), "failed execution": ExecutionFailed.Done(), "aborted execution": ExecutionAborted.Done(),
	} {
		if !done {
			t.Errorf("a %s is not done", what)
		}
	}
}

func TestCounts(t *testing.T) {
	g := ServerGroup{Instances: []Instance{{State: InstanceHealthy}, {State: InstanceStarting}, {State: InstanceHealthy}, {State: InstanceDead}}}
	if n := g.Healthy(); n != 2 {
		t.Errorf("%d are healthy", n)
	}
	if n := (Image{Layers: []LayerInfo{{Size: 1}, {Size: 2}}}).Size(); n != 3 {
		t.Errorf("size %d", n)
	}
}
