package notify_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/memstore"
	"github.com/slipway-sh/slipway/notify"
	"github.com/slipway-sh/slipway/seal"
	"github.com/slipway-sh/slipway/sqlstore"
)

// room is what a chat bot brings: it knows what can be a destination, and how to say something there. Here it says it on standard output, and
// the room is closed the first time.
type room struct{ tries int }

// Validate implements [slipway.Notifier].
func (r *room) Validate(to string) error {
	if !strings.HasPrefix(to, "#") || strings.ContainsAny(to, " ,") {
		return slipway.Errorf(slipway.Invalid, "cannot talk there: want the name of a room, such as #deploys").At("to")
	}
	return nil
}

// Notify implements [slipway.Notifier].
func (r *room) Notify(_ context.Context, to string, n slipway.Notification) error {
	if r.tries++; r.tries == 1 {
		return slipway.Errorf(slipway.Unavailable, "cannot talk in %s: nobody has let me in", to) // and so it is tried again
	}
	fmt.Printf("%s: %s (%s)\n", to, n.Subject, n.Event.Deployment)
	return nil
}

// A chat bot is a [slipway.Notifier] under the name of its kind. Subscriptions, retries and the list of what was given up are there for it, as
// they are for webhooks and mails.
func Example_chat() {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "chat")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	store, err := sqlstore.Open(ctx, filepath.Join(dir, "slipway.db"))
	if err != nil {
		panic(err)
	}
	defer store.Close()
	box, err := seal.Open(filepath.Join(dir, "webhooks.key"))
	if err != nil {
		panic(err)
	}
	now := time.Now()
	service := notify.New(notify.Config{
		Store: store, Bus: &memstore.Bus{}, Sealer: box, Log: slog.New(slog.DiscardHandler), Now: func() time.Time { return now },
		Notifiers: map[string]slipway.Notifier{"chat": &room{}},
	})
	service.Step(ctx) // as slipwayd's does when something happens; Run does it until it is to end

	_, err = service.AddSubscription(ctx, slipway.SubscriptionSpec{Name: "bot", Kind: "chat", To: "deploys", Failures: true})
	fmt.Println(err)
	if _, err = service.AddSubscription(ctx, slipway.SubscriptionSpec{Name: "bot", Kind: "chat", To: "#deploys", Failures: true}); err != nil {
		panic(err)
	}
	for _, e := range []slipway.Event{
		{Message: "deployment to prod succeeded", Deployment: "d-1", Data: []byte(`{"state":"succeeded"}`)},
		{Message: "deployment to prod was rolled back", Deployment: "d-2", Data: []byte(`{"state":"rolled_back"}`)},
	} {
		e.Kind, e.Application, e.Environment = slipway.DeploymentFinished, "shop", "prod"
		if _, err := store.AppendEvent(ctx, e); err != nil {
			panic(err)
		}
	}
	service.Step(ctx)
	now = now.Add(time.Minute)
	service.Step(ctx)
	// Output:
	// to: cannot talk there: want the name of a room, such as #deploys
	// #deploys: shop prod: deployment to prod was rolled back (d-2)
}
