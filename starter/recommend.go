package main

import (
	"context"
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/google/uuid"
	"go.temporal.io/sdk/client"

	"rdrec/activities"
	"rdrec/workflows"
)

// recommendCmd recommends items to one user.
type recommendCmd struct {
	modelArg
	User    string `help:"The user's id in the shop." required:"" placeholder:"ID"`
	Top     int    `help:"Maximum number of items." default:"10"`
	Explain bool   `help:"Add the student's explanation of each item."`
}

// Run starts a workflow that recommends items to the user, and prints them.
func (c *recommendCmd) Run(ctx context.Context, a *app) error {
	bucket, err := a.openBucket(ctx)
	if err != nil {
		return err
	}
	defer bucket.Close()
	model, err := c.find(ctx, bucket)
	if err != nil {
		return err
	}
	to, err := a.connect(ctx)
	if err != nil {
		return err
	}
	defer to.Close()
	if found, _ := to.hasWorker(ctx, workflows.QueueCPU); !found {
		a.logf("%s", noWorkerNote(workflows.QueueCPU))
	}
	in := activities.RecommendInput{
		ExportInput: activities.ExportInput{Model: model, Top: c.Top, Explain: c.Explain}, User: c.User,
	}
	if ctx, err = to.inBucket(ctx); err != nil {
		return err
	}
	run, err := to.ExecuteWorkflow(ctx, client.StartWorkflowOptions{
		ID:            "recommend-" + uuid.NewString(),
		TaskQueue:     workflows.QueueCPU,
		StaticSummary: "recommendations by " + model.Name,
	}, workflows.Recommend, in)
	if err != nil {
		return fmt.Errorf("requesting recommendations: %w", err)
	}
	var result activities.Recommendations
	if err := run.Get(ctx, &result); err != nil {
		if interrupted(ctx) {
			return errInterrupted
		}
		return failedError{run.GetID(), workflows.FailureOf(err)}
	}
	if a.flags.JSON {
		return a.printJSON(result)
	}
	return a.print(recommendationText(result))
}

// recommendationText returns the recommendations for people.
func recommendationText(result activities.Recommendations) string {
	var page strings.Builder
	if result.Cold {
		fmt.Fprintf(&page, "the model does not know user %q: these are the most popular items\n", result.User)
	}
	w := tabwriter.NewWriter(&page, 0, 0, 2, ' ', 0)
	for _, row := range result.Items {
		score := fmt.Sprintf("%.4f", row.Score)
		if result.Cold {
			score = ""
		}
		fmt.Fprintf(w, "%d\t%s\t%s\t%s\n", row.Rank, row.Item, score, row.Title)
		if row.Explanation != "" {
			fmt.Fprintf(w, "\t\t\t%s\n", row.Explanation)
		}
	}
	_ = w.Flush() // a write to a strings.Builder never fails
	return page.String()
}
