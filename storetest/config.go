package storetest

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/slipway-sh/slipway"
)

// ExerciseConfig runs the suite of [slipway.ConfigStore]. open is as that of [Exercise].
func ExerciseConfig(t *testing.T, open func(t *testing.T) slipway.ConfigStore) {
	for _, c := range []struct {
		name string
		run  func(*testing.T, slipway.ConfigStore)
	}{
		{"versions come back as they were added", configRoundTrips},
		{"numbers have no gaps, a cluster at a time", configNumbers},
		{"of fifty who add the same number one wins", concurrentConfigs},
		{"secrets are sealed anew without anything else changing", reseals},
	} {
		t.Run(c.name, func(t *testing.T) { c.run(t, open(t)) })
	}
}

func configVersion(cluster slipway.Cluster, n int) slipway.ConfigVersion {
	return slipway.ConfigVersion{
		Cluster: cluster, Number: n, By: "ann", Reason: fmt.Sprint("reason ", n), Created: at(n), Set: []string{"GREETING"}, Unset: []string{},
		Entries: []slipway.ConfigEntry{
			{Key: "GREETING", Type: slipway.ConfigString, Deliver: slipway.DeliverEnv, Value: fmt.Sprint("hello ", n, " '\"\x01é")},
			{Key: "TOKEN", Type: slipway.ConfigSecret, Deliver: slipway.DeliverFile, Fingerprint: fmt.Sprint("f", n)},
		},
	}
}

func configRoundTrips(t *testing.T, s slipway.ConfigStore) {
	ctx := t.Context()
	dev := slipway.Cluster{Application: "shop", Environment: "dev"}
	for _, number := range []int{0, 1} {
		_, err := s.Config(ctx, prod, number)
		code(t, slipway.NotFound, err)
		_, err = s.SealedConfig(ctx, prod, number)
		code(t, slipway.NotFound, err)
	}
	one, two, other := configVersion(prod, 1), configVersion(prod, 2), configVersion(dev, 1)
	for _, v := range []slipway.ConfigVersion{one, other, two} {
		if err := s.AddConfig(ctx, v, []byte{0, 255, byte(v.Number)}); err != nil {
			t.Fatal(err)
		}
	}
	same(t, one)(s.Config(ctx, prod, 1))
	same(t, two)(s.Config(ctx, prod, 2))
	same(t, two)(s.Config(ctx, prod, 0))
	same(t, other)(s.Config(ctx, dev, 0))
	same(t, []byte{0, 255, 1})(s.SealedConfig(ctx, prod, 1))
	same(t, []byte{0, 255, 2})(s.SealedConfig(ctx, prod, 0))
	same(t, []slipway.ConfigVersion{two, one})(s.Configs(ctx, prod, 0))
	same(t, []slipway.ConfigVersion{two})(s.Configs(ctx, prod, 1))
	all, err := s.Configs(ctx, slipway.Cluster{}, 0)
	if err != nil || len(all) != 3 || all[0].Number != 2 {
		t.Errorf("all versions: %v, %v", all, err)
	}
	_, err = s.Config(ctx, prod, 3)
	code(t, slipway.NotFound, err)
}

func configNumbers(t *testing.T, s slipway.ConfigStore) {
	ctx := t.Context()
	for _, c := range []struct {
		number int
		want   slipway.Code
	}{{0, slipway.Conflict}, {2, slipway.Conflict}, {1, ""}, {1, slipway.Conflict}, {3, slipway.Conflict}, {2, ""}, {-1, slipway.Conflict}} {
		if err := s.AddConfig(ctx, configVersion(prod, c.number), nil); slipway.CodeOf(err) != c.want {
			t.Errorf("version %d: %v, want %q", c.number, err, c.want)
		}
	}
	same(t, configVersion(prod, 2))(s.Config(ctx, prod, 0))
}

func concurrentConfigs(t *testing.T, s slipway.ConfigStore) {
	ctx := t.Context()
	for number := 1; number <= 3; number++ {
		var won atomic.Int32
		var all sync.WaitGroup
		for range 50 {
			all.Go(func() {
				err := s.AddConfig(ctx, configVersion(prod, number), []byte("sealed"))
				switch {
				case err == nil:
					won.Add(1)
				case slipway.CodeOf(err) != slipway.Conflict:
					t.Error(err)
				}
			})
		}
		all.Wait()
		if won.Load() != 1 {
			t.Errorf("%d have added version %d", won.Load(), number)
		}
	}
}

func reseals(t *testing.T, s slipway.ConfigStore) {
	ctx := t.Context()
	code(t, slipway.NotFound, s.ResealConfig(ctx, prod, 1, []byte("x")))
	for n := 1; n <= 2; n++ {
		if err := s.AddConfig(ctx, configVersion(prod, n), []byte("old")); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.ResealConfig(ctx, prod, 1, []byte("new")); err != nil {
		t.Fatal(err)
	}
	same(t, []byte("new"))(s.SealedConfig(ctx, prod, 1))
	same(t, []byte("old"))(s.SealedConfig(ctx, prod, 2))
	same(t, configVersion(prod, 1))(s.Config(ctx, prod, 1))
}

// ExerciseSizes runs the suite of [slipway.SizeStore].
func ExerciseSizes(t *testing.T, s slipway.SizeStore) {
	ctx := t.Context()
	_, err := s.Size(ctx, prod)
	code(t, slipway.NotFound, err)
	if err := s.DeleteSize(ctx, prod); err != nil {
		t.Errorf("forgetting what is not there: %v", err)
	}
	r := slipway.Resizing{Cluster: prod, Size: slipway.Size{Min: 1, Desired: 4, Max: 8}, Declared: slipway.Size{Min: 1, Desired: 2, Max: 8}, By: "ann", At: at(1)}
	for range 2 {
		r.Size.Desired++
		if err := s.PutSize(ctx, r); err != nil {
			t.Fatal(err)
		}
		same(t, r)(s.Size(ctx, prod))
	}
	_, err = s.Size(ctx, slipway.Cluster{Application: "shop", Environment: "dev"})
	code(t, slipway.NotFound, err)
	if err := s.DeleteSize(ctx, prod); err != nil {
		t.Fatal(err)
	}
	_, err = s.Size(ctx, prod)
	code(t, slipway.NotFound, err)
}

func code(t *testing.T, want slipway.Code, err error) {
	t.Helper()
	if got := slipway.CodeOf(err); got != want {
		t.Errorf("%v (%s), want %s", err, got, want)
	}
}
