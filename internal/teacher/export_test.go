package teacher

// Stem cuts English endings off a word.
func Stem(word string) string { return stem(word) }

// ContentWords are a text's words that carry content.
func ContentWords(text string) []string { return contentWords(text) }
