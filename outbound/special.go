package outbound

import "net/netip"

// kind is a part of the address space that is not the internet's.
type kind struct {
	prefix netip.Prefix
	what   string
}

// kinds are the special ones of IANA's registries, and one that a cloud has put among the public ones. Of IPv6 all that is not listed
// and not below [global] is special, too.
var kinds = []kind{
	{netip.MustParsePrefix("0.0.0.0/8"), "this host's own"},
	{netip.MustParsePrefix("10.0.0.0/8"), "a private one"},
	{netip.MustParsePrefix("100.64.0.0/10"), "one of a provider's own network"},
	{netip.MustParsePrefix("127.0.0.0/8"), "this host's own"},
	{netip.MustParsePrefix("168.63.129.16/32"), "that of a cloud's services for its machines"},
	{netip.MustParsePrefix("169.254.0.0/16"), "a link-local one, where clouds tell machines their credentials"},
	{netip.MustParsePrefix("172.16.0.0/12"), "a private one"},
	{netip.MustParsePrefix("192.0.0.0/24"), "reserved"},
	{netip.MustParsePrefix("192.0.2.0/24"), "reserved for examples"},
	{netip.MustParsePrefix("192.88.99.0/24"), "a relay's"},
	{netip.MustParsePrefix("192.168.0.0/16"), "a private one"},
	{netip.MustParsePrefix("198.18.0.0/15"), "reserved for measurements"},
	{netip.MustParsePrefix("198.51.100.0/24"), "reserved for examples"},
	{netip.MustParsePrefix("203.0.113.0/24"), "reserved for examples"},
	{netip.MustParsePrefix("224.0.0.0/4"), "a multicast one"},
	{netip.MustParsePrefix("240.0.0.0/4"), "reserved"},

	{netip.MustParsePrefix("::/128"), "this host's own"},
	{netip.MustParsePrefix("::1/128"), "this host's own"},
	{netip.MustParsePrefix("fc00::/7"), "a private one"},
	{netip.MustParsePrefix("fe80::/10"), "a link-local one"},
	{netip.MustParsePrefix("ff00::/8"), "a multicast one"},
	{netip.MustParsePrefix("2001::/23"), "a tunnel's or reserved"},
	{netip.MustParsePrefix("2001:db8::/32"), "reserved for examples"},
	{netip.MustParsePrefix("2002::/16"), "a tunnel's"},
	{netip.MustParsePrefix("3fff::/20"), "reserved for examples"},
}

var (
	global = netip.MustParsePrefix("2000::/3")
	// nat64 are addresses with one of IPv4 in the last four bytes, which a translator connects to.
	nat64 = netip.MustParsePrefix("64:ff9b::/96")
)

// special says what an address is that is not the internet's, and "" of one that is.
func special(ip netip.Addr) string {
	if ip.Zone() != "" {
		return "one of a link"
	}
	ip = ip.Unmap()
	if nat64.Contains(ip) {
		b := ip.As16()
		ip = netip.AddrFrom4([4]byte(b[12:]))
	}
	for _, k := range kinds {
		if k.prefix.Contains(ip) {
			return k.what
		}
	}
	if ip.Is6() && !global.Contains(ip) {
		return "reserved"
	}
	return ""
}
