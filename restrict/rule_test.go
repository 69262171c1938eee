package restrict_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/restrict"
)

var (
	now   = time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	prod  = slipway.Cluster{Application: "shop", Environment: "prod"}
	dev   = slipway.Cluster{Application: "shop", Environment: "dev"}
	blog  = slipway.Cluster{Application: "blog", Environment: "prod"}
	one   = slipway.DigestOf([]byte("1"))
	two   = slipway.DigestOf([]byte("2"))
	kinds = []slipway.DeploymentKind{slipway.KindDeploy, slipway.KindRollback}
)

func freeze(c slipway.Cluster) slipway.Restriction {
	return slipway.Restriction{ID: "f-1", Kind: slipway.RestrictionFreeze, Cluster: c, Reason: "the sale", By: "ann", Since: now.Add(-time.Hour)}
}

func pin(c slipway.Cluster, image slipway.Digest) slipway.Restriction {
	return slipway.Restriction{ID: "p-1", Kind: slipway.RestrictionPin, Cluster: c, Image: image, Reason: "audit", By: "bob", Since: now.Add(-time.Hour)}
}

func veto(c slipway.Cluster, image slipway.Digest) slipway.Restriction {
	return slipway.Restriction{ID: "v-1", Kind: slipway.RestrictionVeto, Cluster: c, Image: image, Reason: "leaks", Since: now.Add(-time.Hour)}
}

func TestForbids(t *testing.T) {
	ended := freeze(prod)
	ended.Until = now
	lasting := freeze(prod)
	lasting.Until = now.Add(1)
	strange := freeze(prod)
	strange.Kind = "of tomorrow"
	for _, c := range []struct {
		why              string
		r                slipway.Restriction
		deploy, rollback bool // forbids image one to shop prod
	}{
		{"everything is frozen", freeze(slipway.Cluster{}), true, false},
		{"the application is", freeze(slipway.Cluster{Application: "shop"}), true, false},
		{"the environment is", freeze(slipway.Cluster{Environment: "prod"}), true, false},
		{"the cluster is", freeze(prod), true, false},
		{"another application is", freeze(slipway.Cluster{Application: "blog"}), false, false},
		{"another environment is", freeze(slipway.Cluster{Environment: "dev"}), false, false},
		{"another cluster is", freeze(dev), false, false},
		{"it was until now", ended, false, false},
		{"it is a moment longer", lasting, true, false},
		{"pinned to another image", pin(prod, two), true, true},
		{"pinned to this one", pin(prod, one), false, false},
		{"elsewhere pinned to another", pin(dev, two), false, false},
		{"this image is vetoed", veto(prod, one), true, true},
		{"another is", veto(prod, two), false, false},
		{"it is vetoed elsewhere", veto(blog, one), false, false},
		{"a kind that is not known", strange, true, true},
	} {
		for kind, want := range map[slipway.DeploymentKind]bool{slipway.KindDeploy: c.deploy, slipway.KindRollback: c.rollback} {
			got := restrict.Forbids([]slipway.Restriction{c.r}, restrict.Subject{Cluster: prod, Image: one, Kind: kind}, now)
			if (len(got) == 1) != want {
				t.Errorf("%s: forbids a %s: %v, want %v", c.why, kind, len(got) == 1, want)
			}
		}
	}
}

// TestForbidsIsSound draws restrictions: what they forbid together is what each forbids alone, in their order, and never a rollback because of a freeze.
func TestForbidsIsSound(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		cluster := rapid.SampledFrom([]slipway.Cluster{prod, dev, blog})
		image := rapid.SampledFrom([]slipway.Digest{one, two})
		drawn := rapid.Custom(func(t *rapid.T) slipway.Restriction {
			r := freeze(rapid.SampledFrom([]slipway.Cluster{{}, {Application: "shop"}, {Environment: "prod"}, prod, dev}).Draw(t, "scope"))
			switch rapid.IntRange(0, 2).Draw(t, "kind") {
			case 1:
				r = pin(cluster.Draw(t, "pinned"), image.Draw(t, "to"))
			case 2:
				r = veto(cluster.Draw(t, "vetoed"), image.Draw(t, "image"))
			}
			r.ID = fmt.Sprint(rapid.Uint32().Draw(t, "id"))
			r.Until = rapid.SampledFrom([]time.Time{{}, now.Add(-time.Second), now.Add(time.Second)}).Draw(t, "until")
			return r
		})
		all := rapid.SliceOfN(drawn, 0, 8).Draw(t, "restrictions")
		before := slices.Clone(all)
		d := restrict.Subject{Cluster: cluster.Draw(t, "cluster"), Image: image.Draw(t, "image"), Kind: rapid.SampledFrom(kinds).Draw(t, "kind")}
		var want []slipway.Restriction
		for _, r := range all {
			want = append(want, restrict.Forbids([]slipway.Restriction{r}, d, now)...)
		}
		got := restrict.Forbids(all, d, now)
		if !slices.Equal(got, want) || !slices.Equal(all, before) {
			t.Fatalf("forbids %v, want %v", got, want)
		}
		for _, r := range got {
			if !r.Covers(d.Cluster) || !r.Holds(now) || d.Kind == slipway.KindRollback && r.Kind == slipway.RestrictionFreeze {
				t.Fatalf("%s of %s forbids %+v", r.Kind, r.Scope(), d)
			}
		}
	})
}

func TestRefusal(t *testing.T) {
	const doing = "deploy shop to prod"
	for _, c := range []struct {
		forbidding  []slipway.Restriction
		wants       []string
		overridable bool
	}{
		{[]slipway.Restriction{freeze(slipway.Cluster{})}, []string{"everything is frozen since 2026-03-04 04:06 UTC by ann: the sale", "`slipway unfreeze f-1 --reason TEXT`"}, true},
		{[]slipway.Restriction{freeze(prod), pin(prod, two)}, []string{"shop in prod is frozen", "; and shop in prod is pinned to " + two.Short(), "by bob: audit", "`slipway unpin p-1 "}, true},
		{[]slipway.Restriction{freeze(prod), veto(prod, one)}, []string{"shop in prod is frozen", one.Short() + " is vetoed for shop in prod", ": leaks", "`slipway unveto v-1 "}, false},
	} {
		err := restrict.Refusal(doing, c.forbidding)
		if err.Code != slipway.Refused || !strings.HasPrefix(err.Message, "cannot "+doing+": ") {
			t.Errorf("%v", err)
		}
		for _, want := range c.wants {
			if !strings.Contains(err.Message, want) {
				t.Errorf("%q is missing in: %s", want, err.Message)
			}
		}
		if strings.Contains(err.Message, "--override") != c.overridable {
			t.Errorf("can be overridden: %v, want %v: %s", !c.overridable, c.overridable, err.Message)
		}
	}
}
