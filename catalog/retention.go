package catalog

import (
	"cmp"
	"fmt"
	"time"

	"github.com/slipway-sh/slipway"
)

// verdict says whether an image stays, and why.
type verdict struct {
	stays   bool
	reasons []string
}

// question is whether images stay. Answering it touches nothing.
type question struct {
	now      time.Time
	images   []slipway.Image              // of all applications, newest first
	needs    map[slipway.Digest][]string  // why an image is needed now
	policies map[string]slipway.Retention // of the applications whose images may go, as they are meant: 0 is nothing
}

// answer decides on every image. An image stays if it is needed now, if its application's policy keeps it, or if an image that stays is
// built on it.
func (q question) answer() map[slipway.Digest]verdict {
	verdicts := map[slipway.Digest]verdict{}
	ready := map[string]int{} // ready images of an application so far
	for _, i := range q.images {
		reasons := q.needs[i.Digest]
		policy, ok := q.policies[i.Application]
		if !ok {
			reasons = append(reasons, i.Application+" has no retention")
		}
		usable := i.State == slipway.ImageReady && i.Revoked == nil
		if usable {
			ready[i.Application]++
			switch n := ready[i.Application]; {
			case n == 1:
				reasons = append(reasons, "it is the newest that is ready")
			case ok && n <= policy.Keep:
				reasons = append(reasons, fmt.Sprintf("it is among the newest %d", policy.Keep))
			}
		}
		if ok && q.now.Sub(i.Created) < time.Duration(policy.Days)*24*time.Hour {
			reasons = append(reasons, "it is younger than "+days(policy.Days))
		}
		v := verdict{stays: len(reasons) > 0, reasons: reasons}
		if !v.stays {
			v.reasons = []string{goes(i, policy)}
		}
		verdicts[i.Digest] = v
	}
	q.keepParents(verdicts)
	return verdicts
}

// keepParents lets stay what images that stay are built on, and so on.
func (q question) keepParents(verdicts map[slipway.Digest]verdict) {
	for more := true; more; {
		more = false
		for _, child := range q.images {
			if child.Base == nil || !verdicts[child.Digest].stays {
				continue
			}
			parent, ok := verdicts[child.Base.Digest]
			if ok && !parent.stays {
				verdicts[child.Base.Digest] = verdict{true, []string{fmt.Sprintf("%s image %s is built on it", child.Application, child.Name())}}
				more = true
			}
		}
	}
}

// goes says why an image goes.
func goes(i slipway.Image, policy slipway.Retention) string {
	var why string
	switch {
	case i.Revoked != nil:
		why = "it is revoked"
	case i.State == slipway.ImageFailed:
		why = "its tests failed"
	case i.State != slipway.ImageReady:
		why = "it was never tested"
	default:
		why = fmt.Sprintf("it is not among the newest %d", max(policy.Keep, 1))
	}
	if policy.Days > 0 {
		why += " and not younger than " + days(policy.Days)
	}
	return why
}

func days(n int) string {
	if n == 1 {
		return "1 day"
	}
	return fmt.Sprintf("%d days", n)
}

// policies returns what decides on each application's images: what the request says, or else the application itself.
func policies(specs []slipway.Spec, images []slipway.Image, req slipway.PruneRequest) map[string]slipway.Retention {
	all := map[string]slipway.Retention{}
	chosen := func(application string) bool { return req.Application == "" || req.Application == application }
	if req.Keep != nil || req.Days != nil {
		r := slipway.Retention{Keep: *cmp.Or(req.Keep, new(int)), Days: *cmp.Or(req.Days, new(int))}
		for _, i := range images { // also of one whose first bake failed, which has no specification yet
			if chosen(i.Application) {
				all[i.Application] = r
			}
		}
		return all
	}
	for _, spec := range specs {
		if r := spec.Retention; r != nil && chosen(spec.Application) {
			all[spec.Application] = slipway.Retention{Keep: cmp.Or(r.Keep, slipway.DefaultKeep), Days: cmp.Or(r.Days, slipway.DefaultDays)}
		}
	}
	return all
}
