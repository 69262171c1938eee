package check

import (
	"context"
	"fmt"

	"golang.org/x/sync/errgroup"

	"github.com/slipway-sh/slipway"
)

// sideBySide is on how many machines at a time something is tried.
const sideBySide = 64

// machines runs the test on every machine of the target that serves or should: one that starts or stops is nobody's concern yet, or any more.
func (m Measurer) machines(ctx context.Context, test slipway.Test, timeout slipway.Duration, s Subject) slipway.Measurement {
	group, instances, missing := m.target(ctx, s)
	if missing != nil {
		return *missing
	}
	test = within(test, timeout)
	if looks(test) {
		limit := timeout.Or(measureTimeout)
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, limit, fmt.Errorf("not done within %s", limit))
		defer cancel()
	}
	runner := Runner{Provider: m.Provider}
	results := make([]slipway.TestResult, len(instances))
	var g errgroup.Group
	g.SetLimit(sideBySide)
	for i, instance := range instances {
		g.Go(func() error {
			results[i] = runner.Run(ctx, instance, group.Service, test)
			return nil
		})
	}
	g.Wait() //nolint:errcheck // what went wrong is in the results
	failed, first := 0, 0
	for i, result := range results {
		if !result.Passed {
			if failed == 0 {
				first = i
			}
			failed++
		}
	}
	if failed == 0 {
		return pass("on %s of %s", machineCount(len(instances)), group.Name)
	}
	text := fmt.Sprintf("machine %s of %s: %s", instances[first].ID, group.Name, results[first].Detail)
	if failed > 1 {
		text = fmt.Sprintf("%d of %s fail; %s", failed, machineCount(len(instances)), text)
	}
	return fail("%s", text)
}

// target returns the target with its machines that serve or should, or why there are none.
func (m Measurer) target(ctx context.Context, s Subject) (slipway.ServerGroup, []slipway.Instance, *slipway.Measurement) {
	name := s.Deployment.Target
	if name == "" {
		missing := noData("the deployment has no new group")
		return slipway.ServerGroup{}, nil, &missing
	}
	group, err := m.Provider.ServerGroup(ctx, name)
	if err != nil {
		missing := unanswered(ctx, "cannot tell what machines "+name+" has", err)
		return group, nil, &missing
	}
	var instances []slipway.Instance
	for _, i := range group.Instances {
		if i.State != slipway.InstanceStarting && i.State != slipway.InstanceStopping {
			instances = append(instances, i)
		}
	}
	if len(instances) == 0 {
		missing := noData("%s has no machine that serves", name)
		return group, nil, &missing
	}
	return group, instances, nil
}

// within returns the test with the timeout, where it takes one and has none.
func within(test slipway.Test, timeout slipway.Duration) slipway.Test {
	switch {
	case test.HTTP != nil && test.HTTP.Timeout == 0:
		t := *test.HTTP
		t.Timeout, test.HTTP = timeout, &t
	case test.TCP != nil && test.TCP.Timeout == 0:
		t := *test.TCP
		t.Timeout, test.TCP = timeout, &t
	case test.Command != nil && test.Command.Timeout == 0:
		t := *test.Command
		t.Timeout, test.Command = timeout, &t
	}
	return test
}

func machineCount(n int) string {
	if n == 1 {
		return "1 machine"
	}
	return fmt.Sprintf("%d machines", n)
}
