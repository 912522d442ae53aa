package teacher

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"

	"rdrec/internal/spec"
)

// version changes when this package would make another rationale of the same reply.
const version = 1

// Fingerprint names everything that a rationale's text hangs on beside the explanation: the
// weights, by their digest, the prompt as it is written out, how replies are drawn and how they are
// read. Batch, shard and the number of reviews change no text and are left out.
func Fingerprint(settings spec.Teacher, weightsDigest string) string {
	probes := []Prompt{}
	if s, err := findPromptStyle(settings.Prompt); err == nil {
		for attempt := range maxAttempts {
			probes = append(probes, s.prompt("\x00", settings, attempt))
		}
	}
	data, err := json.Marshal(map[string]any{
		"version": version, "weights": weightsDigest, "prompt": settings.Prompt, "parse": settings.Parse, "probes": probes,
		"context": settings.MaxContext,
	})
	if err != nil {
		panic(fmt.Sprintf("teacher: settings that can't be written: %v", err)) // numbers come validated: none is NaN
	}
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}
