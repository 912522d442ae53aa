package deploy_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	apps "k8s.io/api/apps/v1"
	core "k8s.io/api/core/v1"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/api/resmap"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/yaml"
)

// pageOverlay returns the overlay of docs/deploy.md: the indented block that begins with its
// resources.
func pageOverlay(t *testing.T) string {
	t.Helper()
	page, err := os.ReadFile("../docs/deploy.md")
	if err != nil {
		t.Fatal(err)
	}
	var overlay strings.Builder
	for line := range strings.Lines(string(page)) {
		text, indented := strings.CutPrefix(line, "    ")
		switch {
		case indented && (overlay.Len() > 0 || strings.HasPrefix(text, "resources: ")):
			overlay.WriteString(text)
		case overlay.Len() > 0:
			return overlay.String()
		}
	}
	t.Fatal("docs/deploy.md has no overlay")
	return ""
}

// render returns the resources that "kubectl apply -k" would apply for an overlay beside a copy of
// the repository that is named rdrec.
func render(t *testing.T, overlay string) resmap.ResMap {
	t.Helper()
	files := filesys.MakeFsInMemory()
	for _, folder := range []string{"base", "keda"} {
		paths, err := filepath.Glob("kubernetes/" + folder + "/*.yaml")
		if err != nil || len(paths) < 2 {
			t.Fatalf("%d manifests, %v", len(paths), err)
		}
		for _, path := range paths {
			text, err := os.ReadFile(path)
			if err == nil {
				err = files.WriteFile("/shop/rdrec/deploy/"+filepath.ToSlash(path), text)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := files.WriteFile("/shop/overlay/kustomization.yaml", []byte(overlay)); err != nil {
		t.Fatal(err)
	}
	rendered, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(files, "/shop/overlay")
	if err != nil {
		t.Fatal(err)
	}
	return rendered
}

// TestTheOverlayOfThePageRenders renders the overlay of docs/deploy.md, on the base and with KEDA,
// and checks what it changes: the images, and the variables that all pods take.
func TestTheOverlayOfThePageRenders(t *testing.T) {
	overlay := pageOverlay(t)
	for _, text := range []string{overlay, strings.Replace(overlay, "kubernetes/base", "kubernetes/keda", 1)} {
		var images []string
		variables, sources := map[string]map[string]string{}, map[string]bool{}
		for _, resource := range render(t, text).Resources() {
			data, err := resource.AsYAML()
			if err != nil {
				t.Fatal(err)
			}
			var deployment apps.Deployment
			var settings core.ConfigMap
			switch resource.GetKind() {
			case "Deployment":
				if err := yaml.UnmarshalStrict(data, &deployment); err != nil {
					t.Fatal(err)
				}
				c := deployment.Spec.Template.Spec.Containers[0]
				images, sources[c.EnvFrom[0].ConfigMapRef.Name] = append(images, c.Image), true
			case "ConfigMap":
				if err := yaml.UnmarshalStrict(data, &settings); err != nil {
					t.Fatal(err)
				}
				variables[settings.Name] = settings.Data
			}
		}
		slices.Sort(images)
		const image = "registry.shop.example/rdrec:"
		if want := []string{image + "cpu", image + "cpu", image + "cuda"}; !slices.Equal(images, want) {
			t.Errorf("images %q, want %q", images, want)
		}
		if len(variables) != 1 || len(sources) != 1 {
			t.Fatalf("pods take their variables from %v of %v", sources, variables)
		}
		for name, got := range variables {
			if !sources[name] || got["RDREC_BUCKET"] != "gs://shop-rdrec" || got["RDREC_METRICS_ADDR"] != ":9090" ||
				got["TEMPORAL_ADDRESS"] != "temporal.shop.example:7233" {
				t.Errorf("%s has %v", name, got)
			}
		}
	}
}
