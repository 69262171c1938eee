package promote

import (
	"cmp"
	"errors"
	"fmt"
	"hash/fnv"
	"slices"
	"strings"
	"time"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/restrict"
)

// Facts are all that decides about a promotion, as it was read at one time.
type Facts struct {
	Now          time.Time
	Cluster      slipway.Cluster // that it comes to
	From         string          // the environment that it comes from; "" if it is no promotion and the policy names none
	Requester    string
	Policy       slipway.PromotionPolicy
	Image        slipway.Image
	Change                             // in the target
	Serving      slipway.Digest        // what serves in From; "" if nothing does
	Stay         Stay                  // of what serves in From
	Verification slipway.Verification  // of the image
	Unverified   *slipway.Error        // what is wrong with it
	Restrictions []slipway.Restriction // all there are
	Approvals    []slipway.Approval    // that promotions of the image to the target have asked for, newest first
	Needs        []Need                // what the policy's DependsOn found, in its order
	NotBefore    time.Time             // when it begins that has waited for a window; zero: as soon as one is open
	Promotion    string                // its ID, which decides where within the jitter it begins; "" of none yet
	Override     bool
	Moves        bool // it is a promotion: what does not serve in From is none, and cannot be made one
}

// Change is what a deployment replaces, and what machines are told where it comes to.
type Change struct {
	Replaces       slipway.Digest // what serves; "" if nothing does
	Config         int            // version of the service configuration that machines would be told now; 0: none
	ConfigReplaces int            // the one that what serves has been told
}

// Stay is how what serves in an environment has done there.
type Stay struct {
	Since   time.Time // it serves, with all traffic, and has lost no machine
	Lost    bool      // Since is when it lost one
	Healthy int       // machines
	Wanted  int
}

// Need is what another application serves.
type Need struct {
	Image  *slipway.Image // that serves; nil if none does
	Wanted slipway.Digest // what the dependency's Image means
	Err    *slipway.Error // why that could not be found out
}

// Evaluate returns every condition of a promotion, in the order of [slipway.ConstraintKinds], and how it stands. What the policy does not speak
// of is left out, but for what every image must be. It is pure.
func Evaluate(f Facts) []slipway.Constraint {
	all := []slipway.Constraint{f.image(), f.signed()}
	if f.Policy.Tested {
		all = append(all, f.tested())
	}
	if f.From != "" {
		all = append(all, f.from())
	}
	if f.Policy.Ran > 0 {
		all = append(all, f.ran())
	}
	for i, d := range f.Policy.DependsOn {
		all = append(all, f.needs(d, f.Needs[i]))
	}
	if f.Policy.Approvals != nil {
		all = append(all, f.approvals(*f.Policy.Approvals))
	}
	if len(f.Policy.Windows) > 0 {
		all = append(all, f.window())
	}
	all = append(all, f.restrictions()...)
	for i := range all {
		lies := all[i].Kind == slipway.ConstraintFrom && f.Moves && f.Serving != f.Image.Digest
		all[i].Overridden = f.Override && !all[i].Met && all[i].Kind.Overridable() && !lies
	}
	return all
}

// Holding returns those that keep a promotion from going on.
func Holding(all []slipway.Constraint) []slipway.Constraint {
	return slices.DeleteFunc(slices.Clone(all), func(c slipway.Constraint) bool { return !c.Holds() })
}

// Refusal returns the Refused error that names all that holds, each at the place that its kind is called, below a first one that counts them.
// doing is what was wanted, to follow "cannot". It is nil if nothing holds.
func Refusal(doing string, all []slipway.Constraint) error {
	holding := Holding(all)
	if len(holding) == 0 {
		return nil
	}
	unmet := fmt.Sprintf("%d of its %d conditions are not met", len(holding), len(all))
	if len(holding) == 1 {
		unmet = fmt.Sprintf("1 of its %d conditions is not met", len(all))
	}
	errs := []error{slipway.Errorf(slipway.Refused, "cannot %s: %s", doing, unmet)}
	for _, c := range holding {
		errs = append(errs, slipway.Errorf(slipway.Refused, "%s", Text(c)).At(string(c.Kind)))
	}
	return errors.Join(errs...)
}

// Summary is as [Refusal], as one error for a record.
func Summary(doing string, all []slipway.Constraint) *slipway.Error {
	var texts []string
	for _, c := range Holding(all) {
		texts = append(texts, string(c.Kind)+": "+Text(c))
	}
	return slipway.Errorf(slipway.Refused, "cannot %s: %s", doing, strings.Join(texts, "; and "))
}

// Text says how a constraint stands and what would meet it.
func Text(c slipway.Constraint) string {
	if c.Unblocks == "" || c.Met {
		return c.Message
	}
	return c.Message + "; " + c.Unblocks
}

func (f Facts) image() slipway.Constraint {
	c := slipway.Constraint{Kind: slipway.ConstraintImage}
	switch i := f.Image; {
	case i.Revoked != nil:
		c.Message, c.Unblocks = fmt.Sprintf("image %s is revoked: %s", i.Digest.Short(), i.Revoked.Reason), "promote another"
	case i.IsBase():
		c.Message, c.Unblocks = fmt.Sprintf("image %s runs nothing, it is a base that other images start from", i.Digest.Short()), "promote another"
	case i.State == slipway.ImageFailed:
		c.Message, c.Unblocks = fmt.Sprintf("the tests of image %s failed", i.Digest.Short()), "promote another"
	case i.State != slipway.ImageReady:
		c.Message, c.Unblocks = fmt.Sprintf("image %s is not tested yet", i.Digest.Short()), "wait for its bake to end"
	default:
		c.Met, c.Message = true, "it may be deployed"
	}
	return c
}

func (f Facts) signed() slipway.Constraint {
	c := slipway.Constraint{Kind: slipway.ConstraintSigned}
	if f.Unverified != nil {
		c.Message, c.Unblocks = strings.TrimPrefix(f.Unverified.Error(), "cannot trust "), "bake it again"
		return c
	}
	if len(f.Policy.SignedBy) > 0 && !slices.ContainsFunc(f.Verification.Keys, func(id string) bool {
		return slices.ContainsFunc(f.Policy.SignedBy, func(prefix string) bool { return strings.HasPrefix(id, prefix) })
	}) {
		c.Message = fmt.Sprintf("it is signed by %s, and none of the keys %s", keys(f.Verification.Keys), strings.Join(f.Policy.SignedBy, ", "))
		c.Unblocks = "bake it where one of them signs"
		return c
	}
	c.Met, c.Message = true, "signed by "+keys(f.Verification.Keys)
	return c
}

func (f Facts) tested() slipway.Constraint {
	c := slipway.Constraint{Kind: slipway.ConstraintTested}
	switch t := f.Image.Tests; {
	case t == nil || len(t.Results) == 0:
		c.Message, c.Unblocks = "it has no tests", "write image.tests in slipway.yaml, and bake it"
	case !t.Passed:
		c.Message, c.Unblocks = "its tests failed", "promote another"
	default:
		c.Met, c.Message = true, count(len(t.Results), "test")+" passed"
	}
	return c
}

func (f Facts) from() slipway.Constraint {
	c := slipway.Constraint{Kind: slipway.ConstraintFrom}
	switch {
	case f.Policy.From != "" && f.From != f.Policy.From:
		c.Message = fmt.Sprintf("it would come from %s, and comes to %s from %s alone", f.From, f.Cluster.Environment, f.Policy.From)
		c.Unblocks = "promote it from " + f.Policy.From
	case f.Serving == "":
		c.Message, c.Unblocks = "nothing serves in "+f.From, fmt.Sprintf("slipway deploy %s %s %s", f.Cluster.Application, f.From, f.Image.Digest.Short())
	case f.Serving != f.Image.Digest:
		c.Message = fmt.Sprintf("image %s serves in %s, not %s", f.Serving.Short(), f.From, f.Image.Digest.Short())
		c.Unblocks = fmt.Sprintf("slipway deploy %s %s %s", f.Cluster.Application, f.From, f.Image.Digest.Short())
	default:
		c.Met, c.Message = true, "it serves in "+f.From
	}
	return c
}

// ran counts from when the deployment that brought the image there had all traffic on it, or from when a machine was lost last.
func (f Facts) ran() slipway.Constraint {
	c := slipway.Constraint{Kind: slipway.ConstraintRan}
	need := time.Duration(f.Policy.Ran)
	ran := f.Now.Sub(f.Stay.Since).Truncate(time.Second)
	c.Message = fmt.Sprintf("it has served in %s for %s of %s", f.From, ran, need)
	if f.Stay.Lost {
		c.Message += " since it lost a machine"
	}
	switch {
	case f.Serving == "" || f.Serving != f.Image.Digest:
		c.Message, c.Unblocks = fmt.Sprintf("it does not serve in %s", f.From), fmt.Sprintf("deploy it there, and wait %s", need)
	case f.Stay.Healthy < f.Stay.Wanted:
		c.Message += fmt.Sprintf(", and only %d of %d machines are healthy", f.Stay.Healthy, f.Stay.Wanted)
		c.Unblocks = fmt.Sprintf("see `slipway status %s %s`", f.Cluster.Application, f.From)
	case f.Stay.Since.IsZero() || ran < need:
		if f.Stay.Since.IsZero() {
			c.Message = "it is not known since when it serves in " + f.From
			return c
		}
		c.At = f.Stay.Since.Add(need)
		c.Unblocks = fmt.Sprintf("wait %s, or use --wait-for-ran", c.At.Sub(f.Now).Truncate(time.Second)+time.Second)
	default:
		c.Met, c.Message = true, fmt.Sprintf("it has served in %s for %s, healthy", f.From, ran)
	}
	return c
}

func (f Facts) needs(d slipway.Dependency, n Need) slipway.Constraint {
	c := slipway.Constraint{Kind: slipway.ConstraintDependsOn}
	where := fmt.Sprintf("%s in %s", d.Application, cmp.Or(d.Environment, f.Cluster.Environment))
	promote := fmt.Sprintf("slipway promote %s --to %s", d.Application, cmp.Or(d.Environment, f.Cluster.Environment))
	switch {
	case n.Err != nil:
		c.Message = fmt.Sprintf("%s: %s", where, n.Err.Error())
	case n.Image == nil:
		c.Message, c.Unblocks = fmt.Sprintf("nothing serves as %s", where), promote
	case d.Version != "":
		r, err := slipway.ParseVersionRange(d.Version)
		allowed, ok := r.Allows(n.Image.Version)
		switch {
		case err != nil:
			c.Message = err.Error()
		case !ok:
			c.Message = fmt.Sprintf("%s is at %s, which cannot be compared with %s", where, n.Image.Name(), d.Version)
			c.Unblocks = "give it a version of numbers and dots when it is baked"
		case !allowed:
			c.Message, c.Unblocks = fmt.Sprintf("%s is at %s, and must be at %s", where, n.Image.Version, d.Version), promote
		default:
			c.Met, c.Message = true, fmt.Sprintf("%s is at %s", where, n.Image.Version)
		}
	case d.Image != "" && n.Image.Digest != n.Wanted:
		c.Message, c.Unblocks = fmt.Sprintf("%s is at %s, and must be at %s (%s)", where, n.Image.Name(), d.Image, n.Wanted.Short()), promote
	default:
		c.Met, c.Message = true, fmt.Sprintf("%s is at %s", where, n.Image.Name())
	}
	return c
}

// approvals is met by what was granted to this very promotion, however long it has waited for a window since, and, until it expires, by what was
// granted to another of the same change.
func (f Facts) approvals(policy slipway.ApprovalPolicy) slipway.Constraint {
	c := slipway.Constraint{Kind: slipway.ConstraintApprovals}
	of := "approvers of " + f.Cluster.Application + " in " + f.Cluster.Environment
	if len(policy.Of) > 0 {
		of = strings.Join(policy.Of, ", ")
	}
	best := 0
	var pending *slipway.Approval
	for i, a := range f.Approvals {
		n := f.agreed(a, policy)
		if n >= policy.Needed && a.State == slipway.ApprovalGranted && (f.Now.Before(a.Expires) || a.Subject == f.Promotion && f.Promotion != "") {
			c.Met, c.Message = true, fmt.Sprintf("approved by %s (%s)", strings.Join(voters(a), ", "), a.ID)
			return c
		}
		if a.State == slipway.ApprovalPending && f.Now.Before(a.Expires) && pending == nil {
			pending, best = &f.Approvals[i], n
		}
	}
	c.Message = fmt.Sprintf("%d of %d approvals by %s", best, policy.Needed, of)
	c.Unblocks = "they are asked for when all else is met, or waited for"
	if pending != nil {
		c.Unblocks = "slipway approve " + pending.ID
	}
	return c
}

// agreed counts those who have approved, and would for this request: it is for the same change, of image and configuration, under no weaker a
// rule, and who asks now is not among them.
func (f Facts) agreed(a slipway.Approval, policy slipway.ApprovalPolicy) int {
	if a.Image != f.Image.Digest || a.Against != f.Replaces || a.Config != f.Config || !slices.Equal(a.From, policy.Of) || policy.Comment && !a.Comment {
		return 0
	}
	n := 0
	for _, v := range a.Votes {
		if v.Approve && !strings.EqualFold(v.By, f.Requester) {
			n++
		}
	}
	return n
}

func voters(a slipway.Approval) (names []string) {
	for _, v := range a.Votes {
		if v.Approve {
			names = append(names, v.By)
		}
	}
	return names
}

func (f Facts) window() slipway.Constraint {
	c := slipway.Constraint{Kind: slipway.ConstraintWindow}
	calendar, err := NewCalendar(f.Policy)
	if err != nil { // it was read when it was stored
		c.Message = err.Error()
		return c
	}
	var windows []string
	for _, w := range f.Policy.Windows {
		windows = append(windows, w.String())
	}
	zone := time.UTC
	if len(calendar.windows) > 0 {
		zone = calendar.windows[0].Zone
	}
	const form = "Mon 2006-01-02 15:04 MST"
	opens, ok := calendar.Opens(f.Now)
	switch {
	case ok && opens.Equal(f.Now) && f.Now.Before(f.NotBefore):
		c.At = f.NotBefore
		c.Message, c.Unblocks = "the window is open; it begins at "+f.NotBefore.In(zone).Format("15:04:05 MST")+", so that not everything begins at once", "wait"
	case ok && opens.Equal(f.Now):
		c.Met, c.Message = true, "the window is open"
		if closes, ok := calendar.Closes(f.Now); ok {
			c.Message += " until " + closes.In(zone).Format(form)
		}
	case ok:
		c.At = f.spread(calendar, opens)
		c.Message = "it is outside of " + strings.Join(windows, " and ")
		c.Unblocks = "wait until " + opens.In(zone).Format(form) + ", or use --wait-for-window"
	default:
		c.Message = "it is outside of " + strings.Join(windows, " and ") + ", which do not open within a year"
	}
	return c
}

// spread returns the moment within the jitter after an opening that is this promotion's: always the same, and in the window.
func (f Facts) spread(calendar Calendar, opens time.Time) time.Time {
	jitter := time.Duration(f.Policy.Jitter)
	if closes, ok := calendar.Closes(opens); ok {
		jitter = min(jitter, closes.Sub(opens)-time.Second)
	}
	if jitter <= 0 || f.Promotion == "" {
		return opens
	}
	h := fnv.New64a()
	h.Write([]byte(f.Promotion))
	return opens.Add(time.Duration(h.Sum64()%uint64(jitter)) + 1).Truncate(time.Millisecond)
}

// restrictions returns a line for each that forbids it, and one for each kind of which none does.
func (f Facts) restrictions() []slipway.Constraint {
	forbidding := restrict.Forbids(f.Restrictions, restrict.Subject{Cluster: f.Cluster, Image: f.Image.Digest, Kind: slipway.KindDeploy}, f.Now)
	var all []slipway.Constraint
	for _, k := range []struct {
		of   slipway.RestrictionKind
		kind slipway.ConstraintKind
		none string
	}{
		{slipway.RestrictionFreeze, slipway.ConstraintFreeze, "nothing is frozen"},
		{slipway.RestrictionPin, slipway.ConstraintPin, "it is not pinned to another image"},
		{slipway.RestrictionVeto, slipway.ConstraintVeto, "the image is not vetoed"},
	} {
		found := false
		for _, r := range forbidding {
			if r.Kind == k.of {
				found = true
				all = append(all, slipway.Constraint{Kind: k.kind, Message: r.String(), Unblocks: "lift it with `" + r.Lifting() + "`", At: r.Until})
			}
		}
		if !found {
			all = append(all, slipway.Constraint{Kind: k.kind, Met: true, Message: k.none})
		}
	}
	return all
}

func keys(ids []string) string {
	if len(ids) == 0 {
		return "no key"
	}
	var short []string
	for _, id := range ids {
		short = append(short, id[:min(12, len(id))])
	}
	return strings.Join(short, ", ")
}

func count(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}
