package slipway

import (
	"strconv"
	"strings"
)

// maxSteps is the most steps a custom strategy may have.
const maxSteps = 100

// override looks at a strategy that is followed once instead of the environment's. Of an environment that is not known nothing is required.
func (p *problems) override(place string, s Strategy, e *Environment) {
	t := anyTerms
	if e != nil {
		t = termsOf(*e, anyPort)
	}
	p.strategy(place, s, t)
}

func (p *problems) strategy(place string, s Strategy, t terms) {
	var set []string
	for _, f := range []struct {
		name StrategyName
		set  bool
	}{
		{StrategyHighlander, s.Highlander != nil}, {StrategyRedBlack, s.RedBlack != nil}, {StrategyRollingRedBlack, s.RollingRedBlack != nil},
		{StrategyRolling, s.Rolling != nil}, {StrategyCanary, s.Canary != nil}, {StrategyCustom, s.Custom != nil}, {StrategyNone, s.None != nil},
	} {
		if f.set {
			set = append(set, string(f.name))
		}
	}
	if len(set) > 1 {
		p.add(place, "cannot follow %s at once: write one strategy", strings.Join(set, " and "))
		return
	}
	place = key(place, string(s.Name()))
	switch {
	case s.Highlander != nil:
		p.duration(key(place, "watch"), s.Highlander.Watch)
	case s.RedBlack != nil:
		p.duration(key(place, "watch"), s.RedBlack.Watch)
		p.keep(key(place, "keep"), s.RedBlack.Keep)
	case s.RollingRedBlack != nil:
		p.rollingRedBlack(place, *s.RollingRedBlack)
	case s.Rolling != nil:
		p.rolling(place, *s.Rolling, t)
	case s.Canary != nil:
		p.canary(place, *s.Canary, t)
	case s.Custom != nil:
		p.custom(place, *s.Custom, t)
	}
}

func (p *problems) keep(place string, keep *int) {
	if keep != nil && (*keep < 0 || *keep > maxKeep) {
		p.add(place, "cannot keep %d server groups: want 0 to %d", *keep, maxKeep)
	}
}

// steps looks at percentages, and reports whether they rise and end below 100. at100 says why 100 is none of them.
func (p *problems) steps(place string, steps []int, at100 string) bool {
	if steps != nil && len(steps) == 0 {
		p.add(place, "cannot go by no steps: write at least one percentage, or leave %s out", place[strings.LastIndexByte(place, '.')+1:])
		return false
	}
	last := 0
	for i, n := range steps {
		switch {
		case n == 100:
			p.add(index(place, i), "cannot have 100 %% as a step: %s", at100)
		case n < 1 || n > 100:
			p.add(index(place, i), "cannot use %d %%: want 1 to 99", n)
		case n <= last:
			p.add(index(place, i), "cannot go from %d %% to %d %%: want steps that rise", last, n)
		default:
			last = n
			continue
		}
		return false // what follows is compared with it
	}
	return true
}

const impliedEnd = "it is the last in any case; leave it out"

func (p *problems) rollingRedBlack(place string, s RollingRedBlack) {
	p.steps(key(place, "steps"), s.Steps, impliedEnd)
	p.duration(key(place, "wait"), s.Wait)
	p.duration(key(place, "watch"), s.Watch)
	p.keep(key(place, "keep"), s.Keep)
}

func (p *problems) rolling(place string, s Rolling, t terms) {
	if !s.Batch.IsZero() {
		p.amount(key(place, "batch"), s.Batch, 1, 0)
	}
	bounded := true
	if n := s.MinHealthy; n != nil && (*n < 0 || *n > 100) {
		p.add(key(place, "min_healthy"), "cannot use %d %%: want 0 to 100", *n)
		bounded = false
	}
	if n := s.MaxHealthy; n != nil && (*n < 100 || *n > 200) {
		p.add(key(place, "max_healthy"), "cannot use %d %%: want 100 to 200, of the desired size, both groups together", *n)
		bounded = false
	}
	if bounded && s.MaxHealthy != nil {
		p.room(place, s, t)
	}
	p.steps(key(place, "checkpoints"), s.Checkpoints, "then it is over; write watch for how long what serves is watched at the end")
	p.duration(key(place, "delay"), s.Delay)
	if s.Delay != 0 && len(s.Checkpoints) == 0 {
		p.add(key(place, "delay"), "cannot delay at no checkpoint: write checkpoints too, or leave delay out")
	}
	p.duration(key(place, "watch"), s.Watch)
}

// room looks whether a machine can be moved at all: the bounds are kept, so if as many must serve as there may be, none can.
func (p *problems) room(place string, s Rolling, t terms) {
	least := 100
	if s.MinHealthy != nil {
		least = *s.MinHealthy
	}
	desired := t.size.Desired
	if desired == 0 {
		if least == 100 && *s.MaxHealthy == 100 {
			p.add(key(place, "max_healthy"), "cannot move a machine: 100 %% must serve at any time, and there may be no more than 100 %%; lower min_healthy, or raise max_healthy")
		}
		return
	}
	serving := Amount{N: least, Percent: true}.Of(desired)
	most := desired * *s.MaxHealthy / 100 // a bound is rounded down
	if most > max(serving, t.guard) {
		return
	}
	var lower []string
	if serving >= most {
		lower = append(lower, "min_healthy to "+strconv.Itoa((most-1)*100/desired))
	}
	if t.guard >= most {
		lower = append(lower, "policy.min_healthy to "+atMost(most-1))
	}
	p.add(key(place, "max_healthy"), "cannot move a machine: of %d, %d must serve at any time, and there may be no more than %d; raise max_healthy to %d, or lower %s",
		desired, max(serving, t.guard), most, (100*(desired+1)+desired-1)/desired, strings.Join(lower, " and "))
}

// atMost is how a number of machines is written that may be none.
func atMost(n int) string {
	if n < 1 {
		return `"0%"`
	}
	return strconv.Itoa(n)
}

func counted(machines int) string {
	if machines == 1 {
		return "1 machine"
	}
	return strconv.Itoa(machines) + " machines"
}

func (p *problems) canary(place string, s Canary, t terms) {
	if !t.balanced {
		p.add(place, "cannot give a canary a share of the traffic without a load balancer: write load_balancer, or another strategy")
	}
	rise := p.steps(key(place, "steps"), s.Steps, impliedEnd)
	before := len(*p)
	if !s.Size.IsZero() {
		p.amount(key(place, "size"), s.Size, 1, t.size.Desired)
	}
	if s.Replace && s.Baseline != nil && *s.Baseline {
		p.add(key(place, "baseline"), "cannot have a baseline group where there is no spare capacity: leave baseline or replace out")
	}
	if s.Replace && rise && len(*p) == before && t.size.Desired > 0 {
		p.replaced(key(place, "replace"), s, t)
	}
	p.duration(key(place, "interval"), s.Interval)
	if s.Analysis != nil {
		p.analysis(key(place, "analysis"), *s.Analysis, t)
	}
	p.duration(key(place, "watch"), s.Watch)
	p.keep(key(place, "keep"), s.Keep)
}

// replaced looks whether as many machines of the source can be done without as the canary replaces.
func (p *problems) replaced(place string, s Canary, t terms) {
	steps := s.Steps
	if steps == nil {
		steps = []int{5, 25, 50}
	}
	desired, machines, most := t.size.Desired, 0, 0 // most at a time
	for _, n := range steps {
		size := s.Size
		if size.IsZero() {
			size = Amount{N: n, Percent: true}
		}
		most = max(most, size.Of(desired)-machines)
		machines = size.Of(desired)
	}
	switch {
	case machines >= desired:
		p.add(place, "cannot replace %s of %d: one must be left to compare with; write a bigger size, or leave replace out", counted(machines), desired)
	case desired-most < t.guard:
		p.add(place, "cannot replace %s at a time: %d of %d must serve at any time; write policy.min_healthy: %s, or leave replace out", counted(most), t.guard, desired, atMost(desired-most))
	}
}

func (p *problems) custom(place string, s Custom, t terms) {
	p.duration(key(place, "watch"), s.Watch)
	place = key(place, "steps")
	switch {
	case len(s.Steps) == 0:
		p.add(place, "cannot follow a custom strategy without steps: write at least create")
		return
	case len(s.Steps) > maxSteps:
		p.add(place, "cannot go %d steps: want at most %d", len(s.Steps), maxSteps)
		return
	}
	c := course{terms: t}
	for i, step := range s.Steps {
		c.step(p, index(place, i), step, i == len(s.Steps)-1)
	}
	switch {
	case c.spoilt: // what it comes to cannot be told
	case !c.made:
		p.add(place, "cannot deploy without a new group: write create, such as create: 100%%")
	case t.balanced && c.weight != 100:
		p.add(place, "cannot end with %d %% of the traffic on the new group: write weight: 100 as the last weight", c.weight)
	}
}

// course is where the steps of a custom strategy have led to.
type course struct {
	terms
	made     bool // there is a new group
	machines int  // of it, if the size is known
	weight   int
	spoilt   bool // a step is wrong, so what follows is not judged by it
}

func (c *course) step(p *problems, place string, s CustomStep, last bool) {
	if !p.oneOf(place, field{"create", s.Create != nil}, field{"weight", s.Weight != nil}, field{"wait", s.Wait != nil}, field{"check", s.Check != nil},
		field{"analyse", s.Analyse != nil}, field{"approve", s.Approve != nil}, field{"run", s.Run != nil}, field{"webhook", s.Webhook != nil}, field{"retire", s.Retire != nil}) {
		c.spoilt = true
		return
	}
	needsGroup := func(what string) {
		if !c.made && !c.spoilt {
			p.add(place, "cannot %s a group that is not there yet: write create before it", what)
			c.spoilt = true
		}
	}
	switch {
	case s.Create != nil:
		c.create(p, key(place, "create"), *s.Create)
	case s.Weight != nil:
		needsGroup("give traffic to")
		c.shift(p, key(place, "weight"), *s.Weight)
	case s.Wait != nil:
		if *s.Wait <= 0 {
			p.add(key(place, "wait"), "cannot wait for nothing: want a duration such as 1m")
		}
	case s.Check != nil:
		needsGroup("check")
		p.measure(key(place, "check"), *s.Check, c.terms, true)
	case s.Analyse != nil:
		needsGroup("compare")
		c.analyse(p, key(place, "analyse"), *s.Analyse)
	case s.Approve != nil:
		p.duration(key(place, "approve.expires"), s.Approve.Expires)
	case s.Run != nil:
		needsGroup("run a command in")
		p.commandTest(key(place, "run"), *s.Run)
	case s.Webhook != nil:
		p.webhook(key(place, "webhook"), *s.Webhook)
	case s.Retire != nil:
		p.keep(key(place, "retire.keep"), &s.Retire.Keep)
		if !last {
			p.add(place, "cannot retire other groups before all is done: write it as the last step")
		}
	}
}

func (c *course) create(p *problems, place string, a Amount) {
	before := len(*p)
	p.amount(place, a, 1, 0)
	if n := c.size.Max; len(*p) == before && n > 0 && !a.Percent && a.N > n {
		p.add(place, "cannot create %s: the environment has at most %d (size.max)", counted(a.N), n)
	}
	n := a.Of(c.size.Desired)
	if len(*p) == before && c.made && !c.spoilt && c.size.Desired > 0 && n <= c.machines {
		p.add(place, "cannot go from %s to %d: want the new group to grow", counted(c.machines), n)
	}
	c.made = true
	if len(*p) > before {
		c.spoilt = true
		return
	}
	c.machines = n
}

func (c *course) shift(p *problems, place string, weight int) {
	switch {
	case !c.balanced:
		p.add(place, "cannot split traffic without a load balancer: leave weight out, or write load_balancer")
		c.spoilt = true
	case weight < 1 || weight > 100:
		p.add(place, "cannot give %d %% of the traffic: want 1 to 100", weight)
		c.spoilt = true
	case weight <= c.weight && !c.spoilt:
		p.add(place, "cannot go from %d %% of the traffic to %d %%: want weights that rise", c.weight, weight)
		c.spoilt = true
	default:
		c.weight = weight
	}
}

func (c *course) analyse(p *problems, place string, s AnalyseStep) {
	p.duration(key(place, "for"), s.For)
	before := len(*p)
	p.analysis(place, s.Analysis, c.terms)
	if c.balanced && !c.spoilt && len(*p) == before && (c.weight == 0 || c.weight == 100) {
		if counted := len(s.Metrics) == 0 || sourced(s.Metrics); counted {
			p.add(place, "cannot compare groups of which one has no traffic: write weight, below 100, before it")
		}
	}
}
