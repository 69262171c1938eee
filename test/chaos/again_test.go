package chaos

import (
	"errors"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/client"
	"github.com/slipway-sh/slipway/test/daemon"
)

// TestUnansweredRequest kills slipwayd once it has durably accepted a deployment, and before it could answer who asked for it: that client
// asks the next slipwayd again with the same key, is answered with the very deployment, and there is one.
func TestUnansweredRequest(t *testing.T) {
	t.Parallel()
	r := newDaemon(t)
	if err := r.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	port, err := daemon.FreePort()
	if err != nil {
		t.Fatal(err)
	}
	change := func(s *slipway.Spec) {
		env := s.Environments[prod.Environment]
		env.Size, env.LoadBalancer.Port = slipway.Size{Min: 1, Desired: 1, Max: 1}, port
		env.Strategy = quick(slipway.Strategy{RedBlack: &slipway.RedBlack{}})
		s.Environments[prod.Environment] = env
	}
	r.Must(t, 0, "ship", "--file", r.HelloForTest(t, "v1", change), "--version", "v1", prod.Environment)
	r.Must(t, 0, "bake", "--file", r.HelloForTest(t, "v2", change), "--version", "v2")

	before := r.ids()
	if err := os.WriteFile(r.killFile(), []byte("deploy:RecordSource#1/before"), 0o600); err != nil { // its first step: it is accepted, and nobody was told
		t.Fatal(err)
	}
	c, err := client.New(r.Address())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	ask := func() (slipway.Deployment, error) {
		return c.Deploy(client.WithKey(t.Context(), "once-and-no-more"), slipway.DeployRequest{Cluster: prod, Image: "v2"})
	}
	c.RetryFor = 0
	if d, err := ask(); !errors.Is(err, client.ErrUnanswered) {
		t.Fatalf("%s, %v; slipwayd was to die before it answered", d.ID, err)
	}
	<-r.Exited()
	if err := r.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	c.RetryFor = time.Minute // the claim of the slipwayd that died lasts a few seconds
	d, err := ask()
	if err != nil {
		t.Fatalf("asked again: %v", err)
	}
	if again, err := ask(); err != nil || again.ID != d.ID {
		t.Errorf("once it was answered: %s, %v, want %s", again.ID, err, d.ID)
	}
	if d = r.await("asked again", d.ID, ended); d.State != slipway.DeploymentSucceeded {
		t.Errorf("%s, %v", d.State, d.Error)
	}
	made := slices.DeleteFunc(r.ids(), func(id string) bool { return slices.Contains(before, id) })
	if !slices.Equal(made, []string{d.ID}) {
		t.Errorf("there are %q, want %s alone", made, d.ID)
	}
}
