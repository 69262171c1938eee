package chaos

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"

	"github.com/slipway-sh/slipway/deploy"
	"github.com/slipway-sh/slipway/engine"
)

// run is one run of a workflow, as its history has it.
type run struct {
	record   string // ID of what it carries out: "d-…"
	workflow string // type
	started  time.Time
	events   []*historypb.HistoryEvent
}

// oneEngine keeps the Temporal servers in this process from meeting.
var oneEngine sync.Mutex

// histories stops slipwayd, reads the histories of all of its workflows, oldest first, and starts it again. All must have ended.
func (r *rig) histories() []run {
	r.t.Helper()
	for deadline := time.Now().Add(patience); ; {
		if err := r.Stop(); err != nil {
			r.t.Fatal(err)
		}
		runs, open, err := readHistories(r.t.Context(), r.Data)
		if err == nil {
			err = r.Start(r.t.Context())
		}
		if err != nil {
			r.t.Fatal(err)
		}
		if len(open) == 0 {
			return runs
		}
		if time.Now().After(deadline) {
			r.t.Fatalf("2: workflows go on though all is over: %v", open)
		}
		if err := r.requests.Await(r.t.Context(), 2*rate); err != nil { // some time, in which it may end
			r.t.Fatal(err)
		}
	}
}

func readHistories(ctx context.Context, data string) (runs []run, open []string, err error) {
	oneEngine.Lock()
	defer oneEngine.Unlock()
	temporal, err := engine.Start(ctx, engine.Config{Dir: data})
	if err != nil {
		return nil, nil, err
	}
	defer temporal.Stop()
	c := temporal.Client()
	var page []byte
	for {
		list, err := c.ListWorkflow(ctx, &workflowservice.ListWorkflowExecutionsRequest{Namespace: engine.Namespace, PageSize: 200, NextPageToken: page})
		if err != nil {
			return nil, nil, err
		}
		for _, info := range list.Executions {
			one := run{workflow: info.Type.Name, started: info.StartTime.AsTime()}
			if info.Status == enums.WORKFLOW_EXECUTION_STATUS_RUNNING {
				open = append(open, info.Execution.WorkflowId)
			}
			if one.record, err = memo(info.Memo); err != nil {
				return nil, nil, err
			}
			if one.events, err = readEvents(ctx, c, info.Execution); err != nil {
				return nil, nil, err
			}
			runs = append(runs, one)
		}
		if page = list.NextPageToken; len(page) == 0 {
			break
		}
	}
	slices.SortFunc(runs, func(a, b run) int { return cmp.Or(a.started.Compare(b.started), cmp.Compare(a.record, b.record)) })
	return runs, open, nil
}

func memo(m *commonpb.Memo) (string, error) {
	var id string
	payload, ok := m.GetFields()[deploy.MemoID]
	if !ok {
		return "", nil
	}
	return id, converter.GetDefaultDataConverter().FromPayload(payload, &id)
}

func readEvents(ctx context.Context, c client.Client, of *commonpb.WorkflowExecution) ([]*historypb.HistoryEvent, error) {
	var events []*historypb.HistoryEvent
	iterator := c.GetWorkflowHistory(ctx, of.WorkflowId, of.RunId, false, enums.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	for iterator.HasNext() {
		e, err := iterator.Next()
		if err != nil {
			return nil, err
		}
		events = append(events, e)
	}
	return events, nil
}

// step is an activity of a run.
type step struct {
	name      string // its type, and the how manieth of it: "ShiftTraffic#1"
	tries     int32
	undoing   bool // it came after the run was cancelled
	cancelled bool // it was under way when the run was cancelled, or was cut short by it
	decided   bool // it was part of a decision, whose tries nobody counts
}

// steps returns the activities of the run, in the order in which they were scheduled.
func (r run) steps() []step {
	var list []step
	nth, at, cancelled := map[string]int{}, map[int64]int{}, false
	under := map[int]bool{}
	for _, e := range r.events {
		switch a := e.Attributes.(type) {
		case *historypb.HistoryEvent_ActivityTaskScheduledEventAttributes:
			kind := a.ActivityTaskScheduledEventAttributes.ActivityType.Name
			nth[kind]++
			at[e.EventId] = len(list)
			under[len(list)] = true
			list = append(list, step{name: fmt.Sprintf("%s#%d", kind, nth[kind]), undoing: cancelled})
		case *historypb.HistoryEvent_MarkerRecordedEventAttributes: // of an activity that is part of a decision
			var activity struct{ ActivityType string }
			data := a.MarkerRecordedEventAttributes.Details["data"]
			if a.MarkerRecordedEventAttributes.MarkerName != "LocalActivity" || converter.GetDefaultDataConverter().FromPayloads(data, &activity) != nil {
				continue
			}
			nth[activity.ActivityType]++
			list = append(list, step{name: fmt.Sprintf("%s#%d", activity.ActivityType, nth[activity.ActivityType]), undoing: cancelled, decided: true})
		case *historypb.HistoryEvent_ActivityTaskStartedEventAttributes:
			list[at[a.ActivityTaskStartedEventAttributes.ScheduledEventId]].tries = a.ActivityTaskStartedEventAttributes.Attempt
		case *historypb.HistoryEvent_ActivityTaskCompletedEventAttributes:
			delete(under, at[a.ActivityTaskCompletedEventAttributes.ScheduledEventId])
		case *historypb.HistoryEvent_ActivityTaskCancelRequestedEventAttributes:
			list[at[a.ActivityTaskCancelRequestedEventAttributes.ScheduledEventId]].cancelled = true
		case *historypb.HistoryEvent_WorkflowExecutionCancelRequestedEventAttributes:
			cancelled = true
			for i := range under {
				list[i].cancelled = true
			}
		}
	}
	return list
}
