package storage_test

import (
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob"
)

// makeContainer makes the container that the suite uses.
func makeContainer(t *testing.T, address string) {
	t.Helper()
	key, err := azblob.NewSharedKeyCredential("devstoreaccount1", azuriteKey)
	if err != nil {
		t.Fatal(err)
	}
	c, err := azblob.NewClientWithSharedKeyCredential("http://"+address+"/devstoreaccount1", key, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.CreateContainer(t.Context(), "rdrec", nil); err != nil {
		t.Fatal(err)
	}
}
