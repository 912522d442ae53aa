package task

// Has reports whether the template set has texts for a task.
func (f TemplateSet) Has(task Task) (bool, error) {
	t, err := f.compile()
	return t.has(task), err
}

// Lacking returns the corpus with templates that lack all tasks.
func (c *Corpus) Lacking() *Corpus {
	lacking := *c
	lacking.templates = templates{}
	return &lacking
}
