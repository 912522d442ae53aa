package token

// Words cuts a text into words.
func (c Cut) Words(text string) []string {
	var words []string
	for text != "" {
		n := c.first(text)
		words = append(words, text[:n])
		text = text[n:]
	}
	return words
}

// IsDigits is Python's str.isdigit.
func IsDigits(text string) bool { return isDigits([]byte(text)) }
