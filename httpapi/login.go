package httpapi

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/auth"
)

func (a *api) loginProvider(context.Context, *struct{}) (*output[slipway.LoginProvider], error) {
	return found(a.Access.Provider())
}

// sent is an answer that sends a browser elsewhere.
type sent struct {
	Status   int
	Location string   `header:"Location"`
	Cookies  []string `header:"Set-Cookie"`
}

// redirect answers 302 to a browser.
func redirect[I any](f function[I, sent]) handler {
	return form(f, handler{status: http.StatusFound, errors: []int{http.StatusNotFound, http.StatusServiceUnavailable}})
}

// returns is redirect for an address that somebody else sends browsers to, with whatever that one likes to add to the query.
func returns[I any](f function[I, sent]) handler {
	h := redirect(f)
	h.lax = true
	return h
}

type loginInput struct {
	Back string `query:"return" doc:"The path of this site to go to then." example:"/v1/whoami"`
}

// login sends a browser to the identity provider.
func (a *api) login(ctx context.Context, in *loginInput) (*sent, error) {
	r := requestOf(ctx)
	back := in.Back
	if back == "" {
		back = "/v1/whoami"
	}
	address, keep, err := a.Access.BeginLogin(ctx, a.publicURL(r)+slipway.CallbackPath, back)
	if err != nil {
		return nil, err
	}
	return &sent{http.StatusFound, address, []string{a.cookie(r, loginCookie, keep, 10*time.Minute)}}, nil
}

type callbackInput struct {
	State string `query:"state"`
	Code  string `query:"code"`
	Error string `query:"error" doc:"What went wrong at the identity provider."`
}

// callback takes a browser back from the identity provider, and begins its session. Who has logged in is recorded before that one can do
// anything.
func (a *api) callback(ctx context.Context, in *callbackInput) (*sent, error) {
	r := requestOf(ctx)
	keep := ""
	if c, err := r.Cookie(a.cookieName(r, loginCookie)); err == nil {
		keep = c.Value
	}
	claims, back, err := a.Access.FinishLogin(ctx, keep, in.State, in.Code, in.Error, addressOf(r))
	if err != nil {
		return nil, a.loginFailed(ctx, slipway.Principal{}, err)
	}
	who, err := a.Access.ByClaims(ctx, claims, addressOf(r))
	if err != nil {
		return nil, a.loginFailed(ctx, who.Principal, err)
	}
	t := a.attempt(loginRoute, r)
	t.entry.By, t.entry.Path = t.who(who.Principal), slipway.CallbackPath // its query is not to be recorded
	e := t.entry
	e.Phase = slipway.AuditAsked
	if e, err = t.append(ctx, e); err != nil {
		a.Log.Error("cannot write the audit log; nobody can log in until it can be", "by", who.Name, "error", err)
		return nil, slipway.Errorf(slipway.Unavailable, "cannot log in: the audit log cannot be written; slipwayd's log has the details")
	}
	t.asked, t.entry.Asked = true, e.Seq
	if old, ok := auth.Of(ctx); ok && old.Session != "" { // the browser has no use for two
		if err := a.Access.Logout(ctx); err != nil {
			a.Log.Warn("cannot end a session that another takes the place of", "session", old.Session, "error", err)
		}
	}
	secret, session, err := a.Access.Login(ctx, claims, addressOf(r))
	if err != nil {
		t.end(http.StatusInternalServerError, a.problemOf(ctx, loginRoute.id, err), nil)
		return nil, err
	}
	t.entry.Object = session.ID
	t.end(http.StatusFound, nil, nil)
	return &sent{http.StatusFound, back, []string{
		a.cookie(r, sessionCookie, secret, time.Until(session.Expires)), a.cookie(r, loginCookie, "", 0),
	}}, nil
}

// loginRoute is what the audit log says of logins, which browsers make by GET.
var loginRoute = route{method: http.MethodGet, path: slipway.CallbackPath, id: "login"}

// loginFailed records a login that came to nothing, and returns err.
func (a *api) loginFailed(ctx context.Context, by slipway.Principal, err error) error {
	r := requestOf(ctx)
	t := a.attempt(loginRoute, r)
	t.entry.Path = slipway.CallbackPath
	if by.Name != "" {
		t.entry.By = t.who(by)
	}
	e := t.entry
	e.Phase = slipway.AuditRefused
	p := a.fail(loginRoute.id, err)
	t.end(p.Status, p, &e)
	return err
}

// loggedOut is an answer without a body that takes a browser's session away.
type loggedOut struct {
	Cookies []string `header:"Set-Cookie"`
}

// leave answers 204.
func leave[I any](f function[I, loggedOut]) handler {
	return form(f, handler{status: http.StatusNoContent})
}

// logout ends the session of a browser.
func (a *api) logout(ctx context.Context, _ *struct{}) (*loggedOut, error) {
	if err := a.Access.Logout(ctx); err != nil {
		return nil, err
	}
	return &loggedOut{[]string{a.cookie(requestOf(ctx), sessionCookie, "", 0)}}, nil
}

// The cookies of a browser: its session, and what it keeps while it logs in.
const (
	sessionCookie = "slipway_session"
	loginCookie   = "slipway_login"
)

// cookieName returns what a cookie is called. With TLS it is one that nothing but this server, over TLS, can have set.
func (a *api) cookieName(r *http.Request, name string) string {
	if a.secure(r) {
		return "__Host-" + name
	}
	return name
}

// cookie returns a cookie that no script can read and no other site can have sent along with what changes something. Without a value the
// browser forgets it.
func (a *api) cookie(r *http.Request, name, value string, life time.Duration) string {
	c := &http.Cookie{
		Name: a.cookieName(r, name), Value: value, Path: "/", MaxAge: int(life.Seconds()),
		HttpOnly: true, Secure: a.secure(r), SameSite: http.SameSiteLaxMode,
	}
	if value == "" {
		c.MaxAge = -1
	}
	return c.String()
}

// secure reports whether the browser speaks TLS, be it with slipwayd or with what is in front of it.
func (a *api) secure(r *http.Request) bool {
	return r.TLS != nil || strings.HasPrefix(a.PublicURL, "https://")
}

// publicURL returns where browsers find this slipwayd, without a slash at its end.
func (a *api) publicURL(r *http.Request) string {
	switch {
	case a.PublicURL != "":
		return strings.TrimSuffix(a.PublicURL, "/")
	case r.TLS != nil:
		return "https://" + r.Host
	}
	return "http://" + r.Host
}

// requestOf returns the request that ctx is of.
func requestOf(ctx context.Context) *http.Request {
	p, _ := ctx.Value(requestKey{}).(pending)
	return p.request.raw
}
