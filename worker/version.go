package main

import (
	"errors"
	"runtime/debug"

	sdk "go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"
)

// errVersion reports that a versioned worker does not know its version.
var errVersion = errors.New("this worker was built without a commit: set --build-id")

// versionOf returns the deployment and the version of this worker; the zero value means none.
// Experiments and trials are pinned: they end on the version on which they started. So a new
// version can change the order of activities, and its workers run beside the old ones until those
// have no work left.
func versionOf(o options) (sdk.DeploymentOptions, error) {
	if o.Deployment == "" {
		return sdk.DeploymentOptions{}, nil
	}
	if o.BuildID == "" {
		if o.BuildID = commit(); o.BuildID == "" {
			return sdk.DeploymentOptions{}, errVersion
		}
	}
	return sdk.DeploymentOptions{
		UseVersioning:             true,
		Version:                   sdk.WorkerDeploymentVersion{DeploymentName: o.Deployment, BuildID: o.BuildID},
		DefaultVersioningBehavior: workflow.VersioningBehaviorPinned,
	}, nil
}

// commit returns the first 20 digits of the commit that this program was built from; empty if the
// build did not record it.
func commit() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			return s.Value[:min(len(s.Value), 20)]
		}
	}
	return ""
}
