package slipway

import (
	"encoding/json"
	"math"
	"strconv"
	"strings"
)

// Amount is a number of machines, or a share of them. In YAML it is 3 or "50%". The zero Amount is not set; none is "0%".
type Amount struct {
	N       int  // machines, or percent
	Percent bool // N is percent
}

// Of returns how many of total machines a stands for; a share is rounded up.
func (a Amount) Of(total int) int {
	if !a.Percent {
		return a.N
	}
	return int(math.Ceil(float64(a.N) * float64(total) / 100))
}

// IsZero reports whether a is not set.
func (a Amount) IsZero() bool { return a == Amount{} }

// String returns a as it is written in YAML.
func (a Amount) String() string {
	if a.Percent {
		return strconv.Itoa(a.N) + "%"
	}
	return strconv.Itoa(a.N)
}

// MarshalJSON writes a number or a string such as "50%".
func (a Amount) MarshalJSON() ([]byte, error) {
	if a.Percent {
		return json.Marshal(a.String())
	}
	return json.Marshal(a.N)
}

// UnmarshalJSON accepts a number, but not 0, which would stand for the default, or a string such as "50%".
func (a *Amount) UnmarshalJSON(b []byte) error {
	var n int
	if json.Unmarshal(b, &n) == nil && string(b) != "null" {
		if n == 0 {
			return Errorf(Invalid, "cannot use 0 as an amount: it would stand for the default; want 1 or more, or \"0%%\" for none")
		}
		*a = Amount{N: n}
		return nil
	}
	var text string
	if json.Unmarshal(b, &text) == nil {
		if digits, ok := strings.CutSuffix(text, "%"); ok {
			if n, err := strconv.Atoi(digits); err == nil {
				*a = Amount{N: n, Percent: true}
				return nil
			}
		}
	}
	return Errorf(Invalid, "cannot use %s as an amount: want a number of machines such as 2, or a share such as \"50%%\"", b)
}
