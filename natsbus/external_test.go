package natsbus

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nkeys"

	"github.com/slipway-sh/slipway"
)

// serve starts a NATS server on a port of the loopback, -1 for any; who shows no key of user's is refused, if that is not "".
func serve(t *testing.T, port int, user string) *server.Server {
	t.Helper()
	options := &server.Options{Host: "127.0.0.1", Port: port, NoSigs: true}
	if user != "" {
		options.Nkeys = []*server.NkeyUser{{Nkey: user}}
	}
	s, err := server.NewServer(options)
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	if !s.ReadyForConnections(readyTimeout) {
		t.Fatal("the server does not get ready")
	}
	t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	return s
}

func TestExternalServerJoinsTwo(t *testing.T) {
	s := serve(t, -1, "")
	var buses [2]*Bus
	for n := range buses {
		b, err := Start(t.Context(), Config{Address: s.ClientURL()})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(b.Close)
		buses[n] = b
	}
	events, _ := subscribe(t, buses[0])
	publish(t, buses[1], 1, 3)
	for n := int64(1); n <= 3; n++ {
		if e, _ := receive(t, events); e.Seq != n {
			t.Errorf("got event %d, want %d", e.Seq, n)
		}
	}
	// The server goes away and comes back.
	port := s.Addr().(*net.TCPAddr).Port
	s.Shutdown()
	s.WaitForShutdown()
	publish(t, buses[1], 4, 4) // kept until then
	if err := buses[0].Ping(t.Context()); err == nil {
		t.Error("NATS that is away is said to be there")
	}
	late, _ := subscribe(t, buses[0]) // who comes meanwhile hears what is published later
	serve(t, port, "")
	var both sync.WaitGroup
	defer both.Wait()
	both.Go(func() { <-late })
	again := int64(5)
	for deadline := time.Now().Add(time.Minute); ; again++ { // who listens may be back a moment after who publishes
		publish(t, buses[1], int(again), int(again))
		select {
		case e := <-events:
			if e.Seq < 4 {
				t.Errorf("got event %d", e.Seq)
			}
			return
		case <-time.After(100 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			t.Fatal("no event came after the server was back")
		}
	}
}

func TestExternalServerWantsAKey(t *testing.T) {
	ours, err := nkeys.CreateUser()
	if err != nil {
		t.Fatal(err)
	}
	public, err := ours.PublicKey()
	if err != nil {
		t.Fatal(err)
	}
	other, err := nkeys.CreateUser()
	if err != nil {
		t.Fatal(err)
	}
	seed := func(name string, key nkeys.KeyPair) string {
		path := filepath.Join(t.TempDir(), name)
		text, err := key.Seed()
		if err == nil {
			err = os.WriteFile(path, text, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
		return path
	}
	s := serve(t, -1, public)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody := "nats://" + l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		why  string
		cfg  Config
		code slipway.Code
		says string
	}{
		{"our key", Config{Address: s.ClientURL(), Credentials: seed("ours", ours)}, "", ""},
		{"one of several servers", Config{Address: nobody + ", " + s.ClientURL(), Credentials: seed("again", ours)}, "", ""},
		{"another key", Config{Address: s.ClientURL(), Credentials: seed("other", other)}, slipway.Unprepared, "--nats-creds"},
		{"no key", Config{Address: s.ClientURL()}, slipway.Unprepared, "--nats-creds"},
		{"no such file", Config{Address: s.ClientURL(), Credentials: "/nonexistent"}, slipway.Unprepared, "/nonexistent"},
		{"nobody listens", Config{Address: nobody}, slipway.Unavailable, nobody},
		{"no address", Config{Address: "localhost:4222"}, slipway.Invalid, "nats://host:port"},
		{"a password for all to see", Config{Address: "nats://ann:hunter2@localhost:4222"}, slipway.Invalid, "--nats-creds"},
	} {
		t.Run(c.why, func(t *testing.T) {
			b, err := Start(t.Context(), c.cfg)
			if slipway.CodeOf(err) != c.code || err != nil && !strings.Contains(err.Error(), c.says) {
				t.Errorf("err = %v (%s), want %q, with %q", err, slipway.CodeOf(err), c.code, c.says)
			}
			if err != nil && strings.Contains(err.Error(), "hunter2") {
				t.Errorf("the error has the password: %v", err)
			}
			if err == nil {
				b.Close()
			}
		})
	}
}
