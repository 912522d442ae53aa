package activities

import (
	"encoding/json"
	"fmt"
)

// maxPayload is the size of an activity's input or result, in bytes, above which it is refused.
// Temporal's server accepts 2 MiB, and lets a workflow or an activity try for ever beyond that. The
// rest is for headers, and for a codec that encrypts.
const maxPayload = 2<<20 - 128<<10

// CheckPayload returns a final error if an activity's input or result is too large. The subject
// names it for people; the hint, if any, follows the size.
func CheckPayload(subject string, value any, hint string) error {
	encoded, err := json.Marshal(value)
	if err != nil {
		return fmt.Errorf("encode %s: %w", subject, err)
	}
	if len(encoded) <= maxPayload {
		return nil
	}
	return nonRetryable(TypeInvalidConfig, fmt.Errorf("%s has %.1f MiB, and Temporal accepts 2 MiB%s",
		subject, float64(len(encoded))/(1<<20), hint))
}
