package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/protobuf/types/known/durationpb"

	"rdrec/internal/devserver"
)

// clusterCmd has the commands for the Temporal server of a cluster.
type clusterCmd struct {
	Init clusterInitCmd `cmd:"" help:"${help_cluster_init}"`
}

// clusterInitCmd prepares a server for the project's workflows.
type clusterInitCmd struct {
	Retention time.Duration `help:"How long finished runs stay in a new namespace." default:"2160h"`
}

// clusterChanges are the changes that the command made.
type clusterChanges struct {
	Namespace        string   `json:"namespace"`
	NamespaceCreated bool     `json:"namespace_created"`
	Attributes       []string `json:"search_attributes_added"`
}

// Run creates the namespace and the search attributes that are missing. It may run again.
func (c *clusterInitCmd) Run(ctx context.Context, a *app) error {
	to, err := a.connect(ctx)
	if err != nil {
		return err
	}
	defer to.Close()
	made := clusterChanges{Namespace: to.namespace, Attributes: []string{}}
	if made.NamespaceCreated, err = to.createNamespace(ctx, c.Retention); err != nil {
		return err
	}
	if made.Attributes, err = to.addAttributes(ctx); err != nil {
		return fmt.Errorf("%w: on Temporal Cloud, add them in its console or with tcld: %s", err, attributeList())
	}
	return a.done(made, "%s", made.summary())
}

// addAttributes adds the search attributes that the namespace lacks. The server knows a namespace
// that was just created a little later.
func (s *server) addAttributes(ctx context.Context) (added []string, err error) {
	wait := time.NewTicker(time.Second)
	defer wait.Stop()
	for range namespaceTries {
		added, err = devserver.AddAttributes(
			ctx, s.OperatorService(), s.namespace, devserver.Default().Attributes())
		if !errors.As(err, new(*serviceerror.NamespaceNotFound)) {
			break
		}
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-wait.C:
		}
	}
	return added, err
}

// namespaceTries is how many seconds a new namespace may take to be known.
const namespaceTries = 30

// createNamespace creates the namespace of the commands unless there is one.
func (s *server) createNamespace(ctx context.Context, retention time.Duration) (created bool, err error) {
	_, err = s.WorkflowService().RegisterNamespace(ctx, &workflowservice.RegisterNamespaceRequest{
		Namespace: s.namespace, WorkflowExecutionRetentionPeriod: durationpb.New(retention),
		Description: "Runs of rdrec.",
	})
	switch {
	case err == nil:
		return true, nil
	case errors.As(err, new(*serviceerror.NamespaceAlreadyExists)):
		return false, nil
	}
	// Temporal Cloud creates namespaces in its console, and the command may have no right to.
	if _, missing := s.WorkflowService().DescribeNamespace(ctx, &workflowservice.DescribeNamespaceRequest{
		Namespace: s.namespace,
	}); missing == nil {
		return false, nil
	}
	return false, fmt.Errorf("creating namespace %q: %w", s.namespace, err)
}

// attributeList returns the search attributes with their types, for people.
func attributeList() string {
	attributes := devserver.Default().SearchAttributes
	list := make([]string, 0, len(attributes))
	for _, name := range slices.Sorted(maps.Keys(attributes)) {
		list = append(list, name+" ("+attributes[name]+")")
	}
	return strings.Join(list, ", ")
}

// summary returns the changes for people.
func (c clusterChanges) summary() string {
	namespace := "namespace " + c.Namespace + " exists"
	if c.NamespaceCreated {
		namespace = "created namespace " + c.Namespace
	}
	if len(c.Attributes) == 0 {
		return namespace + "; all search attributes exist"
	}
	return namespace + "; added search attributes " + strings.Join(c.Attributes, ", ")
}
