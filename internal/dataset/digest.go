package dataset

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"strconv"
)

// SequenceDigest is the SHA-256 of who interacted with what, in the users' order, with items
// counted as they first appear: the same data has the same digest however its files are written and
// its items numbered.
func (d *Dataset) SequenceDigest() string {
	hash := sha256.New()
	w := bufio.NewWriter(hash) // a hash never refuses
	ids := make(map[int]int, d.Items)
	for _, user := range d.Users {
		for _, item := range user.Items {
			number, seen := ids[item]
			if !seen {
				number = len(ids) + 1
				ids[item] = number
			}
			_, _ = w.WriteString(strconv.Itoa(number) + " ") //nolint:errcheck // see above
		}
		_, _ = w.WriteString("\n") //nolint:errcheck // see above
	}
	_ = w.Flush()
	return hex.EncodeToString(hash.Sum(nil))
}
