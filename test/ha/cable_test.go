package ha

import (
	"io"
	"net"
	"sync"
	"testing"
)

// cable carries connections to a server, until it is pulled: then they break, and no other is taken until it is plugged in again. The
// server keeps what it has.
type cable struct {
	t       *testing.T
	address string // of this end
	to      string

	mu       sync.Mutex
	listener net.Listener
	conns    map[net.Conn]bool
}

func newCable(t *testing.T, to string) *cable {
	c := &cable{t: t, address: "127.0.0.1:0", to: to, conns: map[net.Conn]bool{}}
	c.plug()
	t.Cleanup(c.pull)
	return c
}

func (c *cable) plug() {
	c.t.Helper()
	l, err := net.Listen("tcp", c.address)
	if err != nil {
		c.t.Fatal(err)
	}
	c.listener, c.address = l, l.Addr().String()
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go c.carry(conn)
		}
	}()
}

func (c *cable) carry(conn net.Conn) {
	defer conn.Close()
	far, err := net.Dial("tcp", c.to)
	if err != nil {
		return
	}
	defer far.Close()
	c.mu.Lock()
	c.conns[conn] = true
	c.mu.Unlock()
	go func() {
		_, _ = io.Copy(far, conn)
		far.Close()
	}()
	_, _ = io.Copy(conn, far)
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.conns, conn)
}

func (c *cable) pull() {
	c.listener.Close()
	c.mu.Lock()
	defer c.mu.Unlock()
	for conn := range c.conns {
		conn.Close()
	}
}
