package deploy_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	apps "k8s.io/api/apps/v1"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/api/resmap"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/yaml"
)

// renderEnv is the environment variable with the folder to which the overlays are rendered, for the
// linters of "make lint-deploy".
const renderEnv = "RDREC_RENDER"

// renderFolder returns the resources of an overlay on the disk.
func renderFolder(t *testing.T, name string) resmap.ResMap {
	t.Helper()
	rendered, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), name)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	if dir := os.Getenv(renderEnv); dir != "" {
		text, err := rendered.AsYaml()
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, filepath.Base(name)+".yaml"), text, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return rendered
}

// shown returns the resources of a kind as YAML, by name.
func shown(t *testing.T, rendered resmap.ResMap, kind string) map[string]string {
	t.Helper()
	found := map[string]string{}
	for _, resource := range rendered.Resources() {
		if resource.GetKind() != kind {
			continue
		}
		text, err := resource.AsYAML()
		if err != nil {
			t.Fatal(err)
		}
		found[resource.GetName()] = string(text)
	}
	return found
}

// TestComponentsRender adds each component to the base and looks for what it sets.
func TestComponentsRender(t *testing.T) {
	for component, wants := range map[string]map[string]string{
		"s3":             {"ConfigMap": "RDREC_BUCKET: s3://shop-rdrec", "ServiceAccount": "role-arn"},
		"gcs":            {"ConfigMap": "RDREC_BUCKET: gs://shop-rdrec", "ServiceAccount": "gcp-service-account"},
		"azure":          {"ConfigMap": "AZURE_STORAGE_ACCOUNT: shop", "CronJob": "azure.workload.identity/use"},
		"temporal-cloud": {"ConfigMap": "api.temporal.io:7233"},
		"vllm":           {"PersistentVolumeClaim": "name: rdrec-vllm", "Service": "port: 8000"},
	} {
		dir := filepath.Join(t.TempDir(), component)
		if err := os.CopyFS(filepath.Dir(dir), os.DirFS("kubernetes")); err != nil {
			t.Fatal(err)
		}
		if err := os.Mkdir(dir, 0o750); err != nil {
			t.Fatal(err)
		}
		text := "resources: [../base]\ncomponents: [../components/" + component + "]\n"
		if err := os.WriteFile(filepath.Join(dir, "kustomization.yaml"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		rendered := renderFolder(t, dir)
		for kind, want := range wants {
			all := strings.Builder{}
			for _, text := range shown(t, rendered, kind) {
				all.WriteString(text)
			}
			if !strings.Contains(all.String(), want) {
				t.Errorf("%s: no %s has %q:\n%s", component, kind, want, &all)
			}
		}
		checkAll(t, component, rendered)
	}
}

// checkAll checks the workers and the server of a rendered overlay as those of the base.
func checkAll(t *testing.T, name string, rendered resmap.ResMap) {
	t.Helper()
	for deployment, text := range shown(t, rendered, "Deployment") {
		var d apps.Deployment
		if err := yaml.UnmarshalStrict([]byte(text), &d); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if !strings.HasPrefix(deployment, "rdrec-vllm") {
			checkRendered(t, name, &d)
		}
	}
}

// checkRendered checks what the overlays may break: the selector, and where the variables are from.
func checkRendered(t *testing.T, name string, d *apps.Deployment) {
	t.Helper()
	for label, want := range d.Spec.Selector.MatchLabels {
		if got := d.Spec.Template.Labels[label]; got != want {
			t.Errorf("%s: %s selects %s=%s, its pods have %q", name, d.Name, label, want, got)
		}
	}
	settings := d.Spec.Template.Spec.Containers[0].EnvFrom[0].ConfigMapRef.Name
	if !strings.HasPrefix(settings, "rdrec-") {
		t.Errorf("%s: %s takes its variables from %q, which is not generated", name, d.Name, settings)
	}
}

func TestTheExampleRenders(t *testing.T) {
	rendered := renderFolder(t, "kubernetes/example")
	checkAll(t, "example", rendered)
	for name, text := range shown(t, rendered, "ConfigMap") {
		for _, want := range []string{"s3://shop-rdrec?region=eu-west-1", "TEMPORAL_NAMESPACE: shop.a1b2c"} {
			if !strings.Contains(text, want) {
				t.Errorf("%s lacks %q:\n%s", name, want, text)
			}
		}
	}
	if scaled := shown(t, rendered, "ScaledObject"); len(scaled) != 2 {
		t.Errorf("%d scaled objects, want 2", len(scaled))
	}
}

// TestTheVersionedWorkersRender has workers of a version alone, which select none of another one.
func TestTheVersionedWorkersRender(t *testing.T) {
	rendered := renderFolder(t, "kubernetes/versioned")
	checkAll(t, "versioned", rendered)
	deployments := shown(t, rendered, "Deployment")
	if len(deployments) != 2 || len(rendered.Resources()) != 3 {
		t.Errorf("%d Deployments of %d resources, want 2 of 3", len(deployments), len(rendered.Resources()))
	}
	for name, text := range deployments {
		if !strings.HasSuffix(name, "-v1") || !strings.Contains(text, "rdrec.io/version: v1") ||
			!strings.Contains(text, "serviceAccountName: rdrec\n") {
			t.Errorf("%s:\n%s", name, text)
		}
	}
	for name, text := range shown(t, rendered, "ConfigMap") {
		if !strings.Contains(text, "RDREC_BUILD_ID: v1") {
			t.Errorf("%s:\n%s", name, text)
		}
	}
}
