package registry

// Cost is what the stages of a run cost.
type Cost struct {
	// Computed and Reused count stages; Seconds is the time of the computed ones, and GPUSeconds
	// the part of it on the queue of accelerators.
	Computed   int     `json:"computed"`
	Reused     int     `json:"reused"`
	Seconds    float64 `json:"seconds"`
	GPUSeconds float64 `json:"gpu_seconds"`
	// Requests and Tokens are those of the teacher in computed stages.
	Requests int `json:"requests"`
	Tokens   int `json:"tokens"`
	// WastedSeconds is the time of attempts whose results are lost, in no stage's Seconds.
	WastedSeconds float64 `json:"wasted_seconds,omitempty"`
}

// Add returns the sum of two costs.
func (c Cost) Add(other Cost) Cost {
	c.Computed += other.Computed
	c.Reused += other.Reused
	c.Seconds += other.Seconds
	c.GPUSeconds += other.GPUSeconds
	c.Requests += other.Requests
	c.Tokens += other.Tokens
	c.WastedSeconds += other.WastedSeconds
	return c
}

// CostOf returns what stages cost.
func CostOf(stages []StageTime) Cost {
	var c Cost
	for _, s := range stages {
		if s.Cached {
			c.Reused++
			continue
		}
		c.Computed++
		c.Seconds += s.Seconds
		if s.Accelerated() {
			c.GPUSeconds += s.Seconds
		}
		c.Requests += s.Stats.Requests
		c.Tokens += s.Stats.Tokens
		c.WastedSeconds += s.Stats.WastedSeconds
	}
	return c
}
