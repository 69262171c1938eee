package storetest

import (
	"fmt"
	"slices"
	"testing"

	"github.com/slipway-sh/slipway"
)

// ExerciseSubscriptions runs the suite of [slipway.SubscriptionStore]. open is as in [Exercise].
func ExerciseSubscriptions(t *testing.T, open func(t *testing.T) slipway.SubscriptionStore) {
	for _, c := range []struct {
		name string
		run  func(*testing.T, slipway.SubscriptionStore)
	}{
		{"subscriptions come back with their secrets, and go with their deliveries", subscriptions},
		{"deliveries are stored with the cursor's move, or not at all", deliveryCursor},
		{"a delivery is claimed by one at a time", claimDeliveries},
		{"what is dead stays until a person has looked", dropDeliveries},
	} {
		t.Run(c.name, func(t *testing.T) { c.run(t, open(t)) })
	}
}

func subscription(n int, name string) slipway.Subscription {
	return slipway.Subscription{
		ID: fmt.Sprintf("n-%d", n), By: "ann", Created: at(n), Since: int64(n), Keys: []slipway.Sealed{{Text: "key", Until: at(9)}},
		SubscriptionSpec: slipway.SubscriptionSpec{Name: name, Kind: slipway.NotifyWebhook, To: "https://example.com/hook", Events: []string{"deployment.*"}},
	}
}

func delivery(n int, subscription string) slipway.Delivery {
	return slipway.Delivery{
		ID: fmt.Sprintf("m-%d", n), Subscription: subscription, State: slipway.DeliveryPending, Created: at(n), Due: at(n),
		Event: slipway.Event{Seq: int64(n), Kind: slipway.DeploymentFinished, Message: "done", Time: at(n), Data: []byte(`{"a":1}`)},
	}
}

func subscriptions(t *testing.T, s slipway.SubscriptionStore) {
	ctx := t.Context()
	b, a := subscription(1, "b"), subscription(2, "a")
	must(t, s.PutSubscription(ctx, b))
	must(t, s.PutSubscription(ctx, a))
	same(t, []slipway.Subscription{a, b})(s.Subscriptions(ctx))
	if err := s.PutSubscription(ctx, subscription(3, "a")); slipway.CodeOf(err) != slipway.Conflict {
		t.Errorf("a second one of the name: %v", err)
	}
	b.Disabled = &slipway.Disabling{Reason: "quiet", At: at(3)}
	must(t, s.PutSubscription(ctx, b))
	same(t, b)(s.Subscription(ctx, b.ID))

	must(t, s.PutDelivery(ctx, delivery(1, b.ID)))
	same(t, delivery(1, b.ID))(s.Delivery(ctx, "m-1"))
	same(t, b)(s.DeleteSubscription(ctx, b.ID))
	must(t, s.PutDelivery(ctx, delivery(1, b.ID))) // by who was at work on it meanwhile
	for _, err := range []error{second(s.Subscription(ctx, b.ID)), second(s.DeleteSubscription(ctx, b.ID)), second(s.Delivery(ctx, "m-1"))} {
		if slipway.CodeOf(err) != slipway.NotFound {
			t.Errorf("after it was removed: %v", err)
		}
	}
}

func deliveryCursor(t *testing.T, s slipway.SubscriptionStore) {
	ctx := t.Context()
	same(t, int64(3))(s.StartCursor(ctx, "notify", 3))
	move := func(from, to int64, deliveries ...slipway.Delivery) (bool, error) {
		return s.AddDeliveries(ctx, slipway.CursorMove{Name: "notify", From: from, To: to}, deliveries)
	}
	same(t, true)(move(3, 5, delivery(1, "n-1"), delivery(2, "n-2")))
	same(t, false)(move(3, 5, delivery(3, "n-1")))
	if moved, err := move(5, 6, delivery(4, "n-1"), delivery(1, "n-1")); moved || err == nil {
		t.Errorf("the same delivery was stored again: %v, %v", moved, err)
	}
	same(t, int64(5))(s.StartCursor(ctx, "notify", 0))
	same(t, []slipway.Delivery{delivery(2, "n-2"), delivery(1, "n-1")})(s.Deliveries(ctx, slipway.DeliveryFilter{}, 0))
	same(t, []slipway.Delivery{delivery(1, "n-1")})(s.Deliveries(ctx, slipway.DeliveryFilter{Subscription: "n-1", State: slipway.DeliveryPending}, 1))
	after := slipway.DeliveryFilter{After: slipway.Mark{Time: delivery(2, "n-2").Created, ID: "m-2"}}
	same(t, []slipway.Delivery{delivery(1, "n-1")})(s.Deliveries(ctx, after, 0))
}

func claimDeliveries(t *testing.T, s slipway.SubscriptionStore) {
	ctx := t.Context()
	must(t, s.PutSubscription(ctx, subscription(1, "a")))
	for n := range 3 {
		must(t, s.PutDelivery(ctx, delivery(n+1, "n-1")))
	}
	claim := func(now, until, limit int) []string {
		t.Helper()
		claimed, err := s.ClaimDeliveries(ctx, at(now), at(until), limit)
		must(t, err)
		var ids []string
		for _, d := range claimed {
			ids = append(ids, d.ID)
		}
		return ids
	}
	for _, c := range []struct {
		now, until, limit int
		want              []string
	}{
		{2, 10, 1, []string{"m-1"}},
		{2, 10, 9, []string{"m-2"}},
		{2, 10, 9, nil},
		{10, 20, 9, []string{"m-3", "m-1", "m-2"}},
	} {
		if got := claim(c.now, c.until, c.limit); !slices.Equal(got, c.want) {
			t.Errorf("at %d: claimed %v, want %v", c.now, got, c.want)
		}
	}
	dead := delivery(1, "n-1")
	dead.State, dead.Error = slipway.DeliveryDead, "no answer"
	must(t, s.PutDelivery(ctx, dead))
	if got := claim(20, 30, 9); !slices.Equal(got, []string{"m-2", "m-3"}) {
		t.Errorf("a dead one was claimed: %v", got)
	}
}

func dropDeliveries(t *testing.T, s slipway.SubscriptionStore) {
	ctx := t.Context()
	must(t, s.PutSubscription(ctx, subscription(1, "a")))
	for n, state := range []slipway.DeliveryState{slipway.DeliveryPending, slipway.DeliveryDelivered, slipway.DeliveryDead, slipway.DeliveryDiscarded, slipway.DeliveryDelivered} {
		d := delivery(n+1, "n-1")
		d.State = state
		must(t, s.PutDelivery(ctx, d))
	}
	must(t, s.DropDeliveries(ctx, at(5)))
	left, err := s.Deliveries(ctx, slipway.DeliveryFilter{}, 0)
	must(t, err)
	var ids []string
	for _, d := range left {
		ids = append(ids, d.ID)
	}
	if want := []string{"m-5", "m-3", "m-1"}; !slices.Equal(ids, want) {
		t.Errorf("left are %v, want %v", ids, want)
	}
}
