// Package execute runs pipelines: a workflow that begins each stage when those that it needs are over, tries it again, and does on failure
// what the pipeline says. The pipeline it follows is the one that it was given when it began.
package execute
