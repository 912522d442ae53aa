package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"text/tabwriter"

	"github.com/google/uuid"
	"go.temporal.io/sdk/client"

	"rdrec/activities"
	"rdrec/internal/pseudonym"
	"rdrec/registry"
	"rdrec/storage"
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
	result, err := c.request(ctx, to, bucket, model)
	if err != nil {
		return err
	}
	if a.flags.JSON {
		return a.printJSON(result)
	}
	return a.print(recommendationText(result))
}

// request writes the question into the bucket, starts a workflow that fulfils it, and returns the
// reply.
func (c *recommendCmd) request(
	ctx context.Context, to *server, bucket *storage.Bucket, model registry.Model,
) (result activities.Recommendations, err error) {
	key, err := userKey()
	if err != nil {
		return result, err
	}
	user, err := key.Find(c.User, model.UserKey)
	if err != nil {
		return result, fmt.Errorf("looking up a user of %q: %w", model.Name, err)
	}
	question, err := json.Marshal(activities.RecommendQuestion{User: user})
	if err != nil {
		return result, fmt.Errorf("writing the request as JSON: %w", err)
	}
	id, err := bucket.PutRequest(ctx, question)
	if err != nil {
		return result, err
	}
	defer func() { err = errors.Join(err, bucket.RemoveRequest(context.WithoutCancel(ctx), id)) }()
	in := activities.RecommendInput{
		ExportInput: activities.ExportInput{Model: model, Top: c.Top, Explain: c.Explain}, Request: id,
	}
	if ctx, err = to.inBucket(ctx); err != nil {
		return result, err
	}
	run, err := to.ExecuteWorkflow(ctx, client.StartWorkflowOptions{
		ID:            "recommend-" + uuid.NewString(),
		TaskQueue:     workflows.QueueCPU,
		StaticSummary: "recommendations by " + model.Name,
	}, workflows.Recommend, in)
	if err != nil {
		return result, fmt.Errorf("requesting recommendations: %w", err)
	}
	if err := run.Get(ctx, nil); err != nil {
		if interrupted(ctx) {
			return result, errInterrupted
		}
		return result, failedError{run.GetID(), workflows.FailureOf(err)}
	}
	reply, err := bucket.Reply(ctx, id)
	if err != nil {
		return result, err
	}
	if err := json.Unmarshal(reply, &result); err != nil {
		return result, fmt.Errorf("reading the recommendations: %w", err)
	}
	result.User = c.User
	return result, nil
}

// userKey returns the key of pseudonyms in the environment, if there is one.
func userKey() (pseudonym.Key, error) { return pseudonym.ReadKey(os.Getenv(pseudonym.KeyVariable)) }

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
