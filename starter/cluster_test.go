package main

import (
	"encoding/json"
	"slices"
	"testing"

	"go.temporal.io/api/operatorservice/v1"
	"go.temporal.io/sdk/client"

	"rdrec/internal/exitcode"
)

// TestClusterInitPreparesANamespace prepares a namespace that does not exist, twice.
func TestClusterInitPreparesANamespace(t *testing.T) {
	t.Parallel()
	env, stderr := newTestEnv(t, nil), &watchedBuffer{}
	env.namespace += "-new"
	var made clusterChanges
	stdout, code := env.command(t, stderr, "cluster", "init", "--json")
	if code != exitcode.OK {
		t.Fatalf("code %d, stderr:\n%s", code, stderr)
	}
	if err := json.Unmarshal([]byte(stdout), &made); err != nil {
		t.Fatal(err)
	}
	c, err := client.Dial(client.Options{HostPort: env.address, Namespace: env.namespace, Logger: discardLogger()})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	found, err := c.OperatorService().ListSearchAttributes(t.Context(),
		&operatorservice.ListSearchAttributesRequest{Namespace: env.namespace})
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for name := range found.GetCustomAttributes() {
		names = append(names, name)
	}
	slices.Sort(names)
	want := []string{
		"RdrecBest", "RdrecDataset", "RdrecMethod", "RdrecMetric", "RdrecProtocol", "RdrecStage", "RdrecTeacher",
		"RdrecVerdict",
	}
	if !made.NamespaceCreated || made.Namespace != env.namespace || !slices.Equal(made.Attributes, want) {
		t.Errorf("the command reports %+v", made)
	}
	for _, name := range want {
		if !slices.Contains(names, name) {
			t.Errorf("the namespace has no search attribute %s: %v", name, names)
		}
	}
	if _, code = env.command(t, stderr, "cluster", "init"); code != exitcode.OK {
		t.Fatalf("again: code %d, stderr:\n%s", code, stderr)
	}
	contains(t, stderr.String(), "namespace "+env.namespace+" exists; all search attributes exist")
}
