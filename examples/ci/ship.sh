#!/bin/sh
# Builds, then bakes, tests and deploys to the environments that are named: ship.sh staging prod
set -eu
make dist/hello
slipway ship "$@"
