package beam

import "rdrec/internal/torch"

// Decoder decodes a batch one token at a time, as [t5.Decoding] does.
type Decoder interface {
	// Hidden appends a token to each sequence and returns the hidden states. The sequences of a row
	// are adjacent, and each row has the same number. parents are the indices, among the sequences
	// of the previous step, that each sequence continues.
	Hidden(s *torch.Scope, tokens, parents []int64) (*torch.Tensor, error) // [sequences, model]
	// LogProbs returns the log-probabilities of the next token for some of Hidden's sequences.
	LogProbs(hidden *torch.Tensor) *torch.Tensor // [sequences, vocabulary]
	// Keep drops all rows except the given ones.
	Keep(rows []int)
}
