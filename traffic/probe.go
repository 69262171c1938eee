package traffic

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strconv"

	"github.com/slipway-sh/slipway"
)

// ProbeHeader names the requests that a proof sends through the load balancer; its value is the group that should serve them, empty if
// any active one may.
const ProbeHeader = "Slipway-Probe"

// prober sends probes over the network. Each is a client of its own to a load balancer: it keeps neither connections nor cookies.
type prober struct{ http *http.Client }

func newProber() prober {
	return prober{&http.Client{
		Transport:     &http.Transport{DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// ask sends one probe through the load balancer and waits for the answer: a request for path, or a connection where it is empty.
func (p prober) ask(ctx context.Context, pool slipway.PoolStatus, path, group string) error {
	address := pool.Address
	if addr, err := netip.ParseAddr(address); err == nil && addr.IsUnspecified() {
		address = "localhost"
	}
	address = net.JoinHostPort(address, strconv.Itoa(pool.Port))
	if path == "" {
		conn, err := new(net.Dialer).DialContext(ctx, "tcp", address)
		if err != nil {
			return err
		}
		return conn.Close()
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+path, nil)
	if err != nil {
		return err
	}
	req.Header.Set(ProbeHeader, group)
	res, err := p.http.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	_, err = io.Copy(io.Discard, io.LimitReader(res.Body, 1<<20))
	if err == nil && res.StatusCode >= 500 {
		err = fmt.Errorf("status %s", res.Status)
	}
	return err
}
