package manifest

import (
	"reflect"

	"github.com/slipway-sh/slipway"
)

// unions lists the types of which exactly one key is written.
var unions = []reflect.Type{reflect.TypeFor[slipway.Layer](), reflect.TypeFor[slipway.Test](), reflect.TypeFor[slipway.CustomStep]()}

// choice says of which keys one must be written, beside others: "oneOf" for exactly one, "anyOf" for at least one.
type choice struct {
	how  string
	keys []string
}

var choices = map[reflect.Type]choice{
	reflect.TypeFor[slipway.Check]():             {"oneOf", []string{"http", "tcp", "command", "file", "package", "user", "log", "load_balancer", "promql", "webhook"}},
	reflect.TypeFor[slipway.Stage]():             {"oneOf", texts(slipway.StageKinds)},
	reflect.TypeFor[slipway.Step]():              {"oneOf", texts(slipway.StageKinds)},
	reflect.TypeFor[slipway.WaitStage]():         {"oneOf", []string{"for", "until"}},
	reflect.TypeFor[slipway.CheckStage]():        {"oneOf", []string{"http", "tcp", "command", "file", "package", "user", "log", "load_balancer", "promql", "webhook"}},
	reflect.TypeFor[slipway.Metric]():            {"oneOf", []string{"query", "source"}},
	reflect.TypeFor[slipway.PromQLCheck]():       {"anyOf", []string{"min", "max"}},
	reflect.TypeFor[slipway.LoadBalancerCheck](): {"anyOf", []string{"max_errors", "max_latency"}},
}

const (
	ownerPattern = "^[0-9]+:[0-9]+$"
	modePattern  = "^0?[0-7]{3,4}$"
	clockPattern = "^[0-2][0-9]:[0-5][0-9]$"
	dayPattern   = "(mon|tue|wed|thu|fri|sat|sun)(-(mon|tue|wed|thu|fri|sat|sun))?"
	tokenPattern = "^[A-Za-z0-9!#$%&'*+.^_`|~-]+$"
)

// details adds to the schema of a type's field what its Go type does not say.
var details = map[reflect.Type]map[string]object{
	reflect.TypeFor[slipway.Spec]():              {"application": nameSchema(), "environments": {"propertyNames": nameSchema()}, "pipelines": {"propertyNames": nameSchema()}},
	reflect.TypeFor[slipway.Stage]():             stageDetails,
	reflect.TypeFor[slipway.Step]():              stageDetails,
	reflect.TypeFor[slipway.Pipeline]():          {"parameters": {"propertyNames": object{"pattern": "^[a-z][a-z0-9_]{0,62}$"}}, "stages": {"type": "array", "minItems": 1, "maxItems": 100}},
	reflect.TypeFor[slipway.Parameter]():         {"options": {"type": "array", "minItems": 1}},
	reflect.TypeFor[slipway.RunStage]():          {"command": {"type": "array", "minItems": 1}},
	reflect.TypeFor[slipway.ApproveStage]():      {"needed": between(0, 100)},
	reflect.TypeFor[slipway.CheckStage]():        {"count": atLeast(0), "failures": atLeast(0)},
	reflect.TypeFor[slipway.WebhookStage]():      {"url": urlSchema(), "headers": {"propertyNames": object{"pattern": tokenPattern}}},
	reflect.TypeFor[slipway.AnalysisStage]():     analysisDetails,
	reflect.TypeFor[slipway.Retention]():         {"keep": atLeast(0), "days": atLeast(0)},
	reflect.TypeFor[slipway.ImageSpec]():         {"from": {"pattern": `^(scratch|debian:[a-z][a-z0-9.-]*|rootfs:.+\.(tar|tar\.gz|tgz)|oci:.+|image:[a-z][a-z0-9-]*(@.+)?)$`}},
	reflect.TypeFor[slipway.CopyLayer]():         {"to": {"pattern": "^/"}, "owner": {"pattern": ownerPattern}, "mode": {"pattern": modePattern}},
	reflect.TypeFor[slipway.TemplateLayer]():     {"to": {"pattern": "^/."}, "owner": {"pattern": ownerPattern}, "mode": {"pattern": modePattern}},
	reflect.TypeFor[slipway.Layer]():             {"packages": {"minItems": 1}},
	reflect.TypeFor[slipway.Service]():           {"command": {"minItems": 1}, "directory": {"pattern": "^/"}, "port": portSchema(0)},
	reflect.TypeFor[slipway.Health]():            {"http": {"pattern": "^/"}, "failures": atLeast(0)},
	reflect.TypeFor[slipway.HTTPTest]():          {"path": {"pattern": "^/"}, "port": portSchema(0), "status": between(100, 599)},
	reflect.TypeFor[slipway.TCPTest]():           {"port": portSchema(0)},
	reflect.TypeFor[slipway.CommandTest]():       {"run": {"minItems": 1}, "exit": between(0, 255)},
	reflect.TypeFor[slipway.FileTest]():          {"path": {"pattern": "^/"}, "type": {"enum": []string{"file", "directory", "symlink"}}, "owner": {"pattern": ownerPattern}, "mode": {"pattern": modePattern}},
	reflect.TypeFor[slipway.UserTest]():          {"uid": atLeast(0)},
	reflect.TypeFor[slipway.LoadBalancerSpec]():  {"port": portSchema(1)},
	reflect.TypeFor[slipway.Sticky]():            {"cookie": {"pattern": tokenPattern}, "header": {"pattern": tokenPattern}},
	reflect.TypeFor[slipway.Limits]():            {"cpu": atLeast(0), "memory": atLeast(0), "pids": atLeast(0)},
	reflect.TypeFor[slipway.Size]():              {"min": atLeast(0), "desired": atLeast(1), "max": atLeast(1)},
	reflect.TypeFor[slipway.Environment]():       {"account": {"const": "local"}, "checks": {"maxItems": 100}, "prometheus": urlSchema()},
	reflect.TypeFor[slipway.RedBlack]():          {"keep": keepSchema()},
	reflect.TypeFor[slipway.RollingRedBlack]():   {"steps": stepsSchema(), "keep": keepSchema()},
	reflect.TypeFor[slipway.Rolling]():           {"min_healthy": between(0, 100), "max_healthy": between(100, 200), "checkpoints": stepsSchema()},
	reflect.TypeFor[slipway.Canary]():            {"steps": stepsSchema(), "keep": keepSchema()},
	reflect.TypeFor[slipway.Custom]():            {"steps": {"type": "array", "minItems": 1, "maxItems": 100}},
	reflect.TypeFor[slipway.CustomStep]():        {"weight": between(1, 100)},
	reflect.TypeFor[slipway.RetireStep]():        {"keep": keepSchema()},
	reflect.TypeFor[slipway.Analysis]():          analysisDetails,
	reflect.TypeFor[slipway.AnalyseStep]():       analysisDetails,
	reflect.TypeFor[slipway.Metric]():            {"name": {"minLength": 1}, "query": {"minLength": 1}, "server": urlSchema(), "tolerance": atLeast(0), "min_effect": atLeast(0)},
	reflect.TypeFor[slipway.Check]():             {"count": atLeast(0), "failures": atLeast(0), "when": {"uniqueItems": true}},
	reflect.TypeFor[slipway.LogCheck]():          {"pattern": {"minLength": 1, "maxLength": 1000}, "max": atLeast(0)},
	reflect.TypeFor[slipway.LoadBalancerCheck](): {"max_errors": between(0, 1), "min_requests": atLeast(0)},
	reflect.TypeFor[slipway.PromQLCheck]():       {"query": {"minLength": 1}, "server": urlSchema()},
	reflect.TypeFor[slipway.PromotionPolicy](): {
		"from": nameSchema(), "signed_by": {"items": object{"type": "string", "pattern": "^[0-9a-f]{8,64}$"}},
		"holidays": {"maxItems": 500, "items": object{"type": "string", "pattern": "^([0-9]{4}-)?[0-9]{2}-[0-9]{2}$"}},
		"windows":  {"maxItems": 50}, "depends_on": {"maxItems": 50},
	},
	reflect.TypeFor[slipway.ApprovalPolicy](): {"needed": between(1, 50), "of": {"maxItems": 200, "uniqueItems": true}},
	reflect.TypeFor[slipway.TimeWindow](): {
		"days": {"pattern": "^" + dayPattern + "( *, *" + dayPattern + ")*$"}, "from": {"pattern": clockPattern}, "to": {"pattern": clockPattern}, "zone": {"minLength": 1},
	},
	reflect.TypeFor[slipway.Dependency]():   {"application": nameSchema(), "environment": nameSchema(), "version": {"minLength": 1}, "image": {"minLength": 1}},
	reflect.TypeFor[slipway.WebhookCheck](): {"url": urlSchema(), "headers": {"propertyNames": object{"pattern": tokenPattern}}},
}

var stageDetails = map[string]object{
	"id": {"pattern": "^[a-z]([a-z0-9_-]{0,62}[a-z0-9])?$"}, "needs": {"type": "array", "uniqueItems": true}, "when": {"minLength": 1, "maxLength": slipway.MaxExpression},
	"retries": between(0, 20),
}

var analysisDetails = map[string]object{
	"metrics": {"type": "array", "minItems": 1, "maxItems": 100}, "pass": between(0, 100), "marginal": between(0, 100), "min_samples": atLeast(0),
}

func nameSchema() object { return object{"pattern": "^[a-z]([a-z0-9-]{0,30}[a-z0-9])?$"} }

func urlSchema() object { return object{"pattern": "^https?://[^/]"} }

func portSchema(least int) object { return between(least, 65535) }

func keepSchema() object { return between(0, 100) }

// stepsSchema is of percentages that rise to less than 100.
func stepsSchema() object {
	return object{"type": "array", "minItems": 1, "uniqueItems": true, "items": object{"type": "integer", "minimum": 1, "maximum": 99}}
}

func atLeast(least int) object { return object{"minimum": least} }

func between(least, most int) object { return object{"minimum": least, "maximum": most} }
