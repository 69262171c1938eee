package registry

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"unicode"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"

	"github.com/slipway-sh/slipway"
)

// purpose is what is being done, for errors: "cannot <verb> <what>".
type purpose struct {
	verb string // "pull"
	what string // "registry.example.com/team/base:1.2"
	ref  name.Reference
}

// maxSaid bounds what is repeated of a registry's own words, in bytes.
const maxSaid = 200

// explain turns a failure into an error that says what a person can do about it. Whatever is an application error already stays.
func explain(ctx context.Context, p purpose, tries int, err error) error {
	host := p.ref.Context().RegistryStr()
	cannot := "cannot " + p.verb + " " + p.what
	if ctx.Err() != nil && !errors.Is(context.Cause(ctx), errOverall) {
		return context.Cause(ctx)
	}
	var known *slipway.Error
	var answer *transport.Error
	var short *shortError
	var plain plainError
	var dns *net.DNSError
	var login credentialsError
	switch {
	case errors.As(err, &known):
		return known
	case errors.As(err, &login):
		return slipway.Errorf(slipway.Unprepared, "%s: the credentials in %s on slipwayd's host cannot be used: %s", cannot, credentials(), said(login.Error()))
	case isUntrusted(err):
		return slipway.Errorf(slipway.Unprepared, "%s: the certificate of %s is not trusted by this host: %w; add its authority to the host's",
			cannot, host, innermost(err))
	case errors.As(err, &answer):
		return explainAnswer(p, host, tries, answer)
	case errors.As(err, &short):
		return slipway.Errorf(slipway.Corrupt, "%s: %s sent %d of %d bytes, %s", cannot, host, short.got, short.want, times(tries))
	case ctx.Err() != nil || errors.Is(err, errSilent):
		return slipway.Errorf(slipway.DeadlinePast, "%s: %s does not answer in time, %s", cannot, host, times(tries))
	case errors.As(err, &plain):
		return slipway.Errorf(slipway.Unprepared,
			"%s: %s would have to be spoken to without TLS; if it may be, start slipwayd with --insecure-registry %s", cannot, plain.host, plain.host)
	case errors.Is(err, http.ErrSchemeMismatch):
		return slipway.Errorf(slipway.Unprepared,
			"%s: %s does not speak TLS; if that is as it should be, start slipwayd with --insecure-registry %s", cannot, host, host)
	case errors.As(err, &dns) && dns.IsNotFound:
		return slipway.Errorf(slipway.Invalid, "%s: there is no host %s", cannot, host)
	case isConnection(err):
		return slipway.Errorf(slipway.DeadlinePast, "%s: %s cannot be reached, %s: %w", cannot, host, times(tries), innermost(err))
	}
	return slipway.Errorf(slipway.Corrupt, "%s: the answer of %s cannot be used: %s", cannot, host, said(err.Error()))
}

// explainAnswer is explain for an answer that is no success.
func explainAnswer(p purpose, host string, tries int, answer *transport.Error) error {
	cannot := "cannot " + p.verb + " " + p.what
	words := fmt.Sprintf("%d %s", answer.StatusCode, http.StatusText(answer.StatusCode))
	for _, d := range answer.Errors {
		words += ", " + said(strings.TrimSpace(string(d.Code)+" "+d.Message))
	}
	switch answer.StatusCode {
	case http.StatusUnauthorized, http.StatusForbidden:
		return slipway.Errorf(slipway.Unprepared,
			"cannot log in to %s to %s %s (%s); put credentials that may do this into %s on slipwayd's host, as `docker login %s` does",
			host, p.verb, p.what, words, credentials(), host)
	case http.StatusNotFound:
		return slipway.Errorf(slipway.NotFound, "%s: %s has no such image (%s)", cannot, host, words)
	}
	if passing(answer) {
		return slipway.Errorf(slipway.DeadlinePast, "%s: %s answered %s, %s; it may be better later", cannot, host, words, times(tries))
	}
	return slipway.Errorf(slipway.Invalid, "%s: %s refuses it (%s)", cannot, host, words)
}

// innermost leaves out of a request's error its URL, which may carry a signature.
func innermost(err error) error {
	var request *url.Error
	for errors.As(err, &request) {
		err = request.Err
	}
	return err
}

// isUntrusted reports whether the host's certificate is the reason.
func isUntrusted(err error) bool {
	var verification *tls.CertificateVerificationError
	var authority x509.UnknownAuthorityError
	var hostname x509.HostnameError
	var invalid x509.CertificateInvalidError
	return errors.As(err, &verification) || errors.As(err, &authority) || errors.As(err, &hostname) || errors.As(err, &invalid)
}

// said makes a registry's own words fit to be shown.
func said(text string) string {
	text = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, text)
	if len(text) > maxSaid {
		text = strings.ToValidUTF8(text[:maxSaid], "") + "…"
	}
	return text
}

func times(n int) string {
	if n == 1 {
		return "once"
	}
	return fmt.Sprintf("%d times", n)
}
