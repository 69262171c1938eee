// Package pipeline makes sense of pipelines: it compiles their expressions, says what is wrong with them, and plans what an execution would
// do. It touches nothing: package pipeline/execute runs them.
package pipeline
