package beam

import (
	"errors"
	"testing"

	"rdrec/internal/torch"
)

// failing is a decoder whose first step fails.
type failing struct {
	Decoder
	err error
}

func (f failing) Hidden(*torch.Scope, []int64, []int64) (*torch.Tensor, error) { return nil, f.err }

func TestErrorsNameTheDecodingStep(t *testing.T) {
	broken := errors.New("no memory")
	v := vocabulary{size: 9, end: endToken}
	_, err := run(t.Context(), failing{err: broken}, v, 1, Config{NumBeams: 1, NumBeamGroups: 1, MaxLength: 2})
	if want := "decoding step 1: no memory"; !errors.Is(err, broken) || err.Error() != want {
		t.Errorf("error %v, want %s", err, want)
	}
}
