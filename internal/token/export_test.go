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
