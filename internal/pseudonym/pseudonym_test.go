package pseudonym_test

import (
	"encoding/base64"
	"errors"
	"strings"
	"testing"

	"rdrec/internal/pseudonym"
)

func key(t *testing.T, secret string) pseudonym.Key {
	t.Helper()
	k, err := pseudonym.ReadKey(base64.StdEncoding.EncodeToString([]byte(secret)))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// TestPseudonyms compares with openssl dgst -sha256 -hmac.
func TestPseudonyms(t *testing.T) {
	t.Parallel()
	k := key(t, strings.Repeat("k", 32))
	const want = "u-5cef30c3704916a721fd2392f8fa2a3e"
	if got := k.Of("A1YJEY40YUW4SE"); got != want || !pseudonym.Is(got) {
		t.Errorf("got %s, want %s", got, want)
	}
	if k.Of("") != "" || pseudonym.Is("u-1") || pseudonym.Is("A1YJEY40YUW4SE") || pseudonym.Is(want+"0") {
		t.Error("an id that is no pseudonym is taken for one")
	}
}

// TestFind looks users up in data without pseudonyms, with those of the key and of another one.
func TestFind(t *testing.T) {
	t.Parallel()
	k, other := key(t, strings.Repeat("k", 32)), key(t, strings.Repeat("o", 32))
	if k.Digest() == other.Digest() || len(k.Digest()) != 32 || (pseudonym.Key{}).Digest() != "" {
		t.Fatalf("digests %q and %q", k.Digest(), other.Digest())
	}
	for _, c := range []struct {
		name       string
		key        pseudonym.Key
		id, digest string
		want, err  string
	}{
		{"without pseudonyms", pseudonym.Key{}, "ann", "", "ann", ""},
		{"with the key", k, "ann", k.Digest(), k.Of("ann"), ""},
		{"a pseudonym", pseudonym.Key{}, k.Of("ann"), k.Digest(), k.Of("ann"), ""},
		{"without the key", pseudonym.Key{}, "ann", k.Digest(), "", "RDREC_USER_KEY is not set"},
		{"with another key", other, "ann", k.Digest(), "", "that of RDREC_USER_KEY is " + other.Digest()},
	} {
		got, err := c.key.Find(c.id, c.digest)
		if got != c.want || (err != nil) != (c.err != "") || err != nil &&
			(!strings.Contains(err.Error(), c.err) || !errors.Is(err, pseudonym.ErrKey)) {
			t.Errorf("%s: %q, %v", c.name, got, err)
		}
	}
}

// TestKeysAreChecked reads keys of wrong forms; no message contains the text.
func TestKeysAreChecked(t *testing.T) {
	t.Parallel()
	if k, err := pseudonym.ReadKey(" \n"); err != nil || !k.IsZero() {
		t.Errorf("an empty text: %v", err)
	}
	for _, text := range []string{"marked-secret", "bWFya2VkLXNlY3JldA==", strings.Repeat("bWFy", 20)} {
		_, err := pseudonym.ReadKey(text)
		if !errors.Is(err, pseudonym.ErrKey) || strings.Contains(err.Error(), text) {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// TestRequiredKey returns the digest of a key, and an error without one.
func TestRequiredKey(t *testing.T) {
	t.Parallel()
	k := key(t, strings.Repeat("k", 32))
	if digest, err := k.Required(); err != nil || digest != k.Digest() || digest == "" {
		t.Errorf("%q, %v", digest, err)
	}
	if digest, err := (pseudonym.Key{}).Required(); !errors.Is(err, pseudonym.ErrKey) || digest != "" {
		t.Errorf("without a key: %q, %v", digest, err)
	}
}
