// Demo shows Slipway's main job on this machine: a real application is baked, tested, rolled out behind a load balancer under
// steady load, broken on purpose three ways, and rolled back, with not one failed request. `make demo` runs it.
//
// Its last line is "demo: N requests, F failed". Its exit status is 0 only if every step did what it should and F is 0.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	var o Options
	flag.StringVar(&o.Bin, "bin", "build", "directory with the programs")
	flag.StringVar(&o.Examples, "examples", "examples", "directory with the example applications")
	flag.StringVar(&o.Dir, "data", "build/demo", "directory for everything the demo makes; cleared first and last")
	flag.IntVar(&o.Rate, "rate", 500, "requests per second")
	flag.BoolVar(&o.Short, "short", false, "leave out the Debian image, which needs a package mirror and the better part of a minute")
	clean := flag.Bool("clean", false, "only remove what an interrupted demo left")
	flag.Parse()

	// Ctrl-C and SIGTERM end the step under way; the clean-up then runs to its end, however often they come.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	run := Run
	if *clean {
		run = Clean
	}
	if err := run(ctx, o, os.Stdout); err != nil {
		os.Exit(1)
	}
}

// fail prints why the demo cannot go on, and returns err.
func fail(err error) error {
	fmt.Fprintln(os.Stderr, "demo:", err)
	return err
}
