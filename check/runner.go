package check

import (
	"context"
	"errors"
	"iter"
	"strconv"
	"strings"
	"time"

	"github.com/slipway-sh/slipway"
)

// Runner runs tests against machines: http and tcp from the host's side of a machine's network, all others inside it. It is safe for
// concurrent use.
type Runner struct {
	Provider slipway.Provider
	Probe    string                 // the slipway-probe program, which goss tests take into the machine
	Context  []slipway.ContextEntry // the build context, whose files goss and script tests take along; without one there are no such tests
	Blobs    slipway.Blobs          // the files' content
}

// All runs tests one after the other and yields what each found. service says the port for a test that names none. What goes wrong,
// ctx ending included, makes a result fail, with what was seen in its Detail.
func (r Runner) All(ctx context.Context, instance slipway.Instance, service slipway.Service, tests []slipway.Test) iter.Seq[slipway.TestResult] {
	return func(yield func(slipway.TestResult) bool) {
		for len(tests) > 0 {
			// Those that only look are all done at a single glance.
			var results []slipway.TestResult
			n := 0
			for n < len(tests) && looks(tests[n]) {
				n++
			}
			if n > 0 {
				results = r.look(ctx, instance, tests[:n])
			} else {
				n = 1
				results = []slipway.TestResult{r.one(ctx, instance, service, tests[0])}
			}
			for _, result := range results {
				if !yield(result) {
					return
				}
			}
			tests = tests[n:]
		}
	}
}

// Run runs one test, as [Runner.All] does.
func (r Runner) Run(ctx context.Context, instance slipway.Instance, service slipway.Service, test slipway.Test) slipway.TestResult {
	for result := range r.All(ctx, instance, service, []slipway.Test{test}) {
		return result
	}
	panic("a test without a result")
}

func (r Runner) one(ctx context.Context, instance slipway.Instance, service slipway.Service, test slipway.Test) slipway.TestResult {
	start := time.Now()
	var err error
	switch {
	case test.HTTP != nil:
		err = runHTTP(ctx, instance, service, test.HTTP)
	case test.TCP != nil:
		err = runTCP(ctx, instance, service, test.TCP)
	case test.Command != nil:
		err = r.command(ctx, instance, test.Command)
	case test.Goss != "":
		err = r.goss(ctx, instance, test.Goss)
	case test.Script != nil:
		err = r.script(ctx, instance, test.Script)
	default:
		err = errors.New("the test says nothing to do")
	}
	return resultOf(test, err, time.Since(start))
}

func resultOf(test slipway.Test, err error, took time.Duration) slipway.TestResult {
	result := slipway.TestResult{Name: Name(test), Passed: err == nil, Took: took}
	if err != nil {
		result.Detail = err.Error()
	}
	return result
}

// Name returns what people call test: "http /healthz", "tcp", "command nginx -t", "file /etc/app.conf".
func Name(test slipway.Test) string {
	switch {
	case test.HTTP != nil:
		return "http " + withPort(test.HTTP.Port) + test.HTTP.Path
	case test.TCP != nil:
		return strings.TrimSpace("tcp " + withPort(test.TCP.Port))
	case test.Command != nil:
		return "command " + strings.Join(test.Command.Run, " ")
	case test.File != nil:
		return "file " + test.File.Path
	case test.Package != nil:
		return "package " + test.Package.Name
	case test.User != nil:
		return "user " + test.User.Name
	case test.Goss != "":
		return "goss " + test.Goss
	case test.Script != nil:
		return "script " + test.Script.Directory + ": " + strings.Join(test.Script.Run, " ")
	}
	return "nothing"
}

func withPort(port int) string {
	if port == 0 {
		return ""
	}
	return ":" + strconv.Itoa(port)
}
