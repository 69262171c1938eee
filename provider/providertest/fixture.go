package providertest

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/slipway-sh/slipway"
)

// Fixture is what a provider is exercised with.
type Fixture struct {
	Image   slipway.Digest  // has the program in the directory service, or what behaves like it
	Other   slipway.Digest  // another such image
	Service slipway.Service // runs it, with an HTTP health check on /healthz, as a user that is not root

	// Ask asks an instance's service for a path, as the program in the directory service takes them, and returns its answer. Default: over
	// HTTP.
	Ask func(ctx context.Context, i slipway.Instance, path string) (string, error)
	// Now and Pass are the provider's clock, and what lets its time pass. Default: those of this host.
	Now  func() time.Time
	Pass func(d time.Duration)
	// Lacks lists what the provider honestly cannot do.
	Lacks []Ability
}

// Ability is something that not every provider has. There should be few.
type Ability string

// Processes are real programs inside machines, with users, environments, files, terminals and children.
const Processes Ability = "processes"

func (f Fixture) withDefaults() Fixture {
	if f.Ask == nil {
		f.Ask = askHTTP
	}
	if f.Now == nil {
		f.Now = time.Now
	}
	if f.Pass == nil {
		f.Pass = time.Sleep
	}
	return f
}

func askHTTP(ctx context.Context, i slipway.Instance, path string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, Patience)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+net.JoinHostPort(i.Address, strconv.Itoa(i.Port))+path, nil)
	if err != nil {
		return "", err
	}
	// A connection of its own, and not by way of a proxy.
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Do(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = errors.New(response.Status)
	}
	return string(text), err
}
