package spec

import "slices"

// Indexing returns the row of [Indexings] that assigns the item ids, defaults resolved.
func (s Spec) Indexing() string {
	switch {
	case s.Data.Indexing != "":
		return s.Data.Indexing
	case s.Data.Folder != "" && s.Protocol == Paper:
		return AsIs
	default:
		return Random
	}
}

// Codes returns the settings of the item codes, defaults resolved; nil where the indexing gives
// none.
func (s Spec) Codes() *Codes {
	row, err := IndexingNamed(s.Indexing())
	if err != nil || !row.Codes {
		return nil
	}
	codes := DefaultCodes()
	if s.Data.Codes != nil {
		codes = *s.Data.Codes
	}
	if row.Name == SemanticCodes {
		codes.Parts = []string{PartTitles}
	}
	return &codes
}

// Resolve returns the spec's protocol with the spec's switches applied. Its name stays that of the
// protocol.
func (s Spec) Resolve() (Protocol, error) {
	p, err := ProtocolNamed(s.Protocol)
	if err != nil {
		return p, err
	}
	for _, w := range Switches() {
		if on, set := s.Switches[w.Name]; set {
			*w.field(&p) = on
		}
	}
	return p, nil
}

// On reports whether the switch is on in a protocol.
func (w Switch) On(p Protocol) bool { return *w.field(&p) }

// Flip returns the protocol with the switch flipped.
func (w Switch) Flip(p Protocol) Protocol {
	*w.field(&p) = !*w.field(&p)
	return p
}

// State returns the switch and its state in a protocol, for people: "skip_pads off".
func (w Switch) State(p Protocol) string {
	if w.On(p) {
		return w.Name + " on"
	}
	return w.Name + " off"
}

// Affects reports whether the switch can change the training of a method with a ratio, or the
// evaluation of its students.
func (w Switch) Affects(m Method, r Ratio) bool {
	return w.AffectsEvaluation || w.affectsTraining(m, r)
}

func (w Switch) affectsTraining(m Method, r Ratio) bool {
	return w.trainingDepends == nil || w.trainingDepends(m, r)
}

// Ablations returns the switches that the spec flips for a method: those of Ablate that affect it,
// in the order of the table.
func (s Spec) Ablations(m Method) []Switch {
	var all []Switch
	for _, w := range Switches() {
		if slices.Contains(s.Ablate, w.Name) && w.Affects(m, s.Train.Ratio) {
			all = append(all, w)
		}
	}
	return all
}

// ForTraining returns the part of the protocol that training a method can depend on: all other
// switches are off and the name is empty, so equal values give equal students.
func (p Protocol) ForTraining(m Method, r Ratio) Protocol {
	return p.filter(func(w Switch) bool { return w.affectsTraining(m, r) })
}

// ForRankings returns the part of the protocol that a trained student's rankings can depend on.
func (p Protocol) ForRankings() Protocol {
	return p.filter(func(w Switch) bool { return w.AffectsEvaluation })
}

// ForTexts returns the part of the protocol that a trained student's explanations can depend on.
func (p Protocol) ForTexts() Protocol {
	return p.filter(func(w Switch) bool { return w.AffectsExplanations })
}

func (p Protocol) filter(keep func(Switch) bool) Protocol {
	var filtered Protocol
	for _, w := range Switches() {
		*w.field(&filtered) = keep(w) && w.On(p)
	}
	return filtered
}

// ChangedSwitches returns the spec's switches that differ from its protocol, each with its state.
func (s Spec) ChangedSwitches() []string {
	row, err := ProtocolNamed(s.Protocol)
	if err != nil {
		return nil
	}
	var all []string
	for _, w := range Switches() {
		if on, set := s.Switches[w.Name]; set && on != w.On(row) {
			all = append(all, w.State(w.Flip(row)))
		}
	}
	return all
}

// MethodLabel returns the label of a method with one switch flipped, or the method's name if no
// switch is flipped.
func MethodLabel(method, variant string) string {
	if variant == "" {
		return method
	}
	return method + ", " + variant
}

// FusionLabel returns the label of a method's fusion with baselines.
func FusionLabel(method string) string { return method + ", fusion" }
