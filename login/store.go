package login

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/gofrs/flock"
	"github.com/google/renameio/v2"

	"github.com/slipway-sh/slipway"
)

const (
	// early is how long before its end a token is replaced.
	early = 30 * time.Second
	// turn is how often it is looked whether another process has done with a login.
	turn = 20 * time.Millisecond
)

// Login is a user who has logged in to a slipwayd.
type Login struct {
	Server       string    `json:"server"`
	Issuer       string    `json:"issuer"`
	Client       string    `json:"client"`
	Scopes       []string  `json:"scopes,omitempty"`
	Name         string    `json:"name,omitempty"` // whom slipwayd takes the user for
	IDToken      string    `json:"id_token"`
	RefreshToken string    `json:"refresh_token,omitempty"`
	Expires      time.Time `json:"expires"` // of the ID token
}

// Fresh reports whether the token is good for a while.
func (l Login) Fresh(now time.Time) bool { return now.Add(early).Before(l.Expires) }

// Store keeps logins in a directory, one file for each server, which nobody else can read. It is safe for concurrent use, by several
// processes as well.
type Store struct{ Dir string }

// Get returns the login to a server. NotFound if there is none; Unprepared if others can read it.
func (s Store) Get(server string) (Login, error) {
	var l Login
	path := s.path(server)
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) || s.Dir == "" {
		return l, slipway.Errorf(slipway.NotFound, "cannot find a login to %s: `slipway login` logs in", server)
	}
	if err != nil {
		return l, slipway.Errorf(slipway.Unprepared, "cannot read the login: %w", err)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return l, slipway.Errorf(slipway.Unprepared, "cannot use the login in %s: others can read it; `slipway logout`, and log in again", path)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return l, slipway.Errorf(slipway.Unprepared, "cannot read the login: %w", err)
	}
	if err := json.Unmarshal(text, &l); err != nil || canonical(l.Server) != canonical(server) || l.IDToken == "" {
		return l, slipway.Errorf(slipway.Corrupt, "cannot read the login in %s: it is not what was written there; log in again", path)
	}
	return l, nil
}

// Put stores a login, in place of any other to its server.
func (s Store) Put(ctx context.Context, l Login) error {
	return s.alone(ctx, l.Server, func() error { return s.put(l) })
}

func (s Store) put(l Login) error {
	text, err := json.MarshalIndent(l, "", "  ")
	if err != nil {
		return err
	}
	if err := renameio.WriteFile(s.path(l.Server), append(text, '\n'), 0o600, renameio.IgnoreUmask()); err != nil {
		return slipway.Errorf(slipway.Unprepared, "cannot keep the login: %w", err)
	}
	return nil
}

// Delete forgets the login to a server, and returns what there was to know of it. NotFound if there is none. One that cannot be read is
// forgotten as well.
func (s Store) Delete(ctx context.Context, server string) (l Login, err error) {
	if _, err := os.Stat(s.path(server)); errors.Is(err, fs.ErrNotExist) || s.Dir == "" {
		return l, slipway.Errorf(slipway.NotFound, "cannot log out of %s: nobody has logged in", server)
	}
	err = s.alone(ctx, server, func() error {
		l, _ = s.Get(server)
		if err := os.Remove(s.path(server)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return slipway.Errorf(slipway.Unprepared, "cannot forget the login: %w", err)
		}
		return nil
	})
	return l, err
}

// Token returns a token that is good now, of the login to the server: the one that is kept, or one that the provider gives for it. Of several
// processes that need another, one asks for it. Unauthenticated if the user has to log in again.
func (s Store) Token(ctx context.Context, l Login) (Login, error) {
	if l.Fresh(time.Now()) {
		return l, nil
	}
	err := s.alone(ctx, l.Server, func() error {
		kept, err := s.Get(l.Server)
		if slipway.CodeOf(err) == slipway.NotFound {
			return slipway.Errorf(slipway.Unauthenticated, "cannot tell who asks: the login to %s has ended; `slipway login` logs in again", l.Server)
		}
		if err != nil {
			return err
		}
		if l = kept; l.Fresh(time.Now()) { // another process was faster
			return nil
		}
		next, err := s.refresh(ctx, l)
		if slipway.CodeOf(err) == slipway.Unavailable && time.Now().Before(l.Expires) { // it is good for a moment yet
			return nil
		}
		if err != nil {
			return err
		}
		l = next
		return s.put(l)
	})
	return l, err
}

func (s Store) refresh(ctx context.Context, l Login) (Login, error) {
	if l.RefreshToken == "" {
		return l, slipway.Errorf(slipway.Unauthenticated, "cannot tell who asks: the login to %s has expired; `slipway login` logs in again", l.Server)
	}
	p, err := Discover(ctx, slipway.LoginProvider{Issuer: l.Issuer, Client: l.Client, Scopes: l.Scopes})
	if err != nil {
		return l, err
	}
	next, err := p.Refresh(ctx, l)
	next.Name = l.Name
	return next, err
}

// alone runs f while no other process does so for the server.
func (s Store) alone(ctx context.Context, server string, f func() error) error {
	if s.Dir == "" {
		return slipway.Errorf(slipway.Unprepared, "cannot keep a login: neither $XDG_CONFIG_HOME nor $HOME says where")
	}
	if err := os.MkdirAll(s.Dir, 0o700); err != nil {
		return slipway.Errorf(slipway.Unprepared, "cannot keep a login: %w", err)
	}
	lock := flock.New(s.path(server)+".lock", flock.SetPermissions(0o600))
	if ok, err := lock.TryLockContext(ctx, turn); err != nil || !ok {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return slipway.Errorf(slipway.Unprepared, "cannot keep a login: %w", err)
	}
	defer func() { _ = lock.Unlock() }() // the file stays: it is what others wait for
	return f()
}

// path returns the file of a server: what it is called as far as a file can be, and a hash.
func (s Store) path(server string) string {
	server = canonical(server)
	sum := sha256.Sum256([]byte(server))
	_, name, _ := strings.Cut(server, "://")
	name = strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '.' || r == '-' {
			return r
		}
		return '_'
	}, name)
	return filepath.Join(s.Dir, strings.TrimLeft(name[:min(len(name), 60)], ".")+"-"+hex.EncodeToString(sum[:4])+".json")
}

// canonical returns a server as it is compared.
func canonical(server string) string { return strings.TrimRight(strings.ToLower(server), "/") }
