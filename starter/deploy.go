package main

import (
	"context"
	"fmt"

	"go.temporal.io/sdk/client"
)

// deployCmd makes a worker version current.
type deployCmd struct {
	Deployment string `arg:"" help:"The workers' --deployment."`
	BuildID    string `arg:"" name:"build-id" help:"The workers' --build-id; one of them must have polled before."`
}

// Run makes the version current. Running experiments stay on the version they started on.
func (c *deployCmd) Run(ctx context.Context, a *app) error {
	to, err := a.connect(ctx)
	if err != nil {
		return err
	}
	defer to.Close()
	deployment := to.WorkerDeploymentClient().GetHandle(c.Deployment)
	options := client.WorkerDeploymentSetCurrentVersionOptions{BuildID: c.BuildID}
	if _, err := deployment.SetCurrentVersion(ctx, options); err != nil {
		return fmt.Errorf("promoting build %q of deployment %q: %w", c.BuildID, c.Deployment, err)
	}
	return a.done(map[string]string{"deployment": c.Deployment, "build_id": c.BuildID},
		"new experiments run on build %s of deployment %s", c.BuildID, c.Deployment)
}
