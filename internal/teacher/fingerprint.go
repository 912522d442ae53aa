package teacher

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"

	"rdrec/internal/spec"
)

// version changes when this package starts to derive other rationales from the same replies.
const version = 1

// Fingerprint returns a digest of everything that determines a rationale's text beside the
// explanation: the weights, by their digest, the formatted prompt, and how replies are sampled and
// parsed. Batch, shard_rows and max_reviews change no text and are excluded.
func Fingerprint(settings spec.Teacher, weightsDigest string) string {
	probes := []Prompt{}
	if s, err := findPromptStyle(settings.Prompt); err == nil {
		for attempt := range maxAttempts {
			probes = append(probes, s.prompt("\x00", settings, attempt))
		}
	}
	identity := map[string]any{
		"version": version, "weights": weightsDigest, "prompt": settings.Prompt, "parse": settings.Parse,
		"probes":  probes,
		"context": settings.MaxContext,
	}
	if len(settings.Request) > 0 {
		identity["request"] = settings.Request
	}
	data, err := json.Marshal(identity)
	if err != nil {
		panic(fmt.Sprintf("teacher: settings cannot be marshaled: %v", err)) // numbers are validated: none is NaN
	}
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}
