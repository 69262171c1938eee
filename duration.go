package slipway

import (
	"encoding/json"
	"time"
)

// Duration is a time.Duration that is written as text ("1m30s") in YAML and JSON.
type Duration time.Duration

// MarshalText implements encoding.TextMarshaler.
func (d Duration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

// UnmarshalJSON accepts a string in the form of time.ParseDuration, not negative.
func (d *Duration) UnmarshalJSON(b []byte) error {
	var s string
	if err := json.Unmarshal(b, &s); err != nil {
		return Errorf(Invalid, "want a duration such as \"10s\" or \"1m30s\"")
	}
	v, err := time.ParseDuration(s)
	if err != nil || v < 0 {
		return Errorf(Invalid, "cannot read %q as a duration: want a form such as \"10s\" or \"1m30s\"", s)
	}
	*d = Duration(v)
	return nil
}

// Or returns d, or fallback when d is zero.
func (d Duration) Or(fallback time.Duration) time.Duration {
	if d == 0 {
		return fallback
	}
	return time.Duration(d)
}
