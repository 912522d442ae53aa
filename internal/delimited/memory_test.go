package delimited_test

import (
	"runtime"
	"strings"
	"testing"

	"rdrec/internal/delimited"
)

// TestARecordOfDelimiters has 16 million fields, plain and with quotes: the record cannot be read,
// and takes little besides its own bytes. It was 16 bytes and more for each field.
func TestARecordOfDelimiters(t *testing.T) {
	t.Parallel()
	for _, begin := range []string{"", `"a"`} {
		text := begin + strings.Repeat(",", 16<<20) + "\nu,i\n"
		reader := delimited.NewReader(lines(text), delimited.Dialect{Delimiter: ",", Quote: '"'})
		reader.Fields = 2
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		record, err := reader.Read()
		runtime.ReadMemStats(&after)
		if err != nil || record.Reason != "wrong number of fields" {
			t.Errorf("%q: %q, %v", begin, record.Reason, err)
		}
		if took := after.TotalAlloc - before.TotalAlloc; took > 8*uint64(len(text)) {
			t.Errorf("%q: allocated %d bytes for %d", begin, took, len(text))
		}
	}
}
