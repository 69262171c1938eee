package slipway

import (
	"strings"
	"testing"
	"time"
)

func TestValidateRequests(t *testing.T) {
	prod := Cluster{Application: "shop", Environment: "prod"}
	long := strings.Repeat("x", 1001)
	deploy := func(change func(*DeployRequest)) DeployRequest {
		r := DeployRequest{Cluster: prod, Image: "v1"}
		change(&r)
		return r
	}
	release := func(targets ...ReleaseTarget) ReleaseRequest {
		return ReleaseRequest{Environment: "prod", Members: targets}
	}
	ship := func(o DeployOptions) ShipRequest {
		return ShipRequest{BakeRequest: BakeRequest{Spec: good(), Context: []ContextEntry{}}, Environments: []string{"prod"}, Deploy: o}
	}
	shop := ReleaseTarget{Application: "shop", Image: "v1"}
	for name, test := range map[string]struct {
		request interface{ Validate() error }
		want    string // places of the mistakes
	}{
		"a command":                {Command{Verb: VerbPause}, ""},
		"a command with a reason":  {Command{Verb: VerbReject, Reason: "too slow"}, ""},
		"no verb":                  {Command{}, "verb"},
		"an unknown verb":          {Command{Verb: "stop"}, "verb"},
		"a reason without end":     {Command{Verb: VerbPause, Reason: long}, "reason"},
		"a freeze of everything":   {RestrictionRequest{Kind: RestrictionFreeze, Reason: "sale"}, ""},
		"of an application":        {RestrictionRequest{Kind: RestrictionFreeze, Cluster: Cluster{Application: "shop"}, Reason: "sale"}, ""},
		"of an environment":        {RestrictionRequest{Kind: RestrictionFreeze, Cluster: Cluster{Environment: "prod"}, Reason: "sale", Until: time.Unix(1, 0)}, ""},
		"a freeze of no name":      {RestrictionRequest{Kind: RestrictionFreeze, Cluster: Cluster{Application: "Shop", Environment: "pr od"}, Reason: "sale"}, "cluster.application cluster.environment"},
		"a freeze of an image":     {RestrictionRequest{Kind: RestrictionFreeze, Image: "v1", Reason: "sale"}, "image"},
		"a freeze without reason":  {RestrictionRequest{Kind: RestrictionFreeze}, "reason"},
		"a blank reason":           {RestrictionRequest{Kind: RestrictionFreeze, Reason: " \n"}, "reason"},
		"a pin to what serves":     {RestrictionRequest{Kind: RestrictionPin, Cluster: prod, Reason: "audit"}, ""},
		"a pin to an image":        {RestrictionRequest{Kind: RestrictionPin, Cluster: prod, Image: "v1", Reason: "audit"}, ""},
		"a pin of an application":  {RestrictionRequest{Kind: RestrictionPin, Cluster: Cluster{Application: "shop"}, Reason: "audit"}, "cluster.environment"},
		"a veto":                   {RestrictionRequest{Kind: RestrictionVeto, Cluster: prod, Image: "v1", Reason: "leaks"}, ""},
		"a veto of nothing":        {RestrictionRequest{Kind: RestrictionVeto, Cluster: prod, Reason: "leaks"}, "image"},
		"a veto everywhere":        {RestrictionRequest{Kind: RestrictionVeto, Image: "v1", Reason: "leaks"}, "cluster.application cluster.environment"},
		"an unknown kind":          {RestrictionRequest{Kind: "ban", Reason: "x"}, "kind"},
		"lifting":                  {LiftRequest{ID: "v-44bbgrolax", Reason: "fixed"}, ""},
		"lifting without reason":   {LiftRequest{ID: "f-1"}, "reason"},
		"lifting a deployment":     {LiftRequest{ID: "d-1", Reason: "x"}, "id"},
		"lifting a path":           {LiftRequest{ID: "f-../x", Reason: "x"}, "id"},
		"a release":                {release(shop, ReleaseTarget{Application: "blog", Image: "v2"}), ""},
		"a release of nothing":     {release(), "members"},
		"one twice":                {release(shop, shop), "members[1].application"},
		"one without image":        {release(ReleaseTarget{Application: "shop"}), "members[0].image"},
		"one without name":         {release(shop, ReleaseTarget{Image: "v1"}), "members[1].application"},
		"a release to nowhere":     {ReleaseRequest{Members: []ReleaseTarget{shop}}, "environment"},
		"a hotfix without reason":  {deploy(func(r *DeployRequest) { r.Hotfix = true }), "reason"},
		"overriding, no reason":    {deploy(func(r *DeployRequest) { r.Override = true }), "reason"},
		"forcing, no reason":       {deploy(func(r *DeployRequest) { r.Force = true }), "reason"},
		"all of it with a reason":  {deploy(func(r *DeployRequest) { r.Hotfix, r.Override, r.Force, r.Reason = true, true, true, "on fire" }), ""},
		"a conflict policy":        {deploy(func(r *DeployRequest) { r.OnConflict = ConflictSupersede }), ""},
		"no conflict policy":       {deploy(func(r *DeployRequest) { r.OnConflict = "fight" }), "on_conflict"},
		"shipping by override":     {ship(DeployOptions{Override: true}), "deploy.reason"},
		"shipping into a fight":    {ship(DeployOptions{OnConflict: "fight"}), "deploy.on_conflict"},
		"shipping with a reason":   {ship(DeployOptions{Hotfix: true, Force: true, Reason: "on fire", OnConflict: ConflictQueue, Strategy: &Strategy{Highlander: &Highlander{}}}), ""},
		"shipping by no strategy":  {ship(DeployOptions{Strategy: &Strategy{Canary: &Canary{Steps: []int{50, 20}}}}), "deploy.strategy.canary.steps[1]"},
		"rolling back":             {RollbackRequest{Cluster: prod}, ""},
		"rolling back by override": {RollbackRequest{Cluster: prod, Override: true}, "reason"},
		"rolling back by force":    {RollbackRequest{Cluster: prod, Force: true, Reason: "on fire"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			if got := strings.Join(places(t, test.request.Validate()), " "); got != test.want {
				t.Errorf("mistakes at %q, want %q: %v", got, test.want, test.request.Validate())
			}
		})
	}
}

func TestValidateRequestsWithoutEnd(t *testing.T) {
	if got := places(t, ReleaseRequest{Environment: "prod", Members: make([]ReleaseTarget, 101)}.Validate()); got[0] != "members" {
		t.Errorf("mistakes at %q, want the first at members", got)
	}
}

func TestRestrictionsInWords(t *testing.T) {
	since := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	image := DigestOf([]byte("1"))
	for _, test := range []struct {
		r             Restriction
		text, lifting string
	}{
		{Restriction{ID: "f-1", Kind: RestrictionFreeze, Reason: "the sale", By: "ann", Since: since, Until: since.Add(time.Hour)},
			"everything is frozen since 2026-03-04 05:06 UTC until 2026-03-04 06:06 UTC by ann: the sale", "slipway unfreeze f-1 --reason TEXT"},
		{Restriction{ID: "f-2", Kind: RestrictionFreeze, Cluster: Cluster{Environment: "prod"}, Reason: "x", Since: since},
			"every application in prod is frozen since 2026-03-04 05:06 UTC: x", "slipway unfreeze f-2 --reason TEXT"},
		{Restriction{ID: "p-1", Kind: RestrictionPin, Cluster: Cluster{Application: "shop", Environment: "prod"}, Image: image, Reason: "audit", Since: since},
			"shop in prod is pinned to 6b86b273ff34 since 2026-03-04 05:06 UTC: audit", "slipway unpin p-1 --reason TEXT"},
		{Restriction{ID: "v-1", Kind: RestrictionVeto, Cluster: Cluster{Application: "shop", Environment: "prod"}, Image: image, Reason: "leaks", Since: since},
			"6b86b273ff34 is vetoed for shop in prod since 2026-03-04 05:06 UTC: leaks", "slipway unveto v-1 --reason TEXT"},
		{Restriction{Kind: RestrictionFreeze, Cluster: Cluster{Application: "shop"}, Since: since},
			"shop in every environment is frozen since 2026-03-04 05:06 UTC: ", "slipway unfreeze  --reason TEXT"},
	} {
		if got := test.r.String(); got != test.text {
			t.Errorf("got  %s\nwant %s", got, test.text)
		}
		if got := test.r.Lifting(); got != test.lifting {
			t.Errorf("got %s, want %s", got, test.lifting)
		}
	}
}
