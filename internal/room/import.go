package room

import "fmt"

// Files are the sizes of an import's files in bytes, of those that are read as they are and of
// those that are packed.
type Files struct{ Plain, Packed int64 }

const (
	// importBytes is what an import takes beside its database, and databaseBytes the least of that.
	importBytes, databaseBytes = 512 << 20, 128 << 20
	// packing is how many bytes of text a packed byte usually holds.
	packing = 4
	// compression is how many bytes of text the database can hold in one.
	compression = 4
)

// text describes the files.
func (f Files) text() string {
	about := "the files have " + Text(f.Plain+f.Packed)
	if f.Packed > 0 {
		about += fmt.Sprintf(", %s of them packed %d to 1", Text(f.Packed), packing)
	}
	return about
}

// Import returns what an import takes: memory, of which the database may use so many bytes, and
// scratch for the rows.
func Import(files Files, database int64) []Need {
	text := files.Plain + packing*files.Packed
	return []Need{
		{ImportWork, Memory, importBytes + databaseBytes, importBytes + max(database, databaseBytes), fmt.Sprintf(
			"%s of the database (worker --import-memory) and %s beside it", Text(max(database, databaseBytes)),
			Text(importBytes))},
		{ImportWork, Scratch, (files.Plain + files.Packed) / compression, text, files.text()},
	}
}

// Teacher is the size of a teacher's model in the memory of the device.
type Teacher struct {
	// Parameters are its weights, and WeightBytes the bytes of one.
	Parameters, WeightBytes int64
	// TokenBytes are the bytes that the KV cache keeps of a token.
	TokenBytes int64
	// Context is the maximum number of tokens of a prompt and its reply, Batch how many are
	// generated together where memory permits.
	Context, Batch int64
}

// Need returns the memory of a teacher; nil for one that is not in this process.
func (t Teacher) Need(name string) []Need {
	if t.Parameters == 0 {
		return nil
	}
	weights, row := t.Parameters*t.WeightBytes, t.TokenBytes*t.Context
	return []Need{{DistillWork, Memory, weights + row, weights + t.Batch*row, fmt.Sprintf(
		"%s has %.1f million parameters of %d bytes; a KV cache of %d rows of %d tokens, each of %d bytes", name,
		float64(t.Parameters)/1e6, t.WeightBytes, t.Batch, t.Context, t.TokenBytes)}}
}

// Check returns an error if a need is greater than what the machine has of it; 0 is unknown.
func Check(needs []Need, has map[string]int64) error {
	for _, need := range needs {
		if have := has[need.What]; have > 0 && need.Least > have {
			return fmt.Errorf("%w: %s needs %s of %s, has %s (%s): %s",
				ErrTooSmall, need.Work, Text(need.Least), need.What, Text(have), need.Basis, smaller(need))
		}
	}
	return nil
}

// smaller returns what would fit where a need does not.
func smaller(need Need) string {
	switch {
	case need.What == Scratch:
		return "set worker --scratch to a larger disk"
	case need.Work == DistillWork:
		return "use a smaller teacher, a smaller teacher.max_context, or one behind a server (openai:URL#MODEL)"
	case need.Work == TrainingWork:
		return "use a smaller student.pretrained"
	case need.Work != ImportWork:
		return "filter the reviews on import (data.reviews.from, user_core, item_core), or use a machine with more"
	default:
		return "use a machine with more"
	}
}
