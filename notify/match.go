package notify

import (
	"encoding/json"
	"path"
	"slices"

	"github.com/slipway-sh/slipway"
)

// about reports whether somebody has subscribed to the event.
func about(s slipway.SubscriptionSpec, e slipway.Event) bool {
	events := s.Events
	if len(events) == 0 {
		events = slipway.DefaultSubscribed
	}
	return fits(events, string(e.Kind)) &&
		(len(s.Applications) == 0 || fits(s.Applications, e.Application)) &&
		(len(s.Environments) == 0 || e.Environment != "" && fits(s.Environments, e.Environment)) &&
		(!s.Failures || failure(e))
}

// fits reports whether one of the globs fits the name. Globs were looked at when the subscription was made.
func fits(globs []string, name string) bool {
	for _, g := range globs {
		if ok, err := path.Match(g, name); err == nil && ok {
			return true
		}
	}
	return false
}

// bad are the kinds of events that are failures whatever else they say.
var bad = []slipway.EventKind{
	slipway.InstanceLost, slipway.TriggerFailed, slipway.TriggerRejected, slipway.DeliveryGivenUp, slipway.SubscriptionDisabled,
}

// failure reports whether something did not go well. What a person ended is none.
func failure(e slipway.Event) bool {
	if slices.Contains(bad, e.Kind) {
		return true
	}
	var data struct {
		State   string           `json:"state"`
		Outcome string           `json:"outcome"`
		Error   *json.RawMessage `json:"error"`
		Passed  *bool            `json:"passed"`
	}
	if json.Unmarshal(e.Data, &data) != nil {
		return false
	}
	switch data.State {
	case "failed", "rolled_back", "needs_attention", "held", "expired", "rejected":
		return true
	}
	return data.Passed != nil && !*data.Passed || data.Outcome == string(slipway.OutcomeFail)
}
