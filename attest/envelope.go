// Package attest signs what is known of an image, and verifies images by that: how one was made (SLSA provenance), what is in it
// (CycloneDX) and what its tests found. Each is an in-toto statement about the digest of the image in a DSSE envelope, stored beside it as a document.
//
// Verifying needs a layout of blobs and the public key, nothing else: no server, no network.
package attest

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"fmt"

	"github.com/slipway-sh/slipway"
)

// payloadType is what DSSE calls the type of an in-toto statement.
const payloadType = "application/vnd.in-toto+json"

// envelope is a DSSE v1 envelope.
type envelope struct {
	PayloadType string      `json:"payloadType"`
	Payload     string      `json:"payload"` // base64
	Signatures  []signature `json:"signatures"`
}

type signature struct {
	KeyID string `json:"keyid"`
	Sig   string `json:"sig"` // base64
}

// preAuthentication is what a DSSE signature is over: type and payload, each with its length before it, so that no byte of one can be
// taken for one of the other.
func preAuthentication(payloadType string, payload []byte) []byte {
	return append(fmt.Appendf(nil, "DSSEv1 %d %s %d ", len(payloadType), payloadType, len(payload)), payload...)
}

// seal signs a statement. The same statement gives the same bytes.
func seal(key *Key, statement any) ([]byte, error) {
	payload, err := encode(statement)
	if err != nil {
		return nil, fmt.Errorf("sign a statement: %w", err)
	}
	sig := ed25519.Sign(key.private, preAuthentication(payloadType, payload))
	return json.Marshal(envelope{
		PayloadType: payloadType,
		Payload:     base64.StdEncoding.EncodeToString(payload),
		Signatures:  []signature{{KeyID: key.ID(), Sig: base64.StdEncoding.EncodeToString(sig)}},
	})
}

// encode is json.Marshal that leaves & and < as they are: people read what is signed.
func encode(v any) ([]byte, error) {
	var text bytes.Buffer
	e := json.NewEncoder(&text)
	e.SetEscapeHTML(false)
	err := e.Encode(v)
	return bytes.TrimSuffix(text.Bytes(), []byte("\n")), err
}

// open returns the payload of an envelope that a trusted key signed, and the key's ID. Refused if none did. The key's ID in the envelope only
// tells people whose signature it is; which keys are tried it does not decide.
func open(text []byte, trusted []PublicKey) (payload []byte, by string, err error) {
	var e envelope
	if err := json.Unmarshal(text, &e); err != nil {
		return nil, "", slipway.Errorf(slipway.Refused, "is no signed statement: %w", err)
	}
	if e.PayloadType != payloadType {
		return nil, "", slipway.Errorf(slipway.Refused, "is a signed %q, no statement", e.PayloadType)
	}
	if payload, err = base64.StdEncoding.DecodeString(e.Payload); err != nil {
		return nil, "", slipway.Errorf(slipway.Refused, "is no signed statement: %w", err)
	}
	signed := preAuthentication(e.PayloadType, payload)
	claimed := ""
	for _, s := range e.Signatures {
		sig, err := base64.StdEncoding.DecodeString(s.Sig)
		if err != nil {
			continue
		}
		claimed = s.KeyID
		for _, key := range trusted {
			if ed25519.Verify(key.key, signed, sig) {
				return payload, key.ID(), nil
			}
			if s.KeyID == key.ID() {
				return nil, "", slipway.Errorf(slipway.Refused, "has been altered: the signature of key %s does not fit", short(s.KeyID))
			}
		}
	}
	if claimed == "" {
		return nil, "", slipway.Errorf(slipway.Refused, "is not signed")
	}
	return nil, "", slipway.Errorf(slipway.Refused, "is signed by no key that is trusted, but by %s", short(claimed))
}

// short cuts a key's ID for people. An envelope may say anything there.
func short(id string) string { return fmt.Sprintf("%.16q", id) }
