// Package redact takes what is secret out of what is written down: logs, errors, the audit log. It knows secrets by what they are called
// and by what they look like. It is a net below those who do not write secrets down in the first place, not instead of them.
package redact

import (
	"bytes"
	"encoding/json"
	"net/url"
	"regexp"
	"strings"
)

// Hidden stands where something secret was.
const Hidden = "[redacted]"

// names are parts of what secrets are called, in lower case and without punctuation.
var names = []string{"password", "passwd", "passphrase", "secret", "token", "authorization", "credential", "privatekey", "apikey", "accesskey", "signingkey", "cookie"}

// harmless are names that look like those of secrets, and are not.
var harmless = map[string]bool{
	"tokenid": true, "tokenname": true, "tokentype": true, "secretname": true, "secretnames": true, "cookiename": true, "sticky": true,
}

// IsSecret reports whether what has this name is secret.
func IsSecret(name string) bool {
	plain := strings.Map(func(r rune) rune {
		if r == '-' || r == '_' || r == '.' || r == ' ' {
			return -1
		}
		return r
	}, strings.ToLower(name))
	if harmless[plain] {
		return false
	}
	for _, n := range names {
		if strings.Contains(plain, n) {
			return true
		}
	}
	return false
}

var (
	// looks are what secrets look like wherever they stand. Where there is a group, it is what stays.
	looks = []*regexp.Regexp{
		regexp.MustCompile(`-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z ]*PRIVATE KEY-----|\z)`),
		regexp.MustCompile(`AGE-SECRET-KEY-1[A-Z0-9]+`),
		regexp.MustCompile(`((?i:\b(?:Bearer|Basic)) )[A-Za-z0-9._~+/=-]{8,}`),
		regexp.MustCompile(`\b((?:slp|slipway)_)[A-Za-z0-9_-]{16,}`),
		regexp.MustCompile(`\b(whsec_)[A-Za-z0-9+/=_-]{8,}`),
		regexp.MustCompile(`\b(gh[opsur]_)[A-Za-z0-9]{16,}`),
		regexp.MustCompile(`\b(glpat-)[A-Za-z0-9_-]{16,}`),
		regexp.MustCompile(`\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}`), // a JSON web token
	}
	// userinfo is a name and a password in a URL.
	userinfo = regexp.MustCompile(`([a-zA-Z][a-zA-Z0-9+.-]*://)[^/?#\s"'<>\\]*@`)
	// login is a name and a password before a host, without a scheme before them.
	login = regexp.MustCompile(`[A-Za-z0-9._+-]+:[^\s/?#@:"'<>\\]+@[A-Za-z0-9.-]+`)
	// parameter is one of a URL's query, or of a form.
	parameter = regexp.MustCompile(`([?&;])([A-Za-z0-9_.%-]+)=([^&;\s"'<>\\]*)`)
)

// Text returns text without what looks like a secret: private keys, tokens, authorizations, passwords in URLs.
func Text(text string) string {
	for _, look := range looks {
		text = look.ReplaceAllString(text, "${1}"+Hidden)
	}
	if strings.Contains(text, "@") {
		text = userinfo.ReplaceAllString(text, "${1}"+Hidden+"@")
		text = login.ReplaceAllStringFunc(text, func(l string) string {
			host := l[strings.LastIndexByte(l, '@'):]
			if host == "@sha256" { // the tag and the digest of an image
				return l
			}
			return Hidden + host
		})
	}
	if strings.Contains(text, "=") {
		text = parameter.ReplaceAllStringFunc(text, func(p string) string {
			name, _, _ := strings.Cut(p, "=")
			if plain, err := url.QueryUnescape(name[1:]); err == nil && IsSecret(plain) {
				return name + "=" + Hidden
			}
			return p
		})
	}
	return text
}

// JSON returns a JSON text without what is secret in it: all that is called like a secret, an object's "value" if the object says that
// it is "secret", values of "headers", and what looks like a secret wherever it stands. What is no JSON is hidden as a whole.
func JSON(text []byte) json.RawMessage {
	v, err := Decode(text)
	if err != nil {
		return json.RawMessage(`"` + Hidden + `"`)
	}
	clean, err := Encode(Value(v))
	if err != nil {
		return json.RawMessage(`"` + Hidden + `"`)
	}
	return clean
}

// Value is as [JSON], of a decoded text. It changes what it is given.
func Value(v any) any { return value(v, false) }

// value cleans v; hide is whether all of it is secret, but for the names in it.
func value(v any, hide bool) any {
	switch v := v.(type) {
	case map[string]any:
		marked := v["secret"] == true || v["type"] == "secret" || v["kind"] == "secret"
		clean := make(map[string]any, len(v))
		for name, one := range v {
			secret := hide || name == "headers" || IsSecret(name) || marked && (name == "value" || name == "default" || name == "data")
			clean[Text(name)] = value(one, secret)
		}
		return clean
	case []any:
		for i := range v {
			v[i] = value(v[i], hide)
		}
		return v
	case string:
		switch {
		case hide && v != "":
			return Hidden
		default:
			return Text(v)
		}
	case json.Number:
		if hide {
			return Hidden
		}
	}
	return v // true, false and null give nothing away
}

// Decode reads one JSON text, with numbers as they are written.
func Decode(text []byte) (any, error) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var v any
	err := d.Decode(&v)
	return v, err
}

// Encode writes a decoded JSON text, with & and < as they are.
func Encode(v any) (json.RawMessage, error) {
	var text bytes.Buffer
	e := json.NewEncoder(&text)
	e.SetEscapeHTML(false)
	err := e.Encode(v)
	return bytes.TrimSuffix(text.Bytes(), []byte("\n")), err
}
