package teacher

// Stem removes English endings from a word.
func Stem(word string) string { return stem(word) }

// ContentWords returns the content words of a text.
func ContentWords(text string) []string { return contentWords(text) }
