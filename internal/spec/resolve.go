package spec

import "slices"

// Numbered is the row of [Numberings] that the data are numbered by, defaults resolved.
func (s Spec) Numbered() string {
	switch {
	case s.Data.Numbering != "":
		return s.Data.Numbering
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
		if on, set := s.Fixes[w.Name]; set {
			*w.of(&p) = on
		}
	}
	return p, nil
}

// On says whether the switch is on in a protocol.
func (w Switch) On(p Protocol) bool { return *w.of(&p) }

// Flip returns the protocol with the switch the other way round.
func (w Switch) Flip(p Protocol) Protocol {
	*w.of(&p) = !*w.of(&p)
	return p
}

// State is the switch with its place in a protocol, for people: "skip_pads off".
func (w Switch) State(p Protocol) string {
	if w.On(p) {
		return w.Name + " on"
	}
	return w.Name + " off"
}

// Matters says whether the switch can change what students of a method learn, from a ratio of examples, or answer.
func (w Switch) Matters(m Method, r Ratio) bool { return w.Answers || w.trained(m, r) }

func (w Switch) trained(m Method, r Ratio) bool { return w.trains == nil || w.trains(m, r) }

// Ablates are the switches that the spec flips for a method: those of Ablate that matter to it, in the table's order.
func (s Spec) Ablates(m Method) []Switch {
	var all []Switch
	for _, w := range Switches() {
		if slices.Contains(s.Ablate, w.Name) && w.Matters(m, s.Train.Ratio) {
			all = append(all, w)
		}
	}
	return all
}

// ForTraining is the protocol as far as training a method can depend on it: all else is off and the name is gone, so that equal ones
// give equal students.
func (p Protocol) ForTraining(m Method, r Ratio) Protocol {
	return p.only(func(w Switch) bool { return w.trained(m, r) })
}

// ForRankings is the protocol as far as a trained student's rankings can depend on it.
func (p Protocol) ForRankings() Protocol {
	return p.only(func(w Switch) bool { return w.Answers })
}

// ForTexts is the protocol as far as a trained student's explanations can depend on it.
func (p Protocol) ForTexts() Protocol {
	return p.only(func(w Switch) bool { return w.Texts })
}

func (p Protocol) only(keep func(Switch) bool) Protocol {
	var kept Protocol
	for _, w := range Switches() {
		*w.of(&kept) = keep(w) && w.On(p)
	}
	return kept
}

// Fixed are the switches that the spec's fixes set otherwise than the protocol's row, each with its state.
func (s Spec) Fixed() []string {
	row, err := ProtocolNamed(s.Protocol)
	if err != nil {
		return nil
	}
	var all []string
	for _, w := range Switches() {
		if on, set := s.Fixes[w.Name]; set && on != w.On(row) {
			all = append(all, w.State(w.Flip(row)))
		}
	}
	return all
}

// VariantName is how a method is called in which an ablation flipped a switch; the method's own name where it flipped none.
func VariantName(method, variant string) string {
	if variant == "" {
		return method
	}
	return method + ", " + variant
}
