package fleet

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"testing"

	"github.com/slipway-sh/slipway"
)

type world struct {
	groups  []slipway.ServerGroup
	changes chan string
	events  chan slipway.Event
	losses  map[string]slipway.Loss
}

func (w *world) PutLoss(_ context.Context, l slipway.Loss) error { w.losses[l.Group] = l; return nil }
func (w *world) Losses(context.Context, slipway.Cluster) ([]slipway.Loss, error) {
	return slices.Collect(maps.Values(w.losses)), nil
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
		seen [][]slipway.ServerGroup // what is there at each look; between two slipwayd may have been down
		want []string
	}{
		{"a group that has lost nothing", [][]slipway.ServerGroup{group(0), group(0)}, nil},
		{"a loss is told once", [][]slipway.ServerGroup{group(0), group(1), group(1)}, []string{"hello-prod-v001 lost 1 instance and replaces what it lost"}},
		{"losses of a new group are told", [][]slipway.ServerGroup{nil, group(2)}, []string{"hello-prod-v001 lost 2 instances and replaces what it lost"}},
		{"only what is more than is on record is told", [][]slipway.ServerGroup{group(2), group(3)}, []string{
			"hello-prod-v001 lost 2 instances and replaces what it lost", "hello-prod-v001 lost 1 instance and replaces what it lost"}},
		{"another group of the name begins anew", [][]slipway.ServerGroup{group(2), nil, group(0), group(1)}, []string{
			"hello-prod-v001 lost 2 instances and replaces what it lost", "hello-prod-v001 lost 1 instance and replaces what it lost"}},
		{"another group of the name, first seen when it has lost some", [][]slipway.ServerGroup{group(2), nil, group(1)}, []string{
			"hello-prod-v001 lost 2 instances and replaces what it lost", "hello-prod-v001 lost 1 instance and replaces what it lost"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := &world{events: make(chan slipway.Event, 9), losses: map[string]slipway.Loss{}}
			l := Losses{Provider: w, Store: w, Bus: w, Log: slog.New(slog.DiscardHandler)}
			for _, groups := range test.seen {
				w.groups = groups
				if err := l.compare(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			close(w.events)
			var got []string
			for e := range w.events {
				got = append(got, e.Message)
			}
			if !slices.Equal(got, test.want) {
				t.Errorf("told %q, want %q", got, test.want)
			}
			if last := test.seen[len(test.seen)-1][0].Replaced; w.losses["hello-prod-v001"].Replaced != last {
				t.Errorf("%+v is on record, want %d", w.losses, last)
			}
		})
	}
}
