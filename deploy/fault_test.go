package deploy

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/slipway-sh/slipway"
)

// An image is vetoed for what it did, and for nothing else.
func TestWhoseFaultItWas(t *testing.T) {
	canary := canaryStrategy(nil)
	for _, c := range []struct {
		name   string
		setup  func(*bed)
		vetoed bool
	}{
		{"its check failed", func(b *bed) { b.env.Checks = []slipway.Check{{HTTP: &slipway.HTTPTest{Path: "/broken"}}} }, true},
		{"it was worse than the source", func(b *bed) { b.env.Strategy, b.w.grades = canary, []slipway.Grade{slipway.GradeFail} }, true},
		{"too little was measured to tell", func(b *bed) { b.env.Strategy, b.w.grades = canary, repeat(slipway.GradeNoData, 50) }, false},
		{"it was aborted", func(b *bed) { b.abort = "prove v2" }, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBed(t)
			b.deploy("one")
			c.setup(b)
			d := b.deploy("two")
			vetoed := slices.ContainsFunc(b.w.restricted, func(r slipway.Restriction) bool {
				return r.Kind == slipway.RestrictionVeto && r.Image == imageOf("two")
			})
			if vetoed != c.vetoed || d.State == succeeded {
				t.Errorf("%s (%v), vetoed: %v, want %v", d.State, d.Error, vetoed, c.vetoed)
			}
		})
	}
}

// While traffic is split, machines that the target gets have none of it before they are checked.
func TestNewMachinesAreKeptFromTraffic(t *testing.T) {
	b := newBed(t)
	b.deploy("one")
	b.env.Strategy = slipway.Strategy{RollingRedBlack: &slipway.RollingRedBlack{Steps: []int{34, 67}, Watch: 1}}
	b.env.Checks = []slipway.Check{{HTTP: &slipway.HTTPTest{Path: "/"}, When: []slipway.Phase{slipway.PhaseBefore}}}
	splits := 0
	b.w.check = func(string) {
		if b.w.route == nil || len(b.w.route.Groups) < 2 || b.w.route.Groups[1].Mode != slipway.Active {
			return
		}
		splits++
		admitted := b.w.route.Groups[0].Machines
		if target := b.w.groups["hello-prod-v002"]; len(admitted) == 0 || len(admitted) > len(target.Instances) {
			t.Errorf("%v have traffic, of %d machines", admitted, len(target.Instances))
		}
		if call := b.w.calls[len(b.w.calls)-1]; strings.HasPrefix(call, "resize v2 3") && len(admitted) != 2 {
			t.Errorf("%v have traffic right after the target has grown from 2 machines to 3", admitted)
		}
	}
	if d := b.deploy("two"); d.State != succeeded || splits == 0 {
		t.Errorf("%s after %d calls while traffic was split: %v", d.State, splits, d.Error)
	}
	if all := b.w.route.Groups[0]; all.Machines != nil {
		t.Errorf("with all traffic, those of %v alone have it", all.Machines)
	}
}

// What takes back ends in bounded time, whatever hangs or fails, and says what is left.
func TestUndoIsBounded(t *testing.T) {
	b := newBed(t)
	b.deploy("one")
	tries := 0
	b.w.fault = func(call string) (error, error) {
		switch {
		case call == "prove v2":
			return slipway.Errorf(slipway.Failed, "broken"), nil
		case call == "destroy v2":
			tries++
			return slipway.Errorf(slipway.Unavailable, "it hangs"), nil
		}
		return nil, nil
	}
	began := time.Now()
	d := b.deploy("two")
	if d.State != attention || tries != undoTries || d.Finished.Sub(began) > time.Hour {
		t.Errorf("%s after %d tries, %s: %v", d.State, tries, d.Finished.Sub(began), d.Error)
	}
	if len(d.Undo) != 1 || d.Undo[0].Group != "hello-prod-v002" || !strings.Contains(d.Error.Message, "it hangs") {
		t.Errorf("it does not say what is left: %v, %v", d.Undo, d.Error)
	}
	if serves := active(*b.w.route); serves != "hello-prod-v001" {
		t.Errorf("%s serves", serves)
	}
}
