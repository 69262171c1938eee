package chaos

import (
	"context"
	"time"

	"github.com/slipway-sh/slipway"
)

// promotions has promotions end in every way that there is: after a person has approved and after it has waited, rejected, and aborted.
func (c *recorder) promotions() {
	change := func(s *slipway.Spec) {
		s.Image.Service.Health.Interval = slipway.Duration(100 * time.Millisecond)
		s.Image.Service.Drain = slipway.Duration(time.Second)
		dev, to := s.Environments["dev"], c.env
		dev.LoadBalancer, dev.Strategy, dev.Size = nil, slipway.Strategy{Highlander: &slipway.Highlander{}}, slipway.Size{Min: 1, Desired: 1, Max: 1}
		to.Strategy = quick(slipway.Strategy{RedBlack: &slipway.RedBlack{}})
		to.Policy.Promotion = &slipway.PromotionPolicy{From: "dev", Ran: slipway.Duration(5 * time.Second), Approvals: &slipway.ApprovalPolicy{Needed: 1}}
		s.Environments["dev"], s.Environments[prod.Environment] = dev, to
	}
	c.Must(c.t, 0, "ship", "--file", c.HelloForTest(c.t, c.other(), change), "--version", c.other(), "dev")
	c.promoted("promoted", slipway.PromotionSucceeded, func(m slipway.Promotion) { c.vote(m, true) })
	c.promoted("promotion-rejected", slipway.PromotionRefused, func(m slipway.Promotion) { c.vote(m, false) })
	c.promoted("promotion-aborted", slipway.PromotionAborted, func(m slipway.Promotion) { c.must(c.API.Abort(c.t.Context(), m.ID)) })
}

// promoted waits for the end of a promotion, whose history is to be called so, with what people do once they are asked.
func (c *recorder) promoted(name string, want slipway.PromotionState, people func(slipway.Promotion)) {
	c.t.Helper()
	m, err := c.API.Promote(c.t.Context(), slipway.PromoteRequest{Application: prod.Application, To: prod.Environment, WaitForRan: true, By: "bob"})
	c.must(err)
	c.names[m.ID] = name
	people(c.promotion(m.ID, func(m slipway.Promotion) bool { return m.Approval != "" }))
	if m = c.promotion(m.ID, func(m slipway.Promotion) bool { return m.State.Done() }); m.State != want {
		c.t.Fatalf("%s: %s is %s, not %s: %v", name, m.ID, m.State, want, m.Error)
	}
	if m.State == slipway.PromotionSucceeded {
		c.serving = c.other()
	}
}

// promotion returns a promotion once done says so.
func (c *recorder) promotion(id string, done func(slipway.Promotion) bool) slipway.Promotion {
	c.t.Helper()
	m, err := until(c.t.Context(), func(ctx context.Context) (slipway.Promotion, error) { return c.API.Promotion(ctx, id) }, done)
	if err != nil {
		c.t.Fatalf("%s is still %s: %v", id, m.State, err)
	}
	return m
}

// vote has ann answer what a promotion asks, once that is stored.
func (c *recorder) vote(m slipway.Promotion, approve bool) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), patience)
	defer cancel()
	for {
		_, err := c.API.Vote(ctx, m.Approval, slipway.VoteRequest{Approve: approve, Comment: "looked at it", By: "ann"})
		if slipway.CodeOf(err) != slipway.NotFound {
			c.must(err)
			return
		}
	}
}
