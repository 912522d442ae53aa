package report

import (
	"fmt"
	"slices"
	"strings"
)

// Decision is what the scores say about serving a student.
type Decision string

// The decisions.
const (
	Serve        Decision = "serve"
	DoNotServe   Decision = "do_not_serve"
	Undecided    Decision = "undecided"
	NotEvaluated Decision = "not_evaluated"
	// Unfinished is decided while the run goes on.
	Unfinished Decision = "unfinished"
)

// Verdict is the result of a run in one sentence that a reader can act on.
type Verdict struct {
	Decision Decision `json:"decision"`
	// Method is the student that the verdict is about: the best one; empty if none is evaluated.
	Method string `json:"method,omitempty"`
	Text   string `json:"text"`
}

// conclude returns the verdict from the standings and the caveats.
func (r *Report) conclude() Verdict {
	students := r.served()
	if len(students) == 0 {
		return r.unevaluated()
	}
	order := []Decision{Serve, Undecided, DoNotServe}
	best, bestScore := Verdict{}, 0.0
	for _, row := range students {
		v, score := r.decide(row.Method, len(students)), 0.0
		for _, table := range r.Tables {
			score += table.score(row.Method)
		}
		rank := slices.Index(order, v.Decision) - slices.Index(order, best.Decision)
		if best.Decision == "" || rank < 0 || (rank == 0 && score > bestScore) {
			best, bestScore = v, score
		}
	}
	return best
}

// unfinished returns the verdict on a run that goes on.
func unfinished(progress string) Verdict {
	return Verdict{Decision: Unfinished, Text: fmt.Sprintf(
		"Running: %s when this report was written. It is written anew as parts of the run end; the verdict follows "+
			"with the last.", progress)}
}

// unevaluated returns the verdict on a run whose students have no ranking.
func (r *Report) unevaluated() Verdict {
	const remedy = "set evaluate.sequential_users or evaluate.topn_users to 0 (all) or more and run again"
	who := "no student"
	if len(r.Students) > 0 {
		who = plural(len(r.Students), "student")
	}
	if len(r.Explanations) > 0 {
		return Verdict{Decision: NotEvaluated, Text: fmt.Sprintf(
			"No recommendation was evaluated: the run trained %s and scored explanations only, so nothing shows "+
				"whether to serve the model; %s.", who, remedy)}
	}
	return Verdict{Decision: NotEvaluated, Text: fmt.Sprintf(
		"Nothing was evaluated: the run trained %s, and no score shows whether to serve the model; %s.", who, remedy)}
}

// decide returns the verdict on one of several students. A method that is better decides first,
// then degenerate output, leaks, and undecided comparisons.
func (r *Report) decide(student string, of int) Verdict {
	who := student
	if of > 1 {
		who = fmt.Sprintf("%s, the best of %d students", student, of)
	}
	v := Verdict{Decision: DoNotServe, Method: student}
	lost, tied, won := r.found(student, Worse), r.found(student, Undecidable), r.found(student, Better)
	switch {
	case len(lost) > 0:
		v.Text = r.lost(student, who, lost, tied)
	case len(r.degenerateLists(student)) > 0:
		v.Text = fmt.Sprintf("Do not serve %s: its lists hardly depend on the user.", who)
	case r.concerned(DataLeak):
		v.Decision = Undecided
		v.Text = fmt.Sprintf("Do not decide on %s from these scores: the data leak test items, so they show "+
			"nothing about the future.", who)
	case len(tied) > 0:
		v.Decision = Undecided
		v.Text = fmt.Sprintf("Not decided: %s cannot be told apart %s; evaluate more users or seeds before "+
			"serving it.", aside(who, of), r.byTask(tied, inWords("from %s")))
	case len(won) == 0:
		v.Decision = Undecided
		v.Text = fmt.Sprintf("Not decided: %s was not compared with a simpler method.", aside(who, of))
	case len(r.leftOut()) > 0:
		v.Decision = Undecided
		v.Text = fmt.Sprintf("Not decided: %s is better than %s, but the spec leaves out %s, which may do as well.",
			aside(who, of), r.byTask(won, names), listed(r.leftOut()))
	default:
		v.Decision = Serve
		v.Text = fmt.Sprintf("Serve %s: it is better than %s.", who, r.byTask(won, beaten))
		if r.degenerateTexts(student) != "" {
			v.Text = fmt.Sprintf("Serve %s without its explanations, which are degenerate: it is better than %s.",
				who, r.byTask(won, beaten))
		}
	}
	return v
}

// aside closes the parenthesis of a student among several.
func aside(who string, of int) string {
	if of > 1 {
		return who + ","
	}
	return who
}

// maxNamed is the largest number of beaten methods that a verdict names.
const maxNamed = 5

// beaten returns the other methods for a sentence, or their number and the best one.
func beaten(standings []Standing) string {
	if len(standings) <= maxNamed {
		return names(standings)
	}
	best, score := Standing{}, -1.0
	for _, s := range standings {
		for _, on := range s.Tasks {
			if on.Outcome != "" && on.OtherScore > score {
				best, score = s, on.OtherScore
			}
		}
	}
	return fmt.Sprintf("all %d other methods (the best is %s)", len(standings), best.named())
}

// lost returns the verdict on a student that a simpler method beats.
func (r *Report) lost(student, who string, lost, tied map[string][]Standing) string {
	if len(lost) == len(r.Tables) {
		return fmt.Sprintf("Do not serve %s: %s.", who, r.byTask(common(lost), areBetter))
	}
	var there, elsewhere []string
	for _, table := range r.Tables {
		switch {
		case len(lost[table.Task]) > 0:
			there = append(there, fmt.Sprintf("the %s task, where %s", table.Task, areBetter(lost[table.Task])))
		case len(tied[table.Task]) > 0:
			elsewhere = append(elsewhere, fmt.Sprintf(
				"on the %s task it cannot be told apart from %s", table.Task, names(tied[table.Task])))
		case table.has(student):
			elsewhere = append(elsewhere, fmt.Sprintf("on the %s task no compared method is better", table.Task))
		}
	}
	if len(elsewhere) == 0 {
		return fmt.Sprintf("Do not serve %s for %s.", who, listed(there))
	}
	return fmt.Sprintf("Do not serve %s for %s; %s.", who, listed(there), strings.Join(elsewhere, "; "))
}

// byTask says something of methods on each task: "markov on both tasks", or per task where the
// methods differ.
func (r *Report) byTask(methods map[string][]Standing, say func([]Standing) string) string {
	var parts, phrases []string
	for _, table := range r.Tables {
		if found := methods[table.Task]; len(found) > 0 {
			phrases = append(phrases, say(found))
			parts = append(parts, fmt.Sprintf("%s on the %s task", say(found), table.Task))
		}
	}
	if len(phrases) > 1 && len(slices.Compact(slices.Clone(phrases))) == 1 {
		return phrases[0] + " on " + allTasks(len(phrases))
	}
	return listed(parts)
}

// common returns the methods that are listed for every task, by task; all methods where there are
// none.
func common(methods map[string][]Standing) map[string][]Standing {
	shared := map[string][]Standing{}
	for task, standings := range methods {
		for _, s := range standings {
			everywhere := true
			for _, found := range methods {
				isThere := slices.ContainsFunc(found, func(other Standing) bool { return other.Other == s.Other })
				everywhere = everywhere && isThere
			}
			if everywhere {
				shared[task] = append(shared[task], s)
			}
		}
	}
	if len(shared) == 0 {
		return methods
	}
	return shared
}

func areBetter(standings []Standing) string {
	if len(standings) == 1 {
		return names(standings) + " is better"
	}
	return names(standings) + " are better"
}

func allTasks(n int) string {
	if n == 2 {
		return "both tasks"
	}
	return fmt.Sprintf("all %d tasks", n)
}

// concerned reports whether there is a caveat of a concern.
func (r *Report) concerned(about Concern) bool {
	return slices.ContainsFunc(r.Caveats, func(c Caveat) bool { return c.Concern == about })
}
