package cli

import (
	"context"
	"io"
	"testing"

	"github.com/slipway-sh/slipway"
)

func TestImagePushArgs(t *testing.T) {
	for _, args := range [][]string{{"hello@1.0", "r/hello"}, {"hello", "1.0", "r/hello"}} {
		var got imagePushOptions
		c := newImagePush(&Factory{Out: io.Discard, Err: io.Discard}, func(_ context.Context, o *imagePushOptions) error { got = *o; return nil })
		c.SetArgs(args)
		if err := c.ExecuteContext(t.Context()); err != nil || got.image.String() != "hello@1.0" || got.to != "r/hello" {
			t.Errorf("%q: got %+v, %v", args, got, err)
		}
	}
	for _, args := range [][]string{{"hello"}, {"hello@1.0", "1.0", "r/hello"}, {"a", "b", "c", "d"}} {
		c := newImagePush(&Factory{Out: io.Discard, Err: io.Discard}, func(context.Context, *imagePushOptions) error { return nil })
		c.SilenceErrors, c.SilenceUsage = true, true
		c.SetArgs(args)
		if err := c.ExecuteContext(t.Context()); err == nil {
			t.Errorf("%q: no error", args)
		}
	}
}

func TestMoved(t *testing.T) {
	for want, transfer := range map[string]slipway.Transfer{
		"sent 3 blobs; 1.0 kB in all":                       {Blobs: 3, BytesTotal: 1000},
		"sent 1 blob, 1 was there already; 1.0 kB in all":   {Blobs: 2, There: 1, BytesTotal: 1000},
		"sent 0 blobs, 2 were there already; 1.0 kB in all": {Blobs: 2, There: 2, BytesTotal: 1000},
	} {
		if got := moved(transfer, "sent"); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
