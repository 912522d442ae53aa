package spec

import "slices"

// Indexing is the row of [Indexings] that the data are numbered by, defaults resolved.
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

// Resolve is the protocol's row with the spec's fixes in it. Its name stays that of the row.
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

// On says whether the switch is on in a protocol.
func (w Switch) On(p Protocol) bool { return *w.field(&p) }

// Flip returns the protocol with the switch the other way round.
func (w Switch) Flip(p Protocol) Protocol {
	*w.field(&p) = !*w.field(&p)
	return p
}

// State is the switch with its place in a protocol, for people: "skip_pads off".
func (w Switch) State(p Protocol) string {
	if w.On(p) {
		return w.Name + " on"
	}
	return w.Name + " off"
}

// Affects says whether the switch can change what students of a method learn, from a ratio of
// examples, or answer.
func (w Switch) Affects(m Method, r Ratio) bool {
	return w.AffectsEvaluation || w.affectsTraining(m, r)
}

func (w Switch) affectsTraining(m Method, r Ratio) bool {
	return w.trainingDepends == nil || w.trainingDepends(m, r)
}

// Ablations are the switches that the spec flips for a method: those of Ablate that matter to it,
// in the table's order.
func (s Spec) Ablations(m Method) []Switch {
	var all []Switch
	for _, w := range Switches() {
		if slices.Contains(s.Ablate, w.Name) && w.Affects(m, s.Train.Ratio) {
			all = append(all, w)
		}
	}
	return all
}

// ForTraining is the protocol as far as training a method can depend on it: all else is off and the
// name is gone, so that equal ones give equal students.
func (p Protocol) ForTraining(m Method, r Ratio) Protocol {
	return p.filter(func(w Switch) bool { return w.affectsTraining(m, r) })
}

// ForRankings is the protocol as far as a trained student's rankings can depend on it.
func (p Protocol) ForRankings() Protocol {
	return p.filter(func(w Switch) bool { return w.AffectsEvaluation })
}

// ForTexts is the protocol as far as a trained student's explanations can depend on it.
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

// ChangedSwitches are the switches that the spec's fixes set otherwise than the protocol's row,
// each with its state.
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

// MethodLabel is how a method is called in which an ablation flipped a switch; the method's own
// name where it flipped none.
func MethodLabel(method, variant string) string {
	if variant == "" {
		return method
	}
	return method + ", " + variant
}
