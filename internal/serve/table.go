package serve

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"rdrec/internal/recommender"
)

// Table is a file of exported recommendations; only the positions of the users' lines are in
// memory.
type Table struct {
	// Top is the maximum number of items per user.
	Top   int
	file  *os.File
	users map[string]byteRange
}

// byteRange is a range of bytes in a file.
type byteRange struct{ offset, size int64 }

// OpenTable opens a file of JSON lines of [recommender.Row], in which the lines of a user are
// consecutive.
func OpenTable(path string, top int) (*Table, error) {
	file, err := os.Open(path) //nolint:gosec // a file that was just fetched
	if err != nil {
		return nil, fmt.Errorf("open the table: %w", err)
	}
	t := &Table{Top: top, file: file, users: map[string]byteRange{}}
	if err := t.index(); err != nil {
		return nil, errors.Join(fmt.Errorf("read the table %q: %w", path, err), file.Close())
	}
	return t, nil
}

// index finds the lines of each user.
func (t *Table) index() error {
	lines := bufio.NewReaderSize(t.file, 1<<20)
	last, at := "", int64(0)
	for number := 1; ; number++ {
		line, err := lines.ReadBytes('\n')
		if errors.Is(err, io.EOF) && len(line) == 0 {
			return nil
		}
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		var row struct {
			User string `json:"user"`
		}
		if err := json.Unmarshal(line, &row); err != nil {
			return fmt.Errorf("line %d: %w", number, err)
		}
		current, known := t.users[row.User]
		switch {
		case row.User == "" || known && row.User != last:
			return fmt.Errorf("line %d: the lines of user %q are not consecutive", number, row.User)
		case !known:
			current.offset = at
		}
		current.size += int64(len(line))
		t.users[row.User], last = current, row.User
		at += int64(len(line))
	}
}

// Users returns the number of users.
func (t *Table) Users() int { return len(t.users) }

// Rows returns the recommendations of a user, best first; ok is false if there are none.
func (t *Table) Rows(user string) (rows []recommender.Row, ok bool, err error) {
	at, ok := t.users[user]
	if !ok {
		return nil, false, nil
	}
	text := make([]byte, at.size)
	if _, err := t.file.ReadAt(text, at.offset); err != nil {
		return nil, false, fmt.Errorf("read the table: %w", err)
	}
	for line := range bytes.Lines(text) {
		var row recommender.Row
		if err := json.Unmarshal(line, &row); err != nil {
			return nil, false, fmt.Errorf("read the table: %w", err)
		}
		rows = append(rows, row)
	}
	return rows, true, nil
}

// Close closes the file.
func (t *Table) Close() error { return t.file.Close() }
