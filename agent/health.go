package agent

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"strings"
	"time"
)

// answer serves GET /health on a unix socket. It speaks just enough HTTP for curl and net/http to understand it: importing
// net/http would take longer than starting the service.
func (s *service) answer(path string) {
	_ = os.Remove(path)
	listener, err := net.Listen("unix", path)
	if err != nil {
		fmt.Fprintln(os.Stderr, "slipway-agent:", err)
		return
	}
	for {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		go s.serve(conn)
	}
}

func (s *service) serve(conn net.Conn) {
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(time.Second))
	request := bufio.NewReaderSize(conn, 4096)
	first, _, err := request.ReadLine()
	for err == nil {
		var line []byte
		if line, _, err = request.ReadLine(); len(line) == 0 {
			break
		}
	}
	if err != nil {
		return
	}
	status, body := "404 Not Found", []byte("{}")
	if strings.HasPrefix(string(first), "GET /health ") {
		health := Health{State: "running", PID: s.pid, Uptime: time.Since(s.started)}
		if s.stopping.Load() {
			health.State = "stopping"
		}
		if body, err = json.Marshal(health); err != nil {
			return
		}
		status = "200 OK"
	}
	fmt.Fprintf(conn, "HTTP/1.1 %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s", status, len(body), body)
}
