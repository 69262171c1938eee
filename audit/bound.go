package audit

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/redact"
)

// How long what is recorded of an object or a request may be. Beyond, lists are cut, then the whole becomes its digest.
const (
	maxDocument = 16 << 10
	maxList     = 20
	maxString   = 1 << 10
	maxChanges  = 50
	maxValue    = 400
)

// Document returns v as it may be written into the audit log: without what is secret, and not too long. nil for nil and for what is no JSON.
func Document(v any) json.RawMessage {
	tree := Tree(v)
	if tree == nil {
		return nil
	}
	whole, err := redact.Encode(tree)
	if err != nil {
		return nil
	}
	if len(whole) <= maxDocument {
		return whole
	}
	if short, err := redact.Encode(cut(tree)); err == nil && len(short) <= maxDocument {
		return short
	}
	digest, _ := redact.Encode(map[string]any{"digest": slipway.DigestOf(whole), "bytes": len(whole)})
	return digest
}

// Tree returns v as decoded JSON without what is secret; nil for nil and for what is no JSON.
func Tree(v any) any {
	text, err := json.Marshal(v)
	if err != nil || bytes.Equal(text, []byte("null")) {
		return nil
	}
	tree, err := redact.Decode(text)
	if err != nil {
		return nil
	}
	return redact.Value(tree)
}

// cut shortens long lists and texts.
func cut(v any) any {
	switch v := v.(type) {
	case map[string]any:
		short := make(map[string]any, len(v))
		for i, name := range slices.Sorted(maps.Keys(v)) {
			if i == 5*maxList {
				short["…"] = fmt.Sprintf("%d more", len(v)-i)
				break
			}
			short[name] = cut(v[name])
		}
		return short
	case []any:
		var short []any
		for i, one := range v {
			if i == maxList {
				return append(short, fmt.Sprintf("… %d more", len(v)-i))
			}
			short = append(short, cut(one))
		}
		return short
	case string:
		if len(v) > maxString {
			return v[:maxString] + fmt.Sprintf("… %d bytes more", len(v)-maxString)
		}
	}
	return v
}

// Changes returns what differs between two trees, as [Tree] makes them, by path.
func Changes(before, after any) []slipway.AuditChange {
	var all []slipway.AuditChange
	if before != nil && after != nil {
		compare("", before, after, &all)
	}
	return all
}

func compare(path string, before, after any, all *[]slipway.AuditChange) {
	if len(*all) > maxChanges {
		return
	}
	switch b := before.(type) {
	case map[string]any:
		if a, ok := after.(map[string]any); ok {
			names := map[string]bool{}
			for name := range b {
				names[name] = true
			}
			for name := range a {
				names[name] = true
			}
			for _, name := range slices.Sorted(maps.Keys(names)) {
				below := name
				if path != "" {
					below = path + "." + name
				}
				compare(below, b[name], a[name], all)
			}
			return
		}
	case []any:
		if a, ok := after.([]any); ok {
			for i := range max(len(a), len(b)) {
				var x, y any
				if i < len(b) {
					x = b[i]
				}
				if i < len(a) {
					y = a[i]
				}
				compare(fmt.Sprintf("%s[%d]", path, i), x, y, all)
			}
			return
		}
	}
	x, y := short(before), short(after)
	if bytes.Equal(x, y) {
		return
	}
	if len(*all) == maxChanges {
		*all = append(*all, slipway.AuditChange{Path: "…"})
		return
	}
	*all = append(*all, slipway.AuditChange{Path: path, Before: x, After: y})
}

// short returns a value, or the digest of one that is long; nil for none.
func short(v any) json.RawMessage {
	if v == nil {
		return nil
	}
	text, err := redact.Encode(v)
	if err != nil {
		return nil
	}
	if len(text) > maxValue {
		text, _ = redact.Encode(map[string]any{"digest": slipway.DigestOf(text), "bytes": len(text)})
	}
	return text
}
