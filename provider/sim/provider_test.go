package sim_test

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/provider/providertest"
	"github.com/slipway-sh/slipway/provider/sim"
)

// clock is time that passes when it is told to.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// service behaves like the program that the provider tests run.
func service(w *sim.World) sim.Behaviour {
	return sim.Behaviour{
		Greeting: "starting", LastWords: "stopping", Launch: 20 * time.Millisecond, Stop: 10 * time.Millisecond,
		Exec: func(_ context.Context, i slipway.Instance, e slipway.Exec) (slipway.ExecResult, error) {
			if e.Command[0] != "/service" {
				return slipway.ExecResult{ExitCode: 127, Output: e.Command[0] + ": no such file"}, nil
			}
			args := map[string]string{"repeat": "1"}
			for i := 1; i+1 < len(e.Command); i += 2 {
				args[strings.TrimPrefix(e.Command[i], "-")] = e.Command[i+1]
			}
			if path := args["write"]; path != "" {
				w.Write(i.ID, path)
				return slipway.ExecResult{}, nil
			}
			exit, _ := strconv.Atoi(args["exit"])
			repeat, _ := strconv.Atoi(args["repeat"])
			return slipway.ExecResult{ExitCode: exit, Output: strings.Repeat(args["say"]+"\n", repeat)}, nil
		},
	}
}

// ask does what the program does when it is asked.
func ask(w *sim.World) func(context.Context, slipway.Instance, string) (string, error) {
	return func(_ context.Context, i slipway.Instance, path string) (string, error) {
		u, err := url.Parse(path)
		if err != nil {
			return "", err
		}
		switch u.Path {
		case "/exit":
			w.Kill(i.ID)
			return "", errors.New("EOF")
		case "/sick":
			w.Sicken(i.ID)
		case "/print":
			w.Print(i.ID, u.Query().Get("text"))
		case "/healthz":
		default:
			return "", fmt.Errorf("404 %s", path)
		}
		return "", nil
	}
}

func TestProvider(t *testing.T) {
	providertest.Exercise(t, func(*testing.T) (slipway.Provider, providertest.Fixture) {
		c := newClock()
		w := sim.New(sim.Config{Now: c.Now})
		one, two := slipway.DigestOf([]byte("one")), slipway.DigestOf([]byte("two"))
		behaviour := sim.Behaviour{Configured: func(config map[string]string) sim.Behaviour {
			b := service(w)
			if status := config["FAIL"]; status != "" {
				b.BootFailures, b.Ends = sim.Always, "its service exited with status "+status
			}
			if config["STUBBORN"] != "" {
				b.Stop = time.Hour
			}
			return b
		}}
		w.Image(one, behaviour)
		w.Image(two, behaviour)
		return w, providertest.Fixture{
			Image: one, Other: two, Ask: ask(w), Now: c.Now, Pass: func(d time.Duration) { c.pass(d); w.Advance() },
			Service: slipway.Service{Command: []string{"/service"}, User: "1000:1001", Port: 8080, Health: slipway.Health{HTTP: "/healthz"}},
			Lacks:   []providertest.Ability{providertest.Processes},
		}
	})
}
