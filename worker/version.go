package main

import (
	"errors"
	"runtime/debug"

	sdk "go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"
)

// errVersion says that a versioned worker can't tell its version.
var errVersion = errors.New("this worker was built without a commit's name: give it a --build-id")

// versionOf says which version of which deployment this worker is; the zero value is none.
// Experiments and trials are pinned: what began on a version ends on it, so a new version may order
// things otherwise, and its workers run beside the old ones until those have nothing left.
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

// commit is the first half of the name of the commit that this program was built from; empty where
// the build did not note it.
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
