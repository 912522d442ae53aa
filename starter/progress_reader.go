package main

import (
	"bytes"
	"encoding/json"

	"rdrec/internal/progress"
)

// progressReader receives the messages of another program. It prints the lines that are progress,
// as JSON, and keeps the others.
type progressReader struct {
	printer *progress.Printer
	// rest is a line that has not ended; messages are the lines that are no progress.
	rest, messages bytes.Buffer
}

// Write receives messages.
func (r *progressReader) Write(data []byte) (int, error) {
	for part := range bytes.Lines(data) {
		r.rest.Write(part)
		if !bytes.HasSuffix(part, []byte("\n")) {
			break
		}
		line := bytes.Clone(r.rest.Bytes())
		r.rest.Reset()
		var p progress.Progress
		if bytes.HasPrefix(line, []byte("{")) && json.Unmarshal(line, &p) == nil && p.Unit != "" {
			r.printer.Show(p)
			continue
		}
		r.messages.Write(line)
	}
	return len(data), nil
}

// String returns the messages.
func (r *progressReader) String() string { return r.messages.String() + r.rest.String() }
