package report

import (
	"fmt"
	"slices"

	"rdrec/internal/fusion"
	"rdrec/internal/prediction"
	"rdrec/internal/spec"
	"rdrec/internal/task"
)

// Fusion is the mix of one trial of a student.
type Fusion struct {
	Method string `json:"method"`
	Seed   int64  `json:"seed"`
	fusion.Fitted
}

// fusionName is the name of a student's mix in the table.
func fusionName(id TrialID) string { return spec.FusionLabel(id.Name()) }

// AddFusion scores what a mix recommended for the sequential task, and describes its weights.
func (b *Builder) AddFusion(id TrialID, fitted fusion.Fitted, predictions []prediction.Prediction) {
	row := Row{Method: fusionName(id), Kind: FusionRow, About: "a mix of " + listed(fitted.Mix.Parts)}
	if b.addTrial(b.table(task.Sequential), row, id.Seed, predictions) {
		b.showRecommendations(row, predictions)
	}
	b.report.Fusions = append(b.report.Fusions, Fusion{Method: id.Name(), Seed: id.Seed, Fitted: fitted})
}

// AddFusionWithout scores the mix of all parts but one.
func (b *Builder) AddFusionWithout(id TrialID, part string, predictions []prediction.Prediction) {
	row := Row{Method: fusionName(id) + " without " + part, Kind: AblationRow, Base: fusionName(id)}
	b.addTrial(b.table(task.Sequential), row, id.Seed, predictions)
}

// shownPart is a row of the table of a fusion's parts.
type shownPart struct {
	Part string
	// Alone is the part's own NDCG@10, Without the fusion's without it, Added the difference of the
	// fusion to that.
	Alone, Without, Added string
	// Weights are those of the groups.
	Weights []string
}

// shownFusion is the table of a fusion's parts.
type shownFusion struct {
	Fusion
	Groups []string
	Parts  []shownPart
}

// fusions returns the tables of the parts of the fusions of the first seed.
func (r Report) fusions() (shown []shownFusion) {
	for _, f := range r.Fusions {
		if f.Seed != r.Seed {
			continue
		}
		one := shownFusion{Fusion: f}
		for i, g := range f.Mix.Groups {
			users := fmt.Sprintf(" (%s users)", thousands(g.Users))
			one.Groups = append(one.Groups, historyRange(f.Mix.Groups, i)+users)
		}
		for i, part := range f.Mix.Parts {
			row := shownPart{Part: part, Alone: "-", Without: "-", Added: "-"}
			name := spec.FusionLabel(f.Method)
			if table := r.sequential(); table != nil {
				row.Alone = table.mean(f.alone(part), primaryMetric)
				row.Without = table.mean(name+" without "+part, primaryMetric)
				if row.Without != "-" {
					row.Added = signed(table.score(name) - table.score(name+" without "+part))
				}
			}
			for _, g := range f.Mix.Groups {
				row.Weights = append(row.Weights, fmt.Sprintf("%.2f", g.Score[i]))
			}
			one.Parts = append(one.Parts, row)
		}
		shown = append(shown, one)
	}
	return shown
}

// historyRange describes the histories of a group.
func historyRange(groups []fusion.Group, i int) string {
	switch {
	case len(groups) == 1:
		return "all"
	case i == len(groups)-1:
		return fmt.Sprintf("%d items or more", groups[i].MinHistory)
	default:
		return fmt.Sprintf("up to %d items", groups[i+1].MinHistory-1)
	}
}

// alone returns the method of a part's own row.
func (f Fusion) alone(part string) string {
	switch part {
	case spec.PartSearch:
		return f.Method
	case spec.PartItemHead:
		return f.Method + ", item head"
	default:
		return part
	}
}

// sequential returns the table of the sequential task, or nil.
func (r Report) sequential() *Table {
	index := slices.IndexFunc(r.Tables, func(t Table) bool { return t.Task == "sequential" })
	if index < 0 {
		return nil
	}
	return &r.Tables[index]
}

// fusionNote describes how the weights of a fusion were fitted.
func fusionNote(f Fusion) string {
	dropped := ""
	if len(f.Dropped) > 0 {
		dropped = " Left out, because the mix is as good without on these users: " + listed(f.Dropped) + "."
	}
	return fmt.Sprintf("Weights of the logarithmic scores, by the length of the history; fitted on the validation "+
		"items of %s users, of which %s are among the candidates (%d of each part): "+
		"%s %s there.%s",
		thousands(f.Users), percent(float64(f.Covered)/float64(max(f.Users, 1))), f.Mix.Candidates,
		primaryMetric, figure(f.Validation), dropped)
}

// fusions writes the parts of the fusions.
func (t *text) fusions(r Report) {
	for _, f := range r.fusions() {
		t.line("\nFusion of %s, seed %d", f.Method, f.Seed)
		rows := make([][]string, 0, 1+len(f.Parts))
		rows = append(rows, append([]string{"part", "alone", "without it", "adds"}, f.Groups...))
		for _, part := range f.Parts {
			rows = append(rows, append([]string{part.Part, part.Alone, part.Without, part.Added}, part.Weights...))
		}
		t.grid(rows)
		t.wrap("  ", primaryMetric+" of the sequential task. "+fusionNote(f.Fusion))
	}
}
