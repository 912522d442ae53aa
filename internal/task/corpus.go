package task

import (
	"fmt"

	"github.com/dustin/go-humanize"

	"rdrec/internal/dataset"
	"rdrec/internal/spec"
	"rdrec/internal/token"
)

// WholeWords is the number of rows of the student's whole-word table; row 0 means no word.
const WholeWords = 512

// Minimum and maximum lengths for the samplers: training omits the last two items of a user's
// sequence, and a segment has at least two.
const (
	minSegment = dataset.MinItems + 1
	maxSegment = 21
)

// Settings select the examples of a corpus.
type Settings struct {
	Method   spec.Method
	Protocol spec.Protocol
	// Negatives is the number of unseen items beside the true item in a top-N example (99 in the
	// paper).
	Negatives int
	// Seed shuffles the rationales, if the protocol has ShuffledRationales.
	Seed int64
	// Items is how the student reads and generates items; zero for ids as text.
	Items ItemTokens
}

// templateSet returns the template set of the examples: the method's, or that of item tokens.
func (s Settings) templateSet() (TemplateSet, error) {
	name := s.Method.TemplateSet
	if s.Items.Codes != nil {
		name = ItemTemplates
	}
	set, err := TemplateSetNamed(name)
	if err != nil {
		return set, fmt.Errorf("method %q: %w", s.Method.Name, err)
	}
	return set, nil
}

// Corpus is a dataset as a method sees it: its tasks and the records of each. It is read-only.
type Corpus struct {
	// Notices tell people what the data lacks; each begins with the disabled task or the number of
	// omitted records.
	Notices []string

	settings    Settings
	name        string // the dataset's
	items       int
	templateSet TemplateSet
	templates   templates
	negatives   map[int][]int // of the test list

	explanations, rationales dataset.Splits
	segments                 []dataset.User // users whose sequence has a training segment
	prefixes                 []prefix       // of segments; nil unless the protocol has FullPrefixes
	users                    []dataset.User // users whose sequence can be split
}

// New returns the corpus of a dataset. Tasks that the method lacks or the data does not allow are
// disabled; Notices list the latter.
func New(data *dataset.Dataset, settings Settings) (*Corpus, error) {
	set, err := settings.templateSet()
	if err != nil {
		return nil, err
	}
	c := &Corpus{
		settings: settings, name: data.Name, items: data.Items, templateSet: set, negatives: data.Negatives,
	}
	if c.templates, err = set.compile(); err != nil {
		return nil, err
	}
	c.selectUsers(data)
	c.selectExplanations(data)
	c.noteDisabledTasks()
	if err := c.checkTasks(); err != nil {
		return nil, err
	}
	if c.Has(TopN) {
		if err := set.check(settings.Negatives + 1); err != nil {
			return nil, err
		}
		if err := c.checkNegatives(); err != nil {
			return nil, err
		}
	}
	return c, nil
}

func (c *Corpus) selectUsers(data *dataset.Dataset) {
	for _, user := range data.Users {
		if len(user.Items) >= minSegment {
			c.addSegments(user)
		}
		if len(user.Items) >= dataset.MinItems {
			c.users = append(c.users, user)
		}
	}
	all := len(data.Users)
	if short := all - len(c.users); short > 0 {
		c.addNotice("%s of %s users have fewer than %d items: they are left out of sequential and top-N examples",
			thousands(short), thousands(all), dataset.MinItems)
	}
	if short := len(c.users) - len(c.segments); short > 0 {
		c.addNotice("%s of %s users have %d items, of which one is to train on: they are evaluated, but left out of "+
			"sequential training", thousands(short), thousands(all), dataset.MinItems)
	}
}

// prefix is a training pair: the target is the item at a position of segments[user].
type prefix struct{ user, position int32 }

// addSegments adds a user with a training segment, and the user's prefixes if the protocol has
// FullPrefixes.
func (c *Corpus) addSegments(user dataset.User) {
	if c.settings.Protocol.FullPrefixes {
		for position := 1; position < len(user.TrainItems()); position++ {
			c.prefixes = append(c.prefixes, prefix{int32(len(c.segments)), int32(position)}) //nolint:gosec // far fewer
		}
	}
	c.segments = append(c.segments, user)
}

// selectExplanations selects the explanations to train on. If the protocol holds pairs out,
// training omits explanations of a user's last two items, and validation those of the last item;
// the reference splits explanations at random and trains on most of them.
func (c *Corpus) selectExplanations(data *dataset.Dataset) {
	c.explanations = data.Explanations
	if c.settings.Protocol.HeldOut {
		c.explanations = data.WithoutHeldOut()
		if out := len(data.Explanations.Train) - len(c.explanations.Train); out > 0 {
			c.addNotice("%s of %s training explanations are about a validation or test item: they are held out",
				thousands(out), thousands(len(data.Explanations.Train)))
		}
		if out := len(data.Explanations.Val) - len(c.explanations.Val); out > 0 {
			c.addNotice("%s of %s validation explanations are about a test item: they are held out",
				thousands(out), thousands(len(data.Explanations.Val)))
		}
	}
	c.rationales = dataset.Splits{
		Train: filter(c.explanations.Train, dataset.Explanation.HasRationale),
		Val:   filter(c.explanations.Val, dataset.Explanation.HasRationale),
		Test:  filter(c.explanations.Test, dataset.Explanation.HasRationale),
	}
	if c.settings.Protocol.ShuffledRationales {
		random := NewPCG(c.settings.Seed, streamRationales)
		c.rationales.Train = shuffleRationales(c.rationales.Train, random)
		c.rationales.Val = shuffleRationales(c.rationales.Val, random)
	}
}

func filter(list []dataset.Explanation, accept func(dataset.Explanation) bool) []dataset.Explanation {
	var filtered []dataset.Explanation
	for _, e := range list {
		if accept(e) {
			filtered = append(filtered, e)
		}
	}
	return filtered
}

// thousands formats an integer with separators.
func thousands(n int) string { return humanize.Comma(int64(n)) }

func (c *Corpus) addNotice(format string, args ...any) {
	c.Notices = append(c.Notices, fmt.Sprintf(format, args...))
}

// noteDisabledTasks adds notices of the method's tasks that the data does not allow.
func (c *Corpus) noteDisabledTasks() {
	reasons := map[Task]string{
		Explanation: "has no training explanations",
		Sequential:  fmt.Sprintf("has no user with at least %d items", minSegment),
		TopN:        fmt.Sprintf("has no user with at least %d items", dataset.MinItems),
		Rationale:   "has no training rationales (distill them)",
	}
	for _, task := range Tasks() {
		if c.settings.includes(task) && !c.Has(task) {
			c.addNotice("%s is off: dataset %q %s", task, c.name, reasons[task])
		}
	}
	if total := len(c.explanations.Train); c.Has(Rationale) && len(c.rationales.Train) < total {
		c.addNotice("%s of %s training explanations have no rationale: they are left out of rationale examples",
			thousands(total-len(c.rationales.Train)), thousands(total))
	}
}

// checkTasks fails if a task of the method has no templates.
func (c *Corpus) checkTasks() error {
	for _, task := range Tasks() {
		if c.settings.includes(task) && !c.templates.has(task) {
			return fmt.Errorf("method %q: template set %q has no templates for %s",
				c.settings.Method.Name, c.templateSet.Name, task)
		}
	}
	return nil
}

// checkNegatives fails if a user has seen so many items that too few unseen ones remain; the
// reference never ends then.
func (c *Corpus) checkNegatives() error {
	seen := map[int]bool{}
	for _, user := range c.users {
		if c.items-len(user.Items) >= c.settings.Negatives {
			continue
		}
		clear(seen)
		for _, item := range user.Items {
			seen[item] = true
		}
		if left := c.items - len(seen); left < c.settings.Negatives {
			return fmt.Errorf("dataset %q: user %d has seen %d of %d items: %d are left, "+
				"each top-N example needs %d (data.negatives)",
				c.name, user.ID, len(seen), c.items, left, c.settings.Negatives)
		}
	}
	return nil
}

// Has reports whether there are training examples of a task.
func (c *Corpus) Has(task Task) bool { return c.settings.includes(task) && c.records(task) > 0 }

func (s Settings) includes(task Task) bool {
	switch task {
	case Explanation:
		return s.Method.Explanation
	case Sequential:
		return s.Method.Sequential
	case TopN:
		return s.Method.TopN
	default:
		return s.Method.Rationale
	}
}

// records returns the number of training records of a task.
func (c *Corpus) records(task Task) int {
	switch task {
	case Explanation:
		return len(c.explanations.Train)
	case Sequential:
		if c.settings.Protocol.FullPrefixes {
			return len(c.prefixes)
		}
		return len(c.segments)
	case TopN:
		return len(c.users)
	default:
		return len(c.rationales.Train)
	}
}

// check fails if a list of so many items has more whole words than the student's table has rows.
func (f TemplateSet) check(items int) error {
	words, longest := items, 0
	if f.Words == token.BlankWords {
		words = 2 * items // separators are words too
		for _, text := range f.TopN {
			longest = max(longest, len(token.Fields(text)))
		}
	}
	if words+longest+1 >= WholeWords {
		return fmt.Errorf("template set %q: a list of %d items has more whole words than the student's %d "+
			"whole-word embeddings", f.Name, items, WholeWords-1)
	}
	return nil
}
