package token

// Words splits a text into words.
func (c PreTokenizer) Words(text string) []string {
	var words []string
	for text != "" {
		n := c.nextWord(text)
		words = append(words, text[:n])
		text = text[n:]
	}
	return words
}

// IsDigits is Python's str.isdigit.
func IsDigits(text string) bool { return isDigits([]byte(text)) }

// ParseStudent reads a tokenizer.json of a student.
func ParseStudent(data []byte) (*T5, error) {
	model, extra, err := readUnigram(data)
	if err != nil {
		return nil, err
	}
	settings := studentSettings{extra: extra}
	if err := model.checkStudent(&settings); err != nil {
		return nil, err
	}
	return newT5(model, settings.extra)
}
