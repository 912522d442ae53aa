package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"text/tabwriter"

	sdk "go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"rdrec/internal/build"
	"rdrec/internal/torch"
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
		if o.BuildID = readBuild().Commit; o.BuildID == build.Unknown {
			return sdk.DeploymentOptions{}, errVersion
		}
	}
	return sdk.DeploymentOptions{
		UseVersioning:             true,
		Version:                   sdk.WorkerDeploymentVersion{DeploymentName: o.Deployment, BuildID: o.BuildID},
		DefaultVersioningBehavior: workflow.VersioningBehaviorPinned,
	}, nil
}

// versionOptions holds the flags of "worker version".
type versionOptions struct {
	JSON bool `name:"json" help:"Write JSON to stdout."`
}

// Run prints what this worker was built from, and the device that it finds.
func (o versionOptions) Run(out results) error {
	w := build.Worker{Build: readBuild()}
	device, err := torch.ParseDevice("cuda")
	if err != nil {
		w.NoGPU = errors.Unwrap(err).Error()
	}
	w.Device, w.FreeBytes, w.Libtorch = device.String(), torch.Free(device), libtorchVersion()
	if o.JSON {
		return json.NewEncoder(out).Encode(w)
	}
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, row := range w.Rows() {
		fmt.Fprintf(table, "%s\t%s\n", row[0], row[1])
	}
	return table.Flush()
}
