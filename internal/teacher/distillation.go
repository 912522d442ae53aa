package teacher

// Distillation is the distill stage's description of its rationales, in distillation.json: the same
// bytes for the same rationales, whatever the number of workers and attempts.
type Distillation struct {
	Teacher string `json:"teacher"`
	Prompt  string `json:"prompt"`
	// Explanations is how many distinct texts the dataset has. Wanted of them were to be distilled;
	// Skipped of those are missing, because people skipped their shards.
	Explanations int     `json:"explanations"`
	Wanted       int     `json:"wanted"`
	Skipped      int     `json:"skipped,omitempty"`
	Quality      Quality `json:"quality"`
}
