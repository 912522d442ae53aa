package report

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// Files returns the report in its three formats, by file name.
func (r Report) Files() (map[string][]byte, error) {
	var html, text bytes.Buffer
	if err := HTML(&html, r); err != nil {
		return nil, err
	}
	if err := Text(&text, r); err != nil {
		return nil, err
	}
	data, err := json.MarshalIndent(r, "", " ")
	if err != nil {
		return nil, fmt.Errorf("encode report: %w", err)
	}
	return map[string][]byte{"report.html": html.Bytes(), "report.txt": text.Bytes(), "report.json": data}, nil
}
