package slipway

import (
	"encoding/json"
	"fmt"
	"strconv"
	"time"
)

// StrategyName names a way to move traffic from one server group to the next.
type StrategyName string

// The strategies.
const (
	StrategyHighlander      StrategyName = "highlander"
	StrategyRedBlack        StrategyName = "redblack"
	StrategyRollingRedBlack StrategyName = "rolling-redblack"
	StrategyRolling         StrategyName = "rolling"
	StrategyCanary          StrategyName = "canary"
	StrategyCustom          StrategyName = "custom"
	StrategyNone            StrategyName = "none"
)

// Strategies lists every strategy.
var Strategies = []StrategyName{StrategyHighlander, StrategyRedBlack, StrategyRollingRedBlack, StrategyRolling, StrategyCanary, StrategyCustom, StrategyNone}

// Strategy is a strategy with its options. In YAML it is a name, or an object with the name as its only key.
// Exactly one field is set, or none, which means redblack with its defaults.
type Strategy struct {
	Highlander      *Highlander      `json:"highlander,omitempty"`
	RedBlack        *RedBlack        `json:"redblack,omitempty"`
	RollingRedBlack *RollingRedBlack `json:"rolling-redblack,omitempty"`
	Rolling         *Rolling         `json:"rolling,omitempty"`
	Canary          *Canary          `json:"canary,omitempty"`
	Custom          *Custom          `json:"custom,omitempty"`
	None            *NoTraffic       `json:"none,omitempty"`
}

// Highlander: the new group takes all traffic, then every other group of the cluster is destroyed. There can be only one.
type Highlander struct {
	Watch Duration `json:"watch,omitempty"`
}

// RedBlack: the new group takes all traffic at once; the old one is kept, disabled, for instant rollback.
type RedBlack struct {
	Watch Duration `json:"watch,omitempty"` // how long the new group is watched at 100 % of traffic, the old one standing by; default DefaultWatch
	Keep  *int     `json:"keep,omitempty"`  // disabled groups kept; default 1
}

// RollingRedBlack: the new group grows, and takes traffic, by percentages; the old one stays at its full size until the end, and is kept.
type RollingRedBlack struct {
	Steps []int    `json:"steps,omitempty"` // percent, rising, below 100, which is the last step in any case; default 25, 50, 75
	Wait  Duration `json:"wait,omitempty"`  // after each step; default none
	Watch Duration `json:"watch,omitempty"`
	Keep  *int     `json:"keep,omitempty"`
}

// Rolling: the new group grows batch by batch, the old one shrinks as much, and traffic goes to both by the number of their machines.
type Rolling struct {
	Batch       Amount   `json:"batch,omitzero"`         // machines moved at a time; default 1
	MinHealthy  *int     `json:"min_healthy,omitempty"`  // percent of the desired size that serve at any time, both groups together; default 100
	MaxHealthy  *int     `json:"max_healthy,omitempty"`  // percent of the desired size there may be at any time; default: a batch more than the desired size
	Checkpoints []int    `json:"checkpoints,omitempty"`  // percent moved, rising, at which it waits
	Delay       Duration `json:"delay,omitempty"`        // at each checkpoint; default 1m
	SkipMatched bool     `json:"skip_matched,omitempty"` // nothing is done if what serves is of the same image and configuration already
	Watch       Duration `json:"watch,omitempty"`
}

// Canary: a few machines of the new image get a share of the traffic, which is raised as long as analysis finds them no worse than a
// baseline: as many machines of the old image, started at the same time.
type Canary struct {
	Steps    []int     `json:"steps,omitempty"`    // percent of traffic, rising, below 100; default 5, 25, 50
	Size     Amount    `json:"size,omitzero"`      // machines of the canary; default: as many as the step's share of the desired size
	Interval Duration  `json:"interval,omitempty"` // how long each step is observed; default 1m
	Baseline *bool     `json:"baseline,omitempty"` // compare with a baseline group that gets as much traffic; default true. Without one, with the source
	Replace  bool      `json:"replace,omitempty"`  // no spare capacity: each machine of the canary replaces one of the source, and there is no baseline group
	Analysis *Analysis `json:"analysis,omitempty"` // default: error rate and response time as the load balancer sees them
	Watch    Duration  `json:"watch,omitempty"`
	Keep     *int      `json:"keep,omitempty"`
}

// Custom: the steps that are written down, in order. The source keeps its machines until all are done.
type Custom struct {
	Steps []CustomStep `json:"steps"`
	Watch Duration     `json:"watch,omitempty"`
}

// CustomStep is one step of a custom strategy. Exactly one field is set.
type CustomStep struct {
	Create  *Amount       `json:"create,omitempty"`  // the new group has so many machines from here on, all of them healthy
	Weight  *int          `json:"weight,omitempty"`  // percent of traffic that the new group gets from here on
	Wait    *Duration     `json:"wait,omitempty"`    // watching what has traffic
	Check   *Check        `json:"check,omitempty"`   // until it has been made as often as its count says
	Analyse *AnalyseStep  `json:"analyse,omitempty"` // compare the new group with the source
	Approve *ApproveStep  `json:"approve,omitempty"` // wait for a person
	Run     *CommandTest  `json:"run,omitempty"`     // in one machine of the new group
	Webhook *WebhookCheck `json:"webhook,omitempty"` // must answer that it passed
	Retire  *RetireStep   `json:"retire,omitempty"`  // the last step: what becomes of other groups; default: the source is kept
}

// AnalyseStep observes for a while and then judges.
type AnalyseStep struct {
	For      Duration `json:"for,omitempty"` // default 1m
	Analysis          // the metrics
}

// ApproveStep waits for a person, who answers with a command.
type ApproveStep struct {
	Message string   `json:"message,omitempty"` // what is to be decided
	Expires Duration `json:"expires,omitempty"` // after which nobody has approved, and the deployment is undone; default 72h
}

// RetireStep says how many disabled groups are kept.
type RetireStep struct {
	Keep int `json:"keep"`
}

// NoTraffic: the new group is created and checked, and gets no traffic.
type NoTraffic struct{}

// Defaults of strategies.
const (
	// DefaultWatch is how long a new group is watched under full traffic before the old one is retired.
	DefaultWatch = 5 * time.Second
	// DefaultInterval is how long a step of a canary is observed.
	DefaultInterval = time.Minute
	// DefaultExpiry is after how long nobody will approve any more.
	DefaultExpiry = 72 * time.Hour
)

// UnmarshalJSON accepts a name or an object.
func (s *Strategy) UnmarshalJSON(b []byte) error {
	var name StrategyName
	if json.Unmarshal(b, &name) == nil {
		switch name {
		case StrategyHighlander:
			*s = Strategy{Highlander: &Highlander{}}
		case StrategyRedBlack:
			*s = Strategy{RedBlack: &RedBlack{}}
		case StrategyRollingRedBlack:
			*s = Strategy{RollingRedBlack: &RollingRedBlack{}}
		case StrategyRolling:
			*s = Strategy{Rolling: &Rolling{}}
		case StrategyCanary:
			*s = Strategy{Canary: &Canary{}}
		case StrategyNone:
			*s = Strategy{None: &NoTraffic{}}
		case StrategyCustom:
			return Errorf(Invalid, "cannot follow a custom strategy without steps: write custom: {steps: [...]}")
		default:
			return Errorf(Invalid, "cannot follow the strategy %q: want one of %s", name, list(Strategies))
		}
		return nil
	}
	type plain Strategy
	if err := strict(b, (*plain)(s), fmt.Sprintf("a strategy: one of %s, or an object with that key", list(Strategies))); err != nil {
		return err
	}
	var written map[string]json.RawMessage
	if *s == (Strategy{}) && json.Unmarshal(b, &written) == nil {
		for name := range written { // null stands for its defaults, as nothing does in YAML
			return s.UnmarshalJSON([]byte(strconv.Quote(name)))
		}
	}
	return nil
}

// Name returns which strategy s is.
func (s Strategy) Name() StrategyName {
	switch {
	case s.Highlander != nil:
		return StrategyHighlander
	case s.RollingRedBlack != nil:
		return StrategyRollingRedBlack
	case s.Rolling != nil:
		return StrategyRolling
	case s.Canary != nil:
		return StrategyCanary
	case s.Custom != nil:
		return StrategyCustom
	case s.None != nil:
		return StrategyNone
	}
	return StrategyRedBlack
}

// Watch returns how long the new group is watched under full traffic.
func (s Strategy) Watch() time.Duration {
	var d Duration
	switch {
	case s.Highlander != nil:
		d = s.Highlander.Watch
	case s.RedBlack != nil:
		d = s.RedBlack.Watch
	case s.RollingRedBlack != nil:
		d = s.RollingRedBlack.Watch
	case s.Rolling != nil:
		d = s.Rolling.Watch
	case s.Canary != nil:
		d = s.Canary.Watch
	case s.Custom != nil:
		d = s.Custom.Watch
	}
	return d.Or(DefaultWatch)
}

// Keep returns how many disabled server groups stay for instant rollback.
func (s Strategy) Keep() int {
	var keep *int
	switch {
	case s.Highlander != nil, s.Rolling != nil, s.Canary != nil && s.Canary.Replace: // there can be only one, or there is no room for more
		return 0
	case s.RedBlack != nil:
		keep = s.RedBlack.Keep
	case s.RollingRedBlack != nil:
		keep = s.RollingRedBlack.Keep
	case s.Canary != nil:
		keep = s.Canary.Keep
	case s.Custom != nil:
		if n := len(s.Custom.Steps); n > 0 && s.Custom.Steps[n-1].Retire != nil {
			keep = &s.Custom.Steps[n-1].Retire.Keep
		}
	case s.None != nil:
		return maxKeep // it takes over from nobody
	}
	if keep == nil {
		return 1
	}
	return *keep
}

// HasBaseline reports whether the strategy makes a second group, of the source's image, to compare with.
func (s Strategy) HasBaseline() bool {
	return s.Canary != nil && !s.Canary.Replace && (s.Canary.Baseline == nil || *s.Canary.Baseline)
}
