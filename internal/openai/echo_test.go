package openai_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"rdrec/internal/openai"
)

// TestServerMessagesDoNotQuoteReviews has servers that send the prompt back with their error, for
// one prompt and for all of them.
func TestServerMessagesDoNotQuoteReviews(t *testing.T) {
	t.Parallel()
	const review = "MARKED the blue case broke after two days"
	for message, echo := range map[string]func(text string) string{
		"cannot process: ":        func(text string) string { return text },
		"input should be valid":   func(text string) string { return ": '" + text[:min(20, len(text))] + "...'" },
		"maximum length exceeded": func(string) string { return "" },
		"":                        func(text string) string { return text },
	} {
		for _, alone := range []bool{true, false} {
			s := serve(t, func(w http.ResponseWriter, _ *http.Request, text string, _ int) bool {
				if alone && !strings.Contains(text, "MARKED") {
					return false
				}
				w.WriteHeader(http.StatusBadRequest)
				fmt.Fprintf(w, `{"error": {"message": %q}}`, message+echo(text))
				return true
			})
			replies, err := complete(t, engine(t, s, nil), prompts(review, "a"))
			if alone == (err != nil) || !alone && !errors.Is(err, openai.ErrRejected) {
				t.Fatalf("%q, alone %t: %v", message, alone, err)
			}
			text := replies[review].Failed + fmt.Sprint(err)
			quoted := strings.Contains(text, "MARKED") || strings.Contains(text, "blue case")
			if quoted || !strings.Contains(text, "400") {
				t.Errorf("%q, alone %t: %s", message, alone, text)
			}
			if !strings.Contains(text, message) {
				t.Errorf("%q is missing from %s", message, text)
			}
		}
	}
}
