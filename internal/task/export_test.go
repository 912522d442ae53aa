package task

// Has reports whether the family has texts for a kind.
func (f TemplateSet) Has(kind Task) (bool, error) {
	t, err := f.compile()
	return t.has(kind), err
}

// Lacking returns the corpus with templates that lack all kinds.
func (c *Corpus) Lacking() *Corpus {
	lacking := *c
	lacking.templates = templates{}
	return &lacking
}
