package memstore

import (
	"cmp"
	"context"

	"github.com/slipway-sh/slipway"
)

type channelKey struct{ application, name string }

// MoveChannel implements [slipway.Store].
func (s *Store) MoveChannel(_ context.Context, move slipway.ChannelMove) (slipway.Channel, error) {
	if err := slipway.ValidateChannel(move.Name); err != nil {
		return slipway.Channel{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	key := channelKey{move.Application, move.Name}
	c, ok := s.channels[key]
	switch {
	case !ok && (!move.Create || move.IfAt != ""):
		return c, noChannel(move.Application, move.Name)
	case !ok:
		if labelled, err := s.labelled(move.Application, move.Name); err == nil {
			return c, slipway.Errorf(slipway.Conflict, "cannot make channel %s of %s: image %s has that version label, which the channel would hide; choose another name",
				move.Name, move.Application, labelled.Digest.Short())
		}
	case move.IfAt != "" && c.Image != move.IfAt:
		return slipway.Channel{}, slipway.Errorf(slipway.Conflict, "cannot move channel %s of %s: it names image %s, not %s",
			move.Name, move.Application, c.Image.Short(), move.IfAt.Short())
	}
	if c.Image == move.Image {
		return c, nil
	}
	if err := s.movable(move); err != nil {
		return slipway.Channel{}, err
	}
	c = slipway.Channel{Application: move.Application, Name: move.Name, Image: move.Image, Previous: c.Image, Moved: move.At, By: move.By}
	s.channels[key] = c
	return c, nil
}

// Channel implements [slipway.Store].
func (s *Store) Channel(_ context.Context, application, name string) (slipway.Channel, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	c, ok := s.channels[channelKey{application, name}]
	if !ok {
		return c, noChannel(application, name)
	}
	return c, nil
}

// Channels implements [slipway.Store].
func (s *Store) Channels(_ context.Context, application string) ([]slipway.Channel, error) {
	return list(s, s.channels, 0,
		func(c slipway.Channel) bool { return is(application, c.Application) },
		func(a, b slipway.Channel) int {
			return cmp.Or(cmp.Compare(a.Application, b.Application), cmp.Compare(a.Name, b.Name))
		}), nil
}

// DeleteChannel implements [slipway.Store].
func (s *Store) DeleteChannel(_ context.Context, application, name string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	key := channelKey{application, name}
	if _, ok := s.channels[key]; !ok {
		return noChannel(application, name)
	}
	delete(s.channels, key)
	return nil
}

// movable returns an error unless the channel may name the image. mu must be held.
func (s *Store) movable(move slipway.ChannelMove) error {
	image, err := find(s.images, move.Image, "image "+string(move.Image))
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

func noChannel(application, name string) error {
	return missing("channel " + quote(name) + " of application " + quote(application))
}
