package bake

import (
	"bytes"
	"context"
	"errors"
	"io"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/slipway-sh/slipway"
)

// Two callers want the same layer. Whatever one of them does, the other is served; only when both are gone is the work broken off.
func TestFlights(t *testing.T) {
	const key = slipway.Digest("k")
	failure := errors.New("failure")
	for _, c := range []struct {
		name                string
		first, second       bool // leave before the end
		err                 error
		wantFirst, wantNext error
	}{
		{name: "both stay"},
		{name: "it fails", err: failure, wantFirst: failure, wantNext: failure},
		{name: "the first leaves", first: true, wantFirst: context.Canceled},
		{name: "the second leaves", second: true, wantNext: context.Canceled},
		{name: "both leave", first: true, second: true, wantFirst: context.Canceled, wantNext: context.Canceled},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var fs flights
				var builds, broken atomic.Int32
				finish := make(chan struct{})
				build := func(ctx context.Context, out io.Writer) (slipway.LayerInfo, error) {
					builds.Add(1)
					_, _ = io.WriteString(out, "begun\n")
					select {
					case <-finish:
						_, _ = io.WriteString(out, "done\n")
						return slipway.LayerInfo{Size: 7}, c.err
					case <-ctx.Done():
						broken.Add(1)
						return slipway.LayerInfo{}, ctx.Err()
					}
				}
				var outs [2]bytes.Buffer
				var errs [2]error
				var infos [2]slipway.LayerInfo
				var cancels [2]context.CancelFunc
				for i := range 2 {
					ctx, cancel := context.WithCancel(t.Context())
					cancels[i] = cancel
					defer cancel()
					go func() { infos[i], errs[i] = fs.do(ctx, key, &outs[i], build) }()
					synctest.Wait()
				}
				if c.first {
					cancels[0]()
				}
				if c.second {
					cancels[1]()
				}
				synctest.Wait()
				close(finish)
				synctest.Wait()
				if !errors.Is(errs[0], c.wantFirst) || !errors.Is(errs[1], c.wantNext) {
					t.Errorf("got errors %v, %v", errs[0], errs[1])
				}
				if want := c.first && c.second; builds.Load() != 1 || (broken.Load() == 1) != want {
					t.Errorf("%d builds, %d broken off", builds.Load(), broken.Load())
				}
				for i, left := range []bool{c.first, c.second} {
					want := "done\n"
					if i == 0 {
						want = "begun\ndone\n"
					}
					if left {
						want = want[:len(want)-len("done\n")]
					} else if c.err == nil && infos[i].Size != 7 {
						t.Errorf("caller %d got %+v", i, infos[i])
					}
					if outs[i].String() != want {
						t.Errorf("caller %d heard %q, want %q", i, outs[i].String(), want)
					}
				}
				if len(fs.by) != 0 {
					t.Error("a flight is left")
				}
			})
		})
	}
}
