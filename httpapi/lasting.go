package httpapi

import (
	"context"
	"net/http"
	"reflect"
	"slices"
	"time"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/auth"
)

// recheck is how often it is looked whether who follows a stream still may, if nothing is known to have changed.
const recheck = 10 * time.Second

// lasts reports whether an answer of the route may take as long as the caller wants: it is followed, or a shell.
func (r route) lasts() bool {
	return r.method == http.MethodGet && len(r.types) > 0 || r.status == http.StatusSwitchingProtocols
}

// lasting returns the context of an answer that may last: it ends when who asks is nobody any more, or may do other things than when that one
// asked, since what may be seen was decided then. Whoever is still somebody asks again. Call end when the answer is over.
func (a *api) lasting(r *http.Request) (ctx context.Context, end func()) {
	who, ok := auth.Of(r.Context())
	if !ok || who.Kind == slipway.PrincipalLocal || who.Kind == slipway.PrincipalSystem {
		return r.Context(), func() {}
	}
	ctx, cancel := context.WithCancelCause(r.Context())
	go func() {
		every := time.NewTicker(recheck)
		defer every.Stop()
		for {
			changed := a.Access.Changed() // before the look: what is changed meanwhile is looked at once more
			if err := a.still(r, who); err != nil {
				a.Log.Info("a stream ends", "by", who.Name, "path", r.URL.Path, "why", slipway.MessageOf(err))
				cancel(err)
				return
			}
			select {
			case <-ctx.Done():
				return
			case <-changed:
			case <-every.C:
			}
		}
	}()
	return ctx, func() { cancel(nil) }
}

// still returns why who has asked may not go on; nil if that one may, or if it cannot be told now.
func (a *api) still(r *http.Request, who auth.Identity) error {
	now, known, err := a.identify(r.WithContext(auth.Glance(r.Context())))
	switch {
	case slipway.CodeOf(err) == slipway.Unauthenticated:
		return err
	case err != nil: // the store, or the issuer: asked again soon
		return nil
	case !known || now.Name != who.Name:
		return slipway.Errorf(slipway.Unauthenticated, "it is somebody else who asks")
	case !reflect.DeepEqual(now.Grants, who.Grants) || !slices.Equal(now.Verbs, who.Verbs):
		return slipway.Errorf(slipway.Forbidden, "what %s may do has changed", who.Name)
	}
	return nil
}
