package slipway

import (
	"net/url"
	"strings"
)

// WithoutCredentials returns the URL of a repository without user and password: a record is no place for them. A user of ssh, who is
// no secret, stays. What is no URL is returned as it is, but one that cannot be read loses all that may be a password.
func WithoutCredentials(repository string) string {
	scheme, rest, ok := strings.Cut(repository, "://")
	if !ok {
		return repository // a path, or "git@example.com:team/hello.git", where no password fits
	}
	u, err := url.Parse(repository)
	switch {
	case err != nil:
		return scheme + "://" + rest[strings.LastIndexByte(rest, '@')+1:]
	case u.User == nil:
		return repository
	case strings.HasSuffix(u.Scheme, "ssh"):
		u.User = url.User(u.User.Username())
	default:
		u.User = nil
	}
	return u.String()
}
