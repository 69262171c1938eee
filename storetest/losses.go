package storetest

import (
	"testing"

	"github.com/slipway-sh/slipway"
)

// ExerciseLosses runs the suite of what every [slipway.LossStore] must do. open returns an empty store each time it is called.
func ExerciseLosses(t *testing.T, open func(t *testing.T) slipway.LossStore) {
	t.Run("what a group has lost comes back, by cluster and name, and is replaced", func(t *testing.T) {
		s, ctx := open(t), t.Context()
		same(t, []slipway.Loss{})(s.Losses(ctx, prod))
		two := slipway.Loss{Group: "shop-prod-v002", Cluster: prod, Replaced: 1, At: at(2)}
		one := slipway.Loss{Group: "shop-prod-v001", Cluster: prod}
		other := slipway.Loss{Group: "blog-prod-v001", Cluster: slipway.Cluster{Application: "blog", Environment: "prod"}, Replaced: 3, At: at(1)}
		for _, l := range []slipway.Loss{two, one, other} {
			must(t, s.PutLoss(ctx, l))
		}
		same(t, []slipway.Loss{one, two})(s.Losses(ctx, prod))
		same(t, []slipway.Loss{other, one, two})(s.Losses(ctx, slipway.Cluster{}))
		two.Replaced, two.At = 4, at(9)
		must(t, s.PutLoss(ctx, two))
		same(t, []slipway.Loss{one, two})(s.Losses(ctx, prod))
	})
}
