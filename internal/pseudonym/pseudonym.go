// Package pseudonym replaces the shop's user ids by keyed hashes. In: a key from the environment
// and ids. Out: pseudonyms, which nobody without the key can compute or trace back, and the key's
// digest, which tells data sets of different keys apart.
package pseudonym

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// KeyVariable is the environment variable with the key: 32 bytes in base64.
const KeyVariable = "RDREC_USER_KEY"

// ErrKey means that the key is missing, cannot be read, or is another one than that of the data.
var ErrKey = errors.New("no key for pseudonymous user ids")

// Hint is the next step for an error that is [ErrKey].
const Hint = `set RDREC_USER_KEY of all starters and workers to the key of the first import; ` +
	`"starter codec --new-key" makes one`

const (
	keyBytes = 32
	prefix   = "u-"
	// bytes is the length of the hash in a pseudonym: with 10^9 users, two have the same one with a
	// probability of 10^-21.
	bytes = 16
)

// Key makes pseudonyms. Its zero value is no key.
type Key struct{ secret string }

// ReadKey reads a key in the form of [KeyVariable]; an empty text gives no key. Its errors never
// contain the text.
func ReadKey(text string) (Key, error) {
	text = strings.TrimSpace(text)
	if text == "" {
		return Key{}, nil
	}
	secret, err := base64.StdEncoding.DecodeString(text)
	if err != nil || len(secret) != keyBytes {
		return Key{}, fmt.Errorf("%w: %s: want %d bytes in base64", ErrKey, KeyVariable, keyBytes)
	}
	return Key{string(secret)}, nil
}

// IsZero reports whether there is no key.
func (k Key) IsZero() bool { return k.secret == "" }

// Of returns the pseudonym of a user id: "u-" and the first 32 hexadecimal digits of
// HMAC-SHA256(key, id). An empty id, which names nobody, stays.
func (k Key) Of(id string) string {
	if id == "" {
		return id
	}
	hash := hmac.New(sha256.New, []byte(k.secret))
	hash.Write([]byte(id))
	return prefix + hex.EncodeToString(hash.Sum(nil)[:bytes])
}

// Digest identifies the key without revealing it; "" for no key.
func (k Key) Digest() string {
	if k.IsZero() {
		return ""
	}
	sum := sha256.Sum256([]byte("rdrec user key\n" + k.secret))
	return hex.EncodeToString(sum[:bytes])
}

// Required returns the digest of the key, and an error if there is no key.
func (k Key) Required() (digest string, err error) {
	digest = k.Digest()
	return digest, k.Check(digest)
}

// Check returns an error unless this is the key with a digest.
func (k Key) Check(digest string) error {
	switch {
	case k.IsZero():
		return fmt.Errorf("%w: the user ids are pseudonyms, and %s is not set", ErrKey, KeyVariable)
	case k.Digest() != digest:
		return fmt.Errorf("%w: the user ids are pseudonyms of the key with the digest %s, and that of %s is %s",
			ErrKey, digest, KeyVariable, k.Digest())
	default:
		return nil
	}
}

// Find returns the id under which data know a user, by the digest of the data's key: the given id
// where the digest is empty, and where the id is a pseudonym already.
func (k Key) Find(id, digest string) (string, error) {
	if digest == "" || Is(id) {
		return id, nil
	}
	if err := k.Check(digest); err != nil {
		return "", err
	}
	return k.Of(id), nil
}

var form = regexp.MustCompile(`^` + prefix + `[0-9a-f]{32}$`)

// Is reports whether an id has the form of a pseudonym.
func Is(id string) bool { return form.MatchString(id) }
