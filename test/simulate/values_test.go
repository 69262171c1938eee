package simulate

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.temporal.io/sdk/converter"

	"github.com/slipway-sh/slipway"
)

// What the simulation carries between workflow and activities is what a server would.
func TestValuesAreWhatJSONCarries(t *testing.T) {
	full := slipway.Deployment{
		ID: "d-1", Started: time.Unix(1, 0).UTC(), Environment: slipway.Environment{Config: map[string]string{"a": "b"}},
		Undo: []slipway.Undo{{Kind: slipway.UndoRestoreRoute, Route: &slipway.Route{Port: 80}}}, Error: slipway.Errorf(slipway.Failed, "x: %w", cmpError{}),
	}
	for _, c := range []struct {
		name  string
		value any
		into  func() any // what it is read into
	}{
		{"struct", full, func() any { return new(slipway.Deployment) }},
		{"pointer", &full, func() any { return new(slipway.Deployment) }},
		{"to a pointer", full, func() any { return new(*slipway.Deployment) }},
		{"another type", full, func() any { return new(struct{ ID string }) }},
		{"string type", slipway.VerbPause, func() any { return new(string) }},
		{"interface", []string{"a"}, func() any { return new(any) }},
		{"nothing", nil, func() any { return new(*slipway.Deployment) }},
		{"nil pointer", (*slipway.Error)(nil), func() any { return new(*slipway.Error) }},
		{"nil slice", []string(nil), func() any { return new([]string) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			carry := func(dc converter.DataConverter) any {
				payloads, err := dc.ToPayloads(c.value)
				if err != nil {
					t.Fatal(err)
				}
				into := c.into()
				if err := dc.FromPayloads(payloads, into); err != nil {
					t.Fatal(err)
				}
				return into
			}
			want, got := carry(converter.GetDefaultDataConverter()), carry(newValues())
			if c.name == "interface" { // of which JSON makes what it likes
				want = any(ptr(any([]string{"a"})))
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("-JSON +memory:\n%s", diff)
			}
		})
	}
	v := newValues()
	p, err := v.ToPayload(full)
	if err != nil {
		t.Fatal(err)
	}
	full.Environment.Config["a"] = "changed"
	var got, again slipway.Deployment
	for _, to := range []*slipway.Deployment{&got, &again} {
		if err := v.FromPayload(p, to); err != nil {
			t.Fatal(err)
		}
		if to.Environment.Config["a"] != "b" {
			t.Error("what is carried is no copy")
		}
		to.Environment.Config["a"] = "changed"
	}
}

type cmpError struct{}

func (cmpError) Error() string { return "cause" }

func ptr[T any](v T) *T { return &v }
