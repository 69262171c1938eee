package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"
)

// Main runs the command line args and returns the exit status.
func Main(ctx context.Context, f *Factory, args []string) int {
	root := newRoot(f)
	root.SetArgs(args)
	c, err := root.ExecuteContextC(ctx)
	if err != nil && !f.running {
		err = usageError{fmt.Errorf("cannot understand the command line: %w; see %s --help", err, c.CommandPath())}
	}
	if err != nil {
		f.report(err)
	}
	return exitOf(err)
}

func newRoot(f *Factory) *cobra.Command {
	root := &cobra.Command{
		Use:   "slipway",
		Short: "Deliver software as immutable machines",
		Long: `Slipway bakes machine images from what CI built, tests them on real machines, and moves
environments from one image to the next behind a load balancer, and back.

In the directory of your slipway.yaml:

  slipway ship prod           bake, test and deploy
  slipway rollback hello prod bring back what ran before`,
		Version:       f.Version,
		SilenceErrors: true,
		SilenceUsage:  true,
		PersistentPreRun: func(*cobra.Command, []string) {
			f.running = true
		},
		CompletionOptions: cobra.CompletionOptions{HiddenDefaultCmd: true},
	}
	root.SetIn(f.In)
	root.SetOut(f.Out)
	root.SetErr(f.Err)
	root.PersistentFlags().StringVar(&f.server, "server", "", "where slipwayd is: unix:/path or https://host[:port]; several, separated by commas, if one stands by for another (default $SLIPWAY_SERVER, else unix:/var/lib/slipway/slipwayd.sock)")
	root.PersistentFlags().StringVar(&f.ca, "ca", "", "whom to trust to be slipwayd: a `file` with a certificate authority, PEM, or the fingerprint of one, sha256:… (default $SLIPWAY_CA, else whom this host trusts)")
	root.PersistentFlags().BoolVar(&f.json, "json", false, "print JSON: the API's own types; errors too, on stderr")
	root.AddGroup(&cobra.Group{ID: "do", Title: "Work:"}, &cobra.Group{ID: "tell", Title: "Tell what is under way:"},
		&cobra.Group{ID: "forbid", Title: "Forbid and allow:"}, &cobra.Group{ID: "access", Title: "Who may do what:"},
		&cobra.Group{ID: "look", Title: "Look:"})
	add := func(group string, commands ...*cobra.Command) {
		for _, c := range commands {
			c.GroupID = group
			root.AddCommand(c)
		}
	}
	add("do", newValidate(f, nil), newBake(f, nil), newShip(f, nil), newPipeline(f), newDeploy(f, nil), newRollback(f, nil), newRelease(f, nil),
		newArtifact(f), newTrigger(f), newNotify(f),
		newConfig(f), newTerminate(f, nil), newGroup(f))
	add("do", newHandsCommands(f)...)
	add("tell", newDeploymentCommands(f, nil)...)
	add("tell", newRetry(f, nil), newAbort(f, nil))
	add("forbid", newFreeze(f, nil), newUnfreeze(f, nil), newPin(f, nil), newUnpin(f, nil), newVeto(f, nil), newUnveto(f, nil), newRestrictions(f, nil))
	add("access", newLogin(f, nil), newLogout(f, nil), newWhoami(f, nil), newAccess(f), newToken(f))
	add("look", newStatus(f, nil), newState(f, nil), newEnvironments(f), newAccounts(f), newLoadBalancers(f), newBakes(f, nil), newImages(f, nil), newImage(f), newCache(f), newInstances(f, nil), newLogs(f, nil),
		newDeployments(f, nil), newDeployment(f), newReleases(f, nil), newExecutions(f, nil), newExecution(f), newPromotions(f, nil), newPromotion(f), newApprovals(f, nil), newApproval(f), newAnalyse(f, nil), newEvents(f, nil), newAudit(f, nil))
	root.AddCommand(newVersion(f), newExitCodes())
	return root
}
