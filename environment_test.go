package slipway

import (
	"encoding/json"
	"testing"
	"time"
)

func TestSizeJSON(t *testing.T) {
	for text, want := range map[string]Size{
		`3`: {3, 3, 3}, `{"min":1,"desired":2,"max":3}`: {1, 2, 3}, `{"max":1}`: {0, 0, 1},
	} {
		var got Size
		if err := json.Unmarshal([]byte(text), &got); err != nil || got != want {
			t.Errorf("%s: %v, %v", text, got, err)
		}
	}
	for _, text := range []string{`"3"`, `1.5`, `[1]`, `{"minimum":1}`, `{"min":"1"}`} {
		var got Size
		if err := json.Unmarshal([]byte(text), &got); CodeOf(err) != Invalid {
			t.Errorf("%s: %v, %v", text, got, err)
		}
	}
}

func TestStrategyJSON(t *testing.T) {
	type want struct {
		name  StrategyName
		watch time.Duration
		keep  int
	}
	for text, want := range map[string]want{
		`"highlander"`:                         {StrategyHighlander, DefaultWatch, 0},
		`"redblack"`:                           {StrategyRedBlack, DefaultWatch, 1},
		`{}`:                                   {StrategyRedBlack, DefaultWatch, 1},
		`{"highlander":{"watch":"1m"}}`:        {StrategyHighlander, time.Minute, 0},
		`{"redblack":{"watch":"1s","keep":0}}`: {StrategyRedBlack, time.Second, 0},
		`{"redblack":{"keep":3}}`:              {StrategyRedBlack, DefaultWatch, 3},
		`{"highlander":null}`:                  {StrategyHighlander, DefaultWatch, 0},
		`"rolling-redblack"`:                   {StrategyRollingRedBlack, DefaultWatch, 1},
		`"rolling"`:                            {StrategyRolling, DefaultWatch, 0},
		`"canary"`:                             {StrategyCanary, DefaultWatch, 1},
		`{"canary":{"keep":2}}`:                {StrategyCanary, DefaultWatch, 2},
		`{"custom":{"steps":[{"create":"100%"},{"retire":{"keep":4}}],"watch":"2s"}}`: {StrategyCustom, 2 * time.Second, 4},
		`{"custom":{"steps":[{"create":1}]}}`:                                         {StrategyCustom, DefaultWatch, 1},
		`"none"`:                                                                      {StrategyNone, DefaultWatch, maxKeep},
	} {
		var got Strategy
		if err := json.Unmarshal([]byte(text), &got); err != nil || got.Name() != want.name || got.Watch() != want.watch || got.Keep() != want.keep {
			t.Errorf("%s: %v, %v, %v, %v", text, got.Name(), got.Watch(), got.Keep(), err)
		}
		b, err := json.Marshal(got)
		var again Strategy
		if err != nil || json.Unmarshal(b, &again) != nil || again.Name() != want.name || again.Watch() != want.watch || again.Keep() != want.keep {
			t.Errorf("%s became %s: %v", text, b, err)
		}
	}
	for _, text := range []string{`"custom"`, `{"custom":null}`, `"bluegreen"`, `1`, `{"bluegreen":{}}`, `{"canary":{"size":0}}`, `{"canary":{"replaced":true}}`, `{"redblack":{"keep":"all"}}`, `{"redblack":{"watch":5}}`} {
		var got Strategy
		if err := json.Unmarshal([]byte(text), &got); CodeOf(err) != Invalid {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func TestStickyJSON(t *testing.T) {
	for text, want := range map[string]Sticky{
		`"cookie"`: {Cookie: DefaultCookie}, `{"cookie":"shop"}`: {Cookie: "shop"}, `{"header":"X-User"}`: {Header: "X-User"},
	} {
		var got Sticky
		if err := json.Unmarshal([]byte(text), &got); err != nil || got != want {
			t.Errorf("%s: %v, %v", text, got, err)
		}
	}
	for _, text := range []string{`"header"`, `""`, `1`, `{}`, `{"cookie":""}`, `{"cookies":"a"}`, `["cookie"]`} {
		var got Sticky
		if err := json.Unmarshal([]byte(text), &got); CodeOf(err) != Invalid {
			t.Errorf("%s: %v, %v", text, got, err)
		}
	}
}

func TestDurationJSON(t *testing.T) {
	for text, want := range map[string]Duration{`"1m30s"`: Duration(90 * time.Second), `"0s"`: 0} {
		var got Duration
		if err := json.Unmarshal([]byte(text), &got); err != nil || got != want {
			t.Errorf("%s: %v, %v", text, got, err)
		}
		b, err := json.Marshal(want)
		if err != nil || string(b) != text {
			t.Errorf("%s became %s: %v", text, b, err)
		}
	}
	for _, text := range []string{`10`, `"10"`, `"-1s"`, `"soon"`, `{}`} {
		var got Duration
		if err := json.Unmarshal([]byte(text), &got); CodeOf(err) != Invalid {
			t.Errorf("%s: %v, %v", text, got, err)
		}
	}
	if d := Duration(0).Or(time.Second); d != time.Second {
		t.Errorf("the default became %s", d)
	}
}
