package httpapi

import (
	"context"

	"github.com/slipway-sh/slipway"
)

func (a *api) listChannels(ctx context.Context, in *imagesInput) (*listOutput[slipway.Channel], error) {
	return listed(a.Store.Channels(ctx, in.Application))
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
