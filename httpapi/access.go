package httpapi

import (
	"context"
	"errors"
	"net/http"
	"reflect"
	"slices"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/auth"
)

// access is who may use a route: at least the role, in the scope that a request is about. A route whose scope is not said wants the role
// everywhere.
type access struct {
	role  slipway.Role
	about about
	level level
}

// level says how much of a decision a route needs.
type level int

const (
	scoped     level = iota // the role, in the scope that the request is about
	lists                   // the role anywhere: what is answered is a list, of which the caller gets what the caller may see
	identified              // whoever is known
	public                  // whoever can connect
)

// The roles a route may want. What a request is about is said by of.
var (
	view    = access{role: slipway.RoleViewer}
	deploy  = access{role: slipway.RoleDeployer}
	approve = access{role: slipway.RoleApprover}
	operate = access{role: slipway.RoleOperator}
	admin   = access{role: slipway.RoleAdmin}

	open   = access{level: public}
	anyone = access{level: identified}
)

// of returns the access to a route whose requests are about what the function says.
func (x access) of(f about) access {
	x.about = f
	return x
}

// each returns the access to a route that lists what the caller may see, of everything.
func (x access) each() access {
	x.level = lists
	return x
}

// String is what the API's description says of it.
func (x access) String() string {
	switch x.level {
	case public:
		return "open"
	case identified:
		return "known"
	}
	return string(x.role)
}

// request is what there is to know of a request before its handler runs.
type request struct {
	verb  string // the route's operation ID
	path  func(name string) string
	query func(name string) string
	body  any // nil if there is none
	raw   *http.Request
}

// about says what a request is about, as asks of which each must be allowed. Their verb and role are the route's where they are left out. An
// error is answered as it is.
type about func(ctx context.Context, a *api, r request) ([]auth.Ask, error)

type requestKey struct{}

// pending is a request that was let in as far as that its body is read.
type pending struct {
	route   *route
	request request
}

// enter lets nobody in who is nobody, or who has the route's role nowhere. It comes before the body is read.
func (a *api) enter(r *route) func(huma.Context, func(huma.Context)) {
	return func(c huma.Context, next func(huma.Context)) {
		if who, ok := auth.Of(c.Context()); ok {
			tried(c.Context(), who.Principal)
		}
		p := pending{r, request{verb: r.id, path: c.Param, query: c.Query}}
		if err := a.admit(c.Context(), r); err != nil {
			a.deny(c, r, err)
			return
		}
		r, w := humago.Unwrap(c) // what comes next may make a context of the request anew
		p.request.raw = r
		if p.route.lasts() {
			ctx, end := a.lasting(r)
			defer end()
			r = r.WithContext(ctx)
		}
		next(humago.NewContext(c.Operation(), r.WithContext(context.WithValue(r.Context(), requestKey{}, p)), w))
	}
}

func (a *api) admit(ctx context.Context, r *route) error {
	if r.access.level == public {
		return nil
	}
	if err := failure(ctx); err != nil {
		return err
	}
	ask := auth.Ask{Verb: r.id, Role: r.access.role}
	if r.access.level == identified {
		if _, ok := auth.Of(ctx); ok {
			return nil
		}
	}
	return a.Access.Admit(ctx, ask)
}

// permit decides, with all that is known of a request, whether it may be done. It denies what did not come through enter.
func (a *api) permit(ctx context.Context, in any) error {
	p, ok := ctx.Value(requestKey{}).(pending)
	if !ok {
		return slipway.Errorf(slipway.Forbidden, "cannot do this: nothing says who may")
	}
	x := p.route.access
	if x.level == public || x.level == identified {
		return nil
	}
	asks := []auth.Ask{{Scope: everywhere}}
	switch {
	case x.level == lists:
		asks[0].Scope = slipway.Scope{}
	case x.about != nil:
		p.request.body = bodyOf(in)
		some, err := x.about(ctx, a, p.request)
		switch {
		case slipway.CodeOf(err) == slipway.NotFound:
			// What is not there is nobody's. Who has the role everywhere is told by the handler, which knows better.
			ask := auth.Ask{Verb: p.route.id, Role: x.role, Scope: everywhere}
			if _, everyones := a.Access.Check(ctx, ask); everyones != nil {
				return err
			}
			return nil
		case err != nil:
			return err
		}
		asks = some
	}
	for _, ask := range asks {
		if ask.Verb == "" {
			ask.Verb = p.route.id
		}
		if ask.Role == "" {
			ask.Role = x.role
		}
		if _, err := a.Access.Check(ctx, ask); err != nil {
			return err
		}
	}
	return nil
}

// deny answers who was not let in.
func (a *api) deny(c huma.Context, r *route, err error) {
	req, w := humago.Unwrap(c)
	challenge(w.Header(), err)
	if _, shown := req.Cookie(a.cookieName(req, sessionCookie)); shown == nil && slipway.CodeOf(err) == slipway.Unauthenticated {
		w.Header().Add("Set-Cookie", a.cookie(req, sessionCookie, "", 0)) // it is good for nothing any more
	}
	p := a.fail(r.id, err)
	if many := (*auth.TooMany)(nil); errors.As(err, &many) {
		p.Status, p.Title = http.StatusTooManyRequests, http.StatusText(http.StatusTooManyRequests)
	}
	p.write(w)
}

// bodyOf returns what the field Body of an input holds.
func bodyOf(in any) any {
	if f := reflect.ValueOf(in).Elem(); f.Kind() == reflect.Struct {
		if b := f.FieldByName("Body"); b.IsValid() {
			return b.Interface()
		}
	}
	return nil
}

// sign writes who asks into every field By of what changes something, however that came to be there: nobody can ask in another's name. Only
// who is local, and could write into slipwayd's own records, may say for whom that is. Where nothing is changed, By is what is looked for.
func sign(ctx context.Context, in any) {
	if p, _ := ctx.Value(requestKey{}).(pending); p.route != nil && p.route.changes() {
		signValue(reflect.ValueOf(in).Elem(), slipway.PrincipalOf(ctx), 0)
	}
}

// signDepth is how deep in an input By may be.
const signDepth = 3

func signValue(v reflect.Value, who slipway.Principal, depth int) {
	if v.Kind() != reflect.Struct || depth > signDepth {
		return
	}
	for i := range v.NumField() {
		f, t := v.Field(i), v.Type().Field(i)
		switch {
		case !t.IsExported():
		case f.Type() == reflect.TypeFor[slipway.Spec](): // what it says is the application's
		case t.Name == "By" && f.Kind() == reflect.String:
			if who.Kind != slipway.PrincipalLocal || f.String() == "" {
				f.SetString(who.Name)
			}
		case f.Kind() == reflect.Struct:
			signValue(f, who, depth+1)
		}
	}
}

// sees returns what tells whether the caller may see what is in a scope.
func (a *api) sees(ctx context.Context) func(slipway.Scope) bool {
	who, _ := auth.Of(ctx)
	return func(s slipway.Scope) bool {
		_, ok := who.Holds(slipway.RoleViewer, s)
		return ok
	}
}

// seen returns what tells whether the caller has the role in the scope of a thing. What has no scope that is known is for those alone who
// have it everywhere.
func (a *api) seen(ctx context.Context, role slipway.Role) func(any) bool {
	who, _ := auth.Of(ctx)
	if _, all := who.Holds(role, everywhere); all {
		return func(any) bool { return true }
	}
	return func(item any) bool {
		return slices.ContainsFunc(a.scopesOf(ctx, item), func(s slipway.Scope) bool {
			_, ok := who.Holds(role, s)
			return ok
		})
	}
}
