// Package acceptance drives the finished programs with the scripts in testdata, which read like a person's terminal.
package acceptance

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/test/daemon"
	"github.com/slipway-sh/slipway/test/load"
	"github.com/slipway-sh/slipway/test/mailserver"
	"github.com/slipway-sh/slipway/test/oidcserver"
)

// TestScripts runs every script of testdata. They share one slipwayd, and with it the cache of Debian bases; each has an
// application name of its own, $APP, and free ports, $PORT and $PORT2. A script that needs a slipwayd for itself says
// `slipwayd start`.
func TestScripts(t *testing.T) {
	shared := daemon.ForTest(t)
	root, err := daemon.Root(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(env *testscript.Env) error {
			name := strings.TrimPrefix(filepath.Base(env.WorkDir), "script-")
			env.Setenv("APP", name)
			env.Setenv("ROOT", root)
			env.Setenv("SLIPWAYD", shared.Programs.Slipwayd())
			env.Setenv("SLIPWAY_SERVER", shared.Address())
			env.Setenv("PATH", string(shared.Programs)+string(os.PathListSeparator)+env.Getenv("PATH"))
			for _, name := range []string{"PORT", "PORT2"} {
				port, err := daemon.FreePort()
				if err != nil {
					return err
				}
				env.Setenv(name, strconv.Itoa(port))
			}
			env.Values[daemonKey{}] = &script{daemon: shared}
			return nil
		},
		Condition: func(name string) (bool, error) {
			if name == "exim" {
				_, err := exec.LookPath("exim4")
				return err == nil, nil
			}
			return false, fmt.Errorf("unknown condition %s", name)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits":    exits,
			"hello":    hello,
			"http":     ask,
			"json":     jsonPath,
			"issuer":   issuer,
			"logs-in":  logsIn,
			"browse":   browse,
			"listen":   listen,
			"save":     save,
			"slipwayd": slipwayd,
			"archive":  archive,
			"await":    await,
			"subst":    subst,
			"clock":    clock,
			"corrupt":  corrupt,
			"crash":    crash,
			"healthy":  healthy,
			"big":      big,
			"registry": registry,
			"hook":     hook,
			"judge":    judge,
			"moment":   moment,
			"receiver": receiver,
			"mail":     mail,
			"told":     told,
			"write":    writeRoot,
			"traffic":  traffic,
			"nowhere":  nowhere,
		},
	})
}

// script is what the commands of one script share.
type script struct {
	daemon   *daemon.Daemon
	registry *hub               // nil until it has one
	inbox    *inbox             // nil until it has one
	judge    *bench             // nil until it has one
	mail     *mailserver.Server // nil until it has one
	load     *load.Generator
	issuer   *oidcserver.Server             // nil until it has one
	browsers map[string]*oidcserver.Browser // by who has them
}

type daemonKey struct{}

// current returns the slipwayd that the script works with.
func current(ts *testscript.TestScript) *daemon.Daemon { return ts.Value(daemonKey{}).(*script).daemon }

// exits runs a command that must end with the exit status: exits 3 slipway ship …
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits status command [argument…]")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	err = ts.Exec(args[1], args[2:]...)
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		got = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if got != want {
		ts.Fatalf("exit status %d, want %d", got, want)
	}
}

// hello writes a build context with a release of examples/hello, called $APP and with $PORT as prod's: hello v1 directory
func hello(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: hello release directory")
	}
	port, err := strconv.Atoi(ts.Getenv("PORT"))
	ts.Check(err)
	port2, err := strconv.Atoi(ts.Getenv("PORT2"))
	ts.Check(err)
	example := filepath.Join(ts.Getenv("ROOT"), "examples/hello/slipway.yaml")
	_, err = current(ts).Programs.WriteHello(ts.MkAbs(args[1]), args[0], example, func(s *slipway.Spec) {
		s.Application = ts.Getenv("APP")
		prod, dev := s.Environments["prod"], s.Environments["dev"]
		prod.LoadBalancer.Port, dev.LoadBalancer.Port = port, port2
		prod.Healthy = slipway.Duration(20 * time.Second)
		prod.Strategy.RedBlack.Watch = slipway.Duration(3 * time.Second)
		dev.Strategy = slipway.Strategy{Highlander: &slipway.Highlander{Watch: slipway.Duration(100 * time.Millisecond)}}
		s.Environments["prod"], s.Environments["dev"] = prod, dev
	})
	ts.Check(err)
}

// ask gets a URL, whose answer must contain the text: http http://127.0.0.1:$PORT/ 'hello v1'
func ask(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: [!] http url text")
	}
	body, err := get(args[0])
	if has := err == nil && strings.Contains(body, args[1]); has == neg {
		ts.Fatalf("%s answers %q (%v), which contains %q: %v", args[0], body, err, args[1], has)
	}
}

func get(url string) (string, error) {
	res, err := http.Get(url)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	return string(body), err
}

// jsonPath checks a value in what the last command printed: json items.0.state succeeded
// The text may be a regular expression between slashes.
func jsonPath(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: [!] json path value")
	}
	got := lookUp(ts, args[0])
	matches := got == args[1]
	if pattern, ok := strings.CutPrefix(args[1], "/"); ok && strings.HasSuffix(pattern, "/") {
		matches = regexp.MustCompile(strings.TrimSuffix(pattern, "/")).MatchString(got)
	}
	if matches == neg {
		ts.Fatalf("%s is %q", args[0], got)
	}
}

// save puts a value of what the last command printed, a JSON text or one word, into a variable: save ID id, or: save ID
func save(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 1 || len(args) > 2 {
		ts.Fatalf("usage: save variable [path]")
	}
	if len(args) == 2 {
		ts.Setenv(args[0], lookUp(ts, args[1]))
		return
	}
	ts.Setenv(args[0], strings.TrimSpace(ts.ReadFile("stdout")))
}

func lookUp(ts *testscript.TestScript, path string) string {
	var v any
	if err := json.Unmarshal([]byte(ts.ReadFile("stdout")), &v); err != nil {
		ts.Fatalf("the last command did not print JSON: %v", err)
	}
	for _, name := range strings.Split(path, ".") {
		switch at := v.(type) {
		case map[string]any:
			v = at[name]
		case []any:
			i, err := strconv.Atoi(name)
			if i < 0 { // counts from the end
				i += len(at)
			}
			if err != nil || i < 0 || i >= len(at) {
				ts.Fatalf("%s: no %q in a list of %d", path, name, len(at))
			}
			v = at[i]
		default:
			ts.Fatalf("%s: no %q in %v", path, name, v)
		}
	}
	if s, ok := v.(string); ok {
		return s
	}
	text, err := json.Marshal(v)
	ts.Check(err)
	return string(text)
}

// slipwayd gives the script a slipwayd of its own, or ends it: slipwayd start [size in MiB of its file system] | kill | restart | stop
func slipwayd(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 {
		ts.Fatalf("usage: slipwayd start [MiB] | kill | restart | stop")
	}
	switch args[0] {
	case "start":
		startOwn(ts, args[1:])
	case "kill":
		current(ts).Kill()
	case "restart":
		ts.Check(current(ts).Start(context.Background()))
	case "stop":
		ts.Check(current(ts).Stop())
	default:
		ts.Fatalf("unknown: slipwayd %s", args[0])
	}
}

func startOwn(ts *testscript.TestScript, size []string) {
	startOwnWith(ts, size, func(*daemon.Daemon) {})
}

// startOwnWith is startOwn of a slipwayd that is told something beside its data directory.
func startOwnWith(ts *testscript.TestScript, size []string, tell func(*daemon.Daemon)) {
	dir, err := os.MkdirTemp("/tmp", "sw") // the script's own directory has too long a name for sockets
	ts.Check(err)
	if len(size) == 1 {
		ts.Check(ts.Exec("mount", "-t", "tmpfs", "-o", "size="+size[0]+"m", "tmpfs", dir))
	}
	d, err := daemon.New(current(ts).Programs, filepath.Join(dir, "d"))
	ts.Check(err)
	tell(d)
	if more := strings.Fields(ts.Getenv("SLIPWAYD_ARGS")); len(more) > 0 {
		d.Args = append(d.Args, more...)
		if slices.Contains(more, "--listen") { // the socket, too: that is how the test itself speaks to it
			d.Args = append(d.Args, "--listen", d.Address())
		}
	}
	ts.Defer(func() {
		ts.Check(d.Destroy())
		if len(size) == 1 {
			ts.Check(exec.Command("umount", dir).Run())
		}
		ts.Check(os.RemoveAll(dir))
	})
	if err := d.Start(context.Background()); err != nil {
		ts.Fatalf("%v", err)
	}
	ts.Setenv("SLIPWAY_SERVER", d.Address())
	ts.Setenv("DATA", d.Data)
	ts.Value(daemonKey{}).(*script).daemon = d
}

// await waits until an event of $APP, past ones included, contains the text: await deployment.step watching
func await(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: await kind text")
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	_, err := current(ts).Await(ctx, slipway.EventFilter{Application: ts.Getenv("APP")}, func(e slipway.Event) bool {
		return string(e.Kind) == args[0] && strings.Contains(e.Message, args[1])
	})
	ts.Check(err)
}

// crash kills a machine behind slipwayd's back: crash i-abc
func crash(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: crash instance")
	}
	ts.Check(current(ts).KillMachine(context.Background(), args[0]))
}

// healthy waits until $APP has so many healthy machines in prod, without one that is known to be dead: healthy 3 i-abc
func healthy(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: healthy number instance")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	prod := slipway.Cluster{Application: ts.Getenv("APP"), Environment: "prod"}
	_, err = current(ts).AwaitHealthy(context.Background(), prod, want, args[1])
	ts.Check(err)
}

// subst replaces every $NAME in a file by the script's variable: subst slipway.yaml
func subst(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 {
		ts.Fatalf("usage: subst file…")
	}
	for _, name := range args {
		text := os.Expand(ts.ReadFile(name), ts.Getenv)
		ts.Check(os.WriteFile(ts.MkAbs(name), []byte(text), 0o644))
	}
}

// clock puts the time of day, in UTC, that it will be after a while into a variable: clock OPENS 90s
func clock(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: clock variable duration")
	}
	ahead, err := time.ParseDuration(args[1])
	ts.Check(err)
	ts.Setenv(args[0], time.Now().UTC().Add(ahead).Format("15:04"))
}

// moment puts the moment that it will be after a while into a variable: moment SOON 3s
func moment(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: moment variable duration")
	}
	ahead, err := time.ParseDuration(args[1])
	ts.Check(err)
	ts.Setenv(args[0], time.Now().UTC().Add(ahead).Format(time.RFC3339))
}

// listen takes a port of 127.0.0.1 for as long as the script runs: listen $PORT
func listen(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: listen port")
	}
	listener, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", args[0]))
	ts.Check(err)
	ts.Defer(func() { listener.Close() })
}

// corrupt flips a byte in the middle of the topmost layer of an image of $DATA: corrupt digest
func corrupt(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: corrupt digest")
	}
	path := filepath.Join(ts.Getenv("DATA"), "images/blobs/sha256", slipway.Digest(args[0]).Hex())
	ts.Check(os.Chmod(path, 0o600))
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	ts.Check(err)
	defer file.Close()
	info, err := file.Stat()
	ts.Check(err)
	b := make([]byte, 1)
	_, err = file.ReadAt(b, info.Size()/2)
	ts.Check(err)
	b[0] ^= 0xff
	_, err = file.WriteAt(b, info.Size()/2)
	ts.Check(err)
}

// big writes a file of so many MiB that no disk has to hold: big file MiB
func big(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: big file MiB")
	}
	size, err := strconv.ParseInt(args[1], 10, 64)
	ts.Check(err)
	path := ts.MkAbs(args[0])
	ts.Check(os.MkdirAll(filepath.Dir(path), 0o755))
	ts.Check(os.WriteFile(path, nil, 0o644))
	ts.Check(os.Truncate(path, size<<20))
}
