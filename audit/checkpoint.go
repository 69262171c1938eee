package audit

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"strings"
	"time"

	"github.com/slipway-sh/slipway"
)

// CheckpointType is what DSSE calls the type of a checkpoint.
const CheckpointType = "application/vnd.slipway.audit.checkpoint+json"

// Checkpoint says that at a time the log had an entry with a hash, and therefore all entries before it as they were.
type Checkpoint struct {
	Seq  int64     `json:"seq"`
	Hash string    `json:"hash"`
	Time time.Time `json:"time"`
}

// Signer signs checkpoints.
type Signer interface {
	// ID names the key: the SHA-256 of its PKIX form, hexadecimal.
	ID() string
	// Sign returns an ed25519 signature.
	Sign(message []byte) []byte
}

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

// signed is what a DSSE signature is over.
func signed(payload []byte) []byte {
	return append(fmt.Appendf(nil, "DSSEv1 %d %s %d ", len(CheckpointType), CheckpointType, len(payload)), payload...)
}

// Sign returns the checkpoint in a DSSE envelope, a JSON text on one line.
func Sign(c Checkpoint, key Signer) ([]byte, error) {
	payload, err := encode(c)
	if err != nil {
		return nil, fmt.Errorf("cannot sign a checkpoint: %w", err)
	}
	return encode(envelope{
		PayloadType: CheckpointType,
		Payload:     base64.StdEncoding.EncodeToString(payload),
		Signatures:  []signature{{KeyID: key.ID(), Sig: base64.StdEncoding.EncodeToString(key.Sign(signed(payload)))}},
	})
}

// ReadCheckpoints is [ReadCheckpoint] of a file with several, one a line, each with the ID of the key that signed it. A line that was not
// written to its end, as when the power fails, is left out. Invalid if there is none.
func ReadCheckpoints(text []byte, keys []string) (all []Checkpoint, by []string, err error) {
	lines := bytes.Split(text, []byte("\n"))
	if json.Valid(text) { // one, on however many lines
		lines = [][]byte{text}
	}
	for _, line := range lines {
		if !json.Valid(line) {
			continue
		}
		c, id, err := ReadCheckpoint(line, keys)
		if err != nil {
			return nil, nil, err
		}
		all, by = append(all, c), append(by, id)
	}
	if len(all) == 0 {
		_, _, err = ReadCheckpoint(nil, keys)
	}
	return all, by, err
}

// ReadCheckpoint returns the checkpoint of an envelope that one of the keys signed, public keys in PEM, and the ID of that key. Refused if
// none did; Invalid if it is no checkpoint.
func ReadCheckpoint(text []byte, keys []string) (Checkpoint, string, error) {
	var c Checkpoint
	var e envelope
	if err := json.Unmarshal(text, &e); err != nil || e.PayloadType != CheckpointType {
		return c, "", slipway.Errorf(slipway.Invalid, "is no checkpoint of an audit log, as `slipway audit checkpoint` prints it")
	}
	payload, err := base64.StdEncoding.DecodeString(e.Payload)
	if err != nil {
		return c, "", slipway.Errorf(slipway.Invalid, "is no checkpoint of an audit log: its payload is no base64")
	}
	claimed := "nobody"
	for _, text := range keys {
		key, id, err := publicKey(text)
		if err != nil {
			return c, "", err
		}
		for _, s := range e.Signatures {
			claimed = fmt.Sprintf("key %.16q", s.KeyID)
			if sig, err := base64.StdEncoding.DecodeString(s.Sig); err != nil || !ed25519.Verify(key, signed(payload), sig) {
				continue
			}
			if err := json.Unmarshal(payload, &c); err != nil || c.Seq < 0 || len(c.Hash) != len(Origin) {
				return c, "", slipway.Errorf(slipway.Invalid, "is a signed checkpoint that makes no sense")
			}
			return c, id, nil
		}
	}
	return c, "", slipway.Errorf(slipway.Refused, "is signed by none of the keys that are trusted, but by %s", claimed)
}

// publicKey reads an ed25519 public key in PEM.
func publicKey(text string) (ed25519.PublicKey, string, error) {
	block, _ := pem.Decode([]byte(text))
	if block == nil || block.Type != "PUBLIC KEY" {
		return nil, "", slipway.Errorf(slipway.Invalid, "is no public key in PEM: %.40q", strings.TrimSpace(text))
	}
	key, err := x509.ParsePKIXPublicKey(block.Bytes)
	if public, ok := key.(ed25519.PublicKey); err == nil && ok {
		sum := sha256.Sum256(block.Bytes)
		return public, hex.EncodeToString(sum[:]), nil
	}
	return nil, "", slipway.Errorf(slipway.Invalid, "is no ed25519 public key")
}
