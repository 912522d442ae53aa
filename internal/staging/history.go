package staging

import (
	"slices"
	"time"

	"go.temporal.io/api/enums/v1"
	eventpb "go.temporal.io/api/history/v1"
	"go.temporal.io/api/workflowservice/v1"
)

// CompletedActivities counts the completed activities of all workflows of the environment, by type.
func (e *Env) CompletedActivities() map[string]int {
	e.T.Helper()
	done := map[string]int{}
	for _, events := range e.Histories() {
		types := map[int64]string{}
		for _, event := range events {
			if scheduled := event.GetActivityTaskScheduledEventAttributes(); scheduled != nil {
				types[event.GetEventId()] = scheduled.GetActivityType().GetName()
			}
			if completed := event.GetActivityTaskCompletedEventAttributes(); completed != nil {
				done[types[completed.GetScheduledEventId()]]++
			}
		}
	}
	return done
}

// Histories returns the histories of all workflows of the environment.
func (e *Env) Histories() [][]*eventpb.HistoryEvent {
	e.T.Helper()
	list, err := e.Client.ListWorkflow(e.T.Context(), &workflowservice.ListWorkflowExecutionsRequest{
		Query: "WorkflowType IN ('Experiment', 'Trial', 'Distillation', 'Export')",
	})
	if err != nil {
		e.T.Fatal(err)
	}
	all := make([][]*eventpb.HistoryEvent, 0, len(list.GetExecutions()))
	for _, w := range list.GetExecutions() {
		all = append(all, e.Events(w.GetExecution().GetWorkflowId(), w.GetExecution().GetRunId()))
	}
	return all
}

// Events returns the history of a run; an empty run means the latest.
func (e *Env) Events(workflow, run string) []*eventpb.HistoryEvent {
	e.T.Helper()
	var events []*eventpb.HistoryEvent
	history := e.Client.GetWorkflowHistory(
		e.T.Context(), workflow, run, false, enums.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	for history.HasNext() {
		event, err := history.Next()
		if err != nil {
			e.T.Fatal(err)
		}
		events = append(events, event)
	}
	return events
}

// Job is a completed activity.
type Job struct {
	Name     string
	From, To time.Time
}

// Jobs returns the completed activities of a queue, in order of their start.
func (e *Env) Jobs(queue string) []Job {
	e.T.Helper()
	var jobs []Job
	for _, events := range e.Histories() {
		startedAt := map[int64]Job{}
		for _, event := range events {
			scheduled := event.GetActivityTaskScheduledEventAttributes()
			if scheduled.GetTaskQueue().GetName() == queue {
				startedAt[event.GetEventId()] = Job{Name: scheduled.GetActivityType().GetName()}
			}
			started := event.GetActivityTaskStartedEventAttributes()
			if j, ok := startedAt[started.GetScheduledEventId()]; ok && started != nil {
				j.From = event.GetEventTime().AsTime()
				startedAt[started.GetScheduledEventId()] = j
			}
			completed := event.GetActivityTaskCompletedEventAttributes()
			if j, ok := startedAt[completed.GetScheduledEventId()]; ok && completed != nil {
				j.To = event.GetEventTime().AsTime()
				jobs = append(jobs, j)
			}
		}
	}
	slices.SortFunc(jobs, func(x, y Job) int { return x.From.Compare(y.From) })
	return jobs
}
