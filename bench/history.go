package main

import (
	"context"
	"fmt"
	"time"

	"go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/sdk/client"
)

// course is what Temporal's history tells of one deployment.
type course struct {
	took  time.Duration // from when it was accepted to its end
	steps []step
}

// step is one activity.
type step struct {
	name  string
	delay time.Duration // from when it could have begun, as what came before had ended, to when it did
	took  time.Duration
}

// courseOf reads the history of a deployment that is over.
func courseOf(ctx context.Context, c client.Client, d deployment) (course, error) {
	events := c.GetWorkflowHistory(ctx, d.run.GetID(), d.run.GetRunID(), false, enums.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	var all []*historypb.HistoryEvent
	for events.HasNext() {
		e, err := events.Next()
		if err != nil {
			return course{}, fmt.Errorf("history of %s: %w", d.id, err)
		}
		all = append(all, e)
	}
	return read(all), nil
}

// read makes sense of a history. What happens first in it was due when the deployment was accepted.
func read(events []*historypb.HistoryEvent) course {
	var c course
	due := map[int64]time.Time{}     // by the event that a decision followed: when that was to happen
	decided := map[int64]time.Time{} // by the event with which a decision ended: when what led to it was to happen
	begun := map[int64]step{}        // by the event with which an activity was scheduled
	var accepted, led time.Time      // what leads to the next decision
	for _, e := range events {
		at := e.GetEventTime().AsTime()
		switch e.GetEventType() {
		case enums.EVENT_TYPE_WORKFLOW_EXECUTION_STARTED:
			accepted, led = at, at
		case enums.EVENT_TYPE_TIMER_STARTED:
			due[e.GetEventId()] = at.Add(e.GetTimerStartedEventAttributes().GetStartToFireTimeout().AsDuration())
		case enums.EVENT_TYPE_TIMER_FIRED:
			led = due[e.GetTimerFiredEventAttributes().GetStartedEventId()]
		case enums.EVENT_TYPE_WORKFLOW_TASK_SCHEDULED:
			due[e.GetEventId()] = led
		case enums.EVENT_TYPE_WORKFLOW_TASK_COMPLETED:
			decided[e.GetEventId()] = due[e.GetWorkflowTaskCompletedEventAttributes().GetScheduledEventId()]
		case enums.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED:
			a := e.GetActivityTaskScheduledEventAttributes()
			begun[e.GetEventId()] = step{name: a.GetActivityType().GetName()}
			due[e.GetEventId()] = decided[a.GetWorkflowTaskCompletedEventId()]
		case enums.EVENT_TYPE_ACTIVITY_TASK_STARTED:
			id := e.GetActivityTaskStartedEventAttributes().GetScheduledEventId()
			s := begun[id]
			s.delay, decided[e.GetEventId()] = at.Sub(due[id]), at
			begun[id] = s
		case enums.EVENT_TYPE_ACTIVITY_TASK_COMPLETED:
			a := e.GetActivityTaskCompletedEventAttributes()
			s := begun[a.GetScheduledEventId()]
			s.took = at.Sub(decided[a.GetStartedEventId()])
			c.steps = append(c.steps, s)
			led = at
		case enums.EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED:
			c.took = at.Sub(accepted)
		}
	}
	return c
}
