package check

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/slipway-sh/slipway"
)

// How long a test may take that does not say.
const (
	networkTimeout = 5 * time.Second
	commandTimeout = 10 * time.Second
)

// How much of an answer is searched for the text a test wants, and how much of one is shown when it lacks it.
const (
	maxBody  = 4 << 20
	maxShown = 200
)

// Run runs test against instance and returns what it found: http and tcp from the host's side of the machine's network, a command
// inside the machine. service gives the port for a test that names none. What goes wrong, ctx ending included, makes the result
// fail, with what was seen in its Detail.
func Run(ctx context.Context, provider slipway.Provider, instance slipway.Instance, service slipway.Service, test slipway.Test) slipway.TestResult {
	start := time.Now()
	var err error
	switch {
	case test.HTTP != nil:
		err = runHTTP(ctx, instance, service, test.HTTP)
	case test.TCP != nil:
		err = runTCP(ctx, instance, service, test.TCP)
	case test.Command != nil:
		err = runCommand(ctx, provider, instance, test.Command)
	default:
		err = errors.New("the test says nothing to do")
	}
	result := slipway.TestResult{Name: Name(test), Passed: err == nil, Took: time.Since(start)}
	if err != nil {
		result.Detail = err.Error()
	}
	return result
}

// Name returns what people call test: "http /healthz", "tcp", "command nginx -t".
func Name(test slipway.Test) string {
	switch {
	case test.HTTP != nil:
		return "http " + withPort(test.HTTP.Port) + test.HTTP.Path
	case test.TCP != nil:
		return strings.TrimSpace("tcp " + withPort(test.TCP.Port))
	case test.Command != nil:
		return "command " + strings.Join(test.Command.Run, " ")
	}
	return "nothing"
}

func withPort(port int) string {
	if port == 0 {
		return ""
	}
	return ":" + strconv.Itoa(port)
}

// runHTTP asks once, and does not follow redirections: the status wanted may be one.
func runHTTP(ctx context.Context, instance slipway.Instance, service slipway.Service, test *slipway.HTTPTest) error {
	address, err := endpoint(instance, service, test.Port)
	if err != nil {
		return err
	}
	timeout := test.Timeout.Or(networkTimeout)
	ctx, cancel := context.WithTimeoutCause(ctx, timeout, fmt.Errorf("no answer within %s", timeout))
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+test.Path, nil)
	if err != nil {
		return err
	}
	response, err := fresh.RoundTrip(request)
	if err != nil {
		return reason(ctx, err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxBody))
	if err != nil {
		return reason(ctx, err)
	}
	want := test.Status
	if want == 0 {
		want = http.StatusOK
	}
	if response.StatusCode != want {
		return fmt.Errorf("want status %d, got %d: %s", want, response.StatusCode, shown(body))
	}
	if !bytes.Contains(body, []byte(test.Contains)) {
		return fmt.Errorf("want %q in the answer, got %s", test.Contains, shown(body))
	}
	return nil
}

// fresh connects anew for every request: a connection kept open would say nothing of the machine's listener.
var fresh = &http.Transport{DisableKeepAlives: true, Proxy: nil}

func runTCP(ctx context.Context, instance slipway.Instance, service slipway.Service, test *slipway.TCPTest) error {
	address, err := endpoint(instance, service, test.Port)
	if err != nil {
		return err
	}
	timeout := test.Timeout.Or(networkTimeout)
	ctx, cancel := context.WithTimeoutCause(ctx, timeout, fmt.Errorf("no connection within %s", timeout))
	defer cancel()
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "tcp", address)
	if err != nil {
		return reason(ctx, err)
	}
	return conn.Close()
}

func runCommand(ctx context.Context, provider slipway.Provider, instance slipway.Instance, test *slipway.CommandTest) error {
	timeout := test.Timeout.Or(commandTimeout)
	ctx, cancel := context.WithTimeoutCause(ctx, timeout, fmt.Errorf("not done within %s", timeout))
	defer cancel()
	result, err := provider.Exec(ctx, instance.ID, slipway.Exec{Command: test.Run})
	if err != nil {
		return reason(ctx, err)
	}
	if result.ExitCode != test.Exit {
		return fmt.Errorf("want exit status %d, got %d: %s", test.Exit, result.ExitCode, shown([]byte(result.Output)))
	}
	if !strings.Contains(result.Output, test.Contains) {
		return fmt.Errorf("want %q in the output, got %s", test.Contains, shown([]byte(result.Output)))
	}
	return nil
}

func endpoint(instance slipway.Instance, service slipway.Service, port int) (string, error) {
	if port == 0 {
		port = service.Port
	}
	if port == 0 {
		return "", errors.New("the service has no port and the test names none")
	}
	return net.JoinHostPort(instance.Address, strconv.Itoa(port)), nil
}

// reason returns why ctx ended, if it has, else err without the URL, which says nothing new.
func reason(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}

func shown(text []byte) string {
	text = bytes.TrimSpace(text)
	if len(text) == 0 {
		return "nothing"
	}
	if len(text) > maxShown {
		return fmt.Sprintf("%q…", text[:maxShown])
	}
	return fmt.Sprintf("%q", text)
}
