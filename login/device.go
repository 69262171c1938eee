package login

import (
	"context"
	"strings"
	"time"
	"unicode"

	"golang.org/x/oauth2"

	"github.com/slipway-sh/slipway"
)

// Code is what a user enters on another machine.
type Code struct {
	Address  string    `json:"address"`            // of the page to enter it at
	Complete string    `json:"complete,omitempty"` // of a page that knows the code already
	Code     string    `json:"code"`
	Expires  time.Time `json:"expires,omitzero"`
}

// plain returns what a terminal shows as it is.
func plain(text string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, text)
}

// Device logs a user in with a browser on any machine, by the device code grant: show is told the code to enter. It waits until that is done,
// the code has expired or ctx is done. Unprepared if the provider knows no device codes.
func (p *Provider) Device(ctx context.Context, show func(Code)) (Login, error) {
	if p.device == "" {
		return Login{}, slipway.Errorf(slipway.Unprepared, "cannot log in by a device code: %s has none; log in without --device", p.where.Issuer)
	}
	config := p.config
	config.Endpoint.DeviceAuthURL = p.device
	device, err := config.DeviceAuth(p.context(ctx))
	if err != nil {
		return Login{}, explain(err, "log in by a device code")
	}
	for _, address := range []string{device.VerificationURI, device.VerificationURIComplete} {
		if err := checkEndpoint(address); err != nil {
			return Login{}, err
		}
	}
	show(Code{Address: device.VerificationURI, Complete: device.VerificationURIComplete, Code: plain(device.UserCode), Expires: device.Expiry.UTC()})
	token, err := config.DeviceAccessToken(p.context(ctx), device)
	switch {
	case err != nil && ctx.Err() != nil:
		return Login{}, waited(ctx)
	case err != nil && !device.Expiry.IsZero() && !time.Now().Before(device.Expiry):
		return Login{}, explain(&oauth2.RetrieveError{ErrorCode: "expired_token"}, "log in")
	case err != nil:
		return Login{}, explain(err, "log in")
	}
	return p.login(ctx, token, "")
}
