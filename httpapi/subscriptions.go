package httpapi

import (
	"context"
	"time"

	"github.com/slipway-sh/slipway"
)

// SubscriptionInput names a subscription in a path. It is exported so that huma sees its fields where it is embedded.
type SubscriptionInput struct {
	ID string `path:"id"`
}

type subscriptionsInput struct{ PageInput }

func (a *api) listSubscriptions(ctx context.Context, in *subscriptionsInput) (*listOutput[slipway.Subscription], error) {
	all, err := a.Subscriptions.ListSubscriptions(ctx)
	return sorted(a.page(ctx, &in.PageInput), all, err, func(s slipway.Subscription) string { return s.Name + "\x00" + s.ID })
}

type addSubscriptionInput struct{ Body slipway.SubscriptionSpec }

func (a *api) addSubscription(ctx context.Context, in *addSubscriptionInput) (*output[slipway.NewSubscription], error) {
	return found(a.Subscriptions.AddSubscription(ctx, in.Body))
}

func (a *api) getSubscription(ctx context.Context, in *SubscriptionInput) (*output[slipway.Subscription], error) {
	return found(a.Subscriptions.GetSubscription(ctx, in.ID))
}

type enableSubscriptionInput struct {
	SubscriptionInput
	Body struct {
		Enabled bool   `json:"enabled"`
		Reason  string `json:"reason,omitempty" doc:"Why nothing is to be sent."`
	}
}

func (a *api) enableSubscription(ctx context.Context, in *enableSubscriptionInput) (*output[slipway.Subscription], error) {
	return found(a.Subscriptions.EnableSubscription(ctx, in.ID, in.Body.Enabled, in.Body.Reason))
}

type rotateSubscriptionInput struct {
	SubscriptionInput
	Body struct {
		Overlap slipway.Duration `json:"overlap,omitempty" doc:"For how long requests are signed with the old secret, too."`
	}
}

func (a *api) rotateSubscription(ctx context.Context, in *rotateSubscriptionInput) (*output[slipway.NewSubscription], error) {
	return found(a.Subscriptions.RotateSubscription(ctx, in.ID, time.Duration(in.Body.Overlap)))
}

func (a *api) removeSubscription(ctx context.Context, in *SubscriptionInput) (*output[slipway.Subscription], error) {
	return found(a.Subscriptions.RemoveSubscription(ctx, in.ID))
}

func (a *api) testSubscription(ctx context.Context, in *SubscriptionInput) (*output[slipway.Delivery], error) {
	return found(a.Subscriptions.TestSubscription(ctx, in.ID))
}

type deliveriesInput struct {
	Subscription string                `query:"subscription" doc:"Only what this subscription, by its ID, sends."`
	State        slipway.DeliveryState `query:"state" doc:"Only those in this state; dead is the list of what was given up."`
	PageInput
}

func (a *api) listDeliveries(ctx context.Context, in *deliveriesInput) (*listOutput[slipway.Delivery], error) {
	filter := slipway.DeliveryFilter{Subscription: in.Subscription, State: in.State}
	return paged(a.page(ctx, &in.PageInput), func(after slipway.Mark, limit int) ([]slipway.Delivery, error) {
		filter.After = after
		return a.Subscriptions.ListDeliveries(ctx, filter, limit)
	}, func(d slipway.Delivery) slipway.Mark { return slipway.Mark{Time: d.Created, ID: d.ID} })
}

type deliveryInput struct {
	ID string `path:"id"`
}

func (a *api) retryDelivery(ctx context.Context, in *deliveryInput) (*output[slipway.Delivery], error) {
	return found(a.Subscriptions.RetryDelivery(ctx, in.ID))
}

func (a *api) discardDelivery(ctx context.Context, in *deliveryInput) (*output[slipway.Delivery], error) {
	return found(a.Subscriptions.DiscardDelivery(ctx, in.ID))
}
