package fleet

import (
	"context"
	"log/slog"
	"testing"

	"github.com/slipway-sh/slipway"
)

type world struct {
	groups  []slipway.ServerGroup
	changes chan string
	events  chan slipway.Event
}

func (w *world) ServerGroups(context.Context) ([]slipway.ServerGroup, error) { return w.groups, nil }
func (w *world) Watch(context.Context) <-chan string                         { return w.changes }
func (w *world) AppendEvent(_ context.Context, e slipway.Event) (slipway.Event, error) {
	return e, nil
}
func (w *world) Publish(_ context.Context, e slipway.Event) error { w.events <- e; return nil }
func (w *world) Subscribe(context.Context) (<-chan slipway.Event, error) {
	return w.events, nil
}

func TestLosses(t *testing.T) {
	group := func(replaced int) []slipway.ServerGroup {
		g := slipway.ServerGroup{Replaced: replaced}
		g.Name, g.Cluster = "hello-prod-v001", slipway.Cluster{Application: "hello", Environment: "prod"}
		return []slipway.ServerGroup{g}
	}
	for _, test := range []struct {
		name string
		seen [][]slipway.ServerGroup // what is there at the start, and after each change
		want []string
	}{
		{"old losses are not told", [][]slipway.ServerGroup{group(3), group(3)}, nil},
		{"a loss is told once", [][]slipway.ServerGroup{group(0), group(1), group(1)}, []string{"hello-prod-v001 lost 1 instance and replaces what it lost"}},
		{"losses of a new group are told", [][]slipway.ServerGroup{nil, group(2)}, []string{"hello-prod-v001 lost 2 instances and replaces what it lost"}},
		{"a group that is gone is forgotten", [][]slipway.ServerGroup{group(2), nil, group(1)}, []string{"hello-prod-v001 lost 1 instance and replaces what it lost"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := &world{events: make(chan slipway.Event, 9)}
			l := Losses{Provider: w, Store: w, Bus: w, Log: slog.New(slog.DiscardHandler)}
			known := map[string]int{}
			for i, groups := range test.seen {
				w.groups = groups
				tell := func(g slipway.ServerGroup, n int) { l.tell(t.Context(), g, n) }
				if i == 0 {
					tell = func(slipway.ServerGroup, int) {}
				}
				if err := l.look(t.Context(), known, tell); err != nil {
					t.Fatal(err)
				}
			}
			close(w.events)
			var got []string
			for e := range w.events {
				got = append(got, e.Message)
			}
			if len(got) != len(test.want) || len(got) > 0 && got[0] != test.want[0] {
				t.Errorf("told %q, want %q", got, test.want)
			}
		})
	}
}
