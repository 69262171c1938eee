package console_test

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"testing"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/console"
)

// sit connects streams with a program and returns how both ends saw its end.
func sit(t *testing.T, streams console.Streams, terminal *slipway.Terminal, run func(context.Context, slipway.Exec) (int, error)) (int, error) {
	t.Helper()
	here, there := net.Pipe()
	var serving sync.WaitGroup
	serving.Go(func() { console.Serve(context.Background(), there, terminal, run) })
	defer serving.Wait()
	return console.Attach(t.Context(), here, streams)
}

func TestStreams(t *testing.T) {
	big := strings.Repeat("0123456789", 100_000)
	var out, problems strings.Builder
	status, err := sit(t, console.Streams{In: strings.NewReader(big), Out: &out, Err: &problems}, nil, func(_ context.Context, e slipway.Exec) (int, error) {
		if e.Terminal != nil {
			t.Error("a terminal from nowhere")
		}
		n, err := io.Copy(e.Stdout, e.Stdin) // ends, as what is typed does
		if err != nil || n != int64(len(big)) {
			t.Errorf("%d bytes, %v", n, err)
		}
		io.WriteString(e.Stderr, "oh")
		return 7, nil
	})
	if status != 7 || err != nil || out.String() != big || problems.String() != "oh" {
		t.Errorf("status %d, %v, %d bytes of output, %q", status, err, out.Len(), problems.String())
	}
}

func TestWindows(t *testing.T) {
	in, typing := io.Pipe()
	defer typing.Close()
	windows := make(chan slipway.Window)
	go func() { windows <- slipway.Window{Columns: 132, Rows: 50} }()
	_, err := sit(t, console.Streams{In: in, Out: io.Discard, Err: io.Discard, Windows: windows}, &slipway.Terminal{Type: "vt100", Window: slipway.Window{Columns: 80, Rows: 24}},
		func(_ context.Context, e slipway.Exec) (int, error) {
			if e.Terminal.Type != "vt100" || e.Terminal.Window.Columns != 80 {
				t.Errorf("terminal %+v", e.Terminal)
			}
			if w := <-e.Terminal.Windows; w != (slipway.Window{Columns: 132, Rows: 50}) {
				t.Errorf("window %+v", w)
			}
			return 0, nil
		})
	if err != nil {
		t.Error(err)
	}
}

// A program that ends while more is typed has its status told all the same.
func TestEndsBeforeItsInput(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go console.Serve(context.Background(), conn, nil, func(_ context.Context, e slipway.Exec) (int, error) {
				_, err := io.ReadFull(e.Stdin, make([]byte, 10))
				return 3, err
			})
		}
	}()
	for range 50 {
		conn, err := net.Dial("tcp", listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		status, err := console.Attach(t.Context(), conn, console.Streams{In: strings.NewReader(strings.Repeat("x", 1<<20)), Out: io.Discard, Err: io.Discard})
		if status != 3 || err != nil {
			t.Fatalf("status %d, %v", status, err)
		}
	}
}

// What keeps the program from running has its code at the other end.
func TestFailure(t *testing.T) {
	_, err := sit(t, console.Streams{In: strings.NewReader(""), Out: io.Discard, Err: io.Discard}, nil, func(context.Context, slipway.Exec) (int, error) {
		return -1, slipway.Errorf(slipway.Conflict, "cannot: it ended")
	})
	if slipway.CodeOf(err) != slipway.Conflict || slipway.MessageOf(err) != "cannot: it ended" {
		t.Errorf("%v", err)
	}
}

// The program's context ends when nobody is there any more, and who sits there is not left waiting when the server goes.
func TestConnectionBreaks(t *testing.T) {
	for name, breaks := range map[string]func(here, there net.Conn){
		"here":  func(here, _ net.Conn) { here.Close() },
		"there": func(_, there net.Conn) { there.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			here, there := net.Pipe()
			in, typing := io.Pipe()
			defer typing.Close()
			running, ended := make(chan struct{}), make(chan error, 1)
			go console.Serve(context.Background(), there, nil, func(ctx context.Context, _ slipway.Exec) (int, error) {
				close(running)
				<-ctx.Done()
				ended <- context.Cause(ctx)
				return -1, ctx.Err()
			})
			attached := make(chan error, 1)
			go func() {
				_, err := console.Attach(context.Background(), here, console.Streams{In: in, Out: io.Discard, Err: io.Discard})
				attached <- err
			}()
			<-running
			breaks(here, there)
			if err := <-ended; err == nil {
				t.Error("the program's context has no cause")
			}
			if err := <-attached; slipway.CodeOf(err) != slipway.Unavailable {
				t.Errorf("%v, want Unavailable", err)
			}
		})
	}
}

func TestAttachEndsWithItsContext(t *testing.T) {
	here, there := net.Pipe()
	go io.Copy(io.Discard, there)
	ctx, cancel := context.WithCancelCause(t.Context())
	stop := errors.New("stop")
	cancel(stop)
	if _, err := console.Attach(ctx, here, console.Streams{In: strings.NewReader(""), Out: io.Discard, Err: io.Discard}); !errors.Is(err, stop) {
		t.Error(err)
	}
}

// Nonsense on the wire ends the connection.
func TestNonsense(t *testing.T) {
	for name, bytes := range map[string]string{
		"unknown kind": "\x63\x00\x00\x00\x00",
		"too long":     "\x01\xff\xff\xff\xff",
		"no window":    "\x03\x00\x00\x00\x01x",
	} {
		t.Run(name, func(t *testing.T) {
			here, there := net.Pipe()
			go io.Copy(io.Discard, here)
			go io.WriteString(here, bytes)
			console.Serve(context.Background(), there, nil, func(ctx context.Context, _ slipway.Exec) (int, error) {
				<-ctx.Done()
				return -1, ctx.Err()
			})
		})
	}
}
