package httpapi

import (
	"context"

	"github.com/slipway-sh/slipway"
)

type channelsInput struct {
	Application string `query:"application" doc:"Only this application's."`
	PageInput
}

func (a *api) listChannels(ctx context.Context, in *channelsInput) (*listOutput[slipway.Channel], error) {
	all, err := a.Store.Channels(ctx, in.Application)
	return sorted(a.page(ctx, &in.PageInput), all, err, func(c slipway.Channel) string { return c.Application + "\x00" + c.Name })
}

func (a *api) getChannel(ctx context.Context, in *ChannelInput) (*output[slipway.Channel], error) {
	return found(a.Store.Channel(ctx, in.Application, in.Channel))
}

// ChannelInput names a channel in a path. It is exported so that huma sees its fields where it is embedded.
type ChannelInput struct {
	Application string `path:"application"`
	Channel     string `path:"channel"`
}

type moveChannelInput struct {
	ChannelInput
	Body slipway.ChannelRequest
}

func (a *api) moveChannel(ctx context.Context, in *moveChannelInput) (*output[slipway.Channel], error) {
	return found(a.Catalog.MoveChannel(ctx, in.Application, in.Channel, in.Body))
}

type deleteChannelInput struct {
	ChannelInput
	By string `query:"by" doc:"Who removes it."`
}

func (a *api) deleteChannel(ctx context.Context, in *deleteChannelInput) (*struct{}, error) {
	return nil, a.Catalog.DeleteChannel(ctx, in.Application, in.Channel, in.By)
}
