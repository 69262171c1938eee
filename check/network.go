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
	"time"

	"github.com/slipway-sh/slipway"
)

// networkTimeout is how long an answer may take that a test does not limit.
const networkTimeout = 5 * time.Second

// How much of an answer is searched for the text a test wants, and how much of one is shown when it lacks it.
const (
	maxBody  = 4 << 20
	maxShown = 200
)

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
