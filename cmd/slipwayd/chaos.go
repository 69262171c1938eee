//go:build chaos

package main

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/interceptor"
)

// killVariable names a file that says where in a workflow this slipwayd is to kill itself: "deploy:STEP#N/before", when nothing of the step is
// done, or "deploy:STEP#N/after", when all of it is done and nobody knows; the N-th of that kind in a workflow of that type. The file need not
// be there, is read anew at every step, and is removed before the kill, so that it is one. Only programs that are built for chaos tests, with
// the build tag chaos, know of it.
const killVariable = "SLIPWAY_CHAOS_KILL"

// chaos returns what surrounds the activities of a slipwayd that is to be killed at one of them.
func chaos() []interceptor.WorkerInterceptor {
	file := os.Getenv(killVariable)
	if file == "" {
		return nil
	}
	return []interceptor.WorkerInterceptor{&killer{file: file, seen: map[string][]string{}}}
}

type killer struct {
	interceptor.WorkerInterceptorBase
	file string

	mu   sync.Mutex
	seen map[string][]string // IDs of activities by run and type, in the order in which they began
}

// InterceptActivity implements interceptor.WorkerInterceptor.
func (k *killer) InterceptActivity(_ context.Context, next interceptor.ActivityInboundInterceptor) interceptor.ActivityInboundInterceptor {
	return &killed{ActivityInboundInterceptorBase: interceptor.ActivityInboundInterceptorBase{Next: next}, killer: k}
}

// ordinal returns the how manieth of its type the activity is in its workflow. Another try of it is the same one.
func (k *killer) ordinal(info activity.Info) int {
	k.mu.Lock()
	defer k.mu.Unlock()
	key := info.WorkflowExecution.RunID + " " + info.ActivityType.Name
	for i, id := range k.seen[key] {
		if id == info.ActivityID {
			return i + 1
		}
	}
	k.seen[key] = append(k.seen[key], info.ActivityID)
	return len(k.seen[key])
}

type killed struct {
	interceptor.ActivityInboundInterceptorBase
	*killer
}

// ExecuteActivity implements interceptor.ActivityInboundInterceptor.
func (k *killed) ExecuteActivity(ctx context.Context, in *interceptor.ExecuteActivityInput) (any, error) {
	info := activity.GetInfo(ctx)
	point := info.WorkflowType.Name + ":" + info.ActivityType.Name + "#" + strconv.Itoa(k.ordinal(info))
	k.dieAt(point + "/before")
	result, err := k.Next.ExecuteActivity(ctx, in)
	k.dieAt(point + "/after")
	return result, err
}

// dieAt ends this process as a crash would, and says where it was, if it is to die at that point.
func (k *killer) dieAt(point string) {
	want, err := os.ReadFile(k.file)
	if err != nil || strings.TrimSpace(string(want)) != point {
		return
	}
	if err := os.Remove(k.file); err != nil {
		return // it was another's
	}
	fmt.Fprintf(os.Stderr, "chaos: killed at %s\n", point)
	_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
	select {} // until it is so
}
