package outbound

import (
	"net"
	"net/netip"
	"strconv"
	"strings"

	"github.com/slipway-sh/slipway"
)

// entry is one line of what is allowed.
type entry struct {
	prefix netip.Prefix // of addresses; invalid if it is a name
	name   string
	port   string // "" for any
}

// parse reads an entry.
func parse(text string) (entry, error) {
	if prefix, err := netip.ParsePrefix(text); err == nil {
		if prefix != prefix.Masked() {
			return entry{}, slipway.Errorf(slipway.Invalid, "cannot allow connections to %q: did you mean %s?", text, prefix.Masked())
		}
		return entry{prefix: prefix}, nil
	}
	host, port := text, ""
	if h, p, err := net.SplitHostPort(text); err == nil {
		if n, err := strconv.ParseUint(p, 10, 16); err != nil || n == 0 {
			return entry{}, slipway.Errorf(slipway.Invalid, "cannot allow connections to %q: want a port of 1 to 65535", text)
		}
		host, port = h, p
	}
	if ip, err := netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")); err == nil && ip.Zone() == "" {
		return entry{prefix: netip.PrefixFrom(ip.Unmap(), ip.Unmap().BitLen()), port: port}, nil
	}
	if !isName(canonical(host)) {
		return entry{}, slipway.Errorf(slipway.Invalid, "cannot allow connections to %q: want a form such as 10.1.0.0/16, 10.1.2.3, 10.1.2.3:9090 or hooks.example.com", text)
	}
	return entry{name: canonical(host), port: port}, nil
}

// has reports whether an address is allowed by e.
func (e entry) has(at netip.AddrPort) bool {
	return e.prefix.IsValid() && e.prefix.Contains(at.Addr().Unmap()) && e.fits(strconv.Itoa(int(at.Port())))
}

func (e entry) fits(port string) bool { return e.port == "" || e.port == port }

// canonical returns a host's name as names are compared.
func canonical(host string) string { return strings.TrimSuffix(strings.ToLower(host), ".") }

// isName reports whether text can be the name of a host. What is all digits and dots is a mistaken address.
func isName(text string) bool {
	letter := false
	for label := range strings.SplitSeq(text, ".") {
		if label == "" || len(label) > 63 {
			return false
		}
		for _, c := range label {
			switch {
			case c >= 'a' && c <= 'z':
				letter = true
			case c >= '0' && c <= '9', c == '-', c == '_':
			default:
				return false
			}
		}
	}
	return letter && len(text) <= 253
}
