package storetest

import (
	"fmt"
	"testing"

	"github.com/slipway-sh/slipway"
)

// ExercisePromotions runs the suite of what every [slipway.PromotionStore] must do. open returns an empty store each time it is called.
func ExercisePromotions(t *testing.T, open func(t *testing.T) slipway.PromotionStore) {
	t.Run("a promotion comes back as it was put, and is replaced", func(t *testing.T) {
		s, ctx := open(t), t.Context()
		wants(t, slipway.NotFound)(s.Promotion(ctx, "m-1"))
		p := promotion(1, prod)
		must(t, s.PutPromotion(ctx, p))
		same(t, p)(s.Promotion(ctx, p.ID))
		p.State, p.Waiting, p.Deployment, p.Finished = slipway.PromotionFailed, nil, "d-1", at(9)
		must(t, s.PutPromotion(ctx, p))
		same(t, p)(s.Promotion(ctx, p.ID))
		same(t, []slipway.Promotion{p})(s.Promotions(ctx, slipway.PromotionFilter{To: prod}, 0))
	})
	t.Run("promotions are listed newest first, narrowed and bounded", func(t *testing.T) {
		s, ctx := open(t), t.Context()
		one, two := promotion(1, prod), promotion(2, slipway.Cluster{Application: "shop", Environment: "dev"})
		three := promotion(3, slipway.Cluster{Application: "blog", Environment: "prod"})
		for _, p := range []slipway.Promotion{two, three, one} {
			must(t, s.PutPromotion(ctx, p))
		}
		same(t, []slipway.Promotion{three, two, one})(s.Promotions(ctx, slipway.PromotionFilter{}, 0))
		same(t, []slipway.Promotion{three, two})(s.Promotions(ctx, slipway.PromotionFilter{}, 2))
		same(t, []slipway.Promotion{two, one})(s.Promotions(ctx, slipway.PromotionFilter{To: slipway.Cluster{Application: "shop"}}, 0))
		same(t, []slipway.Promotion{three, one})(s.Promotions(ctx, slipway.PromotionFilter{To: slipway.Cluster{Environment: "prod"}}, 0))
		same(t, []slipway.Promotion{})(s.Promotions(ctx, slipway.PromotionFilter{To: slipway.Cluster{Application: "shop", Environment: "qa"}}, 0))
		after := slipway.Mark{Time: three.Started, ID: three.ID}
		same(t, []slipway.Promotion{two, one})(s.Promotions(ctx, slipway.PromotionFilter{After: after}, 0))
		same(t, []slipway.Promotion{two})(s.Promotions(ctx, slipway.PromotionFilter{After: after}, 1))
	})
}

func promotion(n int, to slipway.Cluster) slipway.Promotion {
	return slipway.Promotion{
		ID: fmt.Sprintf("m-%d", n), Application: to.Application, From: "staging", To: to.Environment, Image: digest(n), Replaces: digest(n - 1),
		State: slipway.PromotionWaiting, Waiting: &slipway.Waiting{For: "the window", Until: at(n + 100)}, Approval: "a-1", Reason: "sale", By: "bob", Started: at(n),
		Constraints: []slipway.Constraint{{Kind: slipway.ConstraintWindow, Message: "closed", Unblocks: "wait", At: at(n + 100)}, {Kind: slipway.ConstraintTested, Met: true}},
	}
}
