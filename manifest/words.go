package manifest

import (
	"reflect"
	"slices"
	"strings"

	"github.com/slipway-sh/slipway"
)

// words lists what a type of text may be.
var words = map[reflect.Type][]string{
	reflect.TypeFor[slipway.Phase]():             texts(slipway.Phases),
	reflect.TypeFor[slipway.NoDataPolicy]():      texts(slipway.NoDataPolicies),
	reflect.TypeFor[slipway.FailurePolicy]():     texts(slipway.FailurePolicies),
	reflect.TypeFor[slipway.ConflictPolicy]():    texts(slipway.ConflictPolicies),
	reflect.TypeFor[slipway.MetricSource]():      texts(slipway.MetricSources),
	reflect.TypeFor[slipway.MetricDirection]():   texts(slipway.MetricDirections),
	reflect.TypeFor[slipway.LowTrafficPolicy]():  texts(slipway.LowTrafficPolicies),
	reflect.TypeFor[slipway.ConcurrencyPolicy](): texts(slipway.ConcurrencyPolicies),
	reflect.TypeFor[slipway.FailureAction]():     texts(slipway.FailureActions),
}

// forms says how the types that decode themselves are written.
var forms = map[reflect.Type]string{
	reflect.TypeFor[slipway.Duration]():      `a duration such as "10s" or "1m30s"`,
	reflect.TypeFor[slipway.Size]():          "a number or {min, desired, max}",
	reflect.TypeFor[slipway.Amount]():        `a number of machines such as 2, or a share such as "50%"`,
	reflect.TypeFor[slipway.Sticky]():        "cookie, {cookie: NAME} or {header: NAME}",
	reflect.TypeFor[slipway.Stage]():         "bake, test, or an object with the key of a stage's kind",
	reflect.TypeFor[slipway.Step]():          "bake, test, or an object with the key of a stage's kind",
	reflect.TypeFor[slipway.OnFailure]():     "stop, continue, rollback, a list of stages, or {do, stages}",
	reflect.TypeFor[slipway.Parameter]():     "its default as text, or {default, options, description}",
	reflect.TypeFor[slipway.DeployStage]():   "an environment, or {environment: …}",
	reflect.TypeFor[slipway.ApproveStage]():  "who approves, or {by, needed, message, environment, expires}",
	reflect.TypeFor[slipway.Names]():         "a name or a list of names",
	reflect.TypeFor[slipway.WaitStage]():     `a duration such as "10m", or {for: …} or {until: …}`,
	reflect.TypeFor[slipway.PipelineStage](): "a pipeline's name, or {name, application, image, parameters}",
	reflect.TypeFor[slipway.PromoteStage]():  "an environment, or {from: …, to: …}",
	reflect.TypeFor[slipway.RollbackStage](): "an environment, or {environment: …}",
	reflect.TypeFor[slipway.Strategy]():      "one of " + strings.Join(texts(slipway.Strategies), ", ") + ", or an object with that key",
}

// lists says of types that may be written as a list alone what it is a list of.
var lists = map[reflect.Type]reflect.Type{
	reflect.TypeFor[slipway.OnFailure](): reflect.TypeFor[[]slipway.Step](),
	reflect.TypeFor[slipway.Names]():     reflect.TypeFor[[]string](),
}

// elsewhere says of keys that people try where they are right.
var elsewhere = map[reflect.Type]map[string]string{
	reflect.TypeFor[slipway.Test](): {
		"log": ofDeployments, "load_balancer": ofDeployments, "promql": ofDeployments, "webhook": ofDeployments,
	},
	reflect.TypeFor[slipway.Check](): {"goss": ofImages, "script": ofImages},
	reflect.TypeFor[slipway.Environment](): {
		"min_healthy": "write it in policy", "on_failure": "write it in policy", "on_conflict": "write it in policy", "hold": "write it in policy",
		"sticky": "write it in load_balancer", "watch": "write it in strategy", "keep": "write it in strategy",
	},
	reflect.TypeFor[slipway.Policy](): {
		"approvals": "write it in promotion", "windows": "write it in promotion", "holidays": "write it in promotion", "ran": "write it in promotion",
		"depends_on": "write it in promotion", "tested": "write it in promotion", "signed": "write it in promotion", "enforce": "write it in promotion",
	},
	reflect.TypeFor[slipway.Strategy](): otherNames,
}

const (
	ofDeployments = "it is a check of deployments; write it in environments.*.checks"
	ofImages      = "it needs the build context; write it in image.tests"
)

// otherNames are what others call strategies.
var otherNames = map[string]string{
	"bluegreen": `it is called "redblack"`, "blue-green": `it is called "redblack"`, "blue_green": `it is called "redblack"`,
	"recreate": `it is called "highlander"`, "all-at-once": `it is called "redblack"`,
	"rolling_redblack": `it is called "rolling-redblack"`, "rollingredblack": `it is called "rolling-redblack"`,
}

// wanted says what to write where value stands, which is no t.
func wanted(value string, t reflect.Type) string {
	if t == reflect.TypeFor[slipway.Stage]() || t == reflect.TypeFor[slipway.Step]() {
		if slices.Contains(slipway.StageKinds, slipway.StageKind(value)) {
			return "it wants more than its name: write an object such as {" + value + ": …}"
		}
		return Suggestion(value, texts(slipway.StageKinds))
	}
	if t == reflect.TypeFor[slipway.OnFailure]() {
		return Suggestion(value, texts(slipway.FailureActions)) + ", or a list of stages"
	}
	if t != reflect.TypeFor[slipway.Strategy]() {
		return "want " + forms[t]
	}
	if other, ok := otherNames[value]; ok {
		return other
	}
	if value == string(slipway.StrategyCustom) {
		return "write its steps, {custom: {steps: [...]}}"
	}
	return Suggestion(value, texts(slipway.Strategies))
}

func texts[T ~string](list []T) []string {
	all := make([]string, len(list))
	for i, word := range list {
		all[i] = string(word)
	}
	return all
}

// fields returns the fields of a struct that have a name in JSON, those of what is embedded included.
func fields(t reflect.Type) []reflect.StructField {
	var all []reflect.StructField
	for f := range t.Fields() {
		switch {
		case f.Anonymous && jsonName(f) == "":
			all = append(all, fields(f.Type)...)
		case jsonName(f) != "":
			all = append(all, f)
		}
	}
	return all
}

func jsonName(f reflect.StructField) string {
	name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
	return name
}
