package auth

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/slipway-sh/slipway"
)

const (
	// loginTime is how long somebody may take to log in.
	loginTime = 10 * time.Minute
	// maxBack bounds the path that a browser goes back to, and maxSealed what it keeps of its login meanwhile.
	maxBack   = 1 << 10
	maxSealed = 4 << 10
)

// Exchanger has the users' identity provider log them in, in slipwayd's name. Methods are safe for concurrent use.
type Exchanger interface {
	// Address returns where to send a browser that is to come back to redirect with the state. verifier is the secret of PKCE, of which the
	// address has the hash. Unavailable if the provider cannot be asked.
	Address(ctx context.Context, redirect, state, nonce, verifier string) (string, error)
	// Exchange returns what the provider says of who has come back with the code, verified, and of the login with that nonce. Unauthenticated
	// if the code or the token is not good.
	Exchange(ctx context.Context, redirect, code, nonce, verifier string) (Claims, error)
}

// Provider returns where users log in. NotFound if nowhere.
func (a *Authority) Provider() (slipway.LoginProvider, error) {
	p := a.config.Provider
	if p.Issuer == "" {
		return p, slipway.Errorf(slipway.NotFound, "cannot log in: this slipwayd knows no identity provider; see --oidc-issuer in docs/operations.md")
	}
	p.Browser = a.config.Exchanger != nil
	return p, nil
}

// attempt is a login under way. The browser keeps it, sealed, so that nobody has to remember logins that are never finished, and that nobody
// but this browser can finish it.
type attempt struct {
	State    string    `json:"state"`
	Nonce    string    `json:"nonce"`
	Verifier string    `json:"verifier"`
	Back     string    `json:"back"`
	Redirect string    `json:"redirect"`
	Until    time.Time `json:"until"`
}

// BeginLogin returns where to send a browser that wants to log in and then go back to a path of this site, and what it is to keep until it
// comes to redirect. Invalid if back leads elsewhere.
func (a *Authority) BeginLogin(ctx context.Context, redirect, back string) (address, keep string, err error) {
	if a.config.Exchanger == nil {
		return "", "", slipway.Errorf(slipway.NotFound, "cannot log in with a browser: this slipwayd is no client of an identity provider; see --oidc-client in docs/operations.md")
	}
	if err := ValidateBack(back); err != nil {
		return "", "", err
	}
	t := attempt{State: rand.Text(), Nonce: rand.Text(), Verifier: rand.Text() + rand.Text(), Back: back, Redirect: redirect, Until: a.now().Add(loginTime)}
	if address, err = a.config.Exchanger.Address(ctx, redirect, t.State, t.Nonce, t.Verifier); err != nil {
		return "", "", err
	}
	text, err := json.Marshal(t)
	if err != nil {
		return "", "", err
	}
	return address, a.attempts.seal(text), nil
}

// FinishLogin returns who has come back from the identity provider with a state and a code, or with what went wrong there, and where that one
// wanted to go. keep is what the browser has kept. Unauthenticated if it is another browser, too late, or was there before; Unavailable with
// [TooMany] in its chain if the address has failed too often.
func (a *Authority) FinishLogin(ctx context.Context, keep, state, code, wrong, address string) (c Claims, back string, err error) {
	if a.config.Exchanger == nil {
		_, _, err := a.BeginLogin(ctx, "", "/")
		return nil, "", err
	}
	fail := func(why string) error {
		return slipway.Errorf(slipway.Unauthenticated, "cannot log in: %s; begin again at %s", why, slipway.LoginPath)
	}
	if wait := a.throttle.wait(address); wait > 0 {
		return nil, "", slipway.Errorf(slipway.Unavailable, "cannot listen to %s: %w", address, &TooMany{wait})
	}
	var t attempt
	text, ok := a.attempts.open(keep)
	if !ok || json.Unmarshal(text, &t) != nil {
		return nil, "", fail("this browser has begun no login here, or slipwayd was started anew meanwhile")
	}
	if subtle.ConstantTimeCompare([]byte(t.State), []byte(state)) != 1 {
		return nil, "", fail("this is not the answer to the login that this browser has begun last")
	}
	now := a.now()
	switch {
	case !now.Before(t.Until):
		return nil, "", fail("it took longer than " + loginTime.String())
	case wrong != "":
		return nil, "", fail("the identity provider says " + clip(wrong))
	case code == "":
		return nil, "", fail("the identity provider has sent no code")
	case !a.attempts.once(t.State, t.Until, now):
		return nil, "", fail("it was answered already")
	}
	c, err = a.config.Exchanger.Exchange(ctx, t.Redirect, code, t.Nonce, t.Verifier)
	if slipway.CodeOf(err) == slipway.Unauthenticated { // the provider was asked in vain
		a.throttle.fail(address)
	}
	return c, t.Back, err
}

// ValidateBack returns an Invalid error unless back is a path of this site, whatever a browser makes of it.
func ValidateBack(back string) error {
	u, err := url.Parse(back)
	odd := strings.ContainsFunc(back, func(r rune) bool { return r <= ' ' || r == '\\' || r >= 0x7f })
	if err != nil || odd || len(back) > maxBack || u.Scheme != "" || u.Host != "" || u.User != nil || !strings.HasPrefix(back, "/") || strings.HasPrefix(back, "//") {
		return slipway.Errorf(slipway.Invalid, "cannot go back to %q after a login: want a path of this site, such as /v1/whoami", clip(back)).At("return")
	}
	return nil
}

// attempts seals logins under way with a key of this process, and knows which ones were finished.
type attempts struct {
	aead cipher.AEAD

	mu       sync.Mutex
	finished map[string]time.Time // until when, by state
}

func newAttempts() *attempts {
	key := make([]byte, 32)
	_, _ = rand.Read(key)                          // it never fails
	block, _ := aes.NewCipher(key)                 // 32 bytes are a key
	aead, _ := cipher.NewGCMWithRandomNonce(block) // AES always can
	return &attempts{aead: aead, finished: map[string]time.Time{}}
}

func (t *attempts) seal(text []byte) string {
	return base64.RawURLEncoding.EncodeToString(t.aead.Seal(nil, nil, text, nil))
}

func (t *attempts) open(sealed string) ([]byte, bool) {
	if len(sealed) > maxSealed {
		return nil, false
	}
	raw, err := base64.RawURLEncoding.DecodeString(sealed)
	if err != nil || len(raw) < t.aead.Overhead() {
		return nil, false
	}
	text, err := t.aead.Open(nil, nil, raw, nil)
	return text, err == nil
}

// once reports whether a state comes for the first time.
func (t *attempts) once(state string, until, now time.Time) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	for s, u := range t.finished {
		if !now.Before(u) {
			delete(t.finished, s)
		}
	}
	_, again := t.finished[state]
	t.finished[state] = until
	return !again
}
