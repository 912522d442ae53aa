package dataset

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"strconv"
)

// SequenceDigest returns the SHA-256 of who interacted with what, in the order of users, with items
// counted by first appearance. The digest depends neither on the format of the files nor on the
// item indexing.
func (d *Dataset) SequenceDigest() string {
	hash := sha256.New()
	w := bufio.NewWriter(hash) // writing to a hash never fails
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
