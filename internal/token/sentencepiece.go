package token

import (
	"errors"
	"fmt"
	"math"

	"google.golang.org/protobuf/encoding/protowire"
)

// The types of pieces in a SentencePiece model.
const (
	pieceNormal  = 1
	pieceUnknown = 2
	pieceControl = 3
	pieceUser    = 4
	pieceUnused  = 5
	pieceByte    = 6
)

// sentencePiece is a SentencePiece model file: the pieces in the order of their ids, and the
// normalization of text before the search.
type sentencePiece struct {
	pieces []scoredPiece
	// charsmap is the compiled normalization: a double-array trie and the texts that it refers to.
	// Empty means none.
	charsmap []byte
	// dummyPrefix adds a blank before the text; removeBlanks merges blanks and removes those at the
	// ends.
	dummyPrefix, removeBlanks bool
	// modelType is the number of the model's type, byteFallback whether unknown characters are
	// written as bytes.
	modelType    int
	byteFallback bool
}

// byteIDs returns the ids of the pieces of bytes, or nil if unknown characters are not written as
// bytes.
func (m *sentencePiece) byteIDs() []int32 {
	if !m.byteFallback {
		return nil
	}
	ids, found := make([]int32, 256), 0
	for id, piece := range m.pieces {
		if b, isByte := parseBytePiece(piece.text); isByte && piece.kind == pieceByte {
			ids[b] = int32(id)
			found++
		}
	}
	if found < len(ids) {
		return nil
	}
	return ids
}

type scoredPiece struct {
	text  string
	score float32
	kind  int
}

// readSentencePiece parses the protocol buffer of a model file.
func readSentencePiece(data []byte) (sentencePiece, error) {
	model := sentencePiece{dummyPrefix: true, removeBlanks: true}
	err := eachField(data, func(number protowire.Number, f field) error {
		switch number {
		case 1:
			piece, err := readPiece(f.bytes)
			if err != nil {
				return fmt.Errorf("piece %d: %w", len(model.pieces), err)
			}
			model.pieces = append(model.pieces, piece)
		case 2:
			if err := model.readTrainer(f.bytes); err != nil {
				return fmt.Errorf("trainer: %w", err)
			}
		case 3:
			if err := model.readNormalizer(f.bytes); err != nil {
				return fmt.Errorf("normalizer: %w", err)
			}
		default: // an unused field
		}
		return nil
	})
	if err == nil && len(model.pieces) == 0 {
		err = errors.New("the model has no pieces")
	}
	if err != nil {
		return sentencePiece{}, fmt.Errorf("read SentencePiece model of %d bytes: %w", len(data), err)
	}
	return model, nil
}

// maxPiece is the maximum length of a piece in bytes: the search for pieces recurses along them.
const maxPiece = 4096

func checkPiece(text string) error {
	switch {
	case text == "":
		return errors.New("the piece is empty")
	case len(text) > maxPiece:
		return fmt.Errorf("the piece has %d bytes, at most %d are possible", len(text), maxPiece)
	default:
		return nil
	}
}

func readPiece(data []byte) (scoredPiece, error) {
	piece := scoredPiece{kind: pieceNormal}
	err := eachField(data, func(number protowire.Number, f field) error {
		switch number {
		case 1:
			piece.text = string(f.bytes)
		case 2:
			piece.score = math.Float32frombits(uint32(f.number))
		case 3:
			piece.kind = int(f.number)
		default: // an unused field
		}
		return nil
	})
	if err == nil {
		err = checkPiece(piece.text)
	}
	return piece, err
}

// readTrainer reads the settings with which the model was trained.
func (m *sentencePiece) readTrainer(data []byte) error {
	return eachField(data, func(number protowire.Number, f field) error {
		switch number {
		case 3:
			m.modelType = int(f.number)
		case 35:
			m.byteFallback = f.number != 0
		default: // an unused field
		}
		return nil
	})
}

func (m *sentencePiece) readNormalizer(data []byte) error {
	return eachField(data, func(number protowire.Number, f field) error {
		switch number {
		case 2:
			m.charsmap = f.bytes
		case 3:
			m.dummyPrefix = f.number != 0
		case 4:
			m.removeBlanks = f.number != 0
		default: // an unused field
		}
		return nil
	})
}

// field is the value of a protocol buffer's field: bytes, or a number of any width.
type field struct {
	bytes  []byte
	number uint64
}

// eachField calls visit with every field of a message, in order.
func eachField(data []byte, visit func(protowire.Number, field) error) error {
	for len(data) > 0 {
		number, kind, size := protowire.ConsumeTag(data)
		if size < 0 {
			return protowire.ParseError(size)
		}
		data = data[size:]
		var value field
		switch kind {
		case protowire.VarintType:
			value.number, size = protowire.ConsumeVarint(data)
		case protowire.Fixed32Type:
			var bits uint32
			bits, size = protowire.ConsumeFixed32(data)
			value.number = uint64(bits)
		case protowire.BytesType:
			value.bytes, size = protowire.ConsumeBytes(data)
		default:
			size = protowire.ConsumeFieldValue(number, kind, data)
		}
		if size < 0 {
			return protowire.ParseError(size)
		}
		if err := visit(number, value); err != nil {
			return err
		}
		data = data[size:]
	}
	return nil
}
