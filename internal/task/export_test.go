package task

// Has reports whether the family has texts for a kind.
func (f Family) Has(kind Kind) (bool, error) {
	t, err := f.compile()
	return t.has(kind), err
}

// Lacking returns the corpus with templates that lack all kinds.
func (c *Corpus) Lacking() *Corpus {
	lacking := *c
	lacking.texts = templates{}
	return &lacking
}
