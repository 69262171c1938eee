package sqlstore

import (
	"context"

	"github.com/uptrace/bun"

	"github.com/slipway-sh/slipway"
)

type channelRow struct {
	bun.BaseModel `bun:"table:channels"`
	Application   string `bun:"application,pk"`
	Name          string `bun:"name,pk"`
	Image         string `bun:"image"`
	doc
}

// MoveChannel implements [slipway.Store].
func (s *Store) MoveChannel(ctx context.Context, move slipway.ChannelMove) (slipway.Channel, error) {
	if err := slipway.ValidateChannel(move.Name); err != nil {
		return slipway.Channel{}, err
	}
	var c slipway.Channel
	err := s.write.RunInTx(ctx, nil, func(ctx context.Context, tx bun.Tx) (err error) {
		c, err = s.channel(ctx, tx, move.Application, move.Name)
		switch {
		case slipway.CodeOf(err) == slipway.NotFound && move.Create && move.IfAt == "":
			err = s.free(ctx, tx, move)
		case err == nil && move.IfAt != "" && c.Image != move.IfAt:
			return slipway.Errorf(slipway.Conflict, "cannot move channel %s of %s: it names image %s, not %s",
				move.Name, move.Application, c.Image.Short(), move.IfAt.Short())
		}
		if err != nil || c.Image == move.Image {
			return err
		}
		if err := s.movable(ctx, tx, move); err != nil {
			return err
		}
		c = slipway.Channel{Application: move.Application, Name: move.Name, Image: move.Image, Previous: c.Image, Moved: move.At, By: move.By}
		d, err := encode(c)
		if err != nil {
			return err
		}
		return upsert(ctx, tx, &channelRow{Application: c.Application, Name: c.Name, Image: string(c.Image), doc: d}, "application, name")
	})
	if err != nil {
		return slipway.Channel{}, s.explain("move a channel", err)
	}
	return c, nil
}

// Channel implements [slipway.Store].
func (s *Store) Channel(ctx context.Context, application, name string) (slipway.Channel, error) {
	return s.channel(ctx, s.read, application, name)
}

// Channels implements [slipway.Store].
func (s *Store) Channels(ctx context.Context, application string) ([]slipway.Channel, error) {
	return list[channelRow, slipway.Channel](ctx, s, s.read, "the channels", func(q *bun.SelectQuery) *bun.SelectQuery {
		return is(q, "application", application).Order("application", "name")
	})
}

// DeleteChannel implements [slipway.Store].
func (s *Store) DeleteChannel(ctx context.Context, application, name string) error {
	err := s.write.RunInTx(ctx, nil, func(ctx context.Context, tx bun.Tx) error {
		if _, err := s.channel(ctx, tx, application, name); err != nil {
			return err
		}
		_, err := tx.NewDelete().Model((*channelRow)(nil)).Where("application = ? AND name = ?", application, name).Exec(ctx)
		return err
	})
	return s.explain("remove a channel", err)
}

func (s *Store) channel(ctx context.Context, db bun.IDB, application, name string) (slipway.Channel, error) {
	return get[channelRow, slipway.Channel](ctx, s, db, "channel "+quote(name)+" of application "+quote(application), func(q *bun.SelectQuery) *bun.SelectQuery {
		return q.Where("application = ? AND name = ?", application, name)
	})
}

// free returns a Conflict if a new channel of that name would hide a version label.
func (s *Store) free(ctx context.Context, db bun.IDB, move slipway.ChannelMove) error {
	labelled, err := s.labelled(ctx, db, move.Application, move.Name)
	if slipway.CodeOf(err) == slipway.NotFound {
		return nil
	}
	if err != nil {
		return err
	}
	return slipway.Errorf(slipway.Conflict, "cannot make channel %s of %s: image %s has that version label, which the channel would hide; choose another name",
		move.Name, move.Application, labelled.Digest.Short())
}

// movable returns an error unless the channel may name the image.
func (s *Store) movable(ctx context.Context, db bun.IDB, move slipway.ChannelMove) error {
	image, err := s.byDigest(ctx, db, move.Image)
	if err != nil {
		return err
	}
	doing := "move channel " + move.Name + " of " + move.Application + " to it"
	switch {
	case image.Application != move.Application:
		return slipway.Errorf(slipway.NotFound, "cannot %s: image %s is one of application %s", doing, image.Name(), image.Application)
	case image.State == slipway.ImageFailed:
		return slipway.Errorf(slipway.Refused, "cannot %s: the tests of image %s failed", doing, image.Name())
	case image.State != slipway.ImageReady:
		return slipway.Errorf(slipway.Refused, "cannot %s: image %s is not tested yet", doing, image.Name())
	}
	return image.NotRevoked(doing)
}
