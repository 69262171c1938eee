package catalog

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/slipway-sh/slipway"
)

var now = time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)

// draw reads images written as "v3 2d failed revoked <v1": a label, an age in days, and what is out of the ordinary; newest first.
func draw(lines ...string) []slipway.Image {
	var images []slipway.Image
	for _, line := range lines {
		words := strings.Fields(line)
		i := slipway.Image{Application: "hello", Version: words[0], Digest: digestOf(words[0]), State: slipway.ImageReady}
		if application, version, ok := strings.Cut(words[0], "/"); ok {
			i.Application, i.Version = application, version
		}
		var age int
		fmt.Sscanf(words[1], "%dd", &age)
		i.Created = now.AddDate(0, 0, -age)
		for _, word := range words[2:] {
			switch {
			case word == "failed":
				i.State = slipway.ImageFailed
			case word == "revoked":
				i.Revoked = &slipway.Revocation{Reason: "broken"}
			case word[0] == '<':
				i.Base = &slipway.Base{Digest: digestOf(word[1:]), Application: "base"}
			}
		}
		images = append(images, i)
	}
	return images
}

func digestOf(name string) slipway.Digest { return slipway.DigestOf([]byte(name)) }

func TestRetention(t *testing.T) {
	policy := func(keep, days int) map[string]slipway.Retention {
		return map[string]slipway.Retention{"hello": {Keep: keep, Days: days}}
	}
	five := []string{"v5 1d", "v4 2d", "v3 3d", "v2 40d", "v1 50d"}
	for _, c := range []struct {
		name     string
		images   []string
		policies map[string]slipway.Retention
		needed   []string
		stay     []string
	}{
		{"no retention", five, nil, nil, []string{"v5", "v4", "v3", "v2", "v1"}},
		{"the newest", five, policy(2, 0), nil, []string{"v5", "v4"}},
		{"the young", five, policy(0, 30), nil, []string{"v5", "v4", "v3"}},
		{"the newest and the young", five, policy(4, 3), nil, []string{"v5", "v4", "v3", "v2"}},
		{"the very newest, whatever is asked for", five, policy(0, 0), nil, []string{"v5"}},
		{"what is needed", five, policy(1, 0), []string{"v1"}, []string{"v5", "v1"}},
		{"failed ones are none of the newest", []string{"v3 40d failed", "v2 41d", "v1 42d"}, policy(2, 0), nil, []string{"v2", "v1"}},
		{"failed ones stay while they are young", []string{"v2 1d failed", "v1 42d"}, policy(1, 2), nil, []string{"v2", "v1"}},
		{"revoked ones are none of the newest", []string{"v3 40d revoked", "v2 41d", "v1 42d"}, policy(1, 0), nil, []string{"v2"}},
		{"a revoked one that serves", []string{"v2 40d", "v1 42d revoked"}, policy(1, 0), []string{"v1"}, []string{"v2", "v1"}},
		{"what others are built on", []string{"v9 1d <base/b2", "base/b2 50d <base/b1", "base/b1 60d", "base/b0 70d"},
			map[string]slipway.Retention{"base": {}, "hello": {}}, nil, []string{"v9", "base/b2", "base/b1"}},
		{"not what those are built on that go", []string{"v9 1d", "base/b3 2d", "v8 40d <base/b2", "base/b2 50d"},
			map[string]slipway.Retention{"base": {}, "hello": {}}, nil, []string{"v9", "base/b3"}},
		{"others' images are none of its business", []string{"v9 1d", "shop/s2 2d", "v8 40d", "shop/s1 50d"}, policy(1, 0), nil, []string{"v9", "shop/s2", "shop/s1"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			q := question{now: now, images: draw(c.images...), policies: c.policies, needs: map[slipway.Digest][]string{}}
			for _, name := range c.needed {
				q.needs[digestOf(name)] = []string{"it is needed"}
			}
			verdicts := q.answer()
			var stay []string
			for _, line := range c.images {
				name := strings.Fields(line)[0]
				v := verdicts[digestOf(name)]
				if v.stays {
					stay = append(stay, name)
				}
				if len(v.reasons) == 0 || v.reasons[0] == "" {
					t.Errorf("nobody knows why of %s", name)
				}
			}
			if !slices.Equal(stay, c.stay) {
				t.Errorf("%v stay, want %v", stay, c.stay)
			}
		})
	}
}

func TestReasons(t *testing.T) {
	q := question{
		now: now, images: draw("v5 1d", "v4 40d failed", "v3 40d revoked", "v2 40d", "v1 40d <base/b1", "v0 50d", "base/b2 60d", "base/b1 70d"),
		policies: map[string]slipway.Retention{"hello": {Keep: 1, Days: 30}, "base": {}},
		needs:    map[slipway.Digest][]string{digestOf("v1"): {"channel stable names it"}},
	}
	verdicts := q.answer()
	for name, want := range map[string]string{
		"v5":      "it is the newest that is ready; it is younger than 30 days",
		"v4":      "its tests failed and not younger than 30 days",
		"v3":      "it is revoked and not younger than 30 days",
		"v2":      "it is not among the newest 1 and not younger than 30 days",
		"v1":      "channel stable names it",
		"base/b2": "it is the newest that is ready",
		"base/b1": "hello image v1 (" + digestOf("v1").Short() + ") is built on it",
	} {
		if got := strings.Join(verdicts[digestOf(name)].reasons, "; "); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}

// TestRetentionHolds draws images of two applications that are built on each other, and wants what retention promises.
func TestRetentionHolds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		q := question{now: now, needs: map[slipway.Digest][]string{}, policies: map[string]slipway.Retention{}}
		for _, application := range []string{"a", "b"} {
			if rapid.Bool().Draw(t, "has retention") {
				q.policies[application] = slipway.Retention{Keep: rapid.IntRange(0, 4).Draw(t, "keep"), Days: rapid.IntRange(0, 9).Draw(t, "days")}
			}
		}
		for n := range rapid.IntRange(0, 15).Draw(t, "images") {
			i := slipway.Image{
				Application: rapid.SampledFrom([]string{"a", "b"}).Draw(t, "application"), Digest: digestOf(fmt.Sprint(n)), Version: fmt.Sprint(n),
				State: rapid.SampledFrom([]slipway.ImageState{slipway.ImageReady, slipway.ImageReady, slipway.ImageFailed}).Draw(t, "state"), Created: now.AddDate(0, 0, -n),
			}
			if rapid.IntRange(0, 4).Draw(t, "revoked") == 0 {
				i.Revoked = &slipway.Revocation{}
			}
			if parent := rapid.IntRange(0, 20).Draw(t, "parent"); parent != n { // it may be gone, or newer
				i.Base = &slipway.Base{Digest: digestOf(fmt.Sprint(parent)), Application: "a"}
			}
			if rapid.IntRange(0, 5).Draw(t, "needed") == 0 {
				q.needs[i.Digest] = []string{"needed"}
			}
			q.images = append(q.images, i)
		}
		before := maps.Clone(q.needs)
		verdicts := q.answer()
		newest := map[string]int{}
		for _, i := range q.images {
			policy, has := q.policies[i.Application]
			stays := verdicts[i.Digest].stays
			must := func(yes bool, why string) {
				if yes && !stays {
					t.Fatalf("image %s of %s goes though %s", i.Version, i.Application, why)
				}
			}
			if i.State == slipway.ImageReady && i.Revoked == nil {
				newest[i.Application]++
				must(newest[i.Application] <= max(1, policy.Keep), "it is among the newest")
			}
			must(!has, "nobody asked for that")
			must(len(before[i.Digest]) > 0, "it is needed")
			must(now.Sub(i.Created) < time.Duration(policy.Days)*24*time.Hour, "it is young")
			for _, child := range q.images {
				must(child.Base != nil && child.Base.Digest == i.Digest && verdicts[child.Digest].stays, "one is built on it")
			}
		}
	})
}
