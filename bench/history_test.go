package main

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// A step is delayed from when what it follows was to happen: it was accepted, the step before it ended, or a timer was to fire.
func TestCourse(t *testing.T) {
	epoch := time.Unix(1000, 0)
	var events []*historypb.HistoryEvent
	at := func(ms int, e *historypb.HistoryEvent) {
		e.EventId, e.EventTime = int64(len(events)+1), timestamppb.New(epoch.Add(time.Duration(ms)*time.Millisecond))
		events = append(events, e)
	}
	decide := func(scheduled, completed int) {
		at(scheduled, &historypb.HistoryEvent{EventType: enums.EVENT_TYPE_WORKFLOW_TASK_SCHEDULED})
		id := int64(len(events))
		at(completed, &historypb.HistoryEvent{EventType: enums.EVENT_TYPE_WORKFLOW_TASK_COMPLETED, Attributes: &historypb.HistoryEvent_WorkflowTaskCompletedEventAttributes{
			WorkflowTaskCompletedEventAttributes: &historypb.WorkflowTaskCompletedEventAttributes{ScheduledEventId: id},
		}})
	}
	carryOut := func(name string, scheduled, started, completed int) {
		decision := int64(len(events))
		at(scheduled, &historypb.HistoryEvent{EventType: enums.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED, Attributes: &historypb.HistoryEvent_ActivityTaskScheduledEventAttributes{
			ActivityTaskScheduledEventAttributes: &historypb.ActivityTaskScheduledEventAttributes{
				ActivityType: &commonpb.ActivityType{Name: name}, WorkflowTaskCompletedEventId: decision,
			},
		}})
		at(started, &historypb.HistoryEvent{EventType: enums.EVENT_TYPE_ACTIVITY_TASK_STARTED, Attributes: &historypb.HistoryEvent_ActivityTaskStartedEventAttributes{
			ActivityTaskStartedEventAttributes: &historypb.ActivityTaskStartedEventAttributes{ScheduledEventId: decision + 1},
		}})
		at(completed, &historypb.HistoryEvent{EventType: enums.EVENT_TYPE_ACTIVITY_TASK_COMPLETED, Attributes: &historypb.HistoryEvent_ActivityTaskCompletedEventAttributes{
			ActivityTaskCompletedEventAttributes: &historypb.ActivityTaskCompletedEventAttributes{ScheduledEventId: decision + 1, StartedEventId: decision + 2},
		}})
	}
	at(3, &historypb.HistoryEvent{EventType: enums.EVENT_TYPE_WORKFLOW_EXECUTION_STARTED})
	decide(3, 5)
	carryOut("first", 5, 6, 16)
	decide(16, 18)
	carryOut("second", 18, 20, 21)
	decide(21, 22)
	at(22, &historypb.HistoryEvent{EventType: enums.EVENT_TYPE_TIMER_STARTED, Attributes: &historypb.HistoryEvent_TimerStartedEventAttributes{
		TimerStartedEventAttributes: &historypb.TimerStartedEventAttributes{StartToFireTimeout: durationpb.New(100 * time.Millisecond)},
	}})
	timer := int64(len(events))
	at(150, &historypb.HistoryEvent{EventType: enums.EVENT_TYPE_TIMER_FIRED, Attributes: &historypb.HistoryEvent_TimerFiredEventAttributes{
		TimerFiredEventAttributes: &historypb.TimerFiredEventAttributes{StartedEventId: timer},
	}})
	decide(150, 151)
	carryOut("after the timer", 151, 152, 160)
	at(165, &historypb.HistoryEvent{EventType: enums.EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED})

	ms := time.Millisecond
	want := course{took: 162 * ms, steps: []step{
		{"first", 3 * ms, 10 * ms}, {"second", 4 * ms, 1 * ms}, {"after the timer", 30 * ms, 8 * ms},
	}}
	if diff := cmp.Diff(want, read(events), cmp.AllowUnexported(course{}, step{})); diff != "" {
		t.Error(diff)
	}
}

func TestPercentile(t *testing.T) {
	samples := []int{5, 1, 4, 2, 3}
	for percent, want := range map[float64]int{1: 1, 50: 3, 80: 4, 99: 5, 100: 5} {
		if got := percentile(samples, percent); got != want {
			t.Errorf("%g %% of %v are at most %d, want %d", percent, samples, got, want)
		}
	}
}
