// Package promql speaks to Prometheus: it asks one for values, and finds mistakes in queries before they are asked.
package promql
