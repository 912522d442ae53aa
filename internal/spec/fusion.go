package spec

import "slices"

// Fusion configures the mix of rankings that is served in the place of the student's.
type Fusion struct {
	// Parts are what is mixed: [PartSearch], [PartItemHead], and baselines except the rule. Empty
	// means the item head, or the search of a student without one, then the baseline decayed-mix,
	// and sasrec and bsarec if they are among the spec's baselines.
	Parts []string `json:"parts,omitempty" yaml:"parts,omitempty" validate:"omitempty,unique,dive,part"`
	// Candidates is the number of items of each part.
	Candidates int `json:"candidates" yaml:"candidates" validate:"min=1,max=1000"`
	// Users is the maximum number of users on whose validation items the weights are fitted,
	// sampled evenly; 0 means all.
	Users int `json:"users" yaml:"users" validate:"min=0"`
	// Groups are the shortest histories of all groups of users but the first, in items, ascending:
	// each group has weights of its own.
	Groups []int `json:"groups,omitempty" yaml:"groups,omitempty" validate:"omitempty,max=16,unique,dive,min=1"`
}

// The parts of a fusion that are the student's.
const (
	PartSearch   = "search"
	PartItemHead = "item-head"
)

// FusionParts returns the parts that a fusion can have.
func FusionParts() []string {
	parts := []string{PartSearch, PartItemHead}
	for _, name := range Baselines() {
		if name != Rule {
			parts = append(parts, name)
		}
	}
	return parts
}

// Fusion returns the spec's fusion with its parts, or nil if it has none.
func (s Spec) Fusion() *Fusion {
	if s.Evaluate.Fusion == nil {
		return nil
	}
	f := *s.Evaluate.Fusion
	if len(f.Parts) > 0 {
		return &f
	}
	f.Parts = []string{PartSearch}
	if s.Train.HeadWeight > 0 {
		f.Parts = []string{PartItemHead}
	}
	f.Parts = append(f.Parts, DecayedMix)
	for _, name := range []string{SASRec, BSARec} {
		if slices.Contains(s.Baselines, name) {
			f.Parts = append(f.Parts, name)
		}
	}
	return &f
}

// DefaultFusion returns the defaults of a fusion block; a YAML document overrides what it sets.
func DefaultFusion() Fusion { return Fusion{Candidates: 100, Users: 5000, Groups: []int{4, 8}} }

// fusionRules returns the rules of the block evaluate.fusion.
func fusionRules() []rule {
	with := func(broken func(Spec, Fusion) bool) func(Spec) bool {
		return func(s Spec) bool {
			f := s.Fusion()
			return f != nil && broken(s, *f)
		}
	}
	return []rule{
		{
			"evaluate.fusion", with(func(s Spec, _ Fusion) bool { return s.Evaluate.SequentialUsers == -1 }),
			"mixes sequential rankings, and evaluate.sequential_users is -1", "set it to 0 (all) or more",
		},
		{
			"evaluate.fusion", with(func(s Spec, _ Fusion) bool {
				protocol, err := s.Resolve()
				return err == nil && !protocol.Constrained
			}),
			"mixes lists of valid items", "set protocol to clean, or switches.constrained to true",
		},
		{
			"evaluate.fusion.parts", with(func(s Spec, f Fusion) bool {
				return s.Train.HeadWeight == 0 && slices.Contains(f.Parts, PartItemHead)
			}),
			"names an item head that is not trained", "set train.head_weight, or remove " + PartItemHead,
		},
		{
			"evaluate.fusion.parts", with(func(s Spec, f Fusion) bool {
				return slices.ContainsFunc(f.Parts, func(part string) bool {
					return IsTrained(part) && !slices.Contains(s.Baselines, part)
				})
			}),
			"names a baseline that is not trained", "add it to baselines",
		},
		{
			"evaluate.fusion.groups", with(func(_ Spec, f Fusion) bool { return !slices.IsSorted(f.Groups) }),
			"is not ascending", "",
		},
	}
}
