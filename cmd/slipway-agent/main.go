// Slipway-agent is the first process of every machine.
package main

import (
	"os"

	"github.com/slipway-sh/slipway/agent"
)

func main() { os.Exit(agent.Main(os.Args)) }
