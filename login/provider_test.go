package login

import (
	"testing"

	"github.com/slipway-sh/slipway"
)

// What a provider says is opened in a browser and told secrets: it had better be a provider's.
func TestEndpoints(t *testing.T) {
	for address, good := range map[string]bool{
		"": true, "https://login.example.com/authorize?x=y": true, "http://127.0.0.1:8080/authorize": true, "http://localhost/authorize": true, "http://[::1]:80/a": true,
		"http://login.example.com/authorize": false, "file:///etc/passwd": false, "--help": false, "javascript:alert(1)": false, "https:///x": false,
		"https://login.example.com/\x1b[2J": false, "calculator://": false, "//login.example.com/": false,
	} {
		if err := checkEndpoint(address); (err == nil) != good || err != nil && slipway.CodeOf(err) != slipway.Refused {
			t.Errorf("%q: %v", address, err)
		}
	}
	if got := plain("AB\x1b[2J\nCD-\u202eEF"); got != "AB[2JCD-EF" {
		t.Errorf("%q", got)
	}
}
