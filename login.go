package slipway

import "slices"

// LoginProvider says where users log in, and as which of its clients a command line introduces itself there.
type LoginProvider struct {
	Issuer  string   `json:"issuer"`            // of OpenID Connect
	Client  string   `json:"client,omitempty"`  // of command lines, a public one; "": there is none
	Scopes  []string `json:"scopes,omitempty"`  // to ask for beside those that are needed
	Browser bool     `json:"browser,omitempty"` // browsers can log in, at LoginPath
}

// LoginPath is where a browser is sent to log in, and CallbackPath where the identity provider sends it back to.
const (
	LoginPath    = "/v1/login"
	CallbackPath = "/v1/login/callback"
)

// Asks returns the scopes to ask for, of a provider that says which ones it knows: who somebody is, of which groups, and to go on without a
// browser later. One that the provider is not known to know is asked for only if it was configured.
func (p LoginProvider) Asks(known []string) []string {
	asks := []string{"openid"}
	for _, scope := range []string{"email", "profile", "groups", "offline_access"} {
		if slices.Contains(known, scope) {
			asks = append(asks, scope)
		}
	}
	for _, scope := range p.Scopes {
		if !slices.Contains(asks, scope) {
			asks = append(asks, scope)
		}
	}
	return asks
}
