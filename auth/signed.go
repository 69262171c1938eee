package auth

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/slipway-sh/slipway"
)

// Claims are what a signed token says.
type Claims map[string]any

// maxSigned bounds a signed token. Those of users with many groups are long.
const maxSigned = 32 << 10

// Text returns a claim as text: "" if there is none, or it is an object.
func (c Claims) Text(name string) string {
	switch v := c[name].(type) {
	case string:
		return v
	case bool, float64, json.Number:
		return fmt.Sprint(v)
	}
	return ""
}

// Texts returns a claim that is a list of texts, or one text.
func (c Claims) Texts(name string) (all []string) {
	switch v := c[name].(type) {
	case string:
		all = append(all, v)
	case []any:
		for _, e := range v {
			if s, ok := e.(string); ok {
				all = append(all, s)
			}
		}
	}
	return all
}

// Expires returns when the token is good no more; zero if it does not say.
func (c Claims) Expires() time.Time {
	if n, ok := c["exp"].(float64); ok {
		return time.Unix(int64(n), 0)
	}
	return time.Time{}
}

// matches reports whether the claim is as wanted, or one of its texts is.
func (c Claims) matches(name, wanted string) bool {
	if text := c.Text(name); text != "" {
		return like(wanted, text)
	}
	return slices.ContainsFunc(c.Texts(name), func(s string) bool { return like(wanted, s) })
}

// like reports whether text is as pattern says, in which "*" stands for any run of characters.
func like(pattern, text string) bool {
	first, rest, star := strings.Cut(pattern, "*")
	text, ok := strings.CutPrefix(text, first)
	if !ok || !star {
		return ok && text == ""
	}
	parts := strings.Split(rest, "*")
	last := parts[len(parts)-1]
	for _, p := range parts[:len(parts)-1] {
		at := strings.Index(text, p)
		if at < 0 {
			return false
		}
		text = text[at+len(p):]
	}
	return strings.HasSuffix(text, last)
}

// unverified returns who is said to have signed a token, and whom it is said to be for. Nothing of it may be believed: it says whose keys to
// verify it with, of those that are trusted.
func unverified(token string) (issuer string, audience []string, err error) {
	fail := slipway.Errorf(slipway.Unauthenticated, "cannot tell who asks: what was shown is no signed token")
	parts := strings.Split(token, ".")
	if len(token) > maxSigned || len(parts) != 3 {
		return "", nil, fail
	}
	text, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return "", nil, fail
	}
	var c Claims
	if json.Unmarshal(text, &c) != nil {
		return "", nil, fail
	}
	return c.Text("iss"), c.Texts("aud"), nil
}

// bySignature says who shows a token that an issuer has signed: a user, or a CI job. Only the keys of issuers that are trusted are ever asked
// for, and one audience decides which of the two it is: an issuer may be both.
func (a *Authority) bySignature(ctx context.Context, token, address string) (Identity, error) {
	issuer, audience, err := unverified(token)
	if err != nil {
		return Identity{}, err
	}
	rules, err := a.store.TrustRules(ctx)
	if err != nil {
		return Identity{}, err
	}
	rules = slices.DeleteFunc(rules, func(r slipway.TrustRule) bool { return r.Issuer != issuer || !slices.Contains(audience, r.Audience) })
	user := a.config.Users.Issuer != "" && a.config.Users.Issuer == issuer && isFor(audience, a.config.Users.Audiences)
	if a.config.Verifier == nil || !user && len(rules) == 0 {
		return Identity{}, slipway.Errorf(slipway.Unauthenticated,
			"cannot tell who asks: no rule trusts what %q signs for %s; see `slipway access trust list`", clip(issuer), clip(strings.Join(audience, ", ")))
	}
	claims, err := a.config.Verifier.Verify(ctx, issuer, token)
	if err != nil {
		return Identity{}, err
	}
	if user {
		return a.ByClaims(ctx, claims, address)
	}
	return workload(rules, claims, address)
}

// ByClaims returns the user whom verified claims are about, with what that one was given.
func (a *Authority) ByClaims(ctx context.Context, c Claims, address string) (Identity, error) {
	p, admin, err := a.userOf(c)
	if err != nil {
		return Identity{}, err
	}
	p.Address = address
	i, err := a.user(ctx, p, admin)
	i.Expires = c.Expires()
	return i, err
}

// userOf returns whom claims are about, and whether that is an administrator.
func (a *Authority) userOf(c Claims) (slipway.Principal, bool, error) {
	claim := a.config.Users.NameClaim
	p := slipway.Principal{Kind: slipway.PrincipalUser, Name: c.Text(claim), Groups: c.Texts(a.config.Users.GroupsIn)}
	if verified, said := c["email_verified"]; claim == "email" && said && verified != true && verified != "true" {
		return p, false, slipway.Errorf(slipway.Unauthenticated, "cannot tell who asks: the identity provider has not verified the address %s", clip(p.Name))
	}
	if p.Name == "" {
		return p, false, slipway.Errorf(slipway.Unauthenticated, "cannot tell who asks: the identity provider's token has no claim %q; ask for the scope that gives it, or choose another with --oidc-name-claim", claim)
	}
	if err := slipway.ValidateUserName(p.Name); err != nil {
		return p, false, slipway.Errorf(slipway.Unauthenticated, "cannot tell who asks: %w", err)
	}
	admin := a.config.AdminGroup != "" && slices.Contains(p.Groups, a.config.AdminGroup)
	return p, admin, nil
}

// workload returns the CI job that claims are about, with what all rules give to it that it fits.
func workload(rules []slipway.TrustRule, c Claims, address string) (Identity, error) {
	i := Identity{Principal: slipway.Principal{Kind: slipway.PrincipalWorkload, Address: address}, Expires: c.Expires()}
	narrowed := true
	for _, r := range rules {
		if !slices.Contains(c.Texts("aud"), r.Audience) || !fits(r, c) {
			continue
		}
		if i.Name == "" {
			i.Name = "ci:" + r.Name + ":" + jobOf(c)
		}
		i.Grants, i.Rules = append(i.Grants, r.Grant), append(i.Rules, r.Name)
		i.Verbs = append(i.Verbs, r.Verbs...)
		narrowed = narrowed && len(r.Verbs) > 0
	}
	if len(i.Grants) == 0 {
		return Identity{}, slipway.Errorf(slipway.Unauthenticated, "cannot tell whose job asks: %s is as no rule says that trusts %s; see `slipway access trust list`", clip(jobOf(c)), clip(c.Text("iss")))
	}
	if !narrowed {
		i.Verbs = nil
	}
	return i, nil
}

func fits(r slipway.TrustRule, c Claims) bool {
	for name, wanted := range r.Claims {
		if !c.matches(name, wanted) {
			return false
		}
	}
	return len(r.Claims) > 0
}

// jobOf returns what a CI system calls the project of a job: GitHub's repository, GitLab's project, or whatever the token is about.
func jobOf(c Claims) string {
	for _, name := range []string{"repository", "project_path", "sub"} {
		if text := c.Text(name); text != "" {
			return clip(text)
		}
	}
	return "unnamed"
}

func isFor(audience, wanted []string) bool {
	return slices.ContainsFunc(audience, func(a string) bool { return slices.Contains(wanted, a) })
}

// clip bounds what somebody else wrote, and leaves out what is not to be seen.
func clip(text string) string {
	const most = 150
	text = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return -1
		}
		return r
	}, text)
	if len(text) > most {
		return text[:most] + "…"
	}
	return text
}
