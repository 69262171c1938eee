package catalog

import (
	"context"
	"time"

	"github.com/slipway-sh/slipway"
)

// MoveChannel implements [slipway.Catalog].
func (c *Catalog) MoveChannel(ctx context.Context, application, name string, req slipway.ChannelRequest) (slipway.Channel, error) {
	image, err := c.Store.FindImage(ctx, application, req.Image)
	if err != nil {
		return slipway.Channel{}, err
	}
	move := slipway.ChannelMove{Application: application, Name: name, Image: image.Digest, Create: req.Create, By: req.By, At: time.Now().UTC()}
	if req.IfAt != "" {
		at, err := c.Store.FindImage(ctx, application, req.IfAt)
		if err != nil {
			return slipway.Channel{}, err
		}
		move.IfAt = at.Digest
	}
	channel, err := c.Store.MoveChannel(ctx, move)
	if err != nil || !channel.Moved.Equal(move.At) { // it was there already
		return channel, err
	}
	from := "made"
	if channel.Previous != "" {
		from = "moved from " + c.name(ctx, channel.Previous)
	}
	c.tell(ctx, slipway.ChannelMoved, application, channel, "channel %s %s to %s%s", name, from, image.Name(), by(req.By))
	return channel, nil
}

// DeleteChannel implements [slipway.Catalog].
func (c *Catalog) DeleteChannel(ctx context.Context, application, name, who string) error {
	channel, err := c.Store.Channel(ctx, application, name)
	if err != nil {
		return err
	}
	if err := c.Store.DeleteChannel(ctx, application, name); err != nil {
		return err
	}
	gone := channel
	gone.Image, gone.Previous = "", channel.Image // so that readers of the event can tell that it names nothing now
	c.tell(ctx, slipway.ChannelMoved, application, gone, "channel %s, which named %s, removed%s", name, c.name(ctx, channel.Image), by(who))
	return nil
}

// name returns what people call an image, which may be removed.
func (c *Catalog) name(ctx context.Context, digest slipway.Digest) string {
	image, err := c.Store.Image(ctx, digest)
	if err != nil {
		return digest.Short()
	}
	return image.Name()
}
