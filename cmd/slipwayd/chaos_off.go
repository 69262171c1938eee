//go:build !chaos

package main

import "go.temporal.io/sdk/interceptor"

// chaos returns nothing: only programs that are built for chaos tests kill themselves.
func chaos() []interceptor.WorkerInterceptor { return nil }
