package webhook

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/slipway-sh/slipway"
)

// The headers of the Standard Webhooks specification.
const (
	HeaderID        = "webhook-id"
	HeaderTimestamp = "webhook-timestamp"
	HeaderSignature = "webhook-signature"
)

// Tolerance is how much the clocks of sender and receiver may differ. A request that is older is a replay.
const Tolerance = 5 * time.Minute

const (
	secretPrefix  = "whsec_"
	secretBytes   = 32
	maxID         = 256 // bytes of an ID
	maxSignatures = 16
)

// NewSecret returns a random secret in the specification's form.
func NewSecret() string {
	key := make([]byte, secretBytes)
	rand.Read(key) // never fails
	return secretPrefix + base64.StdEncoding.EncodeToString(key)
}

// Key returns the key that a secret means: what whsec_ is followed by, as base64, else the secret's own bytes.
func Key(secret string) ([]byte, error) {
	encoded, ok := strings.CutPrefix(secret, secretPrefix)
	if !ok {
		return []byte(secret), nil
	}
	key, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil || len(key) < 16 {
		return nil, slipway.Errorf(slipway.Invalid, "cannot use the secret: what follows %s must be base64 of at least 16 bytes", secretPrefix)
	}
	return key, nil
}

// Sign returns the signature of a request: "v1," and base64.
func Sign(key []byte, id string, at time.Time, body []byte) string {
	return "v1," + base64.StdEncoding.EncodeToString(mac(key, id, strconv.FormatInt(at.Unix(), 10), body))
}

// SetHeaders signs a request with every key, so that a receiver who knows one of them can verify it.
func SetHeaders(h http.Header, keys [][]byte, id string, at time.Time, body []byte) {
	h.Set(HeaderID, id)
	h.Set(HeaderTimestamp, strconv.FormatInt(at.Unix(), 10))
	var all []string
	for _, key := range keys {
		all = append(all, Sign(key, id, at, body))
	}
	if len(all) > 0 {
		h.Set(HeaderSignature, strings.Join(all, " "))
	}
}

func mac(key []byte, id, timestamp string, body []byte) []byte {
	m := hmac.New(sha256.New, key)
	for _, part := range []string{id, ".", timestamp, "."} {
		m.Write([]byte(part))
	}
	m.Write(body)
	return m.Sum(nil)
}

// verifyStandard returns the ID of a request that one of the keys has signed lately.
func verifyStandard(h http.Header, body []byte, keys [][]byte, now time.Time) (id string, err error) {
	id, timestamp, signatures := h.Get(HeaderID), h.Get(HeaderTimestamp), h.Get(HeaderSignature)
	for _, part := range []struct{ name, value string }{{HeaderID, id}, {HeaderTimestamp, timestamp}, {HeaderSignature, signatures}} {
		if part.value == "" {
			return "", unsigned("it has no header %s", part.name)
		}
	}
	if len(id) > maxID {
		return "", unsigned("its %s has more than %d bytes", HeaderID, maxID)
	}
	seconds, err := strconv.ParseInt(timestamp, 10, 64)
	if err != nil || strconv.FormatInt(seconds, 10) != timestamp {
		return "", unsigned("its %s is no number of seconds", HeaderTimestamp)
	}
	// The signature first: who cannot sign is not told what the time is here.
	if !signed(strings.Fields(signatures), keys, func(key []byte) []byte { return mac(key, id, timestamp, body) }) {
		return "", unsigned("its signature is not right")
	}
	if age := now.Sub(time.Unix(seconds, 0)); age > Tolerance || age < -Tolerance {
		return "", slipway.Errorf(slipway.Refused, "cannot take the webhook: it was signed %s, which is more than %s from now: it is a replay, or a clock is wrong", time.Unix(seconds, 0).UTC().Format(time.RFC3339), Tolerance)
	}
	return id, nil
}

// signed reports whether one of the signatures is that of one of the keys. How long it takes tells nothing of which.
func signed(signatures []string, keys [][]byte, mac func(key []byte) []byte) bool {
	if len(signatures) > maxSignatures {
		return false
	}
	right := false
	for _, key := range keys {
		want := mac(key)
		for _, s := range signatures {
			encoded, ok := strings.CutPrefix(s, "v1,")
			got, err := base64.StdEncoding.DecodeString(encoded)
			if ok && err == nil && hmac.Equal(want, got) {
				right = true
			}
		}
	}
	return right
}

func unsigned(format string, args ...any) error {
	return slipway.Errorf(slipway.Unauthenticated, "cannot take the webhook: "+format, args...)
}
