package outbound

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"github.com/slipway-sh/slipway"
)

func TestSpecialAddresses(t *testing.T) {
	for _, c := range []struct {
		ip, why string
	}{
		{"93.184.216.34", ""},
		{"2606:2800:220:1:248:1893:25c8:1946", ""},
		{"172.15.255.255", ""},
		{"172.32.0.0", ""},
		{"100.63.255.255", ""},
		{"100.128.0.0", ""},
		{"::ffff:93.184.216.34", ""},
		{"64:ff9b::93.184.216.34", ""},

		{"127.0.0.1", "this host's own"},
		{"127.255.255.254", "this host's own"},
		{"0.0.0.0", "this host's own"},
		{"10.0.0.1", "private"},
		{"172.16.0.1", "private"},
		{"172.31.255.255", "private"},
		{"192.168.1.1", "private"},
		{"100.64.0.1", "provider's"},
		{"100.100.100.200", "provider's"},
		{"169.254.169.254", "credentials"},
		{"168.63.129.16", "cloud's"},
		{"192.0.0.192", "reserved"},
		{"224.0.0.1", "multicast"},
		{"255.255.255.255", "reserved"},
		{"::", "this host's own"},
		{"::1", "this host's own"},
		{"::ffff:127.0.0.1", "this host's own"},
		{"::ffff:169.254.169.254", "credentials"},
		{"::127.0.0.1", "reserved"}, // of the old form that held IPv4
		{"64:ff9b::127.0.0.1", "this host's own"},
		{"64:ff9b::169.254.169.254", "credentials"},
		{"64:ff9b:1::10.0.0.1", "reserved"},
		{"fd00:ec2::254", "private"},
		{"fe80::1", "link"},
		{"fe80::1%eth0", "link"},
		{"2606:2800::1%eth0", "link"},
		{"fec0::1", "reserved"},
		{"ff02::1", "multicast"},
		{"2001::1", "tunnel"},
		{"2002:7f00:1::", "tunnel"},
		{"2001:db8::1", "examples"},
		{"4000::1", "reserved"},
	} {
		got := special(netip.MustParseAddr(c.ip))
		if (got == "") != (c.why == "") || !strings.Contains(got, c.why) {
			t.Errorf("%s is %q, want %q", c.ip, got, c.why)
		}
	}
}

func TestWhatIsAllowed(t *testing.T) {
	for _, c := range []struct {
		allow   string
		address string
		allowed bool
	}{
		{"10.1.0.0/16", "10.1.2.3:80", true},
		{"10.1.0.0/16", "10.2.2.3:80", false},
		{"10.1.0.0/16", "[::ffff:10.1.2.3]:80", true},
		{"10.1.2.3", "10.1.2.3:80", true},
		{"10.1.2.3", "10.1.2.4:80", false},
		{"10.1.2.3:9090", "10.1.2.3:9090", true},
		{"10.1.2.3:9090", "10.1.2.3:9091", false},
		{"::1", "[::1]:80", true},
		{"[::1]:80", "[::1]:80", true},
		{"[::1]:80", "[::1]:81", false},
		{"127.0.0.0/8", "[::1]:80", false},
		{"example.com", "127.0.0.1:80", false}, // a name allows what is asked for by that name
	} {
		g, err := New(c.allow)
		if err != nil {
			t.Fatal(err)
		}
		err = g.check("somewhere", c.address)
		if (err == nil) != c.allowed {
			t.Errorf("%s allows %s: %v", c.allow, c.address, err)
		}
		if err != nil && slipway.CodeOf(err) != slipway.Refused {
			t.Errorf("%s: %v is no refusal", c.address, err)
		}
	}
}

func TestMistakenEntries(t *testing.T) {
	for _, c := range []struct{ allow, want string }{
		{"", "want a form such as"},
		{"10.1.2.3/16", "did you mean 10.1.0.0/16"},
		{"10.1.2.300", "want a form such as"},
		{"10.1.2.3:0", "want a port of 1 to 65535"},
		{"10.1.2.3:http", "want a port of 1 to 65535"},
		{"http://hooks.example.com", "want a port"},
		{"hooks.example.com/path", "want a form such as"},
		{"*.example.com", "want a form such as"},
		{"fe80::1%eth0", "want a form such as"},
		{"a..b", "want a form such as"},
	} {
		_, err := New(c.allow)
		if slipway.CodeOf(err) != slipway.Invalid || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: %v, want %q", c.allow, err, c.want)
		}
	}
}

// TestConnections makes real connections to a real server: what decides is the address that is connected to, whatever it was called.
func TestConnections(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/away" {
			http.Redirect(w, r, "/there", http.StatusFound)
			return
		}
		io.WriteString(w, "secrets of this host")
	}))
	defer server.Close()
	_, port, _ := net.SplitHostPort(server.Listener.Addr().String())

	for _, c := range []struct {
		allow []string
		host  string
		want  string
	}{
		{nil, "127.0.0.1", "cannot connect to 127.0.0.1: the address is this host's own"},
		{nil, "localhost", "cannot connect to localhost, which is "},
		{nil, "LOCALHOST", "this host's own"},
		{nil, "[::ffff:127.0.0.1]", "this host's own"},
		{nil, "0.0.0.0", "this host's own"},
		{nil, "0", "this host's own"},
		{nil, "0x7f.1", "this host's own"},
		{nil, "2130706433", "this host's own"},
		{nil, "169.254.169.254", "credentials"},
		{[]string{"127.0.0.1:1"}, "127.0.0.1", "this host's own"},
		{[]string{"localhost:1"}, "localhost", "this host's own"},
		{[]string{"localhost"}, "127.0.0.1", "this host's own"},

		{[]string{"127.0.0.0/8"}, "127.0.0.1", ""},
		{[]string{"127.0.0.1:" + port}, "127.0.0.1", ""},
		{[]string{"127.0.0.1"}, "[::ffff:127.0.0.1]", ""},
		{[]string{"localhost"}, "localhost", ""},
		{[]string{"LocalHost:" + port}, "localhost", ""},
	} {
		g, err := New(c.allow...)
		if err != nil {
			t.Fatal(err)
		}
		res, err := g.Client().Get(fmt.Sprintf("http://%s:%s/", c.host, port))
		if err == nil {
			res.Body.Close()
		}
		switch {
		case c.want == "" && err != nil:
			t.Errorf("%s with %q: %v", c.host, c.allow, err)
		case c.want == "":
		case err == nil:
			t.Errorf("%s with %q was connected to", c.host, c.allow)
		case slipway.CodeOf(err) == slipway.Refused && strings.Contains(err.Error(), c.want):
		case strings.ContainsAny(c.host[:1], "02") && strings.Contains(err.Error(), "no such host"): // forms that not every resolver takes for an address
		default:
			t.Errorf("%s with %q: %v, want %q", c.host, c.allow, err, c.want)
		}
	}

	g, err := New("127.0.0.1:" + port)
	if err != nil {
		t.Fatal(err)
	}
	res, err := g.Client().Get(server.URL + "/away")
	if err != nil || res.StatusCode != http.StatusFound {
		t.Errorf("a redirection: %v, %v; want it to be answered, not followed", res, err)
	}
}

// TestRedirectionIsLookedAt follows redirections with the guard's transport, as a client might that is told to.
func TestRedirectionIsLookedAt(t *testing.T) {
	inner := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "secret") }))
	defer inner.Close()
	outer := httptest.NewServer(http.RedirectHandler(inner.URL, http.StatusFound))
	defer outer.Close()
	g, err := New(outer.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Transport: g.Transport()}
	if res, err := client.Get(outer.URL); slipway.CodeOf(err) != slipway.Refused {
		t.Errorf("the redirection was followed: %v, %v", res, err)
	}
}

// TestRebinding has a name that is harmless when it is asked about, and this host when it is connected to.
func TestRebinding(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	defer server.Close()
	g, err := New("harmless.example.com")
	if err != nil {
		t.Fatal(err)
	}
	if err := g.check("rebound.example.com", server.Listener.Addr().String()); slipway.CodeOf(err) != slipway.Refused {
		t.Errorf("connected: %v", err)
	}
}

func TestOwnPublicAddress(t *testing.T) {
	g, err := New()
	if err != nil {
		t.Fatal(err)
	}
	g.own = func() []netip.Addr { return []netip.Addr{netip.MustParseAddr("93.184.216.34")} }
	if err := g.check("me.example.com", "93.184.216.34:443"); slipway.CodeOf(err) != slipway.Refused || !strings.Contains(err.Error(), "this host's own") {
		t.Errorf("an own address: %v", err)
	}
	if err := g.check("other.example.com", "93.184.216.35:443"); err != nil {
		t.Errorf("another: %v", err)
	}
	if len(addressesOfThisHost()) == 0 {
		t.Error("this host has no addresses")
	}
}

func TestCanceled(t *testing.T) {
	g, err := New("127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := g.DialContext(ctx, "tcp", "127.0.0.1:1"); err == nil {
		t.Error("connected after the end")
	}
}

func FuzzAllow(f *testing.F) {
	for _, s := range []string{"10.0.0.0/8", "::1", "[::1]:80", "localhost", "a:b:c", "1.2.3.4:65536", "é.example"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		e, err := parse(text)
		if err != nil {
			if slipway.CodeOf(err) != slipway.Invalid {
				t.Fatalf("%q: %v", text, err)
			}
			return
		}
		if e.prefix.IsValid() == (e.name != "") {
			t.Fatalf("%q is %+v: want an address or a name", text, e)
		}
	})
}
