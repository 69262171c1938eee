package slipway

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
)

// environmentCase is an environment, in JSON, and what is wrong with it: "place: words of the message", a line each.
type environmentCase struct{ environment, want string }

func testEnvironments(t *testing.T, cases map[string]environmentCase) {
	for name, test := range cases {
		t.Run(name, func(t *testing.T) {
			var e Environment
			if err := json.Unmarshal([]byte(test.environment), &e); err != nil {
				t.Fatal(err)
			}
			found(t, e.Validate(), test.want)
		})
	}
}

// found compares the mistakes in err with those that are wanted.
func found(t *testing.T, err error, want string) {
	t.Helper()
	var wants []string
	if want != "" {
		wants = strings.Split(want, "\n")
	}
	if got := places(t, err); len(got) != len(wants) {
		t.Fatalf("%d mistakes, want %d: %v", len(got), len(wants), err)
	}
	for i, want := range wants {
		place, words, _ := strings.Cut(want, ": ")
		var e *Error
		errors.As(err.(interface{ Unwrap() []error }).Unwrap()[i], &e)
		if e.Place != place || !strings.Contains(e.Message, words) {
			t.Errorf("%v\nwant %s", e, want)
		}
	}
}

func TestEnvironmentValidate(t *testing.T) {
	testEnvironments(t, map[string]environmentCase{
		"of all": {`{"size": {"min": 2, "desired": 3, "max": 10}, "load_balancer": {"port": 80, "sticky": "cookie"}, "healthy": "1m",
			"policy": {"min_healthy": 3, "on_failure": "hold", "hold": "2h", "on_conflict": "queue"}, "prometheus": "http://127.0.0.1:9090/prometheus"}`, ""},
		"sticky by header":      {`{"load_balancer": {"port": 80, "sticky": {"header": "X-User"}}}`, ""},
		"sticky by two":         {`{"load_balancer": {"port": 80, "sticky": {"header": "X-User", "cookie": "user"}}}`, "load_balancer.sticky: write one of them"},
		"sticky by no cookie":   {`{"load_balancer": {"port": 80, "sticky": {"cookie": "a b"}}}`, `load_balancer.sticky.cookie: "a b" as the name of a cookie`},
		"sticky by no header":   {`{"load_balancer": {"port": 80, "sticky": {"header": "X-User\r\nX"}}}`, "load_balancer.sticky.header: as the name of a header"},
		"share that serves":     {`{"size": 4, "policy": {"min_healthy": "50%"}}`, ""},
		"none need serve":       {`{"size": 4, "policy": {"min_healthy": "0%"}}`, ""},
		"more than all serve":   {`{"size": 4, "policy": {"min_healthy": 5}}`, "policy.min_healthy: cannot use 5 machines: there are 4 (size.desired)"},
		"more than 100 % serve": {`{"size": 4, "policy": {"min_healthy": "101%"}}`, "policy.min_healthy: cannot use 101%: want 0% to 100%"},
		"less than none serve":  {`{"policy": {"min_healthy": -1}}`, "policy.min_healthy: want 0 machines or more"},
		"two of one by default": {`{"policy": {"min_healthy": 2}}`, "policy.min_healthy: there are 1 (size.desired)"},
		"of a size that is wrong": {`{"size": {"min": 3, "desired": 2, "max": 1}, "policy": {"min_healthy": 9}, "load_balancer": {"port": 1},
			"strategy": {"canary": {"size": 5, "replace": true}}}`, "size: cannot have min 3, desired 2, max 1"},
		"unknown policies": {`{"policy": {"on_failure": "retry", "on_conflict": "wait"}}`,
			"policy.on_failure: cannot use \"retry\" as a failure's policy: want one of rollback, hold\npolicy.on_conflict: want one of refuse, queue, supersede"},
		"no Prometheus":               {`{"prometheus": "prometheus:9090"}`, "prometheus: want a form such as https://"},
		"a path for a Prometheus":     {`{"prometheus": "/metrics"}`, "prometheus: want a form such as"},
		"Prometheus without host":     {`{"prometheus": "http://:9090"}`, "prometheus: it names no host"},
		"Prometheus with query":       {`{"prometheus": "http://a/?b=c"}`, "prometheus: it has a query"},
		"Prometheus with fragment":    {`{"prometheus": "http://a/#graph"}`, "prometheus: a fragment is not sent"},
		"Prometheus that is no URL":   {`{"prometheus": "http://a b"}`, "prometheus: cannot read it as a URL"},
		"Prometheus by another way":   {`{"prometheus": "ftp://a"}`, "prometheus: cannot ask by anything but HTTP"},
		"Prometheus with credentials": {`{"prometheus": "http://me:s3cret@a"}`, "prometheus: cannot have a name or password in the URL http://me:xxxxx@a"},
	})
}

// Nothing of a URL that holds a secret may get into a message, which is logged and shown.
func TestValidateTellsNoSecrets(t *testing.T) {
	for _, address := range []string{"http://me:s3cret@a", "ftp://me:s3cret@a", "http://me:s3cret@a b", "http://me:s3cret@a:port", "me:s3cret@a", "http://me:s3cret@/%zz"} {
		err := Environment{Prometheus: address}.Validate()
		if err == nil || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%s: %v", address, err)
		}
	}
}
