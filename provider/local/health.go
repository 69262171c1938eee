package local

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/slipway-sh/slipway"
)

const (
	firstProbe = time.Millisecond // between the first two questions while a service starts
	slowProbe  = 50 * time.Millisecond

	defaultInterval = time.Second
	defaultTimeout  = 2 * time.Second
	defaultFailures = 2
)

func newProber() *http.Client {
	return &http.Client{
		// A connection of its own for every question: what is asked is whether a new request would be served.
		Transport:     &http.Transport{DisableKeepAlives: true, DisableCompression: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// probe asks the service how it is, often while it starts, then at its interval, until the machine stops or is unhealthy.
func (p *Provider) probe(m *machine) {
	pause, failures := firstProbe, 0
	for {
		err := p.ask(m.ctx, m)
		p.mu.Lock()
		switch {
		case m.ctx.Err() != nil:
			p.mu.Unlock()
			return
		case m.state == slipway.InstanceStarting && err != nil:
			m.reason = err.Error()
			pause = min(pause*5/4, slowProbe)
		case m.state == slipway.InstanceStarting:
			m.Healthy = true
			if err := p.records.putMachine(m.machineRecord); err != nil {
				p.Log.Warn("cannot record that a machine is healthy", "machine", m.ID, "error", err)
			}
			p.setState(m, slipway.InstanceHealthy, "")
			pause = m.Service.Health.Interval.Or(defaultInterval)
		case m.state == slipway.InstanceHealthy && err != nil:
			failures++
			if failures >= orDefault(m.Service.Health.Failures, defaultFailures) {
				p.setState(m, slipway.InstanceUnhealthy, err.Error())
			}
		case m.state == slipway.InstanceHealthy:
			failures = 0
			pause = m.Service.Health.Interval.Or(defaultInterval)
		}
		done := m.state != slipway.InstanceStarting && m.state != slipway.InstanceHealthy || m.Service.Port == 0
		p.mu.Unlock()
		if done {
			return
		}
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-m.ctx.Done():
			timer.Stop()
			return
		}
	}
}

// ask returns nil if the service is well.
func (p *Provider) ask(ctx context.Context, m *machine) error {
	service := m.Service
	if service.Port == 0 {
		return nil // it lives
	}
	ctx, cancel := context.WithTimeout(ctx, service.Health.Timeout.Or(defaultTimeout))
	defer cancel()
	address := net.JoinHostPort(m.address, strconv.Itoa(service.Port))
	if service.Health.HTTP == "" {
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
		if err != nil {
			return fmt.Errorf("health check: %w", err)
		}
		return conn.Close()
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+service.Health.HTTP, nil)
	if err != nil {
		return fmt.Errorf("health check: %w", err)
	}
	request.Header.Set("User-Agent", "slipway-health")
	response, err := p.prober.Do(request)
	if err != nil {
		return fmt.Errorf("health check: %w", err)
	}
	defer response.Body.Close()
	if _, err := io.Copy(io.Discard, io.LimitReader(response.Body, 1<<20)); err != nil {
		return fmt.Errorf("health check: %w", err)
	}
	if response.StatusCode < 200 || response.StatusCode > 399 {
		return fmt.Errorf("health check: GET %s answers %s", service.Health.HTTP, response.Status)
	}
	return nil
}

func orDefault(n, fallback int) int {
	if n == 0 {
		return fallback
	}
	return n
}
