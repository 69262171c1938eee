package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/slipway-sh/slipway"
)

// overrideFlags say past which rules something goes, and why.
type overrideFlags struct {
	override, force bool
	reason          string
}

func (o *overrideFlags) add(c *cobra.Command) {
	c.Flags().BoolVar(&o.override, "override", false, "go on in spite of freezes and pins; wants --reason, and is recorded")
	c.Flags().BoolVar(&o.force, "force", false, "go on though too few machines would serve meanwhile; wants --reason, and is recorded")
	c.Flags().StringVar(&o.reason, "reason", "", "why, for the record")
}

// deployFlags say how a deployment is made, where that is not as its environment says.
type deployFlags struct {
	overrideFlags
	strategy   string
	onConflict string
	hotfix     bool
}

func (d *deployFlags) add(c *cobra.Command) {
	names := make([]string, len(slipway.Strategies))
	for i, name := range slipway.Strategies {
		names[i] = string(name)
	}
	c.Flags().StringVar(&d.strategy, "strategy", "", "move by this one instead of the environment's: "+strings.Join(names, ", ")+", or JSON as in slipway.yaml: '{\"canary\": {\"steps\": [10]}}'")
	c.Flags().StringVar(&d.onConflict, "on-conflict", "", "while another deployment is under way: refuse, queue (wait for its end) or supersede (abort it) (default as the environment's policy says)")
	c.Flags().BoolVar(&d.hotfix, "hotfix", false, "go before all that waits, and wait rather than be refused; wants --reason, and is recorded")
	d.overrideFlags.add(c)
}

// chosen returns the strategy that was asked for, nil for the environment's.
func (d *deployFlags) chosen() (*slipway.Strategy, error) {
	if d.strategy == "" {
		return nil, nil
	}
	text := []byte(d.strategy)
	if !strings.HasPrefix(strings.TrimSpace(d.strategy), "{") {
		text, _ = json.Marshal(d.strategy) // a string always can be
	}
	var s slipway.Strategy
	if err := json.Unmarshal(text, &s); err != nil {
		if e, ok := errors.AsType[*slipway.Error](err); ok {
			return nil, e.At("--strategy")
		}
		return nil, usageError{fmt.Errorf("cannot use --strategy=%s: %w", d.strategy, err)}
	}
	return &s, nil
}

// options returns what was asked for.
func (d *deployFlags) options(f *Factory) (slipway.DeployOptions, error) {
	strategy, err := d.chosen()
	if err != nil {
		return slipway.DeployOptions{}, err
	}
	if (d.hotfix || d.override || d.force) && strings.TrimSpace(d.reason) == "" {
		return slipway.DeployOptions{}, usageError{errors.New("cannot use --hotfix, --override or --force without --reason: say why, for whoever asks later")}
	}
	return slipway.DeployOptions{
		Strategy: strategy, OnConflict: slipway.ConflictPolicy(d.onConflict), Hotfix: d.hotfix,
		Reason: d.reason, By: f.who(), Override: d.override, Force: d.force,
	}, nil
}
