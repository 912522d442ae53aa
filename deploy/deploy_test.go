// Package deploy_test checks the files that operators apply: manifests against Kubernetes's types,
// and the flags, variables and metrics that they name against the programs.
package deploy_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	apps "k8s.io/api/apps/v1"
	batch "k8s.io/api/batch/v1"
	core "k8s.io/api/core/v1"
	policy "k8s.io/api/policy/v1"
	"sigs.k8s.io/yaml"

	"rdrec/internal/observe"
	"rdrec/workflows"
)

// documents returns the documents of a YAML file.
func documents(t *testing.T, path string) [][]byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return bytes.Split(data, []byte("\n---\n"))
}

// TestManifestsHaveKubernetesTypes decodes each manifest strictly.
func TestManifestsHaveKubernetesTypes(t *testing.T) {
	files, err := filepath.Glob("kubernetes/base/*.yaml")
	if err != nil || len(files) < 5 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	kinds := map[string]int{}
	for _, path := range files {
		if filepath.Base(path) == "kustomization.yaml" {
			continue
		}
		for _, data := range documents(t, path) {
			var kind struct{ Kind string }
			if err := yaml.Unmarshal(data, &kind); err != nil {
				t.Fatal(err)
			}
			kinds[kind.Kind]++
			target := map[string]any{
				"Deployment": &apps.Deployment{}, "Service": &core.Service{}, "ServiceAccount": &core.ServiceAccount{},
				"PodDisruptionBudget": &policy.PodDisruptionBudget{}, "CronJob": &batch.CronJob{},
			}[kind.Kind]
			if target == nil {
				t.Errorf("%s: kind %q is not expected", path, kind.Kind)
				continue
			}
			if err := yaml.UnmarshalStrict(data, target); err != nil {
				t.Errorf("%s: %v", path, err)
			}
			if d, ok := target.(*apps.Deployment); ok {
				checkDeployment(t, path, d)
			}
		}
	}
	if kinds["Deployment"] != 3 || kinds["Service"] != 1 || kinds["CronJob"] != 1 {
		t.Errorf("kinds %v", kinds)
	}
}

func checkDeployment(t *testing.T, path string, d *apps.Deployment) {
	t.Helper()
	pod := d.Spec.Template.Spec
	if len(pod.Containers) != 1 || d.Spec.Selector.MatchLabels["app.kubernetes.io/name"] != d.Name ||
		d.Spec.Template.Labels["app.kubernetes.io/name"] != d.Name {
		t.Fatalf("%s: the labels do not select the pod", path)
	}
	c := pod.Containers[0]
	if c.Args[0] == "poll" {
		grace := time.Duration(*pod.TerminationGracePeriodSeconds) * time.Second
		if grace <= workflows.DrainTimeout {
			t.Errorf("%s: a pod is killed after %s, a worker drains for up to %s", path, grace, workflows.DrainTimeout)
		}
		if !slices.Contains(workflows.Queues(), c.Args[2]) {
			t.Errorf("%s: polls %q, want one of %q", path, c.Args[2], workflows.Queues())
		}
	}
	for _, probe := range []*core.Probe{c.LivenessProbe, c.ReadinessProbe} {
		name := probe.HTTPGet.Port.StrVal
		if !slices.ContainsFunc(c.Ports, func(p core.ContainerPort) bool { return p.Name == name }) {
			t.Errorf("%s: a probe names port %q, which the container lacks", path, name)
		}
	}
	if !*c.SecurityContext.ReadOnlyRootFilesystem || *c.SecurityContext.AllowPrivilegeEscalation {
		t.Errorf("%s: security context %+v", path, c.SecurityContext)
	}
}

// TestFlagsAndVariablesExist compares the flags and variables in the files with the programs' code.
func TestFlagsAndVariablesExist(t *testing.T) {
	var code strings.Builder
	for _, pattern := range []string{"../worker/*.go", "../starter/*.go", "../Makefile"} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: %v", pattern, err)
		}
		for _, path := range files {
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			code.Write(data)
		}
	}
	variable := regexp.MustCompile(`RDREC_[A-Z_]+`)
	err := filepath.WalkDir(".", func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() || strings.HasSuffix(path, ".go") {
			return err
		}
		data, err := os.ReadFile(path)
		for _, name := range variable.FindAllString(string(data), -1) {
			if name != "RDREC_CACHE" && !strings.Contains(code.String(), `"`+name+`"`) {
				t.Errorf("%s: no program reads %s", path, name)
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestMetricsExist compares the metrics of the alerts and of the dashboard with those that a worker
// and a server export, and each alert with its remedy.
func TestMetricsExist(t *testing.T) {
	recorder := httptest.NewRecorder()
	observe.New(time.Now).Handler().ServeHTTP(recorder, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	known, err := io.ReadAll(recorder.Body)
	for _, path := range []string{"../internal/observe/observe.go", "../internal/serve/metrics.go"} {
		data, failed := os.ReadFile(path)
		err = errors.Join(err, failed)
		known = append(known, data...)
	}
	alerts, failed := os.ReadFile("monitoring/alerts.yaml")
	dashboard, missing := os.ReadFile("monitoring/grafana.json")
	remedies, unknown := os.ReadFile("../docs/operations.md")
	if err := errors.Join(err, failed, missing, unknown); err != nil {
		t.Fatal(err)
	}
	if !json.Valid(dashboard) {
		t.Error("the dashboard is not JSON")
	}
	names := regexp.MustCompile(`\b(rdrec|process)_[a-z_]+`)
	for _, name := range names.FindAllString(string(alerts)+string(dashboard), -1) {
		base := strings.TrimSuffix(name, "_bucket")
		if !bytes.Contains(known, []byte(base)) {
			t.Errorf("no program exports %s", name)
		}
	}
	rules := regexp.MustCompile(`alert: (\w+)`).FindAllStringSubmatch(string(alerts), -1)
	if len(rules) < 8 {
		t.Errorf("%d alerts, want at least 8", len(rules))
	}
	for _, rule := range rules {
		if !bytes.Contains(remedies, []byte("### "+rule[1]+"\n")) {
			t.Errorf("docs/operations.md has no remedy of %s", rule[1])
		}
	}
}
