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

// listen opens the API's listeners, all or none. An address is "unix:/path", for this host's root alone, or what [secured.listenTCP] takes.
func listen(addresses []string, tcp *secured) (listeners []net.Listener, err error) {
	defer func() {
		if err != nil {
			for _, l := range listeners {
				l.Close()
			}
			listeners = nil
		}
	}()
	for _, address := range addresses {
		l, err := listenOne(address, tcp)
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

func listenOne(address string, tcp *secured) (net.Listener, error) {
	if path, ok := strings.CutPrefix(address, "unix:"); ok {
		return listenUnix(path)
	}
	return tcp.listenTCP(address)
}

// listenUnix listens on a socket that only root may connect to. It replaces one that a slipwayd which was killed left behind,
// but nothing else: two slipwayds may have been given the same path.
func listenUnix(path string) (net.Listener, error) {
	fail := func(err error) (net.Listener, error) {
		return nil, slipway.Errorf(slipway.Unprepared, "cannot listen on unix:%s: %w", path, err)
	}
	if len(path) > maxSocketPath {
		return nil, slipway.Errorf(slipway.Invalid, "cannot listen on unix:%s: the path of a socket has at most %d bytes; choose a shorter one with --listen", path, maxSocketPath)
	}
	switch info, err := os.Lstat(path); {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return fail(err)
	case info.Mode().Type() != fs.ModeSocket:
		return nil, slipway.Errorf(slipway.Refused, "cannot listen on unix:%s: there is something that is no socket", path)
	default:
		conn, err := net.Dial("unix", path)
		if err == nil {
			conn.Close()
			return nil, slipway.Errorf(slipway.Conflict, "cannot listen on unix:%s: another process listens there; choose another with --listen", path)
		}
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fail(err)
		}
	}
	// Nobody may connect before the mode is set. This is the whole process's mask; nothing else is under way yet.
	mask := syscall.Umask(0o177)
	l, err := net.Listen("unix", path)
	syscall.Umask(mask)
	if err != nil {
		return fail(err)
	}
	return l, nil
}

// maxSocketPath is what fits into a unix socket's address.
const maxSocketPath = 107
