package storetest

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/slipway-sh/slipway"
)

// ExerciseRequestKeys runs the suite of [slipway.RequestKeys]. open returns an empty store each time it is called.
func ExerciseRequestKeys(t *testing.T, open func(t *testing.T) slipway.RequestKeys) {
	hour := time.Now().Add(time.Hour)
	claim := func(holder string) slipway.RequestClaim {
		return slipway.RequestClaim{Principal: "ann", Key: "k", Digest: digest(1), Holder: holder, Until: hour}
	}
	answer := slipway.RequestAnswer{Status: 202, ContentType: "application/json", ETag: `"x"`, Body: []byte(`{"id":"d-1"}`)}

	t.Run("a request is carried out once, and its answer is kept", func(t *testing.T) {
		s := open(t)
		same(t, (*slipway.RequestAnswer)(nil))(s.ClaimRequest(t.Context(), claim("a")))
		if _, err := s.ClaimRequest(t.Context(), claim("b")); slipway.CodeOf(err) != slipway.Conflict {
			t.Errorf("under way: %v, want a Conflict", err)
		}
		must(t, s.RenewRequest(t.Context(), claim("a")))
		must(t, s.AnswerRequest(t.Context(), claim("a"), answer))
		same(t, &answer)(s.ClaimRequest(t.Context(), claim("b")))
		other := claim("c")
		other.Digest = digest(2)
		if _, err := s.ClaimRequest(t.Context(), other); slipway.CodeOf(err) != slipway.Invalid {
			t.Errorf("another request: %v, want Invalid", err)
		}
		must(t, s.ReleaseRequest(t.Context(), claim("a"))) // too late: it is answered
		same(t, &answer)(s.ClaimRequest(t.Context(), claim("b")))
	})
	t.Run("keys of others are other keys", func(t *testing.T) {
		s := open(t)
		same(t, (*slipway.RequestAnswer)(nil))(s.ClaimRequest(t.Context(), claim("a")))
		bobs := claim("b")
		bobs.Principal = "bob"
		same(t, (*slipway.RequestAnswer)(nil))(s.ClaimRequest(t.Context(), bobs))
	})
	t.Run("what is given back may be claimed again", func(t *testing.T) {
		s := open(t)
		same(t, (*slipway.RequestAnswer)(nil))(s.ClaimRequest(t.Context(), claim("a")))
		must(t, s.ReleaseRequest(t.Context(), claim("b"))) // not its own
		if _, err := s.ClaimRequest(t.Context(), claim("b")); slipway.CodeOf(err) != slipway.Conflict {
			t.Errorf("held by another: %v, want a Conflict", err)
		}
		must(t, s.ReleaseRequest(t.Context(), claim("a")))
		same(t, (*slipway.RequestAnswer)(nil))(s.ClaimRequest(t.Context(), claim("b")))
	})
	t.Run("who died holding a claim loses it, and an answer is forgotten in the end", func(t *testing.T) {
		s := open(t)
		dead := claim("a")
		dead.Until = time.Now().Add(-time.Second)
		same(t, (*slipway.RequestAnswer)(nil))(s.ClaimRequest(t.Context(), dead))
		same(t, (*slipway.RequestAnswer)(nil))(s.ClaimRequest(t.Context(), claim("b")))
		for what, err := range map[string]error{
			"renewing": s.RenewRequest(t.Context(), claim("a")), "answering": s.AnswerRequest(t.Context(), claim("a"), answer),
		} {
			if slipway.CodeOf(err) != slipway.NotFound {
				t.Errorf("%s what another has taken over: %v, want NotFound", what, err)
			}
		}
		old := claim("b")
		old.Until = time.Now().Add(-time.Second)
		must(t, s.AnswerRequest(t.Context(), old, answer))
		same(t, (*slipway.RequestAnswer)(nil))(s.ClaimRequest(t.Context(), claim("c")))
	})
	t.Run("of fifty at once one carries it out", func(t *testing.T) {
		s := open(t)
		var carried, refused atomic.Int32
		var all sync.WaitGroup
		for n := range 50 {
			all.Go(func() {
				switch kept, err := s.ClaimRequest(t.Context(), claim(fmt.Sprint(n))); {
				case err == nil && kept == nil:
					carried.Add(1)
				case slipway.CodeOf(err) == slipway.Conflict:
					refused.Add(1)
				default:
					t.Errorf("%+v, %v", kept, err)
				}
			})
		}
		all.Wait()
		if carried.Load() != 1 || refused.Load() != 49 {
			t.Errorf("%d carried it out, %d were refused, want 1 and 49", carried.Load(), refused.Load())
		}
	})
}
