// Package chaos breaks what a rollout works with, while it works, under steady load: it kills slipwayd before and after every step of
// every strategy, as the workflow's own history has them, and it kills load balancers and machines, fills the disk and takes Prometheus
// away. What must hold afterwards is in invariants_test.go; docs/reliability.md has what came of it.
//
// Without flags a share of it runs that is small enough for every day; `make chaos` runs it all. The same rigs record the histories that
// test/histories replays.
package chaos
