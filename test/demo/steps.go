package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/test/daemon"
	"github.com/slipway-sh/slipway/test/load"
)

// The exit statuses of the command line that the demo expects.
const (
	exitGood       = 0
	exitRolledBack = 3
)

func (d *Demo) startSlipwayd(ctx context.Context) (string, error) {
	began := time.Now()
	if err := d.daemon.Start(ctx); err != nil {
		return "", err
	}
	return fmt.Sprintf("ready after %s", round(time.Since(began))), nil
}

func (d *Demo) shipSite(ctx context.Context) (string, error) {
	port, err := daemon.FreePort()
	if err != nil {
		return "", err
	}
	d.site = port
	dir := filepath.Join(d.options.Dir, "site")
	if err := os.CopyFS(dir, os.DirFS(filepath.Join(d.options.Examples, "site"))); err != nil {
		return "", err
	}
	manifest := filepath.Join(dir, "slipway.yaml")
	text, err := os.ReadFile(manifest)
	if err != nil {
		return "", err
	}
	text = []byte(strings.Replace(string(text), "{port: 8081}", fmt.Sprintf("{port: %d}", port), 1))
	if err := os.WriteFile(manifest, text, 0o644); err != nil {
		return "", err
	}
	if err := d.slipway(ctx, exitGood, "ship", "--file", manifest, "--version", "v1", siteDev.Environment); err != nil {
		return "", err
	}
	if err := d.answers(ctx, port, "Launched from a Slipway"); err != nil {
		return "", err
	}
	return "serves", nil
}

func (d *Demo) shipFirst(ctx context.Context) (string, error) {
	port, err := daemon.FreePort()
	if err != nil {
		return "", err
	}
	d.hello = port
	if err := d.ship(ctx, "v1", exitGood); err != nil {
		return "", err
	}
	d.load = load.Start(context.WithoutCancel(ctx), load.Options{URL: d.url(), Rate: d.options.Rate, Label: release})
	if err := d.load.Await(ctx, int64(d.options.Rate)); err != nil {
		return "", err
	}
	return d.serves(ctx, "v1")
}

func (d *Demo) shipSecond(ctx context.Context) (string, error) {
	if err := d.ship(ctx, "v2", exitGood); err != nil {
		return "", err
	}
	return d.serves(ctx, "v2")
}

// shipUnhealthy ships a release that passes its image's tests and never turns healthy in prod. It must not get one request.
func (d *Demo) shipUnhealthy(ctx context.Context) (string, error) {
	before := d.load.Counts()
	if err := d.ship(ctx, "v3", exitRolledBack); err != nil {
		return "", err
	}
	if n := d.load.Counts().Minus(before).Labels["v3"]; n > 0 {
		return "", fmt.Errorf("%d requests reached v3, which never was healthy", n)
	}
	if _, err := d.serves(ctx, "v2"); err != nil {
		return "", err
	}
	return "rolled back, no request reached v3", nil
}

// shipCrashing ships a release that passes every check before the traffic. Its crash falls into the watch time.
func (d *Demo) shipCrashing(ctx context.Context) (string, error) {
	before := d.load.Counts()
	if err := d.ship(ctx, "v4", exitRolledBack); err != nil {
		return "", err
	}
	n := d.load.Counts().Minus(before).Labels["v4"]
	if n == 0 {
		return "", fmt.Errorf("no request reached v4: it cannot have crashed under traffic")
	}
	if _, err := d.serves(ctx, "v2"); err != nil {
		return "", err
	}
	return fmt.Sprintf("rolled back after %d good answers of v4", n), nil
}

// shipThroughKill kills slipwayd at the moment the traffic has moved, the old machines not yet retired.
func (d *Demo) shipThroughKill(ctx context.Context) (string, error) {
	last, err := d.daemon.LastEvent(ctx)
	if err != nil {
		return "", err
	}
	if err := d.ship(ctx, "v5", exitGood, "--no-wait"); err != nil {
		return "", err
	}
	shifted, err := d.awaitShifted(ctx, last)
	if err != nil {
		return "", err
	}
	d.daemon.Kill()
	fmt.Fprintf(d.out, "   killed slipwayd with SIGKILL: %s\n", shifted.Message)
	if err := d.load.Await(ctx, int64(d.options.Rate)); err != nil {
		return "", fmt.Errorf("without slipwayd: %w", err)
	}
	fmt.Fprintf(d.out, "   %d more requests answered with no slipwayd\n", d.options.Rate)
	began := time.Now()
	if err := d.daemon.Start(ctx); err != nil {
		return "", err
	}
	fmt.Fprintf(d.out, "   slipwayd is back after %s\n", round(time.Since(began)))
	deployment, err := d.daemon.AwaitDeployment(ctx, shifted.Deployment)
	if err != nil {
		return "", err
	}
	if deployment.State != slipway.DeploymentSucceeded {
		return "", fmt.Errorf("deployment %s ended as %s: %w", deployment.ID, deployment.State, deployment.Error)
	}
	if _, err := d.serves(ctx, "v5"); err != nil {
		return "", err
	}
	return "finished by itself after the restart", nil
}

func (d *Demo) rollBack(ctx context.Context) (string, error) {
	last, err := d.daemon.LastEvent(ctx)
	if err != nil {
		return "", err
	}
	began := time.Now()
	if err := d.slipway(ctx, exitGood, "rollback", prod.Application, prod.Environment); err != nil {
		return "", err
	}
	shifted, err := d.awaitShifted(ctx, last)
	if err != nil {
		return "", err
	}
	if _, err := d.serves(ctx, "v2"); err != nil {
		return "", err
	}
	return fmt.Sprintf("all traffic back on v2 %s after the command", round(shifted.Time.Sub(began))), nil
}

// awaitShifted returns the event, after the last one, that says that all traffic of prod is on the new server group.
func (d *Demo) awaitShifted(ctx context.Context, last int64) (slipway.Event, error) {
	filter := slipway.EventFilter{After: last, Application: prod.Application, Environment: prod.Environment}
	event, err := d.daemon.Await(ctx, filter, func(e slipway.Event) bool {
		return e.Kind == slipway.DeploymentShifted || e.Kind == slipway.DeploymentFinished
	})
	if err == nil && event.Kind != slipway.DeploymentShifted {
		err = fmt.Errorf("the deployment ended before it moved the traffic: %s", event.Message)
	}
	return event, err
}

// ship ships a release of hello to prod with the real command line, which must end with the exit status.
func (d *Demo) ship(ctx context.Context, release string, exit int, flags ...string) error {
	manifest, err := d.daemon.Programs.WriteHello(filepath.Join(d.options.Dir, "hello", release), release,
		filepath.Join(d.options.Examples, "hello", "slipway.yaml"), func(s *slipway.Spec) {
			env := s.Environments[prod.Environment]
			env.LoadBalancer.Port = d.hello
			if release == "v3" { // never gets healthy, and is not to be waited for long
				env.Healthy = slipway.Duration(5 * time.Second)
			}
			s.Environments[prod.Environment] = env
		})
	if err != nil {
		return err
	}
	args := append([]string{"ship", "--file", manifest, "--version", release}, flags...)
	return d.slipway(ctx, exit, append(args, prod.Environment)...)
}

// slipway runs the command line, shows what it prints, and checks how it ends.
func (d *Demo) slipway(ctx context.Context, exit int, args ...string) error {
	shown := strings.ReplaceAll(strings.Join(args, " "), d.options.Dir+"/", "")
	fmt.Fprintf(d.out, "   $ slipway %s\n", shown)
	result, err := d.daemon.SlipwayTo(ctx, &margin{out: d.out}, args...)
	if err != nil {
		return err
	}
	return result.Wanted(exit)
}

// serves checks that what the load balancer sends to is the release: by the answers, and by what slipwayd says.
func (d *Demo) serves(ctx context.Context, release string) (string, error) {
	if err := d.answers(ctx, d.hello, "hello "+release+" from "); err != nil {
		return "", err
	}
	status, err := d.daemon.API.Cluster(ctx, prod)
	if err != nil {
		return "", err
	}
	for _, group := range status.Groups {
		if group.Name == status.Serving && group.Healthy() == 3 {
			return fmt.Sprintf("%s serves with %d machines", group.Name, group.Healthy()), nil
		}
	}
	return "", fmt.Errorf("no server group of 3 healthy machines serves: %+v", status)
}

// answers asks the load balancer on the port as often as there are machines behind it; every answer must contain the text.
func (d *Demo) answers(ctx context.Context, port int, text string) error {
	for range 3 {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://127.0.0.1:"+strconv.Itoa(port)+"/", nil)
		if err != nil {
			return err
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			return err
		}
		body, err := io.ReadAll(res.Body)
		res.Body.Close()
		if err != nil {
			return err
		}
		if res.StatusCode != http.StatusOK || !strings.Contains(string(body), text) {
			return fmt.Errorf("port %d answered %s %q, want %q", port, res.Status, body, text)
		}
	}
	return nil
}

func (d *Demo) url() string { return fmt.Sprintf("http://127.0.0.1:%d/", d.hello) }

// release finds v2 in "hello v2 from i-abc".
func release(body []byte) string {
	if words := strings.Fields(string(body)); len(words) > 1 {
		return words[1]
	}
	return "?"
}
