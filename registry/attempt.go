package registry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"syscall"
	"time"

	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
)

var (
	errSilent  = errors.New("it fell silent")
	errOverall = errors.New("it takes too long")
)

// attempt calls once until it works, fails for good, or there were enough tries, and returns what explain makes of the last failure.
func (c *Client) attempt(ctx context.Context, doing purpose, once func(context.Context) error) error {
	ctx, cancel := context.WithTimeoutCause(ctx, c.patience.Overall, errOverall)
	defer cancel()
	for tries := 1; ; tries++ {
		err := once(ctx)
		if err == nil {
			return nil
		}
		if ctx.Err() != nil || tries > len(c.patience.Pauses) || !passing(err) {
			return explain(ctx, doing, tries, err)
		}
		select {
		case <-time.After(c.patience.Pauses[tries-1]):
		case <-ctx.Done():
			return explain(ctx, doing, tries, err)
		}
	}
}

// watched calls once with a context that ends when moved is not called for as long as silence, and with a function that counts as movement.
func watched(ctx context.Context, silence time.Duration, once func(ctx context.Context, moved func()) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	timer := time.AfterFunc(silence, func() { cancel(errSilent) })
	defer timer.Stop()
	err := once(ctx, func() { timer.Reset(silence) })
	if err != nil && errors.Is(context.Cause(ctx), errSilent) {
		return errSilent
	}
	return err
}

// passing reports whether a failure may be over soon: the registry's own trouble, or the connection's.
func passing(err error) bool {
	var answer *transport.Error
	if errors.As(err, &answer) {
		return answer.StatusCode >= 500 || answer.StatusCode == http.StatusRequestTimeout || answer.StatusCode == http.StatusTooManyRequests
	}
	var known *shortError
	if errors.Is(err, errSilent) || errors.As(err, &known) {
		return true
	}
	var login credentialsError
	return isConnection(err) && !isLasting(err) && !errors.As(err, &login)
}

// isConnection reports whether err is one of the network, not of what was said over it.
func isConnection(err error) bool {
	var network net.Error
	var request *url.Error
	return errors.As(err, &network) || errors.As(err, &request) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

// isLasting selects the errors of connections that stay: a host that does not exist, a certificate that is not trusted, no TLS.
func isLasting(err error) bool {
	var dns *net.DNSError
	var plain plainError
	return errors.As(err, &dns) && dns.IsNotFound || isUntrusted(err) || errors.As(err, &plain) || errors.Is(err, http.ErrSchemeMismatch)
}

// shortError is a body that ended early.
type shortError struct{ got, want int64 }

func (e *shortError) Error() string { return fmt.Sprintf("it sent %d of %d bytes", e.got, e.want) }
