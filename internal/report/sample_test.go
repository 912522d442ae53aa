package report_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"sync"
	"time"

	"rdrec/internal/audit"
	"rdrec/internal/dataset"
	"rdrec/internal/metric"
	"rdrec/internal/prediction"
	"rdrec/internal/report"
	"rdrec/internal/spec"
	"rdrec/internal/teacher"
)

// lists are 976 users' lists that find the truth first for a share of users and among ten for
// another.
func lists(seed uint64, first, ten float64) []metric.List {
	random := rand.New(rand.NewPCG(seed, 1))
	all := make([]metric.List, 976)
	for i := range all {
		items := make([]int, 10)
		for position := range items {
			items[position] = 100 + position
		}
		switch luck := float64(i) / float64(len(all)); { // the same users are easy for every method, as in life
		case luck < first:
			items[0] = 1
		case luck < ten:
			items[1+random.IntN(9)] = 1
		}
		all[i] = metric.List{Items: items, Truth: []int{1}}
	}
	return all
}

func row(method string, kind report.RowKind, about string, trials ...[]metric.List) report.Row {
	r := report.Row{Method: method, Kind: kind, About: about}
	for i, lists := range trials {
		r.Trials = append(r.Trials, report.Trial{
			Seed: int64(i + 1), Scores: metric.ScoreRankings(lists, false, 1), Diversity: diverse(),
		})
	}
	return r
}

// diverse is the diversity of lists that depend on the user.
func diverse() metric.ListDiversity {
	return metric.ListDiversity{
		Users: 976, Positions: 9760, Items: 85, Recommended: 80, Coverage: 80.0 / 85,
		DistinctFirst: 41, FirstShare: 0.31, DistinctLists: 512, ListShare: 0.08,
	}
}

// sample is a report as the demo's, with everything that a report can have.
func sample() report.Report {
	r := report.Report{
		Name: "demo", Run: "demo-3f2a91c07b1e", Made: time.Date(2026, 3, 14, 15, 9, 0, 0, time.UTC),
		Protocol: spec.Paper,
		Methods:  []string{"rdrec"}, Seed: 1, Trials: 1, Data: sampleData(), Teacher: sampleTeacher(),
		Students: []report.Student{student("rdrec", 1)},
		Tables:   sampleTables(), Explanations: []report.TextResult{sampleTexts()},
		Conventions: []string{"The target is the last item of each user."},
		Spec: "name: demo\nseed: 1\nprotocol: paper\nmethods: [rdrec]\nteacher:\n  model: smollm2\n" +
			"  prompt: few-shot\n  reviews: 256\n",
		Stages: sampleStages(), Audit: sampleAudit(),
		Build: []report.Pair{{"rdrec", "v0.1.0 (4553d9b)"}, {"libtorch", "2.11.0+cpu"}, {"go", "go1.26.8 linux/amd64"}},
		Artifacts: []report.Pair{
			{"report", "runs/demo-3f2a91c07b1e/report.html"},
			{"model", "objects/model/9c1f20b7aa01"},
			{"bucket", "file:///home/ada/rdrec/bucket"},
		},
	}
	r.Recommended, r.Explained = sampleReading()
	r.Conclude()
	return r
}

func sampleData() report.Data {
	return report.Data{
		Name: "All_Beauty", Source: "testdata/reviews/All_Beauty_5.json.gz (amazon-2018)",
		Digest: "d60acb128cf7b7f2536e8f38a5b18a05535c9e14c7a355904270e15b0945ea86",
		Rows:   5269, Bad: 3, Duplicates: 1174, Filtered: 0, Indexing: report.Indexing{
			Name: "random", About: "a digest of the seed and the shop's id: carries no information",
		},
		Stats: dataset.Stats{
			Users: 991, Items: 85, Interactions: 4092, Density: 0.04858, Shortest: 1, Median: 4, Longest: 14, Short: 15,
			Train: 1980, Val: 902, Test: 911, Rationales: 251, Features: 402, Negatives: 70, Titles: 85,
		},
	}
}

func sampleTeacher() *report.Teacher {
	return &report.Teacher{
		Model: "smollm2", Prompt: "few-shot", Parse: "strict", Weights: "7be1f3c0c8a94b2f9e", Explanations: 1980,
		Wanted: 256, Requests: 224,
		Parsed: 251, Retried: 9, Quarantined: 5, Leaked: 12, Grounded: 0.28, TokensPerSecond: 61.4, Seconds: 142,
		FellBack: 2, WastedTokens: 436, PromptTokens: 74_112, Tokens: 8_719, Reasons: []report.Pair{
			{Name: "no line begins with number 1", Value: "3"}, {Name: "words of the prompt's <b>examples", Value: "2"},
		},
		Samples: []teacher.Rationale{
			{Text: "I love the smell and my hair feels so soft after using it", Preference: "The user prefers " +
				"products that smell good and make hair " +
				"soft.", Attribution: "The item is a shampoo with a pleasant smell."},
			{
				Text: "works great <script>alert('no')</script>", Preference: "The user prefers a product that works.",
				Attribution: "The item works great.",
			},
			{Text: "Five stars", Failed: "no second line"},
			{Text: "This body wash leaves the skin clean without drying it " +
				"out", Preference: "The user prefers a wash that cleans without " +
				"drying.", Attribution: "The item cleans skin gently."},
		},
	}
}

func student(method string, seed int64) report.Student {
	s := report.Student{
		Method: method, Seed: seed, Size: "t5-mini", MaxEpochs: 9, SamplesPerSecond: 412, Seconds: 154,
		TrainingRecord: prediction.TrainingRecord{
			Parameters: 4_987_136, Steps: 900, Epochs: 9, BestEpoch: 9, Weights: "1f0c77aa30be41",
		},
	}
	for epoch := 1; epoch <= 9; epoch++ {
		x := float64(epoch)
		s.Curve = append(s.Curve, prediction.Epoch{Epoch: epoch, Loss: 0.7 + 5.2*math.Exp(
			-x/2.2,
		), Validation: []prediction.TaskLoss{
			{Task: "explanation", Loss: 1.9 + 3.6*math.Exp(-x/2.0)},
			{Task: "sequential", Loss: 0.62 + 2.9*math.Exp(-x/2.4)},
			{Task: "top-N", Loss: 0.66 + 3.0*math.Exp(-x/2.6)},
			{Task: "rationale", Loss: 1.6 + 3.9*math.Exp(-x/2.0)},
		}})
	}
	return s
}

// sampleTables are made once: their intervals and tests are resampled many times.
var sampleTables = sync.OnceValue(func() []report.Table {
	sequential := report.Table{Task: "sequential", Setting: "the next item among all 85", Users: 976, TargetShare: 0.37}
	sequential.Rows = []report.Row{
		row("rdrec", report.StudentRow, "T5 of 5 million parameters, five tasks", lists(1, 0.771, 0.832)),
		row("popularity", report.BaselineRow, "the items that most training histories hold", lists(2, 0.347, 0.796)),
		row("markov", report.BaselineRow, "what most often followed the user's last item", lists(3, 0.774, 0.831)),
		row("item-knn", report.BaselineRow, "items that share users with the history", lists(4, 0.770, 0.824)),
		row("rule", report.RuleRow, "reads item ids only", lists(5, 0.012, 0.74)),
	}
	sequential.Compare(1)
	top := report.Table{Task: "top-N", Setting: "the next item among 71 candidates", Users: 976, Rows: []report.Row{
		row("rdrec", report.StudentRow, "T5 of 5 million parameters, five tasks", lists(6, 0.52, 0.79)),
		row("popularity", report.BaselineRow, "the items that most training histories hold", lists(7, 0.36, 0.81)),
	}}
	top.Compare(1)
	return []report.Table{sequential, top}
})

func textScores() []metric.Score {
	scores := make([]metric.Score, 0, len(metric.Names(metric.Texts)))
	for i, name := range metric.Names(metric.Texts) {
		scores = append(scores, metric.Score{Metric: name, Value: 14.25 - float64(i)/2, N: 200})
	}
	for i, name := range metric.Names(metric.Features) {
		scores = append(scores, metric.Score{Metric: name, Value: 0.9 / float64(i+1), N: 200})
	}
	return scores
}

func sampleTexts() report.TextResult {
	return report.TextResult{
		Method: "rdrec", Kind: report.StudentRow, Seed: 1, Scores: textScores(), Diversity: metric.TextDiversity{
			Texts: 200, Distinct: 180, DistinctShare: 0.9, TextShare: 0.02, Empty: 0.005, Repetitive: 0.02,
			MeanRun: 1.1,
		},
	}
}

func sampleStages() []report.Stage {
	stage := func(name string, cached bool, seconds float64, fingerprint, output string) report.Stage {
		return report.Stage{Name: name, Cached: cached, Seconds: seconds, Fingerprint: fingerprint, Output: output}
	}
	stages := []report.Stage{
		stage("import", true, 0.9, "5e0fa1b2c3d4e5f6", "c1d2e3f4a5b6c7d8"),
		stage("distill", false, 142.3, "0a1b2c3d4e5f6071", "99aabbccddeeff00"),
		stage("preprocess", false, 1.2, "1234567890abcdef", "fedcba0987654321"),
		stage("baseline", false, 0.4, "aa00bb11cc22dd33", "44ee55ff66007711"),
		stage("pretrain rdrec/1", false, 154.0, "77aa88bb99cc00dd", "9c1f20b7aa01c3d4"),
		stage("evaluate sequential rdrec/1", false, 41.7, "3344556677889900", "0f1e2d3c4b5a6978"),
		stage("evaluate explanation rdrec/1", false, 12.8, "8877665544332211", "a0b1c2d3e4f50617"),
	}
	stages[1].Accelerated, stages[1].Requests, stages[1].Tokens = true, 224, 8_719
	stages[4].Accelerated = true
	return stages
}

// sampleAudit audits a small data set with copies and explanations that leak.
func sampleAudit() *audit.Audit {
	d := &dataset.Dataset{Name: "All_Beauty", Items: 85}
	for i := range 200 {
		items := []int{40, 12, 7, 3}
		if i >= 70 {
			items = []int{1 + i*7%85, 1 + i*13%85, 1 + i*29%85, 1 + i*53%85}
		}
		d.Users = append(d.Users, dataset.User{ID: i + 1, Items: items, Times: []int64{1, 2, 3, int64(3 + i%8)}})
	}
	a := audit.Run(d, 1)
	return &a
}

func sampleReading() ([]report.Recommendation, []report.Explanation) {
	titles := []string{
		"Bath & Body Works Ile De Tahiti Moana Coconut Vanille Moana Body Wash with Tamanoi 8.5 oz, a title that " +
			"goes on and on for far longer than anyone reads",
		"Helen of Troy 1579 Tangle Free Hot Air Brush, White, 3/4 Inch Barrel",
		"Fruits & Passion Blue Refreshing Shower Gel - 6.7 fl. oz.",
		"Yardley By Yardley Of London Unisexs Lay It On Thick Hand & Foot Cream 5.3 Oz",
		"Astra Platinum Double Edge Safety Razor Blades, 100 Blades",
	}
	items := func(ids ...int) []report.Item {
		list := make([]report.Item, len(ids))
		for i, id := range ids {
			list[i] = report.Item{ID: id, Title: titles[id%len(titles)]}
		}
		return list
	}
	recommended := []report.Recommendation{
		{
			User: "A2Z4FGOQ3KXYZ1", Method: "rdrec", History: items(10, 21, 32), Recommended: items(43, 54, 60, 71, 82),
			Truth: items(43)[0], Rank: 1, Why: &report.CoOccurrence{With: items(32)[0], Users: 212, Both: 31},
		},
		{
			User: "A1B2C3D4E5F6G7", Method: "rdrec", History: items(1, 2, 3, 4, 5, 6, 7, 8),
			Recommended: items(9, 11, 13, 15, 17), Truth: items(24)[0],
		},
	}
	var explained []report.Explanation
	for i, pair := range [][2]string{
		{
			"I have used this for years and it never dries my skin",
			"the scent is great and it leaves my skin feeling soft",
		},
		{"great razor blades for the price", "great product for the price"},
	} {
		explained = append(explained, report.Explanation{
			User: fmt.Sprintf("A%dQ7", i+1), Method: "rdrec", Item: items(i + 2)[0], Reference: pair[0],
			Generated: pair[1],
		})
	}
	return recommended, explained
}

var trialTable = sync.OnceValue(func() report.Table {
	table := report.Table{Task: "sequential", Setting: "the next item among all 85", Users: 976, Strict: true}
	table.Rows = []report.Row{
		row("rdrec", report.StudentRow, "", lists(1, 0.771, 0.832), lists(11, 0.764, 0.83), lists(21, 0.778, 0.84)),
		row("pod", report.StudentRow, "", lists(31, 0.70, 0.80), lists(41, 0.72, 0.81), lists(51, 0.69, 0.79)),
		row("rule", report.RuleRow, "reads item ids only", lists(5, 0.80, 0.87)),
	}
	table.Compare(1)
	return table
})

// beautySequences is the digest of the paper's Beauty.
const beautySequences = "b465f734be973e4d754df835f02e2f60fe24b9d7d886b04d84e5e50040b98f71"

// trials is a report of two methods with three seeds each.
func trials() report.Report {
	r := sample()
	r.Methods, r.Trials, r.Protocol = []string{"rdrec", "pod"}, 3, spec.Clean
	r.Students = nil
	for seed := range int64(3) {
		early := student("rdrec", seed+1)
		early.StoppedEarly, early.BestEpoch = true, 6
		r.Students = append(r.Students, early)
	}
	r.Tables = []report.Table{trialTable()}
	r.Data.Sequences = beautySequences
	r.ComparePublished()
	r.Conclude()
	return r
}
