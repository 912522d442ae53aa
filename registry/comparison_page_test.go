package registry_test

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"rdrec/internal/metric"
	"rdrec/registry"
)

var update = flag.Bool("update", false, "write testdata anew")

// comparedThree is a comparison of three runs: B is better than A, C has other users.
func comparedThree() registry.RunComparison {
	value := func(x float64) *float64 { return &x }
	const digest = "0123456789abcdef"
	interval := metric.Interval{Low: 0.01, High: 0.03}
	return registry.RunComparison{
		Runs: []registry.ComparedRun{
			{Name: "shop/a", Cost: registry.Cost{
				Computed: 2, Seconds: 90, GPUSeconds: 60, Tokens: 1200, WastedSeconds: 15,
			}},
			{Name: "shop/b", Cost: registry.Cost{Computed: 1, Reused: 1, Seconds: 30}},
			{Name: "shop/<c>"},
		},
		Settings: []registry.ComparedSetting{{Key: "train.epochs", Values: []string{"2", "3", ""}}},
		Stages: []registry.ComparedStage{
			{Label: "import", Outputs: []string{digest, digest, digest}, Shared: true},
			{Label: "pretrain rdrec/1", Outputs: []string{"a", "b", ""}},
		},
		Metrics: []registry.ComparedMetric{
			{Task: "sequential", Method: "rdrec", Metric: "HR@10", Runs: []registry.MetricOfARun{
				{Value: value(0.4), Users: 500}, {Value: value(0.4), Users: 500, Note: "the same for every user"}, {},
			}},
			{Task: "sequential", Method: "rdrec", Metric: "NDCG@10", Runs: []registry.MetricOfARun{
				{Value: value(0.1), Users: 500},
				{
					Value: value(0.12), Users: 500,
					Difference: &metric.Difference{Mean: 0.02, Interval: interval, P: 0.004},
				},
				{Value: value(0.3), Users: 200, Note: "other users or item ids"},
			}},
		},
	}
}

func TestComparisonPage(t *testing.T) {
	var out bytes.Buffer
	if err := comparedThree().HTML(&out); err != nil {
		t.Fatal(err)
	}
	page := out.String()
	golden := filepath.Join("testdata", "comparison.html")
	if *update {
		if err := os.WriteFile(golden, out.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if want, err := os.ReadFile(golden); err != nil || string(want) != page {
		t.Errorf("%s differs (run with -update and look at it): %v", golden, err)
	}
	for _, want := range []string{
		"By NDCG@10, against A: B has 1 method better, 0 worse, 0 uncertain; C has 0 methods better, 0 worse, " +
			"0 uncertain and 1 without a test.",
		`<th scope="row">A</th><td class="left">shop/a</td><td>1m30s</td><td>1m00s</td><td>15s</td><td>2</td>` +
			`<td>0</td><td>0</td><td>1,200</td>`,
		"shop/&lt;c&gt;",
		`<code>train.epochs</code></th><td class="left">2</td><td class="left">3</td><td class="left">not set</td>`,
		"1 of 2 stages are shared.",
		`<td class="left" colspan="3"><span class="state good">= shared</span> ` +
			`<span class="digest">0123456789ab</span>`,
		"<h3>rdrec, sequential, 500 users</h3>",
		`<td>0.1000</td><td>0.1200</td><td>0.3000</td><td class="left">` +
			`<strong class="outcome better">▲ better</strong>` +
			` &#43;0.0200<small>&#43;0.0100 to &#43;0.0300, p 0.004</small></td>` +
			`<td class="left">no test: other users or item ids</td>`,
		`<td class="left">no test: the same for every user</td><td class="left">–</td>`,
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	for _, alien := range []string{"<script", "<link", "url(", " src=", "ZgotmplZ"} {
		if strings.Contains(page, alien) {
			t.Errorf("the page has %q", alien)
		}
	}
}
