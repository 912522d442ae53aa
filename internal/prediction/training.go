package prediction

// TrainingRecordFile is the name of the file in a model's folder that holds its [TrainingRecord].
const TrainingRecordFile = "training.json"

// TrainingRecord describes a finished training. It holds no times: the same training gives the same
// bytes.
type TrainingRecord struct {
	// Parameters is the number of the model's weights.
	Parameters int `json:"parameters"`
	Steps      int `json:"steps"`
	Epochs     int `json:"epochs"`
	// BestEpoch is the epoch whose weights were kept.
	BestEpoch int `json:"best_epoch"`
	// StoppedEarly reports that training ended because the validation loss had not improved for
	// train.patience epochs.
	StoppedEarly bool `json:"stopped_early"`
	// Weights is the digest of the kept weights; equal digests mean equal weights.
	Weights string `json:"weights"`
	// Curve has a point for each epoch.
	Curve []Epoch `json:"curve"`
	// Notices explain what was left out of training, and why.
	Notices []string `json:"notices,omitempty"`
}

// Epoch is a point of the learning curve.
type Epoch struct {
	// Epoch counts from 1; Step is the number of steps at its end.
	Epoch int `json:"epoch"`
	Step  int `json:"step"`
	// Loss is the mean training loss per row.
	Loss float64 `json:"loss"`
	// Validation holds the validation loss of each task, in the order of the tasks; Mean is the
	// mean of them.
	Validation []TaskLoss `json:"validation"`
	Mean       float64    `json:"mean"`
	// NDCG10 is the NDCG@10 of a sample of validation users, if it selects the best epoch.
	NDCG10 *float64 `json:"ndcg_10,omitempty"`
	// Best reports that no earlier epoch had a mean as low, or an NDCG@10 as high.
	Best bool `json:"best"`
}

// TaskLoss is the mean loss per row of one task's validation examples.
type TaskLoss struct {
	Task string  `json:"task"`
	Loss float64 `json:"loss"`
}
