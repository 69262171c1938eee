package httpapi

import "encoding/json"

// The requests of the story, as they are sent: each means something, and is taken.

const (
	exampleDigest = `"sha256:9f64a747e1b97f131fabb6b447296c9b6f0201e79fb3c5356e6c77e89b6a806a"`
	exampleSource = `{"repository": "https://git.example.com/acme/hello", "commit": "5c81e34f0b7d4a5c", "branch": "main", "author": "ann@example.com", "build": "1871"}`
	exampleYAML   = `{
		"application": "hello",
		"image": {
			"from": "debian:bookworm", "layers": [{"copy": {"from": "dist/hello", "to": "/opt/hello", "mode": "0755"}}],
			"service": {"command": ["/opt/hello"], "user": "1000", "port": 8080, "health": {"http": "/healthz"}, "drain": "10s"},
			"tests": [{"http": {"path": "/"}}]
		},
		"environments": {"prod": {"size": {"min": 2, "desired": 3, "max": 10}, "load_balancer": {"port": 8443}, "strategy": {"redblack": {}}}}
	}`
	exampleBake    = `"spec": ` + exampleYAML + `, "context": [{"path": "dist/hello", "mode": 493, "size": 4194304, "digest": ` + exampleDigest + `}], "version": "v42", "source": ` + exampleSource
	exampleCluster = `"cluster": {"application": "hello", "environment": "prod"}`
	exampleRule    = `"text": "forbid (principal, action, resource in Environment::\"prod\") when { context.hour >= 17 };", "time_zone": "Europe/Berlin"`
)

// requestExamples are the bodies of requests, by operation ID. Those of one field that says what it is are not here.
var requestExamples = map[string]string{
	"bake":             `{` + exampleBake + `}`,
	"planBake":         `{` + exampleBake + `}`,
	"ship":             `{` + exampleBake + `, "environments": ["prod"], "deploy": {"reason": "the new search"}}`,
	"putSecrets":       `{"values": {"npm_token": "bnBtXzEyMzQ1Njc4"}}`,
	"pruneCache":       `{"max_bytes": 10737418240, "max_age": "720h", "dry_run": true}`,
	"rebuildImage":     `{"application": "hello", "image": "v42"}`,
	"restartExecution": `{"from": "deploy-prod"}`,
	"runPipeline":      `{"application": "hello", "pipeline": "default", "image": "v42", "parameters": {"greeting": "hello"}}`,
	"planPipeline":     `{"application": "hello", "pipeline": "default", "image": "v42", "parameters": {"greeting": "hello"}}`,

	"deploy":            `{` + exampleCluster + `, "image": "v42", "reason": "the new search", "on_conflict": "queue"}`,
	"rollback":          `{` + exampleCluster + `, "reason": "search finds nothing"}`,
	"commandDeployment": `{"verb": "pause", "reason": "looking at the errors first"}`,
	"release":           `{"environment": "prod", "members": [{"application": "hello", "image": "v42"}, {"application": "search", "image": "stable"}], "reason": "the new search"}`,
	"restrict":          `{"kind": "freeze", "cluster": {"application": "", "environment": "prod"}, "reason": "the sale", "until": "2126-12-01T06:00:00Z"}`,
	"promote":           `{"application": "hello", "from": "staging", "to": "prod", "reason": "the new search", "wait_for_window": true}`,
	"planPromotion":     `{"application": "hello", "from": "staging", "to": "prod"}`,
	"vote":              `{"approve": true, "comment": "looks good"}`,
	"analyse":           `{"deployment": "d-4q7zk2vbnm"}`,

	"addTrigger":         `{"application": "hello", "name": "main", "kind": "github", "events": ["push"], "branches": ["main"], "paths": ["src/**"], "pipeline": "default"}`,
	"rotateTrigger":      `{"overlap": "24h"}`,
	"testTrigger":        `{"event": "push", "payload": "{\"ref\": \"refs/heads/main\"}"}`,
	"addSubscription":    `{"name": "ops", "kind": "webhook", "to": "https://hooks.example.com/slipway", "events": ["deployment.*"], "applications": ["hello"], "environments": ["prod"], "failures": true}`,
	"enableSubscription": `{"enabled": false, "reason": "the channel has moved"}`,
	"rotateSubscription": `{"overlap": "24h"}`,

	"moveChannel": `{"image": "v42", "create": true}`,
	"pruneImages": `{"application": "hello", "keep": 10, "days": 30, "dry_run": true}`,
	"imageShell":  `{"command": ["cat", "/etc/os-release"], "user": "0", "no_service": true}`,
	"bakeShell":   `{"terminal": {"type": "xterm-256color", "window": {"columns": 120, "rows": 40}}}`,

	"changeConfig":    `{"set": [{"key": "GREETING", "value": "hello"}, {"key": "API_TOKEN", "type": "secret", "value": "k3xw5wbgq2vv"}], "unset": ["OLD_FLAG"], "reason": "the new search", "deploy": true}`,
	"startInstance":   `{"application": "hello", "environment": "prod", "image": "v42", "for": "1h", "reason": "where does the memory go?"}`,
	"disableInstance": `{"reason": "it answers slowly"}`,
	"protectInstance": `{"reason": "its memory is being looked at"}`,
	"resizeCluster":   `{"desired": 5, "max": 10, "reason": "the sale"}`,

	"grantAccess": `{"subject": "group:ops", "role": "operator", "application": "hello", "environment": "prod"}`,
	"checkAccess": `{"subject": "ann@example.com", "verb": "deploy", "application": "hello", "environment": "prod"}`,
	"setTrust": `{"issuer": "https://token.actions.githubusercontent.com", "audience": "slipway", "claims": {"repository": "acme/hello", "ref": "refs/heads/main"},
		"role": "deployer", "application": "hello", "environment": "staging"}`,
	"setRule":     `{` + exampleRule + `}`,
	"tryRule":     `{` + exampleRule + `, "check": {"subject": "ann@example.com", "verb": "deploy", "application": "hello", "environment": "prod", "at": "2026-03-04T18:30:00Z"}}`,
	"createToken": `{"name": "ci-hello", "role": "deployer", "application": "hello", "environment": "staging", "verbs": ["ship"], "lifetime": "720h"}`,
	"rotateToken": `{"grace": "1h", "lifetime": "720h"}`,
}

// requestExample returns the body of a route's request, nil if there is none.
func requestExample(id string) any {
	var body any
	if json.Unmarshal([]byte(requestExamples[id]), &body) != nil {
		return nil
	}
	return body
}
