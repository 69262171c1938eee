package audit

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/slipway-sh/slipway"
)

// Origin is the Previous of the first entry.
var Origin = strings.Repeat("0", sha256.Size*2)

// A line ends with its hash: `…,"hash":"<64 hexadecimal digits>"}`.
const (
	hashBefore = `,"hash":"`
	hashAfter  = `"}`
	hashPart   = len(hashBefore) + sha256.Size*2 + len(hashAfter)
)

// Seal makes e the next entry after head: it sets Seq, Previous and Hash, and returns the entry and its line, which has no line break.
func Seal(head slipway.AuditHead, e slipway.AuditEntry) (slipway.AuditEntry, string, error) {
	e.Seq, e.Previous, e.Hash = head.Seq+1, head.Hash, ""
	if head.Seq == 0 {
		e.Previous = Origin
	}
	text, err := encode(e)
	if err != nil {
		return slipway.AuditEntry{}, "", fmt.Errorf("cannot write an entry of the audit log: %w", err)
	}
	e.Hash = hash(text)
	return e, string(text[:len(text)-1]) + hashBefore + e.Hash + hashAfter, nil
}

// encode is json.Marshal that leaves & and < as they are, on one line.
func encode(v any) ([]byte, error) {
	var text bytes.Buffer
	e := json.NewEncoder(&text)
	e.SetEscapeHTML(false)
	err := e.Encode(v)
	return bytes.TrimSuffix(text.Bytes(), []byte("\n")), err
}

func hash(text []byte) string {
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}

// Open returns the entry of a line whose hash fits. Corrupt if it does not, or if it is no line of the audit log.
func Open(line string) (slipway.AuditEntry, error) {
	var e slipway.AuditEntry
	if len(line) <= hashPart || !strings.HasPrefix(line[len(line)-hashPart:], hashBefore) || !strings.HasSuffix(line, hashAfter) {
		return e, slipway.Errorf(slipway.Corrupt, "is no entry of the audit log: it does not end with its hash")
	}
	body := line[:len(line)-hashPart] + "}"
	if err := json.Unmarshal([]byte(line), &e); err != nil {
		return e, slipway.Errorf(slipway.Corrupt, "is no entry of the audit log: %w", err)
	}
	if want := hash([]byte(body)); want != e.Hash {
		return e, slipway.Errorf(slipway.Corrupt, "entry %d was altered: its hash does not fit", e.Seq)
	}
	return e, nil
}
