package storage_test

import (
	"strings"
	"testing"

	"rdrec/storage"
)

// TestErrorsHideParameters opens buckets that do not exist; the keys in their URLs are in no
// message.
func TestErrorsHideParameters(t *testing.T) {
	t.Parallel()
	for _, address := range []string{
		"azblob://box?sas_token=hush-4711&nosuch=1",
		"azblob://box?domain=%zz&sas=hush-4711",
		"s3://box?awssdk=v9&key=hush-4711",
		"file:///nowhere/at/all?secret_key_path=hush-4711",
		"nosuch://ada:hush-4711@box?a=hush-4711",
	} {
		_, err := storage.Open(t.Context(), address)
		if err == nil || strings.Contains(err.Error(), "hush-4711") {
			t.Errorf("%.20s: %v", address, err)
		} else {
			t.Log(err)
		}
	}
}
