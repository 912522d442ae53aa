package activities

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
)

// readJSONL decodes JSON lines; an error names the line.
func readJSONL[Row any](data []byte) ([]Row, error) {
	var rows []Row
	dec := json.NewDecoder(bytes.NewReader(data))
	for {
		var row Row
		before := dec.InputOffset()
		err := dec.Decode(&row)
		if errors.Is(err, io.EOF) {
			return rows, nil
		}
		if err != nil {
			rest := bytes.TrimLeft(data[before:], " \t\r\n") // begins with the row that can't be read
			return nil, fmt.Errorf("line %d: %w", bytes.Count(data[:len(data)-len(rest)], []byte("\n"))+1, err)
		}
		rows = append(rows, row)
	}
}

// writeJSONL writes rows as JSON lines.
func writeJSONL[Row any](path string, rows []Row) error {
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	for _, row := range rows {
		if err := enc.Encode(row); err != nil {
			return fmt.Errorf("encode %q: %w", path, err)
		}
	}
	return os.WriteFile(path, out.Bytes(), 0o600)
}

// writeJSON writes one indented JSON document.
func writeJSON(path string, v any) error {
	data, err := json.MarshalIndent(v, "", " ")
	if err != nil {
		return fmt.Errorf("encode %q: %w", path, err)
	}
	return os.WriteFile(path, append(data, '\n'), 0o600)
}
