// Slipway-probe runs a goss file in the machine it is in. It is taken into machines that are tested, and is gone from them afterwards.
package main

import (
	"os"

	"github.com/slipway-sh/slipway/probe"
)

func main() { os.Exit(probe.Main(os.Args, os.Stdout, os.Stderr)) }
