package manifest

import (
	"reflect"
	"strings"

	"github.com/slipway-sh/slipway"
)

// words lists what a type of text may be.
var words = map[reflect.Type][]string{
	reflect.TypeFor[slipway.Phase]():            texts(slipway.Phases),
	reflect.TypeFor[slipway.NoDataPolicy]():     texts(slipway.NoDataPolicies),
	reflect.TypeFor[slipway.FailurePolicy]():    texts(slipway.FailurePolicies),
	reflect.TypeFor[slipway.ConflictPolicy]():   texts(slipway.ConflictPolicies),
	reflect.TypeFor[slipway.MetricSource]():     texts(slipway.MetricSources),
	reflect.TypeFor[slipway.MetricDirection]():  texts(slipway.MetricDirections),
	reflect.TypeFor[slipway.LowTrafficPolicy](): texts(slipway.LowTrafficPolicies),
}

// forms says how the types that decode themselves are written.
var forms = map[reflect.Type]string{
	reflect.TypeFor[slipway.Duration](): `a duration such as "10s" or "1m30s"`,
	reflect.TypeFor[slipway.Size]():     "a number or {min, desired, max}",
	reflect.TypeFor[slipway.Amount]():   `a number of machines such as 2, or a share such as "50%"`,
	reflect.TypeFor[slipway.Sticky]():   "cookie, {cookie: NAME} or {header: NAME}",
	reflect.TypeFor[slipway.Strategy](): "one of " + strings.Join(texts(slipway.Strategies), ", ") + ", or an object with that key",
}

// elsewhere says of keys that people try where they are right.
var elsewhere = map[reflect.Type]map[string]string{
	reflect.TypeFor[slipway.Spec]():    {"pipeline": later},
	reflect.TypeFor[slipway.Service](): {"state": later},
	reflect.TypeFor[slipway.Test](): {
		"log": ofDeployments, "load_balancer": ofDeployments, "promql": ofDeployments, "webhook": ofDeployments,
	},
	reflect.TypeFor[slipway.Check](): {"goss": ofImages, "script": ofImages},
	reflect.TypeFor[slipway.Environment](): {
		"min_healthy": "write it in policy", "on_failure": "write it in policy", "on_conflict": "write it in policy", "hold": "write it in policy",
		"sticky": "write it in load_balancer", "watch": "write it in strategy", "keep": "write it in strategy",
	},
	reflect.TypeFor[slipway.Strategy](): otherNames,
}

const (
	later         = "it is not supported by this version"
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
