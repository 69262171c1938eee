package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/container"
	"github.com/slipway-sh/slipway/image"
	"github.com/slipway-sh/slipway/provider/local"
	"github.com/slipway-sh/slipway/rootfs"
	"github.com/slipway-sh/slipway/test/daemon"
)

// measureLaunch measures the way from the order for a machine to its first HTTP answer, beside a bare `runc run`, on the
// host's network, of a directory with the same program.
func (b *bench) measureLaunch(ctx context.Context) (err error) {
	// It is laid out as slipwayd's data directory, so that `slipwayd destroy` can take it down.
	owner, err := daemon.New(b.programs, filepath.Join(b.dir, "l"))
	if err != nil {
		return err
	}
	dir := owner.Data
	defer func() { err = errors.Join(err, owner.Destroy()) }()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "slipwayd.lock"), nil, 0o600); err != nil {
		return err
	}
	digest, store, err := b.helloImage(ctx, filepath.Join(dir, "images"))
	if err != nil {
		return err
	}
	mounts := rootfs.New(filepath.Join(dir, "mounts"), store)
	provider, err := local.New(ctx, local.Config{
		Dir: filepath.Join(dir, "local"), Images: store, Mounts: mounts,
		AgentPath: filepath.Join(string(b.programs), "slipway-agent"), Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, provider.Close(context.WithoutCancel(ctx))) }()
	bare, err := b.bareBundle(filepath.Join(b.dir, "bare"))
	if err != nil {
		return err
	}

	var machines, bares []time.Duration
	for i := range b.runs + 1 { // the first of each, which warms up, does not count
		machine, err := launchOnce(ctx, provider, digest, "i-bench"+strconv.Itoa(i))
		if err != nil {
			return err
		}
		alone, err := bare.once(ctx, "bench"+strconv.Itoa(i))
		if err != nil {
			return err
		}
		if i > 0 {
			machines, bares = append(machines, machine), append(bares, alone)
		}
	}
	b.millis("launch of a machine to its first HTTP answer", machines, "bare runc run", bares, "ratio", 2)
	return nil
}

// helloImage makes an image of hello v1 without a bakery.
func (b *bench) helloImage(ctx context.Context, dir string) (slipway.Digest, *image.Store, error) {
	store, err := image.Open(dir)
	if err != nil {
		return "", nil, err
	}
	program, err := os.ReadFile(b.programs.Hello("v1"))
	if err != nil {
		return "", nil, err
	}
	layer, size, err := store.WriteLayer(ctx, nil, func(l *image.Layer) error {
		return l.AddFile("/hello", image.Attr{Mode: 0o755}, program)
	})
	if err != nil {
		return "", nil, err
	}
	digest, err := store.WriteImage(ctx, slipway.Image{
		Application: "hello", From: "scratch",
		Layers:  []slipway.LayerInfo{{Digest: layer, Size: size, Step: "copy hello", Key: layer}},
		Service: slipway.Service{Command: []string{"/hello"}, Port: 8080, Health: slipway.Health{HTTP: "/healthz"}},
	})
	return digest, store, err
}

func launchOnce(ctx context.Context, provider *local.Provider, image slipway.Digest, id string) (time.Duration, error) {
	spec := slipway.MachineSpec{
		ID: id, Owner: "bench", Image: image, Expires: time.Now().Add(time.Minute),
		Service: slipway.Service{Command: []string{"/hello"}, Port: 8080, Health: slipway.Health{HTTP: "/healthz"}},
	}
	began := time.Now()
	instance, err := provider.Launch(ctx, spec)
	if err != nil {
		return 0, err
	}
	for instance.Address == "" { // it is being made
		if instance, err = provider.Instance(ctx, id); err != nil {
			return 0, err
		}
	}
	err = firstAnswer(ctx, fmt.Sprintf("http://%s:%d/", instance.Address, instance.Port))
	took := time.Since(began)
	return took, errors.Join(err, provider.Terminate(ctx, id))
}

// bundle is a runc bundle with nothing special about it.
type bundle struct {
	dir  string
	root string // runc's own state
	port int
}

func (b *bench) bareBundle(dir string) (*bundle, error) {
	port, err := daemon.FreePort()
	if err != nil {
		return nil, err
	}
	root := filepath.Join(dir, "rootfs")
	for _, sub := range []string{"proc", "dev", "sys"} {
		if err := os.MkdirAll(filepath.Join(root, sub), 0o755); err != nil {
			return nil, err
		}
	}
	program, err := os.ReadFile(b.programs.Hello("v1"))
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(root, "hello"), program, 0o755); err != nil {
		return nil, err
	}
	spec := container.Spec(container.Options{
		Root: root, Args: []string{"/hello"}, Env: map[string]string{"PORT": strconv.Itoa(port)}, HostNetwork: true,
	})
	spec.Linux.Resources = &specs.LinuxResources{}
	text, err := json.Marshal(spec)
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(dir, "config.json"), text, 0o644); err != nil {
		return nil, err
	}
	return &bundle{dir: dir, root: filepath.Join(dir, "state"), port: port}, nil
}

// once runs the bundle and returns how long its first HTTP answer took.
func (u *bundle) once(ctx context.Context, id string) (time.Duration, error) {
	var out bytes.Buffer
	cmd := exec.CommandContext(ctx, "runc", "--root", u.root, "run", "--bundle", u.dir, id)
	cmd.Stdout, cmd.Stderr = &out, &out
	began := time.Now()
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	err := firstAnswer(ctx, fmt.Sprintf("http://127.0.0.1:%d/", u.port))
	took := time.Since(began)
	if killed, e := exec.Command("runc", "--root", u.root, "kill", id, "KILL").CombinedOutput(); e != nil {
		err = errors.Join(err, fmt.Errorf("runc kill: %w\n%s", e, killed))
	}
	_ = cmd.Wait() // killed is how it is meant to end
	if err != nil {
		err = fmt.Errorf("%w\n%s", err, out.String())
	}
	return took, err
}

// firstAnswer asks until there is a good answer.
func firstAnswer(ctx context.Context, url string) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 50 * time.Millisecond}
	tick := time.NewTicker(500 * time.Microsecond)
	defer tick.Stop()
	for {
		res, err := client.Get(url)
		if err == nil {
			_, err = io.Copy(io.Discard, res.Body)
			res.Body.Close()
			if err == nil && res.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("no answer from %s: %w", url, errors.Join(ctx.Err(), err))
		case <-tick.C:
		}
	}
}
