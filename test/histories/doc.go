// Package histories keeps the rollouts of today working tomorrow: testdata holds histories of real deployments, as Temporal recorded them,
// and a test replays each against the workflows of this tree. A workflow that decides otherwise at any point would strand every rollout
// that is under way when slipwayd is upgraded, and fails the test.
//
// testdata/pipelines has executions of pipelines by an older slipwayd: a whole one, one that waited for its turn and was aborted, one that was
// rolled back, one that was superseded.
//
// `make histories` records all that lie in testdata itself anew; CONTRIBUTING.md says when that is right, and when it is not.
package histories
