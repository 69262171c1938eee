package slipway

import (
	"encoding/json"
	"testing"
)

func TestAmountJSON(t *testing.T) {
	for text, want := range map[string]Amount{
		`3`: {N: 3}, `-1`: {N: -1}, `"50%"`: {N: 50, Percent: true}, `"0%"`: {Percent: true}, `"250%"`: {N: 250, Percent: true},
	} {
		var got Amount
		if err := json.Unmarshal([]byte(text), &got); err != nil || got != want {
			t.Errorf("%s: %v, %v", text, got, err)
		}
		if b, err := json.Marshal(want); err != nil || string(b) != text {
			t.Errorf("%s became %s: %v", text, b, err)
		}
	}
	for _, text := range []string{`0`, `1.5`, `"3"`, `"%"`, `"a%"`, `"1.5%"`, `""`, `null`, `{}`, `[1]`} {
		var got Amount
		if err := json.Unmarshal([]byte(text), &got); CodeOf(err) != Invalid {
			t.Errorf("%s: %v, %v", text, got, err)
		}
	}
}

func TestAmountOf(t *testing.T) {
	for _, test := range []struct {
		amount      Amount
		total, want int
	}{
		{Amount{}, 10, 0}, {Amount{N: 3}, 10, 3}, {Amount{N: 30}, 10, 30}, {Amount{N: 1, Percent: true}, 10, 1}, {Amount{N: 50, Percent: true}, 3, 2},
		{Amount{N: 33, Percent: true}, 3, 1}, {Amount{N: 34, Percent: true}, 3, 2}, {Amount{N: 100, Percent: true}, 7, 7}, {Amount{Percent: true}, 7, 0},
	} {
		if got := test.amount.Of(test.total); got != test.want {
			t.Errorf("%s of %d is %d, want %d", test.amount, test.total, got, test.want)
		}
	}
}
