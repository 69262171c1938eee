package main

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"strings"
	"syscall"

	"github.com/slipway-sh/slipway"
)

// listen opens the API's listeners, all or none. An address is "unix:/path" or "host:port" with a loopback host: the API asks
// nobody who they are, so it is for this machine's root alone on a socket and for this machine alone on a port.
func listen(addresses []string) (listeners []net.Listener, err error) {
	defer func() {
		if err != nil {
			for _, l := range listeners {
				l.Close()
			}
			listeners = nil
		}
	}()
	for _, address := range addresses {
		l, err := listenOne(address)
		if errors.Is(err, syscall.EADDRINUSE) {
			return listeners, slipway.Errorf(slipway.Conflict, "cannot listen on %s: address already in use; choose another with --listen", address)
		}
		if err != nil {
			return listeners, err
		}
		listeners = append(listeners, l)
	}
	return listeners, nil
}

func listenOne(address string) (net.Listener, error) {
	if path, ok := strings.CutPrefix(address, "unix:"); ok {
		// Whoever held the socket before is gone: the data directory's lock is ours.
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, slipway.Errorf(slipway.Unprepared, "cannot listen on %s: %w", address, err)
		}
		l, err := net.Listen("unix", path)
		if err != nil {
			return nil, slipway.Errorf(slipway.Unprepared, "cannot listen on %s: %w", address, err)
		}
		if err := os.Chmod(path, 0o600); err != nil {
			l.Close()
			return nil, slipway.Errorf(slipway.Unprepared, "cannot listen on %s: %w", address, err)
		}
		return l, nil
	}
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, slipway.Errorf(slipway.Invalid, "cannot listen on %q: want unix:/path or 127.0.0.1:port", address)
	}
	if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return nil, slipway.Errorf(slipway.Refused, "cannot listen on %s: the API has no authentication yet and is only served on loopback addresses and unix sockets", address)
	}
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, slipway.Errorf(slipway.Unprepared, "cannot listen on %s: %w", address, err)
	}
	return l, nil
}
