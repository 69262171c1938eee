package slipway

import (
	"context"
	"time"
)

// The kinds of destinations that are there without chat.
const (
	NotifyWebhook = "webhook" // To is a URL; requests are signed as Standard Webhooks says
	NotifyEmail   = "email"   // To is one or more addresses, with commas between
)

// SubscriptionSpec says who is told of which events. Lists of globs select all where they are empty.
type SubscriptionSpec struct {
	Name         string   `json:"name"` // unique
	Kind         string   `json:"kind"` // "webhook", "email" or what chat brings
	To           string   `json:"to"`   // by the kind: a URL, addresses, a room
	Applications []string `json:"applications,omitempty"`
	Environments []string `json:"environments,omitempty"`
	Events       []string `json:"events,omitempty"`   // kinds of events: "deployment.finished", "release.*"; default: what has begun, ended or waits, see DefaultSubscribed
	Failures     bool     `json:"failures,omitempty"` // only what did not go well
}

// DefaultSubscribed are the kinds of events that a subscription without any is about.
var DefaultSubscribed = []string{
	string(ExecutionFinished), string(DeploymentStarted), string(DeploymentFinished), string(DeploymentWaiting), string(ReleaseFinished),
	string(InstanceLost), string(TriggerFailed), string(SubscriptionDisabled),
}

// Subscription tells somebody of what happens.
type Subscription struct {
	ID string `json:"id"` // "n-…"
	SubscriptionSpec
	Disabled *Disabling `json:"disabled,omitempty"`
	Failing  time.Time  `json:"failing,omitzero"` // since when nothing has got through
	By       string     `json:"by,omitempty"`
	Created  time.Time  `json:"created"`
	Rotated  time.Time  `json:"rotated,omitzero"` // when the secret was changed last
	Since    int64      `json:"-"`                // the Seq of the last event that it is not about
	Keys     []Sealed   `json:"-"`                // secrets to sign with, the newest first
}

// Disabling says why nothing is sent any more.
type Disabling struct {
	Reason string    `json:"reason"`
	By     string    `json:"by,omitempty"`
	At     time.Time `json:"at"`
}

// NewSubscription is a subscription that was made, or whose secret was changed. The secret is shown this once.
type NewSubscription struct {
	Subscription
	Secret string `json:"secret,omitempty"` // of a webhook
}

// DeliveryState says what has become of a delivery.
type DeliveryState string

// The states of a delivery. All but pending are final, though a dead one can be tried again.
const (
	DeliveryPending   DeliveryState = "pending"
	DeliveryDelivered DeliveryState = "delivered"
	DeliveryDead      DeliveryState = "dead"      // given up, and waits for a person
	DeliveryDiscarded DeliveryState = "discarded" // given up, by a person
)

// Delivery is one event on its way to one subscription.
type Delivery struct {
	ID           string        `json:"id"` // "m-…"; the same in every try, so that who gets it twice can tell
	Subscription string        `json:"subscription"`
	Event        Event         `json:"event"`
	State        DeliveryState `json:"state"`
	Tries        int           `json:"tries"`
	Error        string        `json:"error,omitempty"` // of the last try
	Created      time.Time     `json:"created"`
	Tried        time.Time     `json:"tried,omitzero"`
	Due          time.Time     `json:"due,omitzero"` // when it is tried next
	Finished     time.Time     `json:"finished,omitzero"`
}

// DeliveryFilter selects deliveries. Zero fields select all.
type DeliveryFilter struct {
	Subscription string
	State        DeliveryState
	After        Mark // only those that come after it; a delivery's time is when it was created
}

// SubscriptionStore keeps subscriptions and their deliveries. Methods are safe for concurrent use, in several processes too.
type SubscriptionStore interface {
	Cursors
	// PutSubscription inserts a subscription or replaces the one of its ID. Conflict if another has its name.
	PutSubscription(ctx context.Context, s Subscription) error
	Subscription(ctx context.Context, id string) (Subscription, error)
	// Subscriptions returns all, by name.
	Subscriptions(ctx context.Context) ([]Subscription, error)
	// DeleteSubscription removes a subscription with its deliveries and returns it.
	DeleteSubscription(ctx context.Context, id string) (Subscription, error)

	// AddDeliveries stores new deliveries and moves the cursor, both or neither. It returns false, and does nothing, if the cursor is elsewhere.
	AddDeliveries(ctx context.Context, move CursorMove, deliveries []Delivery) (bool, error)
	// ClaimDeliveries returns up to limit pending deliveries that are due, and lets them be due again at a later time: until then they are the
	// caller's.
	ClaimDeliveries(ctx context.Context, now, until time.Time, limit int) ([]Delivery, error)
	// PutDelivery inserts or replaces a delivery. nil, and nothing is stored, if its subscription was removed meanwhile.
	PutDelivery(ctx context.Context, d Delivery) error
	Delivery(ctx context.Context, id string) (Delivery, error)
	// Deliveries returns deliveries, newest first.
	Deliveries(ctx context.Context, filter DeliveryFilter, limit int) ([]Delivery, error)
	// DropDeliveries removes those that were delivered or discarded before a time.
	DropDeliveries(ctx context.Context, over time.Time) error
}

// Notification is what somebody is told.
type Notification struct {
	ID      string    // of the delivery
	Event   Event     // what happened
	Subject string    // one line: "hello: deployment to prod succeeded"
	Text    string    // a few lines
	At      time.Time // of this try
	Keys    [][]byte  // secrets to sign with, the newest first
}

// Notifier brings notifications to the destinations of one kind: what chat bots implement. Methods are safe for concurrent use.
type Notifier interface {
	// Validate returns an Invalid error unless to can be a destination.
	Validate(to string) error
	// Notify brings a notification to a destination, or returns an error. It is tried again later, with the same ID, unless the error is Refused
	// (the destination does not want this notification) or NotFound (it does not want any more of them, ever). It must end with ctx.
	Notify(ctx context.Context, to string, n Notification) error
}

// LaterError is an error of a [Notifier] whose destination said when to try again.
type LaterError struct {
	After time.Duration
	Err   error
}

// Error implements error.
func (e *LaterError) Error() string { return e.Err.Error() }

// Unwrap returns the error itself.
func (e *LaterError) Unwrap() error { return e.Err }

// Subscriptions makes subscriptions, and tells of their deliveries. Methods are safe for concurrent use.
type Subscriptions interface {
	// AddSubscription makes a subscription. Conflict if there is one of the name.
	AddSubscription(ctx context.Context, spec SubscriptionSpec) (NewSubscription, error)
	ListSubscriptions(ctx context.Context) ([]Subscription, error)
	GetSubscription(ctx context.Context, id string) (Subscription, error)
	// EnableSubscription lets one be told of what happens, or no more. What happens while it is not enabled is not made up for.
	EnableSubscription(ctx context.Context, id string, enabled bool, reason string) (Subscription, error)
	// RotateSubscription gives a webhook another secret; requests are signed with the old one as well for the time of overlap.
	RotateSubscription(ctx context.Context, id string, overlap time.Duration) (NewSubscription, error)
	RemoveSubscription(ctx context.Context, id string) (Subscription, error)
	// TestSubscription sends a notification of no event, at once and once, and returns what came of it.
	TestSubscription(ctx context.Context, id string) (Delivery, error)
	ListDeliveries(ctx context.Context, filter DeliveryFilter, limit int) ([]Delivery, error)
	// RetryDelivery tries a dead or discarded delivery again, from the start.
	RetryDelivery(ctx context.Context, id string) (Delivery, error)
	// DiscardDelivery gives up a delivery that is pending or dead.
	DiscardDelivery(ctx context.Context, id string) (Delivery, error)
}
