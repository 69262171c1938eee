package httpapi

import (
	"bufio"
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/console"
	"github.com/slipway-sh/slipway/container"
)

const (
	// shellMachine begins the IDs of machines that somebody looks into. They end with the slipwayd that made them.
	shellMachine = "shell-"
	// shellTime is how long somebody may look into a machine.
	shellTime = 12 * time.Hour
	// shellDrain is how long the service of a machine that nobody looks into any more gets to end.
	shellDrain = 2 * time.Second
)

// Sandboxes are those that failed bakes have kept.
type Sandboxes interface {
	Kept(bake string) bool
	// Enter runs a shell at a terminal and returns its exit status. NotFound if nothing is kept of the bake.
	Enter(ctx context.Context, bake string, t container.Terminal) (int, error)
}

type imageShellInput struct {
	ImageInput
	Upgrade string `header:"Upgrade" doc:"slipway-console" required:"true"`
	Body    slipway.ShellRequest
}

// imageShell boots a machine from an image, whatever its tests found, and connects the caller with a program in it.
func (a *api) imageShell(ctx context.Context, in *imageShellInput) (*huma.StreamResponse, error) {
	if err := upgradable(in.Upgrade); err != nil {
		return nil, err
	}
	image, err := a.Store.FindImage(ctx, in.Application, in.Ref)
	if err != nil {
		return nil, err
	}
	if image.Revoked != nil {
		return nil, slipway.Errorf(slipway.Refused, "cannot boot image %s of %s: it was revoked: %s", image.Digest.Short(), image.Application, image.Revoked.Reason)
	}
	service := image.Service
	service.Drain = slipway.Duration(min(service.Drain.Or(shellDrain), shellDrain))
	if in.Body.NoService {
		service.Command = nil
	}
	id := shellMachine + strings.ToLower(rand.Text()[:10])
	if _, err := a.Provider.Launch(ctx, slipway.MachineSpec{
		ID: id, Owner: "shell", Image: image.Digest, Service: service, Stay: true, Expires: time.Now().Add(shellTime),
	}); err != nil {
		a.removeShell(id)
		return nil, err
	}
	header := http.Header{"Slipway-Machine": {id}, "Slipway-Image": {string(image.Digest)}}
	return a.upgrade(header, in.Body.Terminal, func() { a.removeShell(id) }, func(ctx context.Context, e slipway.Exec) (int, error) {
		e.Command, e.User = in.Body.Command, in.Body.User
		if e.User == "" {
			e.User = "0"
		}
		result, err := a.Provider.Exec(ctx, id, e)
		return result.ExitCode, err
	}), nil
}

// removeShell removes a machine in the background: its service may take a moment to end, and nobody has to wait for that.
func (a *api) removeShell(id string) {
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := a.Provider.Terminate(ctx, id); err != nil {
			a.Log.Warn("cannot remove the machine of a shell now; it is removed when it expires, or slipwayd starts", "machine", id, "error", err)
		}
	}()
}

// EndShells removes the machines, made before a point in time, that somebody looked into by way of an earlier slipwayd.
func EndShells(ctx context.Context, provider slipway.Provider, before time.Time) error {
	instances, err := provider.Instances(ctx)
	if err != nil {
		return err
	}
	for _, i := range instances {
		if i.Group == "" && strings.HasPrefix(i.ID, shellMachine) && i.Started.Before(before) {
			if err := provider.Terminate(ctx, i.ID); err != nil {
				return err
			}
		}
	}
	return nil
}

type bakeShellInput struct {
	ID      string `path:"id"`
	Upgrade string `header:"Upgrade" doc:"slipway-console" required:"true"`
	Body    slipway.ShellRequest
}

// bakeShell connects the caller with a shell in the sandbox that a failed bake has kept.
func (a *api) bakeShell(ctx context.Context, in *bakeShellInput) (*huma.StreamResponse, error) {
	if err := upgradable(in.Upgrade); err != nil {
		return nil, err
	}
	if _, err := a.Store.Bake(ctx, in.ID); err != nil {
		return nil, err
	}
	if len(in.Body.Command) > 0 || in.Body.User != "" {
		return nil, slipway.Errorf(slipway.Invalid, "cannot run a program of choice in a sandbox: only a shell, as root")
	}
	if !a.Sandboxes.Kept(in.ID) {
		return nil, slipway.Errorf(slipway.NotFound,
			"cannot enter the sandbox of bake %s: none is kept; bake with --keep-on-failure, and enter within an hour and before slipwayd is restarted", in.ID)
	}
	terminal := in.Body.Terminal
	if terminal == nil {
		terminal = &slipway.Terminal{Window: slipway.Window{Columns: 80, Rows: 24}}
	}
	return a.upgrade(nil, terminal, func() {}, func(ctx context.Context, e slipway.Exec) (int, error) {
		return a.Sandboxes.Enter(ctx, in.ID, container.Terminal{In: e.Stdin, Out: e.Stdout, Window: e.Terminal.Window, Windows: e.Terminal.Windows})
	}), nil
}

func upgradable(protocol string) error {
	if protocol != console.Protocol {
		return slipway.Errorf(slipway.Invalid, "cannot open a shell: want an HTTP/1.1 request with \"Upgrade: %s\"", console.Protocol)
	}
	return nil
}

// upgrade turns the request's connection into that of a console, and calls after when it is over, however that comes.
func (a *api) upgrade(header http.Header, terminal *slipway.Terminal, after func(), run func(context.Context, slipway.Exec) (int, error)) *huma.StreamResponse {
	return &huma.StreamResponse{Body: func(c huma.Context) {
		defer after()
		r, w := humago.Unwrap(c)
		conn, both, err := http.NewResponseController(w).Hijack()
		if err != nil {
			a.fail("upgrade", fmt.Errorf("cannot take over the connection: %w", err)).write(w)
			return
		}
		defer conn.Close()
		head := header.Clone()
		if head == nil {
			head = http.Header{}
		}
		head.Set("Connection", "Upgrade")
		head.Set("Upgrade", console.Protocol)
		fmt.Fprint(both, "HTTP/1.1 101 Switching Protocols\r\n")
		_ = head.Write(both)
		fmt.Fprint(both, "\r\n")
		if both.Flush() != nil {
			return // the caller is gone
		}
		// The context of a connection that was taken over ends with the server, no longer with the connection: that is for the console.
		console.Serve(r.Context(), hijacked{conn, both.Reader}, terminal, run)
	}}
}

// hijacked is a connection of which something may have been read already.
type hijacked struct {
	io.WriteCloser
	in *bufio.Reader
}

func (h hijacked) Read(b []byte) (int, error) { return h.in.Read(b) }

// shell answers 101 and goes on as a console.
func shell[I any](f function[I, huma.StreamResponse]) handler {
	return form(f, handler{
		status: http.StatusSwitchingProtocols, errors: []int{http.StatusForbidden, http.StatusNotFound, http.StatusConflict, http.StatusServiceUnavailable},
	})
}
